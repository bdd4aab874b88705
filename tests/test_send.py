"""One command composed from what is known of it, and `qqlab send` against the test server."""

import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Process, free_port, qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab import wire
from qqlab.capture import load
from qqlab.cli.app import app
from qqlab.codec import decode_message
from qqlab.errors import QqlabError, UsageError
from qqlab.replay.compose import Given, Ways, compose, log_in, numbers, read_picture
from qqlab.spec import Spec

SPEC = specs.builtin()
HASH = hashlib.md5(b"mima-10001").hexdigest()


def ways(*without: str, newest: bool = False) -> Ways:
    return Ways("1234", {"10001": "mima-10001"}.get, {"10005": "K7QX"}.get, without, newest)


def fields(*texts: str) -> list[Given]:
    return [Given(name, value) for name, _, value in (text.partition("=") for text in texts)]


@pytest.mark.parametrize(
    ("command", "given", "body"),
    [
        ("GetInfo", ["UN=10002", "UIN=10001", "LV=3"], "VER=1.1&CMD=GetInfo&SEQ=1234&UIN=10001&LV=3&UN=10002"),
        ("getinfo", ["lv=1", "uin=1", "un=2"], "VER=1.1&CMD=GetInfo&SEQ=1234&UIN=1&LV=1&UN=2"),
        ("Logout", ["UIN=10001", "SEQ=7", "VER=1.0"], "VER=1.0&CMD=Logout&SEQ=7&UIN=10001"),
        (
            "CLTMSG",
            ["UIN=1", "UN=2", "MG=a, b&c%\r\n"],
            "VER=1.1&CMD=CLTMSG&SEQ=1234&UIN=1&UN=2&MG=a%2c b%26c%25%0d%0a",
        ),
        ("Finger", ["UIN=1", "AG=3"], "VER=1.4&CMD=Finger&SEQ=1234&UIN=1&AG=3"),
        ("Logout", ["UIN=1", "ZZ=1", "UIN=2", "CMD=LOGOUT"], "VER=1.1&CMD=LOGOUT&SEQ=1234&UIN=1&UIN=2&ZZ=1"),
        ("Login", ["UIN=10001"], f"VER=1.1&CMD=Login&SEQ=1234&UIN=10001&PS={HASH}&M5=1&LC=9326B87B234E7235"),
        ("Nonsense", ["UIN=1"], "VER=1.1&CMD=Nonsense&SEQ=1234&UIN=1"),
    ],
)
def test_a_request_is_what_is_given_and_what_can_only_be_meant(
    known: Spec, command: str, given: list[str], body: str
) -> None:
    assert compose(command, fields(*given), known, ways()).body == body.encode()


def test_lines_have_the_newest_version_and_fields_may_be_left_out(known: Spec) -> None:
    body = compose("List", fields("UIN=1", "UN=0"), known, ways("tn", "SEQ", newest=True)).body
    assert body == b"VER=1.4&CMD=List&UIN=1&UN=0"


def test_what_is_escaped_already_is_sent_as_written(known: Spec) -> None:
    given = [Given("UIN", "1"), Given("UN", "2"), Given("MG", "%41+b", escaped=True)]
    assert compose("CLTMSG", given, known, ways()).body.endswith(b"&MG=%41+b")


