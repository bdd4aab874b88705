"""Controls of a replay, against a server that is not the same twice."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path

import msgspec
import pytest
from conftest import free_port, qqlab, served

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture import encode_line, header, save
from qqlab.diff.rules import parse
from qqlab.exchange import Exchange
from qqlab.replay.journal import Head, Journal, fingerprint, new_path

SPEC = specs.builtin()
Serve = Callable[..., str]


def info(seq: int, age: object, name: str) -> tuple[str, str]:
    head = f"VER=1.1&CMD=GetInfo&SEQ={seq}&UIN=10001"
    return f"{head}&LV=2&UN=10002", f"{head}&RES=0&AG={age}&LV=2&UN=10002&NK={name}"


@contextmanager
def serving(name: str, asked: list[str]) -> Iterator[str]:
    """A server that says an age that grows, and always this name."""
    ages = count(50)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append(body)
            found = re.search(r"SEQ=(\d+)", body)
            assert found is not None
            reply = info(int(found[1]), next(ages), name)[1].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with served(Handler) as target:
        yield target


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def serve(asked: list[str]) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(serving(name, asked))


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "recorded.jsonl"
    exchanges = [
        Exchange(
            id=str(number),
            session="a/10001",
            request=http1.request(asks.encode(), "h:1"),
            reply=http1.reply(says.encode()),
        )
        for number, (asks, says) in enumerate([info(1001, 30, "x"), info(1002, 30, "x")], 1)
    ]
    save(path, header(SPEC, redacted="secrets"), exchanges, SPEC)
    return path


def test_what_differs_between_replays_is_ignored_and_kept_as_rules(
    recorded: Path, tmp_path: Path, serve: Serve, asked: list[str]
) -> None:
    target, saved = serve("y"), tmp_path / "rules.toml"
    done = qqlab("replay", recorded, "--target", target, "--control", "2", "--save-rules", saved)
    assert done.returncode == 1
    assert len(asked) == 6
    assert len(set(asked)) == 6
    assert "has another NK" in done.stdout
    assert "has another AG" not in done.stdout
    assert "suppressed: 2 by noise GetInfo reply AG value" in done.stdout
    assert (
        "ignored: 1 kind of differences that comes by itself, as controls show; 1 of them in this replay" in done.stderr
    )
    [rule] = parse(saved.read_text(), str(saved)).rules
    assert (rule.command, rule.field, rule.rule, rule.support) == ("GetInfo", "AG", "value", (4, 4))
    assert "differs between replays in 4 of 4 pairs (most likely in 51% to 100% of all)" in saved.read_text()
    done = qqlab("replay", recorded, "--target", target, "--rules", saved)
    assert (done.returncode, len(asked)) == (1, 8)
    assert "suppressed: 2 by noise GetInfo reply AG value" in done.stdout
    done = qqlab("replay", recorded, "--target", serve("x"), "--rules", saved)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_account_whose_login_failed_is_not_tried_again_by_controls(
    tmp_path: Path, serve: Serve, asked: list[str]
) -> None:
    login = "VER=1.1&CMD=Login&SEQ=1000&UIN=10001"
    said = f"{login}&RES=0&RS=0&HI=60&LI=300"
    login += "&PS=0123456789abcdef0123456789abcdef&M5=1&LC=9326B87B234E7235"
    exchanges = [
        Exchange(id=str(number), session="a/10001", request=http1.request(asks.encode(), "h"), reply=http1.reply(says))
        for number, (asks, says) in enumerate([(login, said.encode()), (info(1001, 30, "x")[0], b"RES=0")], 1)
    ]
    path = tmp_path / "login.jsonl"
    save(path, header(SPEC, redacted="secrets"), exchanges, SPEC)
    qqlab("replay", path, "--target", serve("x"), "--control", "2", "--baseline", serve("x"))
    assert [re.findall("CMD=([A-Za-z]+)", one)[0] for one in asked] == [
        *("Login", "GetInfo", "GetInfo", "GetInfo"),
        *("Login", "GetInfo"),
    ]


def test_a_secret_that_went_out_before_is_known_when_a_replay_goes_on(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, target = hashlib.md5(b"mima").hexdigest(), serve(hashlib.md5(b"mima").hexdigest())
    login = "VER=1.1&CMD=Login&SEQ=1000&UIN=10001"
    said = http1.reply(f"{login}&RES=0&RS=0&HI=60&LI=300".encode())
    asked = http1.request(f"{login}&PS=0123456789abcdef0123456789abcdef&M5=1&LC=9326B87B234E7235".encode(), "h")
    first = Exchange(id="1", session="a/10001", request=asked, reply=said)
    asks, says = info(1001, 30, "x")
    second = msgspec.structs.replace(first, id="2", request=http1.request(asks.encode(), "h"))
    recorded = [first, msgspec.structs.replace(second, reply=http1.reply(says.encode()))]
    path, output = tmp_path / "login.jsonl", tmp_path / "replayed.jsonl"
    save(path, header(SPEC, redacted="secrets"), recorded, SPEC)
    journal = Journal(new_path(output), Head(qqlab_journal=1, replay=fingerprint(recorded), target=target, start=7))
    journal.outcome(first.id, encode_line(first, SPEC))
    journal.close()
    monkeypatch.setenv("QQLAB_PASSWORD_10001", "mima")
    done = qqlab("replay", path, "--target", target, "-o", output, "--resume")
    assert "has another NK" in done.stdout
    assert secret not in done.stdout + output.read_text()


def test_the_line_to_reproduce_a_difference_does_so_with_the_same_options(
    recorded: Path, tmp_path: Path, serve: Serve, asked: list[str]
) -> None:
    accounts = tmp_path / "my accounts.toml"
    accounts.write_text('accounts = [{ uin = "10001", password = "x", nickname = "n" }]\n')
    options = [
        "--accounts",
        str(accounts),
        "--allow-effects",
        "write,auth",
        "--timeout",
        "7.5",
        "--allow-host",
        "a.example",
    ]
    target = serve("y")
    done = qqlab("replay", recorded, "--target", target, *options)
    quoted = " ".join(f"'{one}'" if " " in one else one for one in options)
    assert f"qqlab replay {recorded} --target {target} {quoted} --only 1" in done.stdout


def test_a_baseline_shows_what_a_right_server_says(recorded: Path, serve: Serve, asked: list[str]) -> None:
    done = qqlab("replay", recorded, "--target", serve("y"), "--baseline", serve("x"))
    assert (done.returncode, len(asked)) == (1, 4)
    assert "has another NK" in done.stdout
    assert "has another AG" not in done.stdout
    assert "on the baseline server, too, in 2 of 2 pairs" in done.stdout
    down = f"127.0.0.1:{free_port()}"
    done = qqlab("replay", recorded, "--target", serve("x"), "--baseline", down)
    assert done.returncode == 1
    assert f"qqlab: the baseline {down} teaches nothing: cannot connect" in done.stderr
    assert "has another AG" in done.stdout


def test_a_baseline_is_contacted_by_the_same_rules(recorded: Path, serve: Serve, asked: list[str]) -> None:
    done = qqlab("replay", recorded, "--target", serve("x"), "--baseline", "192.0.2.1:80", "--control", "1")
    assert (done.returncode, asked) == (5, [])
    assert done.stderr == "qqlab: 192.0.2.1:80: is not on this machine (allow it: --allow-host 192.0.2.1)\n"


def test_what_can_be_learned_from_nothing(recorded: Path, tmp_path: Path, serve: Serve, asked: list[str]) -> None:
    done = qqlab("replay", recorded, "--target", serve("x"), "--save-rules", tmp_path / "rules.toml")
    assert (done.returncode, asked) == (2, [])
    assert "--save-rules: there is nothing to learn from (add --control 2, or --baseline URL)" in done.stderr
    (tmp_path / "rules.toml").write_text("mine")
    more = ["--control", "1", "--save-rules", str(tmp_path / "rules.toml")]
    done = qqlab("replay", recorded, "--target", serve("x"), *more)
    assert (done.returncode, asked) == (3, [])
    assert (tmp_path / "rules.toml").read_text() == "mine"
