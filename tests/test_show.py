"""`qqlab show` and `qqlab import` as their users meet them."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import qqlab
from rich.console import Console

import qqlab as package
from qqlab import spec as specs
from qqlab.capture import header, load, save
from qqlab.cli.app import app
from qqlab.exchange import Exchange, RawMessage

SAMPLE = "captures/forum-2005.jsonl"
HOSTILE = "\x1b]0;owned\x07\u202e<script>[bold]"


def test_a_list_shows_what_matters() -> None:
    result = qqlab("show", SAMPLE)
    assert result.returncode == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["4", "29501213", "List", "RES=0", "accepted", "value.type", "list.count"] in rows
    assert ["3", "315103947", "Login", "RS=1", "refused"] in rows
    assert result.stdout.startswith(f"{SAMPLE}: 13 exchanges, secrets are pseudonyms\n")


@pytest.mark.parametrize("width", [80, 100])
def test_times_and_codes_stay_in_one_piece(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.StringIO()
    monkeypatch.setattr("qqlab.cli.show.out", lambda: Console(file=printed, width=width))
    app(["show", "captures/demo.jsonl"], standalone_mode=False)
    app(["show", SAMPLE], standalone_mode=False)
    shown = printed.getvalue().splitlines()
    assert max(map(len, shown)) <= width
    first = load(Path("captures/demo.jsonl")).exchanges[0]
    assert first.time is not None
    assert any(f" {first.time:%H:%M:%S}{'.' * (width == 100)}" in line for line in shown)
    ends = [line.rpartition(" ")[2] for line in map(str.rstrip, shown)]
    assert {"reply.missing", "list.count", "echo.seq"} <= set(ends)


def test_one_exchange_in_full() -> None:
    result = qqlab("show", SAMPLE, "12")
    assert result.returncode == 0
    for text in ("Fetch the messages that wait", "99 system message", "30  is now busy", "How many messages follow."):
        assert text in result.stdout


def test_a_text_is_shown_with_all_its_escapes_undone(tmp_path: Path) -> None:
    body = b"VER=1.1&CMD=GETINFO&SEQ=7&UIN=10001&RES=0&LV=1&UN=010002&NK=a%252c+b %26 100%2525"
    known = specs.builtin()
    one = Exchange(id="1", session="s", reply=RawMessage(body=body))
    save(tmp_path / "a.jsonl", header(known, redacted="none"), [one], known)
    shown = [line.split() for line in qqlab("show", tmp_path / "a.jsonl", "1").stdout.splitlines()]
    assert [line[:5] for line in shown if line[:1] == ["NK"]] == [["NK", "a,+b", "&", "100%", "Nickname."]]
    assert [line[:2] for line in shown if line[:1] == ["UN"]] == [["UN", "010002"]]


def test_json_is_the_lines_of_the_capture() -> None:
    result = qqlab("show", SAMPLE, "--json")
    assert json.loads(result.stdout) == [json.loads(line) for line in Path(SAMPLE).read_text().splitlines()[1:]]
    one = json.loads(qqlab("show", SAMPLE, "4", "--json").stdout)
    assert one["decoded"]["command"] == "List"


def test_a_capture_on_standard_input() -> None:
    result = qqlab("show", "-", "6", stdin=Path(SAMPLE).read_bytes())
    assert "GETINFO" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "nowhere.jsonl"], 3, "qqlab: nowhere.jsonl: No such file or directory\n"),
        (["show", "captures"], 3, "qqlab: captures: is a directory, and no dataset (name a"),
        (["show", "README.md"], 3, "qqlab: README.md:1: is no qqlab capture"),
        (["show", SAMPLE, "99"], 3, f"qqlab: {SAMPLE}: no exchange has the id '99' (list them: qqlab show CAPTURE)\n"),
        (["show", SAMPLE, SAMPLE, "1"], 2, "qqlab: 1: several captures have an exchange of this id"),
        (["show"], 2, "qqlab: CAPTURE: is missing ("),
        (["dance"], 2, "qqlab: qqlab: no such command 'dance' (qqlab --help)\n"),
        (["show", SAMPLE, "--x\x1b"], 2, "qqlab: qqlab show: no such option: --x\\x1b (qqlab show --help)\n"),
        (["diff", "a"], 2, "qqlab: B: is missing (The capture to hold against it; qqlab diff --help)\n"),
        (["replay", SAMPLE], 2, "qqlab: --target: is missing (http://HOST:PORT or HOST:PORT; qqlab replay --help)\n"),
        (
            ["replay", SAMPLE, "--target", "h:1", "--workers", "0"],
            2,
            "qqlab: --workers: Input should be greater than or equal to 1 (qqlab replay --help)\n",
        ),
        (["import", "LICENSE", "-o", "x.jsonl"], 3, "qqlab: LICENSE: is in no format that is known (what can"),
        (["import", "nowhere.txt", "-o", "x.jsonl"], 3, "qqlab: nowhere.txt: No such file or directory\n"),
        (["import", "captures/forum-2005.txt", "-o", SAMPLE], 3, f"qqlab: {SAMPLE}: exists already (choose another"),
        (
            ["import", "captures/forum-2005.txt", "-o", "/no/x"],
            3,
            "qqlab: /no/x: its directory does not exist (make it",
        ),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(arguments: list[str], code: int, message: str) -> None:
    result = qqlab(*arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_without_a_command_the_help_is_shown() -> None:
    result = qqlab()
    assert result.returncode == 2
    assert "Usage: qqlab" in result.stdout + result.stderr


def test_a_torn_capture_is_shown_and_said(tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(Path(SAMPLE).read_bytes()[:-20])
    result = qqlab("show", torn)
    assert result.returncode == 0
    assert "12 exchanges" in result.stdout
    assert result.stderr.startswith(f"qqlab: {torn}:14: the last line is cut off and was skipped (")


def test_nothing_hostile_reaches_the_terminal(tmp_path: Path) -> None:
    known = specs.builtin()
    path = tmp_path / "hostile.jsonl"
    bad = HOSTILE.encode()
    exchange = Exchange(
        id=HOSTILE,
        session=HOSTILE,
        client=HOSTILE,
        server=HOSTILE,
        transport=HOSTILE,
        error=HOSTILE,
        request=RawMessage(head=bad, body=b"CMD=" + bad + b"&UIN=" + bad + b"&" + bad + b"=" + bad + b"&" + bad),
        reply=RawMessage(head=bad, body=b"CMD=GETMSGEX&RES=" + bad + b"&MT=99,&UN=" + bad + b",&MG=" + bad + b","),
    )
    save(path, header(known, redacted="none"), [exchange], known)
    for more in ([], [HOSTILE], ["--json"]):
        result = qqlab("show", path, *more)
        assert result.returncode == 0, result.stderr
        assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout + result.stderr)
    assert qqlab("show", path, HOSTILE + "?").stderr.count("\x1b") == 0


@pytest.mark.parametrize("arguments", [["show", SAMPLE], ["show", SAMPLE, "--json"], ["spec", "show"], ["--help"]])
@pytest.mark.parametrize(
    ("redirection", "code", "complaint"),
    [
        (">/dev/full", 3, "qqlab: standard output: No space left on device\n"),
        (">&-", 0, ""),
        ("| true", 0, ""),
    ],
)
def test_output_that_cannot_be_written(arguments: list[str], redirection: str, code: int, complaint: str) -> None:
    command = f"set -o pipefail; {sys.executable} -m qqlab {' '.join(arguments)} {redirection}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (code, complaint)


def test_an_encoding_without_chinese() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qqlab", "show", SAMPLE, "6"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u793e\\u4f1a\\u5927\\u5b66" in done.stdout


def test_the_version() -> None:
    assert qqlab("--version").stdout == f"qqlab {package.__version__}\n"


def test_shell_completion() -> None:
    """One is named: without a shell above, as where something else runs the tests, there is none to complete for."""
    done = subprocess.run(
        [sys.executable, "-m", "qqlab"],
        env=os.environ | {"_QQLAB_COMPLETE": "complete_bash", "COMP_WORDS": "qqlab rep", "COMP_CWORD": "1"},
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert set(done.stdout.split()) == {"replay", "report"}