@pytest.mark.parametrize(
    ("command", "given", "without", "message"),
    [
        (
            "List",
            ["UIN=1"],
            [],
            "List: needs TN (Most rows wanted; clients say 160); UN (Where to go on: 0 at first, then the last number "
            "received) (give TN=VALUE, UN=VALUE, or leave one out on purpose: --without TN)",
        ),
        ("Login", ["UIN=5"], [], "Login: no password is known for account 5 (give it in a file: --accounts FILE)"),
        (
            "Login",
            [],
            ["UIN"],
            "Login: no password is known without UIN (give it in a file: --accounts FILE)",
        ),
        ("Logout", ["UIN=1", "CMD=List"], [], "CMD=List: the command is Logout (name it once)"),
        ("Logout", ["UIN=1", "=2"], [], "'': is no field's name (a field is given as FIELD=VALUE)"),
        ("Logout", ["UIN=1", "A&B=2"], [], "'A&B': is no field's name (a field is given as FIELD=VALUE)"),
        ("Logout", ["UIN=1"], ["uin"], "Logout: UIN is given and left out at once (do one of both)"),
    ],
)
def test_what_cannot_be_composed_is_said(
    known: Spec, command: str, given: list[str], without: list[str], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        compose(command, fields(*given), known, ways(*without))
    assert str(error.value) == message


@pytest.mark.parametrize("end", ["&", "\n", "\r"])
def test_a_value_escaped_already_ends_no_pair_and_no_line(known: Spec, end: str) -> None:
    with pytest.raises(UsageError, match="neither & nor a line end"):
        compose("Logout", [Given("UIN", f"1{end}CMD=Login", escaped=True)], known, ways())


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_is_given_is_what_is_read(text: str) -> None:
    """Every text survives the escapes, and makes neither another pair nor another line."""
    body = compose("CLTMSG", [Given("UIN", "1"), Given("UN", "2"), Given("MG", text)], SPEC, ways()).body
    message = decode_message(body, "request", SPEC)
    assert len(wire.split(body)) == 6
    assert b"\n" not in body
    assert b"\r" not in body
    field = message.get("MG")
    assert field is not None
    assert message.plus or field.value == text


def test_logging_in_knows_the_versions_and_what_pictures_show(known: Spec) -> None:
    assert log_in("10001", "1.2", known, ways()).body.startswith(b"VER=1.1&CMD=Login&")
    assert log_in("10001", "1.4", known, ways()).body.startswith(b"VER=1.4&CMD=Login&")
    assert read_picture("10005", "1.4", known, ways()).body == b"VER=1.4&CMD=VERIFYCODE&SEQ=1234&UIN=10005&SC=2&VC=K7QX"


def test_numbers_are_fresh_and_as_long() -> None:
    ones = numbers(999_999_998)
    assert [next(ones) for _ in range(3)] == ["199999998", "199999999", "200000000"]
    last = numbers(9 * 10**8 - 1)
    assert [next(last), next(last)] == ["999999999", "100000000"]


# ------------------------------------------------------------------------------------------------ as a process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process = Process(
        sys.executable,
        "-m",
        "qqlab",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--lines",
        home=tmp_path_factory.mktemp("home"),
    )
    match = re.search(r"http://([^ ]+)", process.wait_for("serving on"))
    assert match is not None
    yield match[1]
    process.close()


def test_request_and_reply_are_shown_and_kept_and_the_password_is_not(server: str, tmp_path: Path) -> None:
    kept = tmp_path / "sent.jsonl"
    done = qqlab("send", "GetInfo", "UIN=10001", "LV=3", "UN=10003", "--login", "--target", server, "-o", kept)
    assert (done.returncode, done.stderr) == (0, "")
    assert "exchange 1: GetInfo" in done.stdout
    assert "full" in done.stdout
    assert "请勿打扰" in done.stdout
    assert [exchange.id for exchange in load(kept).exchanges] == ["login", "1"]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert HASH not in kept.read_text("utf-8") + done.stdout
    shown = qqlab("show", kept, "1")
    assert shown.stdout == done.stdout
    again = qqlab("send", "Logout", "UIN=10001", "--target", server, "-o", kept)
    assert (again.returncode, again.stdout) == (3, "")
    assert "exists already" in again.stderr


def test_a_login_is_shown_without_its_secret(server: str) -> None:
    done = qqlab("send", "Login", "--account", "10002", "--login", "--target", server, "--json")
    assert done.returncode == 0
    [exchange] = json.loads(done.stdout)
    assert exchange["decoded"]["reply"]["RS"] == 0
    assert hashlib.md5(b"mima-10002").hexdigest() not in done.stdout


def test_a_server_of_another_protocol_is_no_reply() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        target = f"127.0.0.1:{listening.getsockname()[1]}"

        def speak() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.recv(65536)

        speaking = threading.Thread(target=speak)
        speaking.start()
        done = qqlab("send", "Logout", "UIN=10001", "--target", target)
        speaking.join()
    assert done.returncode == 4
    assert done.stderr.startswith(f"qqlab: {target}: the reply is no HTTP")
    assert done.stderr.endswith(" (is it the right port?)\n")
    assert done.stderr.count("\n") == 1


def test_who_is_not_logged_in_is_told_how(server: str) -> None:
    done = qqlab("send", "GetMsgEx", "UIN=10006", "--target", server)
    assert done.returncode == 0
    assert done.stderr == (
        "qqlab: the server says RES=20 not logged in, or logged in elsewhere since; --login logs an account in first\n"
    )


def test_lines_with_a_picture_to_read_and_a_push(server: str, tmp_path: Path) -> None:
    kept = tmp_path / "lines.jsonl"
    message = ["CLTMSG", "UIN=10005", "UN=10005", "MG=to myself, now"]
    done = qqlab("send", *message, "--lines", "--login", "--wait", "0.3", "--target", server, "-o", kept)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Server_Msg" in done.stdout
    ids = [exchange.id for exchange in load(kept).exchanges]
    assert sorted(ids) == ["1", "login", "login-picture", "push-1"]


