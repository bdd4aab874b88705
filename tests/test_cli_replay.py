"""`qqlab replay` and `qqlab diff` as processes, against `qqlab serve` as another one."""

import hashlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import ROOT, Process, free_port, qqlab

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture import header, load, save
from qqlab.exchange import Exchange

SPEC = specs.builtin()
PSEUDONYM = "0123456789abcdef0123456789abcdef"
LOGIN = f"VER=1.1&CMD=Login&SEQ=1001&UIN=10001&PS={PSEUDONYM}&M5=1&LC=9326B87B234E7235"
IN = "VER=1.1&CMD=Login&SEQ=1001&UIN=10001&RES=0&RS=0&HI=60&LI=300"
LIST = "VER=1.1&CMD=List&SEQ=1002&UIN=10001&TN=160&UN=0"
FRIENDS = "VER=1.1&CMD=LIST&SEQ=1002&UIN=10001&RES=0&FN=1&SN=4&UN=10002,10003,10004,10005,"
OUT = "VER=1.1&CMD=LOGOUT&SEQ=1003&UIN=10001&RES=0"


def write(path: Path, *pairs: tuple[str | None, str]) -> Path:
    exchanges = [
        Exchange(
            id=str(number),
            session="127.0.0.1/10001",
            request=None if request is None else http1.request(request.encode(), "127.0.0.1:8000"),
            reply=http1.reply(reply.encode()),
        )
        for number, (request, reply) in enumerate(pairs, 1)
    ]
    save(path, header(SPEC, redacted="secrets", created=datetime.now(UTC)), exchanges, SPEC)
    return path


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return write(
        tmp_path / "recorded.jsonl", (LOGIN, IN), (LIST, FRIENDS), ("VER=1.1&CMD=Logout&SEQ=1003&UIN=10001", OUT)
    )


def served(start: Callable[..., Process], *options: str) -> str:
    process = start(sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0", *options)
    match = re.search(r"http://\S+", process.wait_for("serving on"))
    assert match is not None
    return match[0]


def test_a_replay_that_goes_well(capture: Path, tmp_path: Path, start: Callable[..., Process]) -> None:
    output = tmp_path / "replayed.jsonl"
    done = qqlab("replay", capture, "--target", served(start), "-o", output)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "compared 3 of 3 exchanges: 3 equal, 0 equivalent, 0 different\n",
        "",
    )
    again = load(output)
    assert [exchange.id for exchange in again.exchanges] == ["1", "2", "3"]
    assert again.header.redacted == "secrets"
    assert output.stat().st_mode & 0o777 == 0o600
    text = output.read_text("utf-8")
    assert hashlib.md5(b"mima-10001").hexdigest() not in text
    assert "SEQ=1001" not in text
    done = qqlab("diff", capture, output)
    assert (done.returncode, done.stdout) == (0, "compared 3 of 3 exchanges: 3 equal, 0 equivalent, 0 different\n")


def test_differences_and_equivalences(capture: Path, start: Callable[..., Process]) -> None:
    target = served(start, "--deviate", "drop:Login.HI", "--deviate", "count:List", "--deviate", "trailing:Logout")
    done = qqlab("replay", capture, "--target", target)
    assert (done.returncode, done.stderr) == (1, "")
    again = f"         qqlab replay {capture} --target {target} --only"
    assert done.stdout.splitlines() == [
        "error    Login's reply lacks HI (looks like an interval in seconds)  [field.missing]",
        "         080baa9d  exchange 1  expected 60",
        f"{again} 1",
        "error    List's reply miscounts its rows in SN (how many rows follow)  [count]",
        "         fe27e432  exchange 2  expected 4 with 4 rows, got 5 with 4 rows",
        f"{again} 2",
        "compared 3 of 3 exchanges: 0 equal, 1 equivalent, 2 different",
        "found 2 differences (2 errors)",
    ]
    done = qqlab("replay", capture, "--target", target, "--equivalent", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["qqlab_diff"], document["summary"]["different"]) == (2, 2)
    assert [finding["rule"] for finding in document["findings"]] == ["field.missing", "count", "body.terminator"]


