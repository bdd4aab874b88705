"""Verification: what is wrong with a recording is found and placed, what is good is kept, and no secret gets by."""

import base64
import gzip
import hashlib
import json
import tempfile
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import zstandard
from conftest import ROOT, qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab import wire
from qqlab.capture import Storage, Writer, encode_line, header, load, save
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.testserver import accounts
from qqlab.verify import Problems, Secrets, examine, repair, search

SPEC = specs.builtin()
HEAD = header(SPEC, redacted="secrets")
START = datetime(2005, 6, 30, tzinfo=UTC)
ACCOUNTS = accounts.parse(
    """
[[accounts]]
uin = "10001"
password = "mima-10001"
nickname = "a"
[[accounts]]
uin = "10002"
password = "abc"
nickname = "b"
[[accounts]]
uin = "10003"
password = "小雨小雨"
nickname = "c"
""",
    "t",
    SPEC,
)
HASH = hashlib.md5(b"mima-10001").hexdigest()


def exchange(number: int, body: bytes = b"CMD=Logout&VER=1.1&UIN=1&SEQ=7", *, ended: float | None = None) -> Exchange:
    return Exchange(
        id=str(number),
        session="s",
        time=None if ended is None else START + timedelta(seconds=ended - 1),
        elapsed=None if ended is None else 1.0,
        request=RawMessage(body=body),
    )


def line(made: Exchange) -> bytes:
    return encode_line(made, SPEC)


RECORDING = msgspec.structs.replace(HEAD, recording="r")
ONE, TWO, THREE = map(exchange, (1, 2, 3))


def found(path: Path) -> list[tuple[str, str]]:
    problems = examine(path, SPEC, Problems()).problems
    assert problems.counts.total() == len(problems.kept)
    return [(problem.where.rpartition("/")[2], problem.rule) for problem in problems.kept]


def login(digest: str) -> Exchange:
    return exchange(1, f"CMD=Login&VER=1.1&UIN=12345&SEQ=7&PS={digest}&M5=1&LC=9326".encode())


@pytest.mark.parametrize(
    ("head", "lines", "expected"),
    [
        (RECORDING, [line(ONE), line(TWO)], []),
        (RECORDING, [line(ONE), b"\n", line(TWO).rstrip(b"\n")], []),
        (RECORDING, [line(ONE), b"junk\n", line(TWO)], [("a:3", "line.damaged")]),
        (RECORDING, [line(ONE), b"\x00" * 50], [("a:3", "line.torn")]),
        (RECORDING, [line(ONE), line(TWO)[:-5]], [("a:3", "line.torn")]),
        (RECORDING, [line(ONE), line(ONE), line(TWO)], [("a:3", "exchange.twice")]),
        (RECORDING, [line(ONE), line(exchange(1, b"CMD=List")), line(TWO)], [("a:3", "id.twice")]),
        (RECORDING, [line(ONE), line(THREE)], [("a:3", "id.gap")]),
        (HEAD, [line(ONE), line(THREE)], []),
        (HEAD, [line(THREE), line(ONE)], [("a:3", "id.order")]),
        (HEAD, [line(exchange(1, ended=9)), line(exchange(2, ended=8.5)), line(exchange(3, ended=10))], []),
        (HEAD, [line(exchange(1, ended=9)), line(exchange(2, ended=7.5))], [("a:3", "time.order")]),
        (HEAD, [line(ONE).replace(b'"Logout"', b'"Other"')], [("a:2", "decoded.other")]),
        (HEAD, [line(ONE).replace(b'"decoded":', b'"other":')], [("a:2", "decoded.other")]),
        (HEAD, [json.dumps(json.loads(line(ONE))).encode() + b"\n"], []),
        (HEAD, [line(login(hashlib.md5(b"123456").hexdigest()))], [("a:2", "secret.common")]),
        (HEAD, [line(login(hashlib.md5(b"12345").hexdigest().upper()))], [("a:2", "secret.common")]),
        (HEAD, [line(login(HASH))], []),
        (header(SPEC, redacted="none"), [line(login(HASH))], [("a:2", "secret.kept")]),
        (RECORDING, [line(ONE), b'{"id":"' + b"x" * (65 << 20) + b'"}\n', line(TWO)], [("a:3", "line.long")]),
    ],
)
def test_what_is_wrong_is_found(
    head: msgspec.Struct, lines: list[bytes], expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"".join([msgspec.json.encode(head) + b"\n", *lines]))
    assert found(path) == expected


