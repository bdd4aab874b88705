"""What a replay says beforehand, as a process: in words, as a document, and without contacting anyone."""

import json
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import qqlab
from test_lanes import exchange

from qqlab import cli
from qqlab import spec as specs
from qqlab.capture import header, save
from qqlab.exchange import Exchange

SPEC = specs.builtin()
TOKEN = "0f" * 32
PSEUDONYM = "0123456789abcdef0123456789abcdef"
LOGIN = f"VER=1.4&CMD=Login&SEQ=1&UIN={{}}&PS={PSEUDONYM}&M5=1&LC=9326B87B234E7235"
IN = f"VER=1.1&CMD=Login&SEQ=1&UIN={{}}&RES=0&RS=0&HI=60&LI=300&SG={TOKEN}"
EVIL = "\x1b[2J"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    recorded = [
        exchange("1", begin=0.0, elapsed=1.0, body=LOGIN, reply=IN),
        exchange("2", begin=2.0, body=f"CMD=List&SEQ=2&UIN={{}}&TN=2&UN=0&SID={TOKEN}", reply="CMD=LIST&UIN={}&RES=0"),
        exchange(f"x{EVIL}", "99", begin=3.0, elapsed=1.0, body=f"CMD=Odd{EVIL}&UIN={{}}&SEQ=3&A=1"),
        exchange("4", begin=63.0, body="CMD=CLTMSG&SEQ=4&UIN={}&UN=99&MG=hi", reply="CMD=CLTMSG&UIN={}&RES=0"),
        Exchange(id="5", session="", server="old.example:80"),
    ]
    path = tmp_path / "recorded.jsonl"
    save(path, header(SPEC, redacted="secrets", created=datetime.now(UTC)), recorded, SPEC)
    return path


def test_a_plan_in_words(capture: Path, tmp_path: Path) -> None:
    output = tmp_path / "replayed.jsonl"
    done = qqlab(
        *("replay", capture, "--target", "127.0.0.1:1", "--dry-run", "-o", output, "--set", "List.TN=5"),
        *("--set", "Logout.X=1", "--map-account", "99=10005", "--set", "List.XX=1", "--pin", "*.ZZ"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not output.exists()
    assert PSEUDONYM not in done.stdout
    assert TOKEN not in done.stdout
    said = done.stdout.splitlines()
    fresh = next(line for line in said if "fresh" in line)
    assert fresh.startswith("  fresh sequence numbers: 4 (exchange 1: SEQ 1 -> ")
    assert [line for line in said if line != fresh] == [
        "4 of 5 exchanges would go to 127.0.0.1:1; nothing is sent now",
        "lanes:",
        "  2, at most 2 at once; requests that wait for another lane's: 2",
        "  host/10001  3 requests  3 connections",
        "  host/99     1 request   1 connection",
        "commands:",
        "  List        read   1",
        "  CLTMSG      write  1",
        "  Odd\\x1b[2J  write  1",
        "  Login       auth   1",
        "rewritten:",
        "  passwords put back: 1",
        "  other accounts named: 2 (exchange x\\x1b[2J: UIN 99 -> 10005)",
        "  fields set: 2 (exchange 2: TN 2 -> 5)",
        "  values carried over from replies: 1",
        "  heads that name the target as their host: 4",
        "carried over from the new replies (--pin CMD.FIELD keeps what was recorded):",
        "  List.SID is Login's reply SG: 1 of 1 request (2 from 1); no request of the client had said it before "
        "the reply did",
        "left out:",
        "  1 exchange (5): no request was recorded",
        "to mind:",
        "  --set Logout.X=1 is for nothing in this capture",
        "  --pin *.ZZ is for nothing in this capture",
        "  --set List.XX=1: the spec has no such field there, and it is added",
        "duration: as long as the target takes (63.0 s when recorded)",
    ]


def test_what_comes_after_the_first_replay_is_said_too(capture: Path) -> None:
    given = ("--control", "2", "--baseline", "away.invalid:80", "--allow-host", "away.invalid")
    done = qqlab("replay", capture, "--target", "127.0.0.1:1", "--dry-run", *given)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said[said.index("then, 2 times more: 4 requests to 127.0.0.1:1") + 1 :][:2] == [
        "then, once more: 1 request to away.invalid:80",
        "left out there:",
    ]
    document = json.loads(qqlab("replay", capture, "--target", "127.0.0.1:1", "--dry-run", "--json", *given).stdout)
    assert [(more["target"], more["runs"], more["requests"], sorted(more["refused"])) for more in document["more"]] == [
        ("127.0.0.1:1", 2, 4, []),
        ("away.invalid:80", 1, 1, ["auth", "write"]),
    ]


def test_a_plan_as_a_document(capture: Path) -> None:
    done = qqlab("replay", capture, "--target", "127.0.0.1:1", "--dry-run", "--json", "--no-correlate", "--only", "4")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert (document["qqlab_plan"], document["target"], document["exchanges"]) == (1, "127.0.0.1:1", 5)
    assert [(asked["command"], asked["effect"]) for asked in document["commands"]] == [
        ("CLTMSG", "write"),
        ("Odd\x1b[2J", "write"),
        ("Login", "auth"),
    ]
    assert [(lane["name"], lane["steps"]) for lane in document["lanes"]] == [
        ("host/10001", 2),
        ("host/99", 1),
    ]
    assert document["links"] == []
    assert PSEUDONYM not in done.stdout


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--target", "away.invalid:1"], 5, "away.invalid:1: is not on this machine (allow it: --allow-host"),
        (["--target", "old.example:1", "--allow-host", "old.example"], 0, ""),
        (
            ["--target", "away.invalid:1", "--allow-host", "away.invalid", "--only", "4"],
            5,
            "away.invalid:1: is not on this machine, and nothing of the capture does mere reading (write, auth) "
            "(allow it: --allow-effects write,auth)",
        ),
        (["--target", "away.invalid:1", "--allow-host", "away.invalid", "--allow-effects", "auth,write"], 0, ""),
        (["--target", "tqq.tencent.com:80", "--allow-host", "tqq.tencent.com"], 5, "tqq.tencent.com: the protocol's"),
        (["--target", "127.0.0.1:1", "--baseline", "away.invalid:1"], 5, "away.invalid:1: is not on this machine ("),
        (
            ["--target", "127.0.0.1:1", "--baseline", "away.invalid:1", "--allow-host", "away.invalid", "--only", "4"],
            5,
            "away.invalid:1: is not on this machine, and nothing of the capture does mere reading",
        ),
        (["--target", "127.0.0.1:1", "--set", "Unheard.X=1"], 2, "--set Unheard.X: there is no such command"),
        (["--target", "127.0.0.1:1", "--set", "Login.PS=hunter2"], 2, "--set Login.PS: is a secret"),
        (["--target", "127.0.0.1:1", "--only", "77"], 2, "--only 77: no request of the capture"),
        (["--target", "127.0.0.1:1", "--map-account", "99=10001"], 2, "--map-account: 10001 and 99 would both be"),
        (["--target", "127.0.0.1:1", "--allow-effects", "all"], 2, "--allow-effects all: is no effect"),
    ],
)
def test_what_would_be_refused_is_said_beforehand(
    capture: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    said: str,
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("--dry-run asks nobody")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(sys, "argv", ["qqlab", "replay", str(capture), "--dry-run", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code or 0) == code
    err = capsys.readouterr().err
    assert err.startswith(f"qqlab: {said}" if said else "")
    assert len(err.splitlines()) == (1 if said else 0)
    assert "hunter2" not in err
