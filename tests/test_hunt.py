"""Known values are found and replaced in whatever writing they stand."""

import base64
from collections.abc import Callable
from itertools import accumulate
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab.hunt import Find, Finder, Hunt

VALUE = b"5f4dcc3b5aa765d61d8327deb882cf99"
INSTEAD = b"0a28695078a405a9f52e7c42a094805d"


def escaped(value: bytes, form: str) -> bytes:
    return "".join(form.format(byte) for byte in value).encode()


WRITINGS = {
    "plain": (VALUE, INSTEAD),
    "capitals": (VALUE.upper(), INSTEAD.upper()),
    "percent": (escaped(VALUE, "%{:02x}"), escaped(INSTEAD, "%{:02x}")),
    "percent twice": (escaped(VALUE, "%25{:02x}"), escaped(INSTEAD, "%25{:02x}")),
    "partly percent": (VALUE[:5] + escaped(VALUE[5:], "%{:02x}"), INSTEAD[:5] + escaped(INSTEAD[5:], "%{:02x}")),
    "hex": (VALUE.hex().encode(), INSTEAD.hex().encode()),
    "hex in capitals": (VALUE.hex().upper().encode(), INSTEAD.hex().upper().encode()),
    "JSON": (escaped(VALUE, "\\u{:04x}"), escaped(INSTEAD, "\\u{:04x}")),
    "backslash x": (escaped(VALUE, "\\x{:02x}"), escaped(INSTEAD, "\\x{:02x}")),
    "HTML, decimal": (escaped(VALUE, "&#{};"), escaped(INSTEAD, "&#{};")),
    "HTML, hex": (escaped(VALUE, "&#x{:x};"), escaped(INSTEAD, "&#x{:x};")),
}


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_value_in_each_writing_is_replaced_in_that_writing(writing: str) -> None:
    old, new = WRITINGS[writing]
    data = b"before " + old + b" behind"
    assert Hunt({VALUE: INSTEAD}).replace(data) == b"before " + new + b" behind"
    assert [data[f.offset : f.offset + f.length] for f in Finder([VALUE]).search(data)] == [old]


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc", b"user:"])
@pytest.mark.parametrize("behind", [b"", b"x", b"xy", b"xyz"])
@pytest.mark.parametrize("coded", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_at_every_alignment(before: bytes, behind: bytes, coded: Callable[[bytes], bytes]) -> None:
    value, instead = b"p\xff\xfe?>~secret\xfb\xff", b"q\xef\xff>?~tokens\xff\xfe"
    data = coded(before + value + behind)
    assert Hunt({value: instead}).replace(data) == coded(before + instead + behind)
    assert [find.writing for find in Finder([value]).search(b"x" + data)] == ["base64"]


@pytest.mark.parametrize(("value", "instead"), [("密码㐀㐀㐀㐀", "本日人一二三"), ("本日人一二三", "密码㐀㐀㐀㐀")])
def test_characters_of_other_lengths_in_the_other_charset(value: str, instead: str) -> None:
    """A rare character takes four bytes of GB18030, a common one two, and both three of UTF-8."""
    hunt = Hunt({value.encode(): instead.encode()})
    old = value.encode("gb18030")
    for written in (old, old.hex().encode(), base64.b64encode(old)):
        new = hunt.replace(written)
        assert len(new) == len(written)
        assert written not in new


def test_chinese_text_is_found_in_both_charsets_and_as_code_points() -> None:
    hunt = Hunt({"密码很长".encode(): "王国太小".encode()})
    for charset in ("utf-8", "gb18030"):
        assert hunt.replace("是密码很长吗".encode(charset)) == "是王国太小吗".encode(charset)
    assert hunt.replace(rb'"\u5bc6\u7801\u5f88\u957f"') == rb'"\u738b\u56fd\u592a\u5c0f"'
    assert hunt.replace(b"&#23494;&#30721;&#24456;&#38271;") == b"&#29579;&#22269;&#22826;&#23567;"


@pytest.mark.parametrize("length", range(7, 32))
def test_a_value_that_is_cut_off_at_the_end(length: int) -> None:
    assert Hunt({VALUE: INSTEAD}).replace(b"x=" + VALUE[:length].upper()) == b"x=" + INSTEAD[:length].upper()


def test_marks_that_are_escaped_in_reports() -> None:
    value = b"""a&b<c>d"e'f_g|h\\i"""
    for writing in (
        b"a&amp;b&lt;c&gt;d&quot;e&#39;f_g|h\\i",
        b"a&b<c>d\\\"e'f_g|h\\\\i",
        b"a&b<c>d\"e'f\\_g\\|h\\\\i",
        b"a%26b%3cc%3ed%22e%27f_g%7ch%5ci",
    ):
        assert [find.value for find in Finder([value]).search(b"[" + writing + b"]")] == [value], writing
        assert Hunt({value: b"x" * len(value)}).replace(writing) != writing


def test_several_values_are_told_apart() -> None:
    data = b"one password1, two password2, hex " + b"password1".hex().encode()
    assert list(Finder([b"password1", b"password2"]).search(data)) == [
        Find(4, 9, b"password1", "plain"),
        Find(19, 9, b"password2", "plain"),
        Find(34, 18, b"password1", "hex"),
    ]


def test_a_value_across_pieces_is_found_once() -> None:
    data = b"x" * (1024 * 1024 - 5) + VALUE + b"x" * 1024 + escaped(VALUE, "%{:02x}")
    assert [find.offset for find in Finder([VALUE]).search(data)] == [1024 * 1024 - 5, 1024 * 1024 + 1051]


def test_values_close_together_in_a_large_file_are_all_found() -> None:
    lines = [b'{"body":"a=1\\r\\n' + WRITINGS[name][0] + b'%41"}' for name in WRITINGS] * 40
    data = b"\n".join(lines)
    places = [data.index(line, at) for at, line in zip(_starts(lines), lines, strict=True)]
    assert [find.offset for find in Finder([VALUE]).search(data)] == [place + 16 for place in places]


def _starts(lines: list[bytes]) -> list[int]:
    return [0, *accumulate(len(line) + 1 for line in lines)][:-1]


def test_nothing_is_hunted_where_nothing_is_known() -> None:
    assert Hunt({}).replace(VALUE) == VALUE
    assert not Hunt({}).finds(VALUE)
    assert list(Finder([]).search(VALUE)) == []


def test_data_without_them_is_the_same_object() -> None:
    data = b"%41%42 \\u0041 &amp; nothing here"
    assert Hunt({VALUE: INSTEAD}).replace(data) is data


VALUES = st.binary(min_size=6, max_size=40)


@given(VALUES, st.binary(max_size=30), st.binary(max_size=30))
def test_no_writing_of_any_bytes_survives(value: bytes, before: bytes, behind: bytes) -> None:
    hunt = Hunt({value: bytes(byte ^ 0x55 for byte in value)})
    for written in (
        value,
        quote_from_bytes(value, safe="").encode(),
        value.hex().encode(),
        value.hex().upper().encode(),
    ):
        replaced = hunt.replace(before + written + behind)
        assert written not in replaced
        assert len(replaced) == len(before + written + behind) or b"\\" in value or b"&" in before + value + behind
    coded = base64.b64encode(before + value + behind)
    assert value not in base64.b64decode(hunt.replace(coded)) or len(value) < 7


@given(st.binary(max_size=200), st.lists(VALUES, max_size=4), st.lists(st.integers(0, 8), max_size=8))
def test_foreign_bytes_never_raise(data: bytes, values: list[bytes], cuts: list[int]) -> None:
    known = {value: bytes(reversed(value)) for value in values}
    data += b"".join(value[:cut] + data[:cut] for value in values for cut in cuts)
    Hunt(known).replace(data)
    for find in Finder(known).search(data):
        assert 0 <= find.offset < find.offset + find.length <= len(data)
