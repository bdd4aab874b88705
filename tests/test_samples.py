"""The committed samples: reports equal to what the code makes of the committed captures today, and a recording of bare
lines equal to what recording gives today, which replays without a difference."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Process, qqlab

from qqlab.capture import load
from qqlab.diff import compare
from qqlab.spec import Spec

FILES = ("index.html", "report.json", "report.md")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reports")
    for name in ("forum-2005", "demo"):
        result = qqlab("report", f"captures/{name}.jsonl", "-o", directory / name)
        assert result.returncode == 0, result.stderr
    return directory


@pytest.fixture(scope="module")
def forum(made: Path) -> Path:
    return made / "forum-2005"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("report", ["forum-2005", "demo"])
def test_the_report_is_what_the_code_makes_now(report: str, name: str, made: Path) -> None:
    """After a change that is meant: make samples."""
    today, committed = ((folder / report / name).read_text(encoding="utf-8") for folder in (made, ROOT / "reports"))
    assert today == committed


@pytest.mark.parametrize(
    "saying",
    [
        r"\bSN says 24, there are 3\b",
        r"Query_Stat reply SEQ.*the reply says '-1', not the request's",
        r"VER 1\.1.*: 11 of 11 commands seen",
        r"RES.*20 not logged in, or logged in elsewhere since",
        r"CD \(add\).*1 needs approval, 2 refused, 3 nobody may add",
    ],
)
def test_the_report_says_what_matters(saying: str, forum: Path) -> None:
    text = (forum / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert re.search(saying, text), saying


LINES = ROOT / "captures" / "lines.jsonl"


def test_lines_recorded_today_are_what_was_recorded(tmp_path: Path, known: Spec) -> None:
    """After a change that is meant: rm captures/lines.jsonl; .venv/bin/python captures/lines.py captures/lines.jsonl"""
    today = tmp_path / "lines.jsonl"
    subprocess.run([sys.executable, ROOT / "captures" / "lines.py", today], check=True, timeout=60)
    old, new = load(LINES), load(today)
    comparison = compare(old.exchanges, new.exchanges, known)
    assert (comparison.findings, comparison.equal) == ((), len(old.exchanges))
    assert old.header.note == new.header.note
    for secret in ("mima", "K7QX", "VC=0000"):
        assert secret not in LINES.read_text(encoding="utf-8")


def test_a_replay_says_whose_picture_it_cannot_read(start: Callable[..., Process], tmp_path: Path) -> None:
    known = tmp_path / "known.toml"
    table = '[[accounts]]\nuin = "{0}"\npassword = "mima-{0}"\nnickname = "x"\n'
    known.write_text("".join(table.format(uin) for uin in ("10001", "10002", "10005")), encoding="utf-8")
    server = start(sys.executable, "-m", "qqlab", "serve", "--lines", "--listen", "127.0.0.1:0")
    target = server.wait_for("serving on").split()[3]
    replayed = qqlab("replay", LINES, "--target", target, "--accounts", known, "--timeout", "0.5")
    assert replayed.returncode == 1
    assert replayed.stderr.splitlines() == [
        "qqlab: account 10005 is asked to read a picture, and what it shows is not known: a pseudonym goes out "
        "(give it as its `verification`: --accounts FILE)"
    ]


@pytest.mark.parametrize(
    ("rules", "code", "told"),
    [
        ([], 0, ["compared 25 of 25 exchanges: 25 equal, 0 equivalent, 0 different"]),
        (
            ["value:Server_Msg.MG=oh", "case:CLTMSG", "drop:Query_Stat2.FN"],
            1,
            [
                "error    Query_Stat2's reply lacks FN (whether the list is complete)  [field.missing]",
                "         e996a307  exchange 5  expected 1 complete",
                "error    Server_Msg's reply has another MG (the text of the message)  [value]",
                "         a0decda0  exchange 7   expected 你好, 山 & 水, got oh",
                "         a75a6df8  exchange 9   expected 在吗?, got oh",
                "         f70a9f88  exchange 18  expected hi, got oh",
                "compared 25 of 25 exchanges: 18 equal, 3 equivalent, 4 different",
                "found 2 kinds of differences in 4 places (4 errors)",
            ],
        ),
    ],
)
def test_recorded_lines_are_replayed(
    start: Callable[..., Process], rules: list[str], code: int, told: list[str]
) -> None:
    deviations = [part for rule in rules for part in ("--deviate", rule)]
    server = start(sys.executable, "-m", "qqlab", "serve", "--lines", "--listen", "127.0.0.1:0", *deviations)
    target = server.wait_for("serving on").split()[3]
    replayed = qqlab("replay", LINES, "--target", target)
    found = [line for line in replayed.stdout.splitlines() if " --only " not in line]
    assert (found, replayed.returncode) == (told, code), replayed.stderr
