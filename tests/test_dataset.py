"""A capture as a dataset of Parquet files: read like the lines it was made of, and given back byte for byte."""

import json
import shutil
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from conftest import ROOT, qqlab
from hypothesis import given, settings
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.capture import Stream, dataset, encode_line, frame, header, load, manifest, open_capture, read_frame, stored
from qqlab.capture.reading import Part
from qqlab.capture.source import lines_of
from qqlab.capture.writing import write_lines, written
from qqlab.errors import InputError
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


def test_a_secret_in_a_dataset_is_found_and_none_is_proven_of_what_is_not_read(tmp_path: Path) -> None:
    accounts = ROOT / "qqlab/testserver/accounts.toml"
    secret = a_password(accounts)
    told = msgspec.structs.replace(ONE, reply=RawMessage(body=b"RA=" + secret.encode()))
    data = HEAD + encode_line(told, SPEC)
    (tmp_path / "in").mkdir()
    dataset.write(tmp_path / "in" / "d", Stream(Part(lines_of(data, "x"), "x")), SPEC)
    found = qqlab("verify", "--secrets-from", accounts, tmp_path)
    assert (found.returncode, f"{tmp_path}/in/d:2: error secret.found" in found.stdout) == (1, True)
    assert "in 1 file" in found.stdout
    assert qqlab("verify", "--secrets-from", accounts, tmp_path / "in/d").returncode == 1
    (block,) = (tmp_path / "in/d").rglob("*.parquet")
    shutil.copy(block, tmp_path / "in" / "stray.parquet")
    shutil.copy(block, block.with_name("block-000002.parquet"))
    found = qqlab("verify", "--secrets-from", accounts, tmp_path)
    assert found.stdout.count("file.closed") == 2, found.stdout


def a_password(path: Path) -> str:
    accounts = tomllib.loads(path.read_text(encoding="utf-8"))["accounts"]
    return next(str(one["password"]) for one in accounts if len(one["password"]) > 5)


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


@settings(max_examples=25, deadline=None)
@given(st.lists(exchanges, max_size=5, unique_by=lambda one: one.id), st.booleans())
def test_any_capture_comes_back(tmp_path_factory: pytest.TempPathFactory, made: list[Exchange], ended: bool) -> None:
    data = HEAD + b"".join(encode_line(one, SPEC) for one in made)
    data = data if ended else data[:-1]
    folder = tmp_path_factory.mktemp("any")
    assert given_back(data, folder) == data
    assert [one.exchange for one in open_capture(folder / "d")] == made


def assert_equal(made: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Down to the types of objects, of which pandas' own comparison thinks little."""
    pd.testing.assert_frame_equal(made, expected)
    for name in expected.columns:
        if expected[name].dtype == object:
            assert [type(one) for one in made[name]] == [type(one) for one in expected[name]], name


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_frame_out_of_columns_is_that_of_the_exchanges(path: Path, tmp_path: Path) -> None:
    made = dataset.write(tmp_path / "d", open_capture(path), SPEC)
    assert made.fingerprint == dataset.fingerprint(SPEC)
    assert_equal(read_frame(tmp_path / "d"), read_frame(path))
    assert_equal(read_frame(path), load(path).frame())


FIELDS = [
    b"CMD",
    b"RES",
    b"UN",
    b"NK",
    b"MT",
    b"SC",
    b"LC",
    b"ST",
    b"MG",
    b"RS",
    b"Un",
    b"zz",
    b"=",
    b"status",
    b"\xff",
]
VALUES = [b"", b"1", b"Login", b"List", b"GetMsgEx", b"1,2,", b",", b"x", b"99,x,", b"%2c", b"\xff", b"9" * 30]
bodies = st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(VALUES)), max_size=6).map(
    lambda pairs: b"&".join(name + b"=" + value for name, value in pairs)
)
odd = st.lists(st.tuples(bodies, st.none() | bodies), min_size=1, max_size=4).map(
    lambda made: [
        Exchange(
            id=str(number),
            session=str(number % 2),
            time=None if number == 2 else datetime(2005, 3, 3 - number % 3, tzinfo=UTC),
            request=RawMessage(body=asked),
            reply=None if said is None else RawMessage(body=said),
        )
        for number, (asked, said) in enumerate(made)
    ]
)


