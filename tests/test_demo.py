"""The demonstration from the outside: real parts, right results, nothing left behind."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from conftest import Process, qqlab

from qqlab import spec as specs
from qqlab.capture import load
from qqlab.codec import decode
from qqlab.demo import DEVIATIONS, missed
from qqlab.demo.session import STEPS
from qqlab.diff import compare
from qqlab.testserver import accounts

KNOWN = specs.builtin()


def processes_about(word: str) -> list[str]:
    """The command lines of all processes that name that word."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if word in line:
                found.append(line)
    return found


def test_the_whole_loop(tmp_path: Path) -> None:
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
        "report",
        "index.html",
        "report.md",
        "report.json",
    }
    assert processes_about(str(tmp_path)) == []
    for account in accounts.sample().accounts:
        for path in directory.rglob("*.*"):
            assert account.password not in path.read_text(), path

    session = load(directory / "session.jsonl")
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


def test_an_interrupted_demonstration_leaves_nothing(start: Callable[..., Process], tmp_path: Path) -> None:
    process = start(sys.executable, "-m", "qqlab", "demo", "-o", tmp_path / "out")
    process.wait_for("1. Starting")
    assert process.stop(signal.SIGINT) == 130
    assert "Traceback" not in process.output
    assert processes_about(str(tmp_path)) == []
    assert processes_about("qqlab-demo-") == []
