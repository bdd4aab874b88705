"""Capture files: what is stored comes back, damage is named, nothing is lost or overwritten quietly."""

import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from conftest import ROOT, qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab import capture as captures
from qqlab import spec as specs
from qqlab.capture import Writer, header, load, save, session
from qqlab.capture.reading import Seen, parse
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Spec

SPEC = specs.builtin()
SAMPLE = ROOT / "captures/forum-2005.jsonl"
HEAD = header(SPEC, redacted="none")


def line(exchange: Exchange) -> bytes:
    return captures.encode_line(exchange, SPEC)


def whole(*exchanges: Exchange) -> bytes:
    return msgspec.json.encode(HEAD) + b"\n" + b"".join(map(line, exchanges))


RAW = st.builds(RawMessage, head=st.binary(max_size=50), body=st.binary(max_size=50))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=10)
EXCHANGES = st.builds(
    Exchange,
    id=TEXTS,
    session=TEXTS,
    time=st.none() | st.datetimes(timezones=st.just(UTC)),
    elapsed=st.none() | st.floats(0, 1e6),
    client=TEXTS,
    server=TEXTS,
    transport=TEXTS,
    request=st.none() | RAW,
    reply=st.none() | RAW,
    error=st.none() | TEXTS,
)
ONE = Exchange(id="1", session="s", request=RawMessage(head=b"POST / HTTP/1.1\r\n\r\n", body=b"CMD=List&UIN=1"))
TWO = msgspec.structs.replace(ONE, id="2")


@given(st.lists(EXCHANGES, max_size=3, unique_by=lambda exchange: exchange.id))
def test_any_exchange_comes_back(exchanges: list[Exchange]) -> None:
    assert parse(whole(*exchanges), "x").exchanges == tuple(exchanges)


@given(st.binary())
def test_any_bytes_are_a_capture_or_an_error(data: bytes) -> None:
    try:
        parse(data, "x")
    except InputError as error:
        assert error.where.startswith("x")


def test_a_file_is_written_whole_private_and_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save(path, HEAD, [ONE, TWO], SPEC)
    assert load(path).exchanges == (ONE, TWO)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="exists already"):
        save(path, HEAD, [], SPEC)
    save(path, HEAD, [TWO], SPEC, force=True)
    assert load(path).exchanges == (TWO,)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_all_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save(path, HEAD, [ONE], SPEC)

    def broken() -> Iterator[Exchange]:
        yield TWO
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError):
        save(path, HEAD, broken(), SPEC, force=True)
    assert load(path).exchanges == (ONE,)
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its directory does not exist"):
        save(tmp_path / "no/a.jsonl", HEAD, [], SPEC)
    with pytest.raises(InputError, match="its directory does not exist"):
        Writer(tmp_path / "no/a.jsonl", HEAD, SPEC)


def test_a_writer_appends_lines_that_are_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Writer(path, HEAD, SPEC) as writer:
        assert load(path).exchanges == ()
        writer.append(ONE)
        assert load(path).exchanges == (ONE,)
        writer.append(TWO)
    assert load(path).exchanges == (ONE, TWO)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="exists already"):
        Writer(path, HEAD, SPEC)


def test_a_full_disk_is_said_and_what_was_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "full.jsonl"
    with Writer(path, HEAD, SPEC) as writer:
        writer.append(ONE)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, writer.fileno())
        os.close(full)
        with pytest.raises(InputError, match=r"No space left on device \(1 exchange is safe in it\)"):
            writer.append(TWO)
    assert load(path).exchanges == (ONE,)