@settings(max_examples=25, deadline=None)
@given(odd)
def test_odd_traffic_gives_the_same_frame_out_of_columns(
    tmp_path_factory: pytest.TempPathFactory, made: list[Exchange]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    given_back(HEAD + b"".join(encode_line(one, SPEC) for one in made), folder)
    assert_equal(read_frame(folder / "d"), frame.frame(made, SPEC))


def test_columns_of_another_spec_are_decoded_anew(tmp_path: Path) -> None:
    text = specs.text(None).replace('name = "httpqq"', 'name = "other"', 1)
    other = specs.parse(text, "other")
    assert dataset.fingerprint(other) != dataset.fingerprint(SPEC)
    dataset.write(tmp_path / "d", open_capture(CAPTURES[0]), other)
    (file,) = (tmp_path / "d").rglob("*.parquet")
    assert stored.open_dataset(tmp_path / "d").manifest.spec == other.name
    assert_equal(read_frame(tmp_path / "d"), load(CAPTURES[0]).frame())
    assert_equal(read_frame(tmp_path / "d", other), load(CAPTURES[0]).frame(other))
    assert "request.UIN" in pd.read_parquet(file).columns


def made_of(count: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> stored.Dataset:
    """A dataset of several blocks and days."""
    monkeypatch.setattr(dataset, "MOST", 10)
    monkeypatch.setattr(dataset, "_BATCH", 4)
    exchanges = [
        msgspec.structs.replace(
            ONE, id=str(number), session=str(number % 3), time=datetime(2005, 3, 1 + number % 2, 12, tzinfo=UTC)
        )
        for number in range(count)
    ]
    data = HEAD + b"".join(encode_line(one, SPEC) for one in exchanges)
    dataset.write(path, Stream(Part(lines_of(data, "x"), "x")), SPEC)
    return stored.open_dataset(path)


def test_blocks_follow_on_each_other_and_are_read_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_of(25, tmp_path / "d", monkeypatch)
    assert [(block.first, block.count) for block in made.manifest.blocks] == [(0, 10), (10, 10), (20, 5)]
    assert [file.path for file in made.manifest.blocks[2].files] == [
        "day=2005-03-01/block-000003.parquet",
        "day=2005-03-02/block-000003.parquet",
    ]
    read = [one for block in made.manifest.blocks for one in stored.read_block(made, block)]
    assert [at for at, _ in read] == [*range(25)]
    assert [one for _, one in read] == list(open_capture(tmp_path / "d").exchanges())
    assert list(stored.pick(made, [21, 3, 12, 13])) == [read[at] for at in (3, 12, 13, 21)]
    table = pd.read_parquet(tmp_path / "d" / "day=2005-03-01" / "block-000001.parquet")
    assert table[["session", "ordinal"]].to_numpy().tolist() == [["0", 0], ["0", 6], ["1", 4], ["2", 2], ["2", 8]]
    assert len(pd.read_parquet(tmp_path / "d")) == 25


def test_a_recording_in_segments_is_one_dataset_and_becomes_segments_again(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    head = header(SPEC, redacted="none")
    for number, name in ((1, "r.0001.jsonl"), (2, "r.0002.jsonl"), (4, "r.jsonl")):
        own = msgspec.structs.replace(head, recording="r", segment=number, before=number - 1)
        line = encode_line(msgspec.structs.replace(ONE, id=str(number)), SPEC)
        (tmp_path / name).write_bytes(msgspec.json.encode(own) + b"\n" + line + b'{"id' * (number == 2))
    stream = open_capture(tmp_path / "r.jsonl")
    dataset.write(tmp_path / "d", stream, SPEC)
    assert stream.missing == [
        f"{tmp_path}/r.0002.jsonl:3: the last line is cut off and was skipped (4 bytes)",
        f"{tmp_path}/r.jsonl: segment 3 of this recording does not stand beside it",
    ]
    again = load(tmp_path / "d")
    assert again.exchanges == load(tmp_path / "r.jsonl").exchanges
    assert (again.segments, again.header.segment, again.name) == ((1, 2, 4), 4, "d")
    assert again.torn == (
        f"{tmp_path}/d (segment 2):3: the last line is cut off and was skipped (4 bytes); "
        f"{tmp_path}/d: segment 3 of this recording was not there when the dataset was made"
    )
    result = qqlab("export", tmp_path / "d", "--format", "jsonl", "-o", tmp_path / "new" / "r.jsonl")
    assert (result.returncode, result.stdout) == (0, "")
    for name in ("r.0001.jsonl", "r.0002.jsonl", "r.jsonl"):
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / name).read_bytes()
    refused = qqlab("export", tmp_path / "d", "--format", "jsonl", "-o", "-")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "several segments" in refused.stderr


def _without_list(folder: Path) -> None:
    (folder / manifest.NAME).unlink()


def _newer(folder: Path) -> None:
    (folder / manifest.NAME).write_text('{"qqlab_dataset": 2, "blocks": "otherwise"}')


def _foreign_list(folder: Path) -> None:
    (folder / manifest.NAME).write_text("[]")


def _outside(folder: Path) -> None:
    path = folder / manifest.NAME
    path.write_text(path.read_text().replace("day=2005-03-01/", "day=/../../"))


def _gone(folder: Path) -> None:
    next(folder.rglob("block-000002.parquet")).unlink()


def _cut(folder: Path) -> None:
    path = next(folder.rglob("block-000002.parquet"))
    path.write_bytes(path.read_bytes()[:-20])


def _scrambled(folder: Path) -> None:
    path = next(folder.rglob("block-000002.parquet"))
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes(byte ^ 255 for byte in data[100:4000]) + data[4000:])


def _swapped(folder: Path) -> None:
    first, second = sorted((folder / "day=2005-03-01").iterdir())[:2]
    shutil.copy(first, second)


def _mixed(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        made_of(12, folder.parent / "other", patch)
    shutil.copy(folder.parent / "other/day=2005-03-01/block-000002.parquet", folder / "day=2005-03-01")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_without_list, "d: is no whole dataset: it has no _qqlab.json (its writing was broken off; qqlab export"),
        (_newer, "d/_qqlab.json: has dataset format 2, and this qqlab reads up to 1 (use a newer qqlab)"),
        (_foreign_list, "d/_qqlab.json: is damaged: "),
        (_outside, "d/_qqlab.json: is damaged: its blocks do not follow on each other"),
        (_gone, "block-000002.parquet: is not there (the dataset is not whole any more"),
        (_cut, "block-000002.parquet: is damaged: "),
        (_scrambled, "block-000002.parquet: is damaged: "),
        (_swapped, "block-000002.parquet: the exchanges of its block do not follow on each other ("),
        (_mixed, "block-000002.parquet: is of another dataset ("),
    ],
)
def test_damage_is_one_line(
    harm: Callable[[Path], None], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_of(20, tmp_path / "d", monkeypatch)
    monkeypatch.undo()
    harm(tmp_path / "d")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "d")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_dataset_is_one_line_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("kept")
    (tmp_path / "file").write_text("kept")
    for arguments, said in (
        (["show", "mine"], "qqlab: mine: is a directory, and no dataset (name a capture, or what"),
        (["show", "mine/thesis.txt"], "qqlab: mine/thesis.txt:1: is no qqlab capture"),
        (["export", CAPTURES[0], "--format", "parquet", "-o", "mine"], "qqlab: mine: exists already (choose"),
        (
            ["export", CAPTURES[0], "--format", "parquet", "-o", "mine", "--force"],
            "qqlab: mine: stays as it is: thesis.txt in it is of no dataset (name another one)",
        ),
        (["export", CAPTURES[0], "--format", "parquet", "-o", "file", "--force"], "qqlab: file: is no directory"),
        (
            ["export", CAPTURES[0], "--format", "parquet", "-o", "no/x"],
            "qqlab: no/x: its directory does not exist (make",
        ),
    ):
        result = qqlab(*arguments, cwd=tmp_path)
        assert (result.returncode, result.stdout) == (3, "")
        assert result.stderr.startswith(said), result.stderr
    assert (tmp_path / "mine" / "thesis.txt").read_text() == (tmp_path / "file").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]