@pytest.mark.parametrize(("variable", "code"), [("QQLAB_PASSWORD_10001", 0), ("QQLAB_PASSWORD_10002", 1)])
def test_passwords_from_the_environment(
    capture: Path, tmp_path: Path, start: Callable[..., Process], variable: str, code: int
) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text('accounts = [{ uin = "20000", password = "x", nickname = "n" }]\n')
    done = subprocess.run(
        [sys.executable, "-m", "qqlab", "replay", capture, "--target", served(start), "--accounts", accounts],
        cwd=ROOT,
        env=os.environ | {variable: "mima-10001"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code
    assert "mima" not in done.stdout + done.stderr
    assert done.stderr == (
        ""
        if code == 0
        else "qqlab: no password is known for account 10001: its login goes out with a pseudonym "
        "(give one: --accounts FILE, or QQLAB_PASSWORD_10001)\n"
    )


def test_a_wrong_password_is_hinted_at(capture: Path, tmp_path: Path, start: Callable[..., Process]) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text('accounts = [{ uin = "10001", password = "wrong", nickname = "n" }]\n')
    done = qqlab("replay", capture, "--target", served(start), "--accounts", accounts)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "qqlab: account 10001 was logged in when this was recorded, and is refused now: is its password right?"
    )


def test_a_dead_target(capture: Path, tmp_path: Path) -> None:
    target, output = f"127.0.0.1:{free_port()}", tmp_path / "replayed.jsonl"
    done = qqlab("replay", capture, "--target", target, "-o", output)
    assert done.returncode == 4
    assert (
        done.stderr
        == f"qqlab: {target}: cannot connect: connection refused (is the server running? then go on: --resume)\n"
    )
    assert done.stdout == ""
    assert [exchange.error for exchange in load(output).exchanges] == ["cannot connect: connection refused"] * 3


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        ("192.0.2.1:8000", 5, "192.0.2.1:8000: is not on this machine (allow it: --allow-host 192.0.2.1)"),
        (
            "http://tqq.tencent.com:8000",
            5,
            "tqq.tencent.com: the protocol's historical servers are never contacted (name a server of your own)",
        ),
        (
            "https://127.0.0.1:8000",
            2,
            "https://127.0.0.1:8000: https is not spoken here, nor was it by this protocol "
            "(a target is http://HOST:PORT or HOST:PORT)",
        ),
        ("127.0.0.1", 2, "127.0.0.1: names no port (a target is http://HOST:PORT or HOST:PORT)"),
    ],
)
def test_targets_that_are_refused(capture: Path, target: str, code: int, said: str) -> None:
    done = qqlab("replay", capture, "--target", target)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"qqlab: {said}\n")


def test_an_output_that_cannot_be_written_stops_the_replay_before_it_begins(capture: Path, tmp_path: Path) -> None:
    existing = tmp_path / "existing.jsonl"
    existing.write_text("mine")
    target = f"127.0.0.1:{free_port()}"
    done = qqlab("replay", capture, "--target", target, "-o", existing)
    assert (done.returncode, done.stderr) == (
        3,
        f"qqlab: {existing}: exists already (choose another name, or --force to replace it)\n",
    )
    assert existing.read_text() == "mine"
    missing = tmp_path / "no" / "where.jsonl"
    done = qqlab("replay", capture, "--target", target, "-o", missing)
    assert (done.returncode, done.stderr) == (
        3,
        f"qqlab: {missing}: its directory does not exist (make it: mkdir -p {missing.parent})\n",
    )
    done = qqlab("replay", capture, "--target", target, "-o", existing, "--force")
    assert (done.returncode, len(load(existing).exchanges)) == (4, 3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.mkdir, "is a directory (name a file to write)"),
        (os.mkfifo, "is no regular file (name a file to write)"),
        (lambda path: path.symlink_to("/proc"), "is a directory (name a file to write)"),
    ],
)
def test_what_no_capture_can_replace_is_refused_even_by_force(
    capture: Path, tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    output = tmp_path / "output"
    make(output)
    done = qqlab("replay", capture, "--target", f"127.0.0.1:{free_port()}", "-o", output, "--force")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"qqlab: {output}: {said}\n")


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("/proc/replayed.jsonl", 3, "/proc/replayed.jsonl: cannot be written: No such file or directory"),
        ("x" * 300, 3, f"{'x' * 300}: cannot be written: File name too long"),
        ("-", 2, "-o -: a replay is not written to standard output (name a file)"),
    ],
)
def test_outputs_that_are_refused_before_the_replay(capture: Path, output: str, code: int, said: str) -> None:
    done = qqlab("replay", capture, "--target", f"127.0.0.1:{free_port()}", "-o", output, "--force")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"qqlab: {said}\n")


