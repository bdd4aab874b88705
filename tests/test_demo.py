"""The demonstration from the outside: real parts, right results, nothing left behind."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Process, qqlab

from qqlab import spec as specs
from qqlab.capture import load
from qqlab.codec import decode, derive
from qqlab.demo import DEVIATIONS, NOTE, missed
from qqlab.demo.children import child
from qqlab.demo.session import STEPS, WRONG
from qqlab.diff import compare
from qqlab.errors import TargetError
from qqlab.testserver import accounts

KNOWN = specs.builtin()


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """What stands in the environment of all that the test starts, whatever the command line of a process says."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("QQLAB_TEST_MARK", str(tmp_path))
    return f"QQLAB_TEST_MARK={tmp_path}"


def processes_of(mark: str) -> list[str]:
    """The command lines of all processes with that mark that still run."""
    wanted = mark.encode()
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended since
    return found


def passwords_in_any_form() -> set[str]:
    """What must be in no file: the passwords, and what travels in their place, in both cases."""
    derivations = {field.derived for _, _, field in KNOWN.every_field() if field.derived}
    assert derivations
    plain = {WRONG} | {account.password for account in accounts.sample().accounts}
    hashes = {derive(derivation, password) for derivation in derivations for password in plain}
    return plain | {text for hashed in hashes for text in (hashed.lower(), hashed.upper())}


def test_the_whole_loop(tmp_path: Path, mark: str) -> None:
    directory = tmp_path / "out"
    result = qqlab("demo", "-o", directory)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [line[:2] for line in result.stderr.splitlines()] == ["1.", "2.", "3.", "4.", "5."]
    assert f"0 differences in {len(STEPS)} exchanges compared" in result.stdout
    assert f"{len(DEVIATIONS)} of {len(DEVIATIONS)}" in result.stdout
    assert {path.name for path in directory.rglob("*")} == {
        "session.jsonl",
        "honest.jsonl",
        "deviating.jsonl",
        "findings.html",
        "report",
        "index.html",
        "report.md",
        "report.json",
    }
    assert processes_of(mark) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    secrets = passwords_in_any_form()
    for path in directory.rglob("*.*"):
        text = path.read_text()
        assert [secret for secret in secrets if secret in text] == [], path

    session = load(directory / "session.jsonl")
    assert session.header.note == NOTE
    decoded = [decode(exchange, KNOWN) for exchange in session.exchanges]
    spoken = {name for name, command in KNOWN.commands.items() if set(command.versions) & {"1.0", "1.1"}}
    assert {item.command for item in decoded} == spoken
    assert {exchange.transport for exchange in session.exchanges} == {"http", "tcp"}
    assert [note for item in decoded for note in item.notes if note.severity != "info"] == []

    again = json.loads(qqlab("diff", directory / "session.jsonl", directory / "deviating.jsonl", "--json").stdout)
    assert again["summary"]["different"] > 0

    refused = qqlab("demo", "-o", directory)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.startswith(f"qqlab: {directory}/session.jsonl: exists already")


def test_every_deviation_is_missed_where_there_is_none() -> None:
    session = load(Path("captures/demo.jsonl"))
    assert missed(compare(session.exchanges, session.exchanges, KNOWN)) == tuple(DEVIATIONS)


def test_the_committed_recording_is_one_of_the_demonstration() -> None:
    session = load(Path("captures/demo.jsonl"))
    assert (session.header.note, len(session.exchanges)) == (NOTE, len(STEPS))


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "1. Starting"),
        (signal.SIGTERM, "1. Starting"),
        (signal.SIGTERM, "2. Driving"),
        (signal.SIGTERM, "4. Replaying"),
        (signal.SIGHUP, "2. Driving"),
    ],
)
def test_an_interrupted_demonstration_leaves_nothing(
    number: signal.Signals, moment: str, start: Callable[..., Process], tmp_path: Path, mark: str
) -> None:
    process = start(sys.executable, "-m", "qqlab", "demo", "-o", tmp_path / "out")
    process.wait_for(moment)
    assert processes_of(mark) != []
    assert process.stop(number) == 130
    assert "Traceback" not in process.output
    assert processes_of(mark) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("below", ["file", "file/below", "/proc/nowhere"])
def test_a_place_that_cannot_be_written(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = qqlab("demo", "-o", tmp_path / below)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith(f"qqlab: {tmp_path / below}: cannot be made a directory: ")


def test_a_part_that_ends_early_has_the_last_word() -> None:
    async def scene() -> None:
        words = "print('listening at 127.0.0.1:1', flush=True); raise SystemExit('no room left')"
        async with child([sys.executable, "-c", words]):
            raise TargetError("demo, request 1", "connection refused")

    with pytest.raises(TargetError, match=r"^demo: a part of it ended: .*no room left$"):
        asyncio.run(scene())