def test_what_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    dataset.write(tmp_path / "d", open_capture(CAPTURES[0]), SPEC)
    data = HEAD + LINE + b"{damaged}\n" + OTHER
    with pytest.raises(InputError, match="x:3: the line is damaged"):
        dataset.write(tmp_path / "d", Stream(Part(lines_of(data, "x"), "x")), SPEC, force=True)
    with pytest.raises(InputError, match="x:3: an earlier exchange has the id '1' already"):
        given_back(HEAD + LINE + LINE, tmp_path)
    assert load(tmp_path / "d").exchanges == load(CAPTURES[0]).exchanges
    dataset.write(tmp_path / "d", open_capture(CAPTURES[1]), SPEC, force=True)
    assert load(tmp_path / "d").exchanges == load(CAPTURES[1]).exchanges
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    assert (tmp_path / "d").stat().st_mode & 0o077 == 0


def test_every_reading_command_takes_a_dataset(tmp_path: Path) -> None:
    for name in ("demo", "lines"):
        dataset.write(tmp_path / name, open_capture(ROOT / f"captures/{name}.jsonl"), SPEC)
    shutil.copy(CAPTURES[0], tmp_path / "demo.jsonl")
    assert qqlab("diff", "demo", "demo.jsonl", cwd=tmp_path).returncode == 0
    assert qqlab("verify", "demo", "lines", cwd=tmp_path).stdout.count(": all is well") == 2
    reported = json.loads(qqlab("report", "demo", "--json", cwd=tmp_path).stdout)
    assert [one["exchanges"] for one in reported["captures"]] == [36]
    redacted = qqlab("redact", "demo", "--policy", "all", "-o", "given.jsonl", cwd=tmp_path)
    assert (redacted.returncode, load(tmp_path / "given.jsonl").header.redacted) == (0, "all")
    followed = qqlab("show", "demo", "--follow", cwd=tmp_path)
    assert followed.stderr.startswith("qqlab: demo: is no file of this machine that grows")