def slow(start: Callable[..., Process], capture: Path, *options: str | Path, delay: int) -> Process:
    """A replay whose third exchange takes its time, once two are over."""
    target = served(start, "--deviate", f"delay:Logout={delay}")
    command = ["replay", capture, "--target", target, "--timeout", "60", *options]
    process = start(sys.executable, "-m", "qqlab", "-v", *command)
    process.wait_for("exchange 2: replied")
    return process


def test_the_comparison_is_printed_whatever_becomes_of_the_output(
    capture: Path, tmp_path: Path, start: Callable[..., Process]
) -> None:
    output = tmp_path / "replayed.jsonl"
    process = slow(start, capture, "-o", output, delay=1)
    output.write_text("mine")
    assert process.wait() == 3
    assert "compared 3 of 3 exchanges: 3 equal, 0 equivalent, 0 different\n" in process.output
    assert process.output.endswith(f"qqlab: {output}: exists already (choose another name, or --force to replace it)\n")
    assert output.read_text() == "mine"


REPLACING = ", with --force to replace the reports"


@pytest.mark.parametrize("reports", [True, False])
def test_an_interrupted_replay_keeps_and_tells_what_it_has_got(
    capture: Path, tmp_path: Path, start: Callable[..., Process], reports: bool
) -> None:
    output, report = tmp_path / "replayed.jsonl", tmp_path / "report.json"
    options = ["--report", f"json={report}"] if reports else []
    process = slow(start, capture, "-o", output, *options, delay=60)
    assert process.stop(signal.SIGINT) == 130
    told = [line for line in process.output.splitlines() if "replied" not in line]
    assert told == [
        f"qqlab: interrupted after 2 of 3 exchanges (go on: --resume{REPLACING * reports})",
        "compared 2 of 3 exchanges: 2 equal, 0 equivalent, 0 different",
        "not compared: 1 exchange, the replay was interrupted (id 3)",
        *([f"qqlab: wrote {report}"] if reports else []),
    ]
    assert report.exists() == reports
    assert [exchange.id for exchange in load(output).exchanges] == ["1", "2"]


def test_a_replay_whose_server_went_down_goes_on_and_replaces_its_reports(
    capture: Path, tmp_path: Path, start: Callable[..., Process]
) -> None:
    output, report = tmp_path / "replayed.jsonl", tmp_path / "report.json"
    target = f"127.0.0.1:{free_port()}"
    command: list[str | Path] = ["replay", capture, "--target", target, "-o", output, "--report", f"json={report}"]
    down = qqlab(*command)
    hint = f"is the server running? then go on: --resume{REPLACING}"
    assert (down.returncode, report.exists()) == (4, True)
    assert down.stderr.endswith(f"{target}: cannot connect: connection refused ({hint})\n")
    before = report.read_bytes()
    assert qqlab(*command, "--resume").returncode == 3
    start(sys.executable, "-m", "qqlab", "serve", "--listen", target).wait_for("serving")
    again = qqlab(*command, "--resume", "--force")
    assert (again.returncode, again.stderr) == (0, f"qqlab: wrote {report}\n")
    assert report.read_bytes() != before
    assert [exchange.id for exchange in load(output).exchanges] == ["1", "2", "3"]


def test_a_replay_that_is_interrupted_at_once_replaces_nothing(
    capture: Path, tmp_path: Path, start: Callable[..., Process]
) -> None:
    output = tmp_path / "replayed.jsonl"
    output.write_text("mine")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        target = f"127.0.0.1:{server.getsockname()[1]}"
        options = ["--timeout", "60", "-o", output, "--force"]
        process = start(sys.executable, "-m", "qqlab", "replay", capture, "--target", target, *options)
        with server.accept()[0] as connection:
            connection.settimeout(30)
            assert connection.recv(4) == b"POST"
            code = process.stop(signal.SIGINT)
    assert (code, process.output) == (130, "qqlab: interrupted after 0 of 3 exchanges\n")
    assert output.read_text() == "mine"