def test_times_out_of_order_come_with_what_may_be_the_reason(tmp_path: Path) -> None:
    save(tmp_path / "a", HEAD, [exchange(1, ended=9), exchange(2, ended=4)], SPEC)
    result = qqlab("verify", tmp_path / "a")
    assert result.returncode == 0
    assert "time.order: ended 5.000 s before one that stands above it (harmless where a replay was" in result.stdout


def test_a_body_that_is_not_joined_as_it_was_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a", HEAD, [ONE], SPEC)
    monkeypatch.setattr(wire, "join", lambda pairs: b"")
    assert ("a:2", "split") in found(tmp_path / "a")


def test_many_problems_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(msgspec.json.encode(HEAD) + b"\n" + b"junk\n" * 1000)
    problems = examine(path, SPEC, Problems()).problems
    assert (problems.counts, len(problems.kept)) == ({"line.damaged": 1000}, Problems.MOST)
    result = qqlab("verify", path)
    assert result.returncode == 1
    assert result.stdout.splitlines()[-2:] == [
        "980 more of line.damaged: The line is no exchange.",
        f"{path}: 0 exchanges: 1000 errors",
    ]


@pytest.fixture
def rotated(tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    with Writer(path, HEAD, SPEC, Storage(rotate_bytes=1700)) as writer:
        for number in range(1, 8):
            writer.append(exchange(number))
    assert len(list(tmp_path.iterdir())) == 4
    return path


def test_a_recording_in_segments(rotated: Path) -> None:
    assert found(rotated) == []
    for segment in rotated.parent.iterdir():
        assert found(segment) == []
    (rotated.parent / "mine.0002.jsonl.zst").unlink()
    assert found(rotated) == [("mine.jsonl", "segment.missing")]


def test_segments_that_do_not_follow_on_each_other(rotated: Path) -> None:
    second = rotated.parent / "mine.0002.jsonl.zst"
    lines = zstandard.decompress(second.read_bytes(), max_output_size=9999).splitlines(keepends=True)
    second.write_bytes(b"".join(lines[:-1]))
    assert found(rotated) == [("mine.0003.jsonl.zst", "segment.before")]


@pytest.mark.parametrize("damage", [lambda packed: packed[:-4], lambda packed: packed[:40] + b"\xff" * 9 + packed[49:]])
def test_a_damaged_segment(rotated: Path, damage: object, tmp_path: Path) -> None:
    assert callable(damage)
    second = rotated.parent / "mine.0002.jsonl.zst"
    second.write_bytes(damage(second.read_bytes()))
    assert ("mine.jsonl", "segment.missing") in found(rotated) or ("mine.0002.jsonl.zst", "compression") in found(
        rotated
    )
    output = tmp_path / "good.jsonl"
    result = qqlab("verify", rotated, "--repair", "-o", output)
    assert result.returncode == 1
    ids = [int(exchange.id) for exchange in load(output).exchanges]
    assert {1, 2, 5, 6, 7} <= set(ids)
    assert ids == sorted(ids)


def test_repairing_keeps_what_is_good(tmp_path: Path) -> None:
    path, output = tmp_path / "a", tmp_path / "good.jsonl"
    other = exchange(1, b"CMD=List")
    lines = [line(ONE), b"junk\n", line(ONE), line(other), line(TWO), line(THREE)[:30]]
    path.write_bytes(msgspec.json.encode(RECORDING) + b"\n" + b"".join(lines))
    before = path.read_bytes()
    result = qqlab("verify", path, "--repair", "-o", output)
    assert result.returncode == 1
    assert result.stderr == f"qqlab: 3 exchanges in {output}, 1 of them with another id\n"
    assert result.stdout.splitlines() == [
        f"{path}:3: error line.damaged: the line is damaged: JSON is malformed: invalid character (byte 0)",
        f"{path}:4: error exchange.twice: id '1'",
        f"{path}:5: error id.twice: id '1'",
        f"{path}:7: error line.torn: the line is damaged: Input data was truncated",
        f"{path}: 3 exchanges: 4 errors",
    ]
    assert load(output).exchanges == (ONE, msgspec.structs.replace(other, id="1.2"), TWO)
    assert load(output).header == HEAD
    assert path.read_bytes() == before
    assert qqlab("verify", output).stdout == f"{output}: 3 exchanges: all is well\n"
    assert qqlab("verify", path, "--repair", "-o", output).returncode == 3


def test_repairing_joins_segments_and_captures_redacted_alike(rotated: Path, tmp_path: Path) -> None:
    output = tmp_path / "all.jsonl"
    problems = [Problems(), Problems()]
    segments = [tmp_path / "mine.0002.jsonl.zst", tmp_path / "mine.0001.jsonl.zst"]
    repaired, examined = repair(segments, output, SPEC, problems)
    assert (repaired, [one.exchanges for one in examined]) == ((4, 0), [2, 2])
    assert [exchange.id for exchange in load(output).exchanges] == ["3", "4", "1", "2"]
    save(tmp_path / "raw", header(SPEC, redacted="none"), [ONE], SPEC)
    with pytest.raises(InputError, match=r"is redacted 'none', and .* 'secrets'"):
        repair([*segments, tmp_path / "raw"], tmp_path / "b", SPEC, [Problems() for _ in range(3)])
    assert not (tmp_path / "b").exists()


@given(st.lists(st.binary(max_size=30) | st.sampled_from([line(ONE), line(TWO), line(ONE)[:40], b"{}"]), max_size=5))
def test_whatever_stands_in_a_capture_is_examined(pieces: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a"
        path.write_bytes(msgspec.json.encode(HEAD) + b"\n" + b"\n".join(pieces))
        examination = examine(path, SPEC, Problems())
        assert examination.exchanges <= len(pieces)


def test_examining_holds_little(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save(path, HEAD, (exchange(number) for number in range(5000)), SPEC)
    tracemalloc.start()
    assert examine(path, SPEC, Problems()).exchanges == 5000
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


def where(directory: Path, data: bytes) -> list[tuple[str, str]]:
    """What is found of the accounts' secrets in a file of these bytes."""
    path = directory / "x"
    path.write_bytes(data)
    problems = Problems()
    assert search([path], Secrets(ACCOUNTS, SPEC), problems, directory) == 1
    kept = [problem for problem in problems.kept if problem.rule != "secret.short"]
    assert not any(word in problem.text for problem in kept for word in ("mima", HASH, "小雨"))
    return [(problem.where.removeprefix(f"{path}:"), problem.text) for problem in kept]


PASSWORD = "the password of account 10001, "
HASHED = "the password's hash of account 10001, "


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"nothing", []),
        (b"a\nb mima-10001\n", [("2", PASSWORD + "as it is or escaped")]),
        (b"MIMA%2D10001", [("1", PASSWORD + "as it is or escaped")]),
        (b"&#109;ima-10001", [("1", PASSWORD + "as it is or escaped")]),
        (b"mima-10001".hex().upper().encode(), [("1", PASSWORD + "in hex")]),
        (base64.b64encode(b"..mima-10001.."), [("1", PASSWORD + "in base64")]),
        (HASH.upper().encode(), [("1", HASHED + "as it is or escaped")]),
        (base64.b64encode(b"PS=" + HASH.encode()), [("1", HASHED + "in base64")]),
        (zstandard.compress(b"\n\n" + HASH.encode()), [("3", HASHED + "as it is or escaped")]),
        (b"x" * 3_000_000 + b"\n" + HASH.encode(), [("2", HASHED + "as it is or escaped")]),
        (b"abc", []),
        (
            hashlib.md5(b"abc").hexdigest().encode(),
            [("1", "the password's hash of account 10002, as it is or escaped")],
        ),
        ("小雨小雨".encode("gb18030"), [("1", "the password of account 10003, as it is or escaped")]),
        (gzip.compress(b"anything", mtime=0), [("x", "is compressed with gzip, and only zstd is read")]),
    ],
)
def test_secrets_are_found_in_any_writing(data: bytes, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    assert [(place.rpartition("/")[2], text) for place, text in where(tmp_path, data)] == expected


@pytest.mark.parametrize("shift", range(0, 40, 7))
def test_secrets_are_found_where_pieces_meet(shift: int, tmp_path: Path) -> None:
    for edge in (1 << 20, (1 << 20) - 32 * 1024, 256 << 10):
        data = b"\n" * (edge - shift) + HASH.encode() + b"\n" * (2 << 20)
        assert [place for place, _ in where(tmp_path, data)] == [str(edge - shift + 1)]


def packed_bodies() -> Iterator[RawMessage]:
    body = f"CMD=Login&PS={HASH}".encode()
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n"
    yield RawMessage(head=head, body=gzip.compress(body, mtime=0))
    yield RawMessage(body=b"\xff&PS=" + HASH.encode().replace(b"1", b"%31"))


@pytest.mark.parametrize("raw", list(packed_bodies()))
def test_secrets_are_found_in_bodies_that_a_line_does_not_show(raw: RawMessage, tmp_path: Path) -> None:
    data = msgspec.json.encode(HEAD) + b"\n" + line(Exchange(id="1", session="", request=raw))
    assert ("2", HASHED + "as it is or escaped, in a body") in where(tmp_path, data)


def test_the_command_line_proves_that_no_secret_stands_anywhere(tmp_path: Path, rotated: Path) -> None:
    source = tmp_path / "accounts.toml"
    source.write_text('[[accounts]]\nuin = "10001"\npassword = "mima-10001"\nnickname = "a"\n')
    result = qqlab("verify", "--secrets-from", source, tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        f"{source}: looked for its secrets in 4 files: all is well\n",
        "",
    )
    with Writer(rotated, HEAD, SPEC, Storage(append=True, rotate_bytes=1700)) as writer:
        for number in range(8, 12):
            writer.append(exchange(number, f"CMD=x&NK={HASH.upper()}".encode()))
    for named in (tmp_path, rotated):
        result = qqlab("verify", "--secrets-from", source, named)
        assert result.returncode == 1
        assert "mine.0004.jsonl.zst:3: error secret.found: the password's hash of account 10001" in result.stdout
        assert HASH not in result.stdout.lower()
    document = json.loads(qqlab("verify", "--secrets-from", source, rotated, "--json").stdout)
    assert document["qqlab_verify"] == 1
    assert document["passed"] is False
    assert document["problems"][0]["rule"] == "secret.found"


def test_secrets_are_found_in_the_segments_of_a_recording_with_a_number_in_its_name(tmp_path: Path) -> None:
    source, path = tmp_path / "accounts.toml", tmp_path / "day.2005.jsonl"
    source.write_text('[[accounts]]\nuin = "10001"\npassword = "mima-10001"\nnickname = "a"\n')
    with Writer(path, HEAD, SPEC, Storage(rotate_bytes=1700)) as writer:
        for number in range(1, 8):
            writer.append(exchange(number, f"CMD=x&NK={HASH}".encode() if number == 1 else b"CMD=x"))
    problems = Problems()
    search([path], Secrets(accounts.load(source, SPEC), SPEC), problems, source)
    assert [problem.where for problem in problems.kept] == [f"{tmp_path}/day.2005.0001.jsonl.zst:2"] * 2


def test_nothing_that_is_committed_holds_a_password_of_the_sample() -> None:
    assert qqlab("verify", "--secrets-from", "qqlab/testserver/accounts.toml", "captures", "reports").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 3, "qqlab: nowhere: No such file or directory\n"),
        (["captures"], 3, "qqlab: captures: is a directory, and no dataset (name a"),
        (["README.md"], 3, "qqlab: README.md:1: is no qqlab capture"),
        (["captures/demo.jsonl", "--repair"], 2, "qqlab: verify: --repair and -o CAPTURE go together"),
        (
            ["captures/demo.jsonl", "--repair", "-o", "captures/demo.jsonl"],
            3,
            "qqlab: captures/demo.jsonl: exists",
        ),
        (["captures", "--secrets-from", "nowhere.toml"], 3, "qqlab: nowhere.toml: No such file or directory\n"),
        (["nowhere", "--secrets-from", "qqlab/testserver/accounts.toml"], 3, "qqlab: nowhere: No such file or direct"),
        (["x", "--secrets-from", "y", "--repair", "-o", "z"], 2, "qqlab: verify: --repair cannot take out secrets"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(arguments: list[str], code: int, message: str) -> None:
    result = qqlab("verify", *arguments, cwd=ROOT)
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_captures_are_verified_as_json() -> None:
    result = qqlab("verify", "captures/demo.jsonl", "captures/forum-2005.jsonl", "--json")
    assert json.loads(result.stdout) == {
        "qqlab_verify": 1,
        "files": [
            {"file": name, "exchanges": number, "segments": 1, "passed": True, "counts": {}, "problems": []}
            for name, number in (("captures/demo.jsonl", 36), ("captures/forum-2005.jsonl", 13))
        ],
    }


def test_a_capture_may_come_from_standard_input() -> None:
    result = qqlab("verify", "-", stdin=(ROOT / "captures/demo.jsonl").read_bytes())
    assert (result.returncode, result.stdout) == (0, "<stdin>: 36 exchanges: all is well\n")