def test_a_secret_may_come_from_a_file(server: str, tmp_path: Path) -> None:
    (tmp_path / "hash").write_text(HASH + "\n")
    done = qqlab("send", "Login", "UIN=10001", "--from-file", f"PS={tmp_path / 'hash'}", "--target", server)
    assert done.returncode == 0
    assert "logged in" in done.stdout
    assert HASH not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["Lgin"], 2, "Lgin: the spec has no such command (known: Login, List, "),
        (["Server_Msg", "UIN=1"], 2, "Server_Msg: is pushed by servers and asked for by no client"),
        (["Login", "UIN=1", "PS=geheim"], 2, "PS: is a secret and stands on no command line (--accounts FILE makes it"),
        (["Login", "UIN=1", "CKE=geheim"], 2, "CKE: is a secret and stands on no command line (--from-file CKE=FILE"),
        (["List", "UIN=1", "ssg=geheim"], 2, "ssg: is a secret and stands on no command line (--from-file ssg=FILE"),
        (["List", "geheim"], 2, "geheim: is no FIELD=VALUE"),
        (["Logout", "UIN=1", "--account", "2"], 2, "--account 2: UIN says who asks already"),
        (["Logout", "UIN=1", "--from-file", "UN"], 2, "--from-file UN: is no FIELD=FILE"),
        (["Logout", "UIN=1", "--from-file", "UN=/nowhere/at/all"], 3, "/nowhere/at/all: No such file"),
        (
            ["Logout", "--login", "--without", "UIN"],
            2,
            "--login: nobody is named who could log in (say who: UIN=NUMBER)",
        ),
        (["Logout", "UIN=1", "-o", "-"], 2, "-o -: a capture is not written to standard output"),
        (["List", "UIN=99", "TN=1", "UN=0", "--login"], 2, "Login: no password is known for account 99"),
    ],
)
def test_misuse_is_said_and_sends_nothing(arguments: list[str], code: int, message: str) -> None:
    with pytest.raises(QqlabError) as error:
        app(["send", *arguments, "--target", "127.0.0.1:1"], standalone_mode=False)
    assert error.value.exit_code == code
    assert str(error.value).startswith(message)
    assert "geheim" not in str(error.value).removeprefix("geheim: is no FIELD")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--target", "192.0.2.1:80"], 5, "is not on this machine (allow it: --allow-host 192.0.2.1)"),
        (
            ["--target", "192.0.2.1:80", "--allow-host", "192.0.2.1"],
            5,
            "is not on this machine, and this is no mere reading (auth) (allow it: --allow-effects auth)",
        ),
        (["--target", "tqq.tencent.com:8000", "--allow-host", "tqq.tencent.com"], 5, "historical servers are never"),
        (["--target", "127.0.0.1:1", "--allow-effects", "all"], 2, "is no effect (of read, consume, write, auth)"),
    ],
)
def test_safety_rules_are_those_of_a_replay(arguments: list[str], code: int, message: str) -> None:
    with pytest.raises(QqlabError) as error:
        app(["send", "Logout", "UIN=1", *arguments], standalone_mode=False)
    assert error.value.exit_code == code
    assert message in str(error.value)


def test_a_server_that_is_down_and_a_login_that_is_refused(server: str, tmp_path: Path) -> None:
    port = free_port()
    kept = tmp_path / "down.jsonl"
    done = qqlab("send", "Logout", "UIN=1", "--target", f"127.0.0.1:{port}", "-o", kept)
    assert done.returncode == 4
    assert f"qqlab: 127.0.0.1:{port}: cannot connect: connection refused (is the server running?)" in done.stderr
    assert [exchange.error for exchange in load(kept).exchanges] == ["cannot connect: connection refused"]
    accounts = tmp_path / "accounts.toml"
    accounts.write_text('accounts = [{ uin = "10001", password = "wrong", nickname = "n" }]\n')
    done = qqlab("send", "List", "UIN=10001", "TN=1", "UN=0", "--login", "--accounts", accounts, "--target", server)
    assert done.returncode == 4
    assert done.stderr == (
        f"qqlab: {server}: account 10001 was not logged in: RS=1 refused (is its password right? --accounts FILE)\n"
    )


def test_an_unknown_command_can_be_sent(server: str) -> None:
    done = qqlab("send", "Nonsense", "UIN=1", "X=1", "--unknown", "--target", server)
    assert done.returncode == 0
    assert "command.unknown" in done.stdout
