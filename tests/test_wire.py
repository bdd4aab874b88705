"""The wire layer: lossless for all bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab.wire import Pair, join, patch, split

BODIES = st.one_of(st.binary(), st.text(alphabet="a=&%,+ 中\r\n").map(str.encode))

VECTORS: list[tuple[bytes, tuple[Pair, ...]]] = [
    (b"", (Pair(b"", None),)),
    (b"a", (Pair(b"a", None),)),
    (b"a=", (Pair(b"a", b""),)),
    (b"=a", (Pair(b"", b"a"),)),
    (b"a=b=c", (Pair(b"a", b"b=c"),)),
    (b"a&b=&c=%2f&e=x%20y", (Pair(b"a", None), Pair(b"b", b""), Pair(b"c", b"%2f"), Pair(b"e", b"x%20y"))),
    (b"RES=0&", (Pair(b"RES", b"0"), Pair(b"", None))),
    (b"a=1&a=2&&", (Pair(b"a", b"1"), Pair(b"a", b"2"), Pair(b"", None), Pair(b"", None))),
    ("NK=小程,".encode(), (Pair(b"NK", "小程,".encode()),)),
    ("NK=小程".encode("gb2312"), (Pair(b"NK", "小程".encode("gb2312")),)),
]


@pytest.mark.parametrize(("body", "pairs"), VECTORS)
def test_vectors_both_ways(body: bytes, pairs: tuple[Pair, ...]) -> None:
    assert split(body) == pairs
    assert join(pairs) == body


@given(BODIES)
def test_join_undoes_split(body: bytes) -> None:
    assert join(split(body)) == body


@given(BODIES, st.data())
def test_a_patch_changes_only_its_span(body: bytes, data: st.DataObject) -> None:
    pairs = split(body)
    position = data.draw(st.integers(0, len(pairs) - 1))
    value = data.draw(st.binary().filter(lambda value: b"&" not in value))
    before, after = body.split(b"&")[:position], body.split(b"&")[position + 1 :]
    changed = patch(body, [(position, value)]).split(b"&")
    assert changed[:position] == before
    assert changed[position] == pairs[position].key + b"=" + value
    assert changed[position + 1 :] == after


def test_a_patch_that_would_make_two_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        patch(b"a=1&b=2", [(0, b"3&c=4")])


def test_a_patch_of_a_pair_that_is_not_there_is_refused() -> None:
    with pytest.raises(IndexError):
        patch(b"a=1", [(1, b"2")])