@pytest.mark.parametrize("cut", [1, 10, 100, len(line(TWO)) - 1])
def test_a_torn_last_line_is_skipped_and_said(cut: int) -> None:
    data = whole(ONE) + line(TWO)[:cut]
    capture = parse(data, "x.jsonl")
    if cut == len(line(TWO)) - 1:  # only the newline is missing: nothing is lost
        assert (capture.exchanges, capture.torn) == ((ONE, TWO), None)
    else:
        assert capture.exchanges == (ONE,)
        assert capture.torn == f"x.jsonl:3: the last line is cut off and was skipped ({cut} bytes)"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "x: is empty"),
        (b"\n\n", "x: is empty"),
        (b"hello\n", "x:1: is no qqlab capture"),
        (b"{}\n", "x:1: is no qqlab capture"),
        (b'{"qqlab_capture":true}\n', "x:1: is no qqlab capture"),
        (b"\xff\xfe\n", "x:1: is no qqlab capture"),
        (b"[" * 100_000 + b"\n", "x:1: is no qqlab capture"),
        (b'{"qqlab_capture":3}\n', "x: has capture format 3, and this qqlab reads up to 2 (use a newer qqlab)"),
        (b'{"qqlab_capture":1}\n', "x:1: the header is damaged"),
        (whole(ONE) + b"junk\n" + line(TWO), "x:3: the line is damaged"),
        (whole(ONE) + b"junk\n", "x:3: the line is damaged"),
        (whole(ONE) + b'{"id":1}\n', "x:3: the line is damaged: Expected `str`, got `int` - at `$.id`"),
        (whole(ONE, TWO, ONE), "x:4: an earlier exchange has the id '1' already"),
        (whole(ONE) + b'{"id":"2","session":"","request":{"body":""}}\n', "x:3: the line is damaged: a message needs"),
    ],
)
def test_damage_is_named(data: bytes, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(data, "x")
    assert str(caught.value).startswith(expected)


def test_bytes_that_are_no_text_are_kept_in_base64() -> None:
    odd = Exchange(id="1", session="", request=RawMessage(head=b"\xff", body=b"CMD=List&NK=\xb0\xa1"))
    stored = json.loads(line(odd))
    assert stored["request"] == {"head_base64": "/w==", "body_base64": "Q01EPUxpc3QmTks9sKE="}
    assert stored["decoded"]["request"] == {"CMD": "List", "NK": "啊"}


def test_the_decoded_part_is_for_readers_without_qqlab() -> None:
    stored = [json.loads(text) for text in SAMPLE.read_text(encoding="utf-8").splitlines()[1:]]
    by_id = {exchange["id"]: exchange["decoded"] for exchange in stored}
    assert by_id["4"] == {
        "command": "List",
        "version": "1.1",
        "account": "29501213",
        "sequence": "43661",
        "status": 0,
        "request": {"VER": "1.1", "CMD": "List", "SEQ": None, "UIN": None, "TN": 160, "UN": "0"},
        "reply": {
            "VER": "1.1",
            "CMD": "LIST",
            "SEQ": "43661",
            "UIN": "29501213",
            "RES": 0,
            "FN": 1,
            "SN": 24,
            "UN": ["561256", "1943497", "...."],
        },
        "rows": {"friend": [{"UN": "561256"}, {"UN": "1943497"}, {"UN": "...."}]},
        "notes": by_id["4"]["notes"],
    }
    assert [(note["code"], note.get("field")) for note in by_id["4"]["notes"]] == [
        ("value.empty", "SEQ"),
        ("value.empty", "UIN"),
        ("list.unterminated", "UN"),
        ("value.type", "UN"),
        ("list.count", "SN"),
    ]


def test_jq_reads_the_records(require: Callable[[str], str]) -> None:
    jq = [
        require("jq"),
        "-r",
        'select(.decoded.notes[]?.code == "list.count") | .decoded.rows.friend[0].UN',
        str(SAMPLE),
    ]
    assert subprocess.run(jq, capture_output=True, text=True, check=True).stdout == "561256\n"


def test_the_decoded_part_is_what_decoding_gives_now(known: Spec) -> None:
    """Every committed capture. After a change of spec or codec that is meant: make samples."""
    files = sorted((ROOT / "captures").glob("*.jsonl"))
    assert SAMPLE in files
    for file in files:
        lines = file.read_bytes().splitlines(keepends=True)[1:]
        assert lines == [captures.encode_line(exchange, known) for exchange in load(file).exchanges], file.name


def test_the_sample_is_what_importing_gives_now(tmp_path: Path) -> None:
    output = tmp_path / "again.jsonl"
    result = qqlab("import", "captures/forum-2005.txt", "-o", output)
    assert (result.returncode, result.stderr) == (0, f"qqlab: 13 exchanges in {output}\n")
    assert output.read_bytes() == SAMPLE.read_bytes()


@pytest.mark.parametrize(
    ("client", "account", "expected"),
    [
        ("127.0.0.1:5000", "10001", "127.0.0.1/10001"),
        ("[::1]:5000", "10001", "[::1]/10001"),
        ("transcript", None, "transcript/"),
        ("", "1", "/1"),
    ],
)
def test_sessions(client: str, account: str | None, expected: str) -> None:
    assert session(client, account) == expected


def test_a_frame_is_typed_by_the_spec() -> None:
    frame = load(SAMPLE).frame()
    assert list(frame.columns[:13]) == [
        "session",
        "time",
        "elapsed",
        "client",
        "server",
        "transport",
        "command",
        "version",
        "account",
        "sequence",
        "status",
        "error",
        "notes",
    ]
    assert frame.index.tolist() == [str(number) for number in range(1, 14)]
    types = frame.dtypes.astype(str)
    assert types[
        ["account", "version", "request.SEQ", "status", "reply.FN", "reply.UN", "time", "elapsed"]
    ].tolist() == [
        "str",
        "str",
        "str",
        "Int64",
        "Int64",
        "object",
        "datetime64[us, UTC]",
        "float64",
    ]
    assert frame.loc["5", "reply.ST"] == (10, 10, 10)
    assert frame.loc["1", "version"] == "1.0"
    assert frame.loc["4", "notes"] == ("value.empty", "value.empty", "list.unterminated", "value.type", "list.count")


def test_an_empty_capture_has_a_frame() -> None:
    frame = parse(whole(), "x").frame()
    assert frame.empty
    assert list(frame.columns)[:2] == ["session", "time"]


def test_the_columns_of_a_frame_have_the_types_of_the_spec_whatever_their_values() -> None:
    def types(*bodies: bytes) -> dict[str, str]:
        exchanges = [Exchange(id=str(n), session="", request=RawMessage(body=body)) for n, body in enumerate(bodies)]
        frame = parse(whole(*exchanges), "x").frame()
        return {name: str(frame[name].dtype) for name in ("request.TN", "request.UN", "request.ZZ")}

    expected = {"request.TN": "Int64", "request.UN": "str", "request.ZZ": "str"}
    assert types(b"CMD=List&TN=&UN=&ZZ=") == expected
    assert types(b"CMD=List&TN=5&UN=007&ZZ=1") == expected
    assert types(b"CMD=List&TN=5&UN=0&ZZ=1", b"CMD=List&TN=many&UN=0&ZZ") == expected | {"request.TN": "object"}


def test_a_frame_of_times() -> None:
    when = datetime(2005, 6, 30, 12, 0, 0, 500, tzinfo=UTC)
    frame = parse(whole(msgspec.structs.replace(ONE, time=when, elapsed=0.25)), "x").frame()
    assert frame.loc["1", "time"] == when
    assert frame.loc["1", "elapsed"] == 0.25


@given(st.lists(EXCHANGES, max_size=3, unique_by=lambda exchange: exchange.id))
def test_any_capture_has_a_frame(exchanges: list[Exchange]) -> None:
    assert len(parse(whole(*exchanges), "x").frame()) == len(exchanges)


def test_ids_that_count_up_take_no_room() -> None:
    ids = Seen()
    assert all(ids.add(str(number)) for number in range(7, 3000))
    assert ids.held == 0
    assert [ids.add(one) for one in ("7", "2999", "1", "07", "1", "07", "3001", "3001", "3000", "3001", "", "")] == [
        *(False, False, True, True, False, False),
        *(True, False, True, False, True, False),
    ]
    assert ids.held == 3


@given(st.lists(st.sampled_from(["", "a", "01", "x9", *map(str, range(12))]), max_size=40))
def test_an_id_is_new_once(identifiers: list[str]) -> None:
    ids = Seen()
    seen: set[str] = set()
    for one in identifiers:
        assert ids.add(one) is (one not in seen)
        seen.add(one)


def test_ids_in_nearly_their_order_take_little() -> None:
    ids = Seen()
    assert all(ids.add(str(number ^ 7)) for number in range(8, 3200))
    assert ids.held < 10
