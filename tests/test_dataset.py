"""A capture as a dataset of Parquet files: read like the lines it was made of, and given back byte for byte."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.capture import Stream, dataset, encode_line, header, open_capture
from qqlab.capture.reading import Part
from qqlab.capture.source import lines_of
from qqlab.capture.writing import write_lines, written
from qqlab.exchange import Cut, Exchange, RawMessage

SPEC = specs.builtin()
CAPTURES = [ROOT / "captures" / f"{name}.jsonl" for name in ("demo", "forum-2005", "lines")]
HEAD = msgspec.json.encode(header(SPEC, redacted="all")) + b"\n"
ONE = Exchange(
    id="1",
    session="s",
    time=datetime(2005, 3, 1, 12, tzinfo=UTC),
    request=RawMessage(head=b"POST / HTTP/1.1\r\n\r\n", body=b"VER=1.1&CMD=List&SEQ=1&UIN=2&UN=0&UN=3&X%ff=1"),
    reply=RawMessage(body=b"VER=1.1&CMD=LIST&SEQ=1&UIN=2&RES=x&FN=1&SN=2&UN=1,2,", end=b"\r\n", chunked=True),
)


def given_back(data: bytes, folder: Path) -> bytes:
    """What comes out of a dataset that was made of these bytes."""
    dataset.write(folder / "d", Stream(Part(lines_of(data, "x"), "x")), SPEC, force=True)
    (part,) = open_capture(folder / "d").whole_parts()
    return b"".join(written(part))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_dataset_is_read_like_the_capture_it_was_made_of(path: Path, tmp_path: Path) -> None:
    dataset.write(tmp_path / "d", open_capture(path), SPEC)
    made, lines = open_capture(tmp_path / "d"), open_capture(path)
    assert made.header == lines.header
    assert list(made) == [one._replace(where=one.where.replace(str(path), str(tmp_path / "d"))) for one in lines]
    assert (made.segments, made.missing) == (lines.segments, lines.missing)
    write_lines(tmp_path / "back.jsonl", open_capture(tmp_path / "d"))
    assert (tmp_path / "back.jsonl").read_bytes() == path.read_bytes()


OTHER = encode_line(msgspec.structs.replace(ONE, id="2"), SPEC)
LINE = encode_line(ONE, SPEC)
SPACED = json.dumps(json.loads(LINE)).encode() + b"\n"
KEYS = b'{"new":[1,{"a":null}],' + LINE[1:]
AWAY = LINE.replace(b"12:00:00Z", b"20:00:00+08:00")
NAIVE = LINE.replace(b"12:00:00Z", b"12:00:00")
BARE = b'{"session":"","id":"1"}\n'


@pytest.mark.parametrize(
    "data",
    [
        HEAD,
        HEAD[:-1],
        HEAD[:-1] + b" \r\n" + LINE,
        HEAD + LINE[:-1],
        HEAD + LINE + OTHER[:-20],
        HEAD + LINE + b"\n \n" + OTHER[:-20],
        HEAD + SPACED + OTHER,
        HEAD + KEYS + OTHER,
        HEAD + AWAY + OTHER,
        HEAD + NAIVE + OTHER,
        HEAD + BARE + OTHER[:-1],
        HEAD + b"\n\r\n" + LINE[:-1] + b"\r\n\n" + OTHER + b"\n\n ",
        HEAD + b"\n\n",
    ],
)
def test_foreign_lines_come_back_byte_for_byte(data: bytes, tmp_path: Path) -> None:
    assert given_back(data, tmp_path) == data
    made = open_capture(tmp_path / "d")
    lines = Stream(Part(lines_of(data, str(tmp_path / "d")), str(tmp_path / "d")))
    found = list(made)
    assert found == list(lines)
    assert [msgspec.json.encode(one.exchange) for one in found] == [
        msgspec.json.encode(one.exchange) for one in Stream(Part(lines_of(data, "x"), "x"))
    ]
    assert made.missing == lines.missing


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
raws = st.none() | st.builds(
    RawMessage,
    head=st.binary(max_size=8),
    body=st.sampled_from([b"CMD=Login&UIN=1&PS=x", b"CMD=List&RES=0&SN=1&UN=5,&NK=\xe4\xbd\xa0,"])
    | st.binary(max_size=20),
    end=st.sampled_from([b"", b"\n", b"\r\n"]),
    chunked=st.booleans(),
    cut=st.none() | st.builds(Cut, length=st.integers(0, 1 << 70), sha256=texts),
)
zones = st.sampled_from([UTC, None, timezone(timedelta(hours=8))])
exchanges = st.builds(
    Exchange,
    id=texts,
    session=texts,
    time=st.none() | st.datetimes(timezones=zones),
    elapsed=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    client=texts,
    error=st.none() | texts,
    pairing=st.sampled_from(["", "order", "echo"]),
    request=raws,
    reply=raws,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(exchanges, max_size=5, unique_by=lambda one: one.id), st.booleans())
def test_any_capture_comes_back(tmp_path_factory: pytest.TempPathFactory, made: list[Exchange], ended: bool) -> None:
    data = HEAD + b"".join(encode_line(one, SPEC) for one in made)
    data = data if ended else data[:-1]
    folder = tmp_path_factory.mktemp("any")
    assert given_back(data, folder) == data
    assert [one.exchange for one in open_capture(folder / "d")] == made
