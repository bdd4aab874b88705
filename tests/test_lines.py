"""Byte streams cut into lines."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab.exchange import Cut, RawMessage
from qqlab.lines import Reader


def read(stream: bytes, size: int) -> list[tuple[bytes, bytes]]:
    """The lines of a stream with their ends, fed in pieces of that size; no byte may be lost."""
    reader = Reader()
    pieces = (stream[start : start + size] for start in range(0, len(stream), size))
    messages = [message for piece in pieces for message in reader.feed(piece)]
    pending = reader.pending
    rest = reader.flush()
    assert pending is (rest is not None)
    messages += [] if rest is None else [rest]
    assert b"".join(message.head + message.body + message.end for message in messages) == stream
    return [(message.body, message.end) for message in messages]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"", []),
        (b"a\n", [(b"a", b"\n")]),
        (b"a\r\nb\n", [(b"a", b"\r\n"), (b"b", b"\n")]),
        (b"\n\r\n", [(b"", b"\n"), (b"", b"\r\n")]),
        (b"a\rb\r\r\n", [(b"a\rb\r", b"\r\n")]),
        (b"a\nb", [(b"a", b"\n"), (b"b", b"")]),
        (b"a\r", [(b"a\r", b"")]),
    ],
)
def test_a_stream_is_cut_at_its_line_ends(stream: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    for size in (1, 2, 9):
        assert read(stream, size) == expected


def test_a_long_line_is_cut() -> None:
    reader = Reader(limit=3)
    messages = [m for piece in (b"ab", b"cd", b"\r", b"\nxyz\n", b"123", b"4") for m in reader.feed(piece)]
    whole = Cut(length=4, sha256=hashlib.sha256(b"abcd").hexdigest())
    assert messages == [RawMessage(body=b"abc", end=b"\r\n", cut=whole), RawMessage(body=b"xyz", end=b"\n")]
    rest = reader.flush()
    assert rest == RawMessage(body=b"123", cut=Cut(length=4, sha256=hashlib.sha256(b"1234").hexdigest()))


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"bc"]), max_size=20), st.integers(1, 9))
def test_pieces_of_any_size_give_the_same_lines(words: list[bytes], size: int) -> None:
    stream = b"".join(words)
    assert read(stream, size) == read(stream, 1)


@given(st.binary(), st.integers(1, 9))
def test_any_bytes_come_out_as_they_went_in(stream: bytes, size: int) -> None:
    assert read(stream, size) == read(stream, 1)
