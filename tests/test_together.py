"""Captures named together, bodies of which only the beginning is there, and what is no capture at all."""

import gzip
from pathlib import Path

import msgspec
import pytest
import zstandard
from conftest import qqlab

from qqlab import spec as specs
from qqlab.capture import Capture, Storage, Writer, header, joined, load, together
from qqlab.codec import decode
from qqlab.diff import compare
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.profile import profile
from qqlab.replay.plan import plan

SPEC = specs.builtin()
HEAD = header(SPEC, redacted="secrets")
CUT = Cut(length=5000, sha256="ab" * 32)
LIST = b"VER=1.1&CMD=List&SEQ=1&UIN=10001&TN=160&UN=0"


def exchange(number: int, body: bytes = LIST, cut: Cut | None = None) -> Exchange:
    return Exchange(id=str(number), session="s", request=RawMessage(body=body, cut=cut))


@pytest.fixture
def rotated(tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    with Writer(path, HEAD, SPEC, Storage(rotate_bytes=1500)) as writer:
        for number in range(1, 6):
            writer.append(exchange(number))
    assert len(list(tmp_path.iterdir())) == 3
    return path


def ids(*captures: Capture) -> list[list[str]]:
    return [[exchange.id for exchange in capture.exchanges] for capture in captures]


def test_segments_named_together_are_one_recording(rotated: Path) -> None:
    first, second = (rotated.with_name(f"mine.000{number}.jsonl.zst") for number in (1, 2))
    whole = ["1", "2", "3", "4", "5"]
    for paths in ([rotated, first], [second, first, rotated], [rotated, rotated]):
        assert ids(*together(map(load, paths))) == [whole]
    assert ids(*together(map(load, [second, first]))) == [["1", "2", "3", "4"]]


def test_a_gap_between_segments_is_said(rotated: Path, tmp_path: Path) -> None:
    first, second = (rotated.with_name(f"mine.000{number}.jsonl.zst") for number in (1, 2))
    second.unlink()
    result = qqlab("show", first, rotated)
    assert result.returncode == 0
    assert result.stderr == f"qqlab: {rotated}: segment 2 of this recording does not stand beside it\n"
    alone = tmp_path / "else"
    alone.mkdir()
    rotated.rename(alone / "mine.0003.jsonl")
    capture = together([load(first), load(alone / "mine.0003.jsonl")])[0]
    assert capture.torn == f"{first}: segment 2 of this recording is not among them"


def test_other_captures_stay_apart_and_have_unlike_ids_as_one() -> None:
    captures = [
        Capture(header=HEAD, exchanges=tuple(map(exchange, numbers)), path=path)
        for numbers, path in (((1, 2), "a.jsonl"), ((2, 3), "b.jsonl"), ((2,), "x/b.jsonl"))
    ]
    assert together(captures) == captures
    one, renamed = joined(captures)
    assert ids(one) == [["1", "2", "b:2", "3", "b:2.2"]]
    assert (one.path, renamed) == ("a.jsonl, b.jsonl, x/b.jsonl", 2)
    assert joined(captures[:1]) == (captures[0], 0)


def test_a_cut_body_is_noted() -> None:
    decoded = decode(exchange(1, cut=CUT), SPEC)
    notes = [(note.code, note.severity, note.direction, note.text) for note in decoded.notes]
    what = f"only the first {len(LIST)} of 5000 bytes are in the capture (SHA-256 of all: {CUT.sha256})"
    assert ("body.cut", "warning", "request", what) in notes


def test_a_cut_request_is_not_sent() -> None:
    planned = plan([exchange(1), exchange(2, cut=CUT)], SPEC, host="h", start=1)
    assert [step.recorded.id for step in planned.steps] == ["1"]
    assert planned.skipped == {"2": "only the beginning of the request was recorded"}


def test_cut_replies_are_compared_by_what_is_known_of_all_of_them() -> None:
    def answered(body: bytes, cut: Cut | None) -> list[Exchange]:
        return [msgspec.structs.replace(exchange(1), reply=RawMessage(body=body, cut=cut))]

    reply = b"VER=1.1&CMD=LIST&SEQ=1&UIN=10001&RES=0&FN=1&SN=0&UN="
    same = compare(answered(reply, CUT), answered(reply, CUT), SPEC)
    assert (same.equal, same.skipped) == (1, {})
    for other in (None, Cut(length=5000, sha256="cd" * 32)):
        told = compare(answered(reply, CUT), answered(reply + b"1,", other), SPEC)
        assert (told.compared, told.skipped) == (0, {"only the beginning of a reply was recorded": ("1",)})


def test_a_cut_message_contradicts_nothing_that_may_stand_behind() -> None:
    body = b"VER=1.1&CMD=Login&SEQ=1&UIN=10001"  # what is required of a login may follow
    found = [profile([("1", exchange(1, body, cut))], SPEC).commands["Login"].request for cut in (None, CUT)]
    contradicted = [[name for name, field in tally.fields.items() if field.contradictions] for tally in found]
    assert "PS" in contradicted[0]
    assert contradicted[1] == []


@pytest.mark.parametrize("command", ["show", "report", "diff", "replay", "verify"])
def test_what_is_no_capture_is_one_line_and_nothing_is_written(command: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    output = tmp_path / "out"
    more: dict[str, list[str | Path]] = {
        "report": ["-o", output],
        "diff": ["captures/demo.jsonl"],
        "replay": ["--target", "127.0.0.1:9", "-o", output],
    }
    data, expected = {
        "show": (b"", "is empty"),
        "report": (bytes(range(256)), "is no qqlab capture"),
        "diff": (gzip.compress(b"x"), "is compressed with gzip"),
        "replay": (zstandard.compress(b"x" * 100)[:-3], "its zstd compression is cut off"),
        "verify": (b'{"log":{"version":"1.2"}}', "is no qqlab capture"),
    }[command]
    bad.write_bytes(data)
    result = qqlab(command, bad, *more.get(command, []))
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith(f"qqlab: {bad}")
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [bad]
