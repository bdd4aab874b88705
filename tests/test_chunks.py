"""Captures in chunks: read one after the other they are the capture, wherever they are cut, and say the same of it."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.capture import Storage, Writer, encode_line, header, load
from qqlab.capture.chunks import Chunk, Pieces, Reading, cut, first_trouble, read_at, read_chunk
from qqlab.capture.file import encode_header
from qqlab.capture.ids import Ids, Met
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage

SPEC = specs.builtin()
HEAD = encode_header(header(SPEC, redacted="none"))


def exchange(identifier: str, size: int = 0) -> Exchange:
    return Exchange(id=identifier, session="s", request=RawMessage(body=b"VER=1.1&CMD=Login&MG=" + b"x" * size))


def lines(number: int, seed: int = 0) -> list[bytes]:
    sizes = random.Random(seed)
    return [encode_line(exchange(str(at), sizes.randrange(400)), SPEC) for at in range(1, number + 1)]


def all_of(pieces: Pieces) -> list[Exchange]:
    return [one for chunk in pieces.chunks for _, one in read_chunk(chunk)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    data=st.lists(st.sampled_from([b"", b"  ", b"x" * 900]) | st.integers(1, 99), max_size=12),
    size=st.integers(1, 900),
    ended=st.booleans(),
)
def test_chunks_are_the_capture_wherever_they_are_cut(
    data: list[bytes | int], size: int, ended: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    written = [
        one.strip(b"x") if isinstance(one, bytes) else encode_line(exchange(f"{at}", one), SPEC)[:-1]
        for at, one in enumerate(data)
    ]
    path.write_bytes(HEAD + b"\n".join(written) + b"\n" * ended)
    expected = load(path).exchanges
    with cut([path], size) as (pieces,):
        assert tuple(all_of(pieces)) == expected
        stands = [at for chunk in pieces.chunks for at, _ in read_chunk(chunk)]
        assert stands == sorted(set(stands))
        for chunk in pieces.chunks:
            first, stop = chunk.span
            inside = [at for at in stands if first <= at < stop]
            assert [at for at, _ in read_chunk(chunk)] == inside
            assert list(read_at(chunk, inside[::2])) == list(read_chunk(chunk))[::2]
        spans = [chunk.span for chunk in pieces.chunks]
        assert all(before[1] == after[0] for before, after in pairwise(spans))
    with cut([path], 1 << 30) as (whole,):
        assert [at for chunk in whole.chunks for at, _ in read_chunk(chunk)] == stands


def test_a_line_longer_than_many_chunks_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(HEAD + encode_line(exchange("1", 50_000), SPEC) + b"".join(lines(3)[1:]))
    with cut([path], 1000) as (pieces,):
        assert len(list(pieces.chunks)) > 40
        assert [one.id for one in all_of(pieces)] == ["1", "2", "3"]


def test_a_recording_in_segments_is_cut_as_one_capture(tmp_path: Path) -> None:
    live = tmp_path / "mine.jsonl"
    with Writer(live, header(SPEC, redacted="none"), SPEC, Storage(rotate_bytes=4000)) as writer:
        for at in range(1, 60):
            writer.append(exchange(str(at), 100))
    finished = sorted(tmp_path.glob("mine.0*"))
    assert len(finished) > 2
    with cut([live], 1500) as (pieces,):
        assert tuple(all_of(pieces)) == load(live).exchanges
        assert pieces.name == "mine"
        assert pieces.segments == load(live).segments
        assert {chunk.kind for chunk in pieces.chunks} == {"whole", "lines"}
        ats = [at for chunk in pieces.chunks for at, _ in read_chunk(chunk)]
        assert ats == sorted(ats)
        assert all(before.span[1] == after.span[0] for before, after in pairwise(pieces.chunks))
        found = [one for chunk in pieces.chunks for one in read_at(chunk, ats_of(chunk, ats[::7]))]
        assert [at for at, _ in found] == ats[::7]
    # Named one by one, they are one capture again, and none comes twice.
    with cut([*finished, live, finished[0]], 1500) as cuts:
        assert [one.id for pieces in cuts for one in all_of(pieces)] == [one.id for one in load(live).exchanges]
    finished[1].unlink()
    with cut([live]) as (pieces,):
        assert "; ".join(line for _, line in pieces.missing) == load(live).torn


def ats_of(chunk: Chunk, ats: list[int]) -> list[int]:
    return [at for at in ats if chunk.span[0] <= at < chunk.span[1]]


def test_a_torn_last_line_is_told_by_the_last_chunk(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    written = lines(9)
    path.write_bytes(HEAD + b"".join(written[:-1]) + written[-1][:33])
    with cut([path], 700) as (pieces,):
        readings = [Reading(chunk) for chunk in pieces.chunks]
        assert [one.id for reading in readings for _, one in reading] == [str(at) for at in range(1, 9)]
        assert [reading.torn for reading in readings[:-1]] == [None] * (len(readings) - 1)
        assert readings[-1].torn == 33
        assert sum(reading.lines for reading in readings) == 9


@pytest.mark.parametrize("bad", [b'{"id": 7}\n', b"{\n"])
def test_damage_is_told_with_its_line_by_who_reads_from_the_beginning(bad: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(HEAD + b"".join([*lines(9), bad, *lines(9)]))
    with cut([path], 700) as cuts:
        with pytest.raises(InputError, match="the line is damaged"):
            all_of(cuts[0])
        with pytest.raises(InputError) as told:
            load(path)
        assert str(first_trouble(cuts)) == str(told.value)


def test_a_file_that_is_not_as_it_was_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(HEAD + b"".join(lines(9)))
    with cut([path], 700) as (pieces,):
        path.write_bytes(HEAD + b"".join(lines(5)))
        with pytest.raises(InputError, match="is shorter than it was"):
            all_of(pieces)
        path.unlink()
        with pytest.raises(InputError, match="under the same path"):
            all_of(pieces)


def test_a_compressed_file_is_one_chunk(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstandard.compress(HEAD + b"".join(lines(2000))))
    with cut([path], 1000) as (pieces,):
        assert tuple(all_of(pieces)) == load(path).exchanges
        (chunk,) = pieces.chunks
        found = list(read_chunk(chunk))
        assert list(read_at(chunk, [at for at, _ in found[::50]])) == found[::50]


@given(st.lists(st.lists(st.integers(0, 30).map(str) | st.sampled_from(["a", "b", "01", "é"])), max_size=5))
def test_ids_of_two_chunks_clash_where_one_of_them_is_in_both(chunks: list[list[str]]) -> None:
    met, expected, known = Met(), False, set[str]()
    for chunk in chunks:
        ids, own = Ids(), set[str]()
        for one in chunk:
            assert ids.add(one) == (one not in own)
            own.add(one)
        met.add(ids.sealed())
        expected = expected or bool(own & known)
        known |= own
    assert met.clash() == expected


def test_ids_of_many_chunks_clash_as_those_of_few_do() -> None:
    met = Met()
    for first in range(0, 40_000, 10_000):
        ids = Ids()
        assert all(ids.add(str(2 * number)) and ids.add(f"n{number}") for number in range(first, first + 10_000))
        met.add(ids.sealed())
    assert not met.clash()
    ids = Ids()
    ids.add("4242")
    met.add(ids.sealed())
    assert met.clash()