def test_progress_shows_on_a_terminal(capture: Path, start: Callable[..., Process]) -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "qqlab", "replay", capture, "--target", served(start)],
            cwd=ROOT,
            env=os.environ | {"TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, "compared 3 of 3 exchanges: 3 equal, 0 equivalent, 0 different\n")
    assert "3/3" in shown


def test_pushes_are_left_out_and_nothing_compared_is_an_error(tmp_path: Path, start: Callable[..., Process]) -> None:
    pushed = write(tmp_path / "pushed.jsonl", (None, OUT))
    done = qqlab("replay", pushed, "--target", served(start))
    assert (done.returncode, done.stdout, done.stderr) == (
        3,
        "compared 0 of 1 exchange: 0 equal, 0 equivalent, 0 different\n"
        "not compared: 1 exchange, no request was recorded (id 1)\n",
        f"qqlab: {pushed}: nothing was compared: no request was recorded (see what they hold: qqlab show CAPTURE)\n",
    )


def test_a_transcript_can_be_replayed(start: Callable[..., Process]) -> None:
    forum = ROOT / "captures" / "forum-2005.jsonl"
    done = qqlab("replay", forum, "--target", served(start))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f" of {len(load(forum).exchanges)} exchanges: " in done.stdout
    assert done.stdout.splitlines()[-3:-1] == [
        "not compared: 1 exchange, no reply was recorded (id 1)",
        "not compared: 1 exchange, no request was recorded (id 3)",
    ]


def test_diff_of_a_capture_with_itself_and_with_another(capture: Path, tmp_path: Path) -> None:
    done = qqlab("diff", capture, capture, "--json")
    assert (done.returncode, json.loads(done.stdout)["summary"]["equal"]) == (0, 3)
    other = write(tmp_path / "other.jsonl", (LOGIN, IN.replace("RS=0", "RS=1") + "&RA=\x1b[31mno"), (LIST, OUT))
    done = qqlab("diff", capture, other)
    assert done.returncode == 1
    again = f"         qqlab diff {capture} {other} --only"
    assert done.stdout.splitlines() == [
        "error    Login's reply has another code in RS (whether the login succeeded)  [code]",
        "         eaa6723c  exchange 1  expected 0 logged in, got 1 refused",
        f"{again} 1",
        "error    List's reply does not repeat the request's CMD (the command again, often upper-cased) as it should"
        "  [echo]",
        "         7c14c3d7  exchange 2  expected LIST, got LOGOUT",
        f"{again} 2",
        "error    Logout was asked in the first capture only  [exchange.missing]",
        "         9ba705f0  exchange 3",
        f"{again} 3",
        "warning  Login's reply has a field too many: RA (why the login was refused)  [field.extra]",
        "         ba784202  exchange 1  unexpected \\x1b[31mno",
        f"{again} 1",
        "compared 2 of 3 exchanges: 0 equal, 0 equivalent, 2 different",
        "not compared: 1 exchange, only in the first capture (id 3)",
        "found 4 differences (3 errors, 1 warning)",
    ]


def test_diff_of_what_cannot_be_compared(capture: Path, tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.jsonl")
    done = qqlab("diff", capture, empty)
    assert (done.returncode, done.stderr) == (
        3,
        f"qqlab: {capture}, {empty}: nothing was compared: only in the first capture "
        "(see what they hold: qqlab show CAPTURE)\n",
    )
    done = qqlab("diff", empty, empty)
    assert "nothing was compared: there are no exchanges" in done.stderr
    done = qqlab("diff", capture, tmp_path / "none.jsonl")
    assert done.returncode == 3


def test_diff_says_what_is_missing_of_what_it_read(capture: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(capture.read_bytes()[:-9])
    done = qqlab("diff", capture, torn)
    assert (done.returncode, "only in the first capture (id 3)" in done.stdout) == (1, True)
    assert done.stderr.startswith(f"qqlab: {torn}:4: the last line is cut off and was skipped")
    done = qqlab("diff", "-", "-")
    assert (done.returncode, done.stderr) == (
        2,
        "qqlab: - -: standard input is one capture, not two (name a file for one of them)\n",
    )


@pytest.mark.parametrize("command", ["replay", "diff"])
def test_help_has_an_example(command: str) -> None:
    done = qqlab(command, "--help")
    assert done.returncode == 0
    assert f"Example: qqlab {command} recorded.jsonl" in re.sub(r"\s+", " ", done.stdout)
