"""`qqlab record` as people run it: real clients, the test server, and mitmproxy between them."""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from fcntl import ioctl
from pathlib import Path

import pytest
from conftest import ROOT, Process, free_port, qqlab

from qqlab.capture import load
from qqlab.cli.app import app
from qqlab.errors import QqlabError
from qqlab.exchange import Exchange

POLL = b"VER=1.1&CMD=GetMsgEx&SEQ=%d&UIN=10001"
RECORD = (sys.executable, "-m", "qqlab", "record")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The test server's port."""
    server = Process(
        sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0", home=tmp_path_factory.mktemp("home")
    )
    yield int(server.wait_for("serving on").split(":")[3].split()[0])
    server.close()


@pytest.fixture
def record(start: Callable[..., Process]) -> Callable[..., tuple[Process, int]]:
    """Start a recording; gives the process, and the port that clients connect to."""

    def run(path: Path, *options: object) -> tuple[Process, int]:
        process = start(*RECORD, "--listen", "127.0.0.1:0", "-o", str(path), *map(str, options))
        line = process.wait_for("recording on")
        return process, int(line.split(" into ")[0].rpartition(":")[2])

    return run


def ask(port: int, body: bytes, line: bytes = b"POST / HTTP/1.1", host: bytes = b"127.0.0.1") -> bytes:
    """One request over a connection of its own; the reply up to the end of file."""
    head = line + b"\r\nHost: " + host + b"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head + body)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def read_until(connection: socket.socket, end: bytes) -> None:
    data = b""
    while end not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError(data)
        data += piece


def sequences(path: Path) -> list[str]:
    return [re.findall(r"SEQ=(\d+)", sent(exchange))[0] for exchange in load(path).exchanges]


def sent(exchange: Exchange) -> str:
    assert exchange.request is not None
    return (exchange.request.head + exchange.request.body).decode()


def test_reverse_mode_prints_a_line_for_each_exchange_and_a_summary(
    record: Callable[..., tuple[Process, int]], upstream: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keys = tmp_path_factory.getbasetemp() / "home" / ".mitmproxy"
    shutil.rmtree(keys, ignore_errors=True)  # of tests before this one, in the same process
    path = tmp_path / "a.jsonl"
    process, port = record(path, "--upstream", f"http://127.0.0.1:{upstream}", "--note", "mine")
    # A client that has the historical server built in says so in its Host header, which leads nowhere.
    assert b"&RES=20" in ask(port, POLL % 7, host=b"tqq.tencent.com:8000")
    assert b"&RES=20" in ask(port, POLL % 8 + b"&XX=\x1b[31m", b"POST HTTP/1.1")
    assert ask(port, b"hello=world").startswith(b"HTTP/1.1 ")
    process.wait_for("2  ", begins=True)
    assert process.stop() == 0
    _, first, second, *rest = process.output.splitlines()
    assert re.fullmatch(r"1  \d\d:\d\d:\d\d\.\d{3}  10001  GetMsgEx  RES=20 not logged in[^·]*  \d+\.\d  -", first)
    assert second.endswith("  field.undocumented")
    assert rest[:5] == [
        "  exchanges      2",
        "  commands       GetMsgEx 2",
        "  warning notes  field.undocumented 1",
        "  passed by      1 of other traffic, not recorded",
        rest[4],
    ]
    assert rest[5].startswith(f"  file           {path}, ")
    assert len(rest) == 6
    assert "\x1b" not in process.output
    capture = load(path)
    assert sent(capture.exchanges[0]).startswith("POST / HTTP/1.1\r\nHost: tqq.tencent.com:8000\r\n")
    assert [exchange.transport for exchange in capture.exchanges] == ["http", "tcp"]
    assert (capture.header.note, capture.header.redacted) == ("mine", "secrets")
    assert not keys.exists()


def test_tcp_mode_takes_all_and_ends_after_so_many(
    record: Callable[..., tuple[Process, int]], upstream: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    size = ("--rotate-size", "700")
    process, port = record(path, "--upstream", f"127.0.0.1:{upstream}", "--tcp", "--count", 3, "--json", *size)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for line in (b"POST / HTTP/1.1\r\nhost:x", b"POST HTTP/1.1\r\nexpect: 100-continue", b"POST HTTP/1.1"):
            body = POLL % 9
            connection.sendall(line + b"\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            read_until(connection, b"RES=20")
    assert process.wait() == 0
    assert "  segments       2 finished ones beside the file, " in process.output
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["a.0001.jsonl.zst", "a.0002.jsonl.zst", "a.jsonl"]
    printed = [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
    assert [line["decoded"]["status"] for line in printed] == [20, 20, 20]
    exchanges = load(path).exchanges
    assert [exchange.transport for exchange in exchanges] == ["tcp"] * 3
    assert [sent(exchange).split("\r\nConnection")[0] for exchange in exchanges] == [
        "POST / HTTP/1.1\r\nhost:x",
        "POST HTTP/1.1\r\nexpect: 100-continue",
        "POST HTTP/1.1",
    ]


def test_proxy_mode_refuses_the_historical_servers_and_ends_in_time(
    record: Callable[..., tuple[Process, int]], upstream: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    process, port = record(path, "--proxy", "--duration", 3)
    assert b"&RES=20" in ask(port, POLL % 1, b"POST http://127.0.0.1:%d/ HTTP/1.1" % upstream)
    for name in (b"tqq.tencent.com:8000", b"TQQ.tencent.com."):
        refused = ask(port, POLL % 2, b"POST http://%s/ HTTP/1.1" % name, host=name)
        assert refused.startswith(b"HTTP/1.1 502 ")
        assert b"historical servers are never contacted" in refused
    ask(port, POLL % 3, b"POST HTTP/1.1", host=b"tqq.tencent.com")
    assert process.wait() == 0
    assert process.output.count("not connected: tqq.tencent.com: the protocol's historical servers") == 3
    assert "cannot be reached" not in process.output  # that it was not tried is said
    assert sequences(path) == ["1", "2", "2"]
    assert [exchange.error is None for exchange in load(path).exchanges] == [True, False, False]


def test_what_cannot_be_relayed_is_said(record: Callable[..., tuple[Process, int]], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    down = free_port()
    process, port = record(path, "--upstream", f"127.0.0.1:{down}")
    for number in (1, 2):
        assert ask(port, POLL % number).startswith(b"HTTP/1.1 502 ")
    assert process.stop(signal.SIGTERM) == 0
    assert process.output.count(f"qqlab: 127.0.0.1:{down}: cannot be reached: connection refused\n") == 1
    assert sequences(path) == ["1", "2"]
    assert "  exchanges      2, 2 of them failed" in process.output


def test_a_client_that_has_gone_says_nothing_of_the_server(
    record: Callable[..., tuple[Process, int]], tmp_path: Path
) -> None:
    with ExitStack() as open_ones:
        # Nobody accepts, and the queue is full: a connection to there neither stands nor fails.
        full = open_ones.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = open_ones.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        process, port = record(tmp_path / "a.jsonl", "--upstream", f"127.0.0.1:{full.getsockname()[1]}")
        while "no reply" not in process.output:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(POLL % 1) + POLL % 1)
                time.sleep(0.05)
                # A reset takes with it what was not read yet: then once more.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert process.stop() == 0
    assert "cannot be reached" not in process.output
    assert set(sequences(tmp_path / "a.jsonl")) == {"1"}


def test_a_refused_request_counts_and_is_said(
    record: Callable[..., tuple[Process, int]], upstream: int, tmp_path: Path
) -> None:
    process, port = record(tmp_path / "a.jsonl", "--upstream", f"127.0.0.1:{upstream}")
    body = POLL % 1
    rest = b"\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1" + rest)
        read_until(connection, b"RES=20")
        connection.sendall(b"POST HTTP/1.1" + rest)
        read_until(connection, b" 400 ")
    assert b"RES=20" in ask(port, POLL % 2, b"\r\n\r\nPOST / HTTP/1.1")  # mitmproxy would wait for ever
    ask(port, b"", b"POST / HTTP/1.1\r\nPS=5f4dcc3b5aa765d6")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nX: PS=5f4dcc3b5aa765d6")
    process.wait_for("not recorded: bytes of the client are no whole request; qqlab record --tcp relays it")
    assert process.stop() == 0
    assert process.output.count("not recorded: mitmproxy refused the request's first line; qqlab record --tcp") == 1
    assert process.output.count("not recorded: mitmproxy refused a line of the request's head; qqlab record --tcp") == 1
    assert "5f4dcc3b5aa765d6" not in process.output
    assert "  passed by      3 of other traffic" in process.output
    assert sequences(tmp_path / "a.jsonl") == ["1", "2"]


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("--proxy", "--append", "--force"), 2, "--append: goes not with --force"),
        (("--proxy", "--rotate-size", "0"), 2, "--rotate-size 0: is no amount"),
        (("--proxy", "--rotate-time", "1 week"), 2, "--rotate-time 1 week: is no amount"),
        (("--proxy", "--body-limit", "-1"), 2, "--body-limit -1: is no amount"),
        (("--proxy", "--sync", "often"), 2, "--sync often: is no choice (one of never, interval, always)"),
        (("--proxy", "--redact-key-file", "no/key"), 3, "no/key: the key cannot be read"),
        ((), 2, "record: nothing says where the server is"),
        (("--proxy", "--tcp"), 2, "--proxy: goes with none of"),
        (("--upstream", "127.0.0.1:1", "--tcp", "--lines"), 2, "--tcp: goes not with --lines"),
        (("--upstream", "http://tqq.tencent.com:8000"), 5, "historical servers are never contacted"),
        (("--upstream", "127.0.0.1:1", "--listen", "8000"), 2, "is no HOST:PORT"),
        (("--upstream", "127.0.0.1:1", "--redact", "some"), 2, "--redact some: is no choice"),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], code: int, reason: str, tmp_path: Path) -> None:
    with pytest.raises(QqlabError) as refused:
        app(["record", "-o", str(tmp_path / "a.jsonl"), *options], standalone_mode=False)
    assert (refused.value.exit_code, list(tmp_path.iterdir())) == (code, [])
    assert reason in str(refused.value)


def test_a_taken_port_and_an_existing_file(upstream: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    taken = f"127.0.0.1:{upstream}"
    done = qqlab("record", "--upstream", taken, "--listen", taken, "-o", path)
    assert (done.returncode, done.stderr) == (
        4,
        f"qqlab: {taken}: cannot be listened on: Address already in use (choose another: --listen)\n",
    )
    assert not path.exists()
    path.write_text("precious")
    done = qqlab("record", "--upstream", taken, "-o", path)
    assert (done.returncode, path.read_text()) == (3, "precious")
    assert done.stderr.startswith(f"qqlab: {path}: exists already")


@pytest.mark.parametrize("mode", [(), ("--tcp",)])
def test_a_full_disk_or_a_removed_file_ends_it_with_the_reason(
    mode: tuple[str, ...],
    start: Callable[..., Process],
    record: Callable[..., tuple[Process, int]],
    upstream: int,
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    port = free_port()
    # A limit on file size stands in for a full disk: the write fails in the middle of a line.
    command = [*RECORD, "--upstream", f"127.0.0.1:{upstream}", "--listen", f"127.0.0.1:{port}", "-o", str(path)]
    process = start("bash", "-c", 'ulimit -f 2; exec "$@"', "bash", *command, *mode)
    process.wait_for("recording on")
    answered = 0
    with suppress(OSError):
        for number in range(100):
            answered += b"RES=20" in ask(port, POLL % number)
    assert process.wait() == 3
    capture = load(path)
    safe = len(capture.exchanges)
    assert answered == safe  # no client has a reply that is not in the file
    assert f"qqlab: {path}: File too large ({safe} exchanges are safe in it)\n" in process.output
    assert f"  exchanges      {safe}\n" in process.output

    path = tmp_path / "b.jsonl"
    process, port = record(path, "--upstream", f"127.0.0.1:{upstream}", *mode)
    ask(port, POLL % 1)
    path.unlink()
    with suppress(OSError):
        assert b"RES=20" not in ask(port, POLL % 2)
    assert process.wait() == 3
    assert (
        f"qqlab: {path}: was removed while it was being recorded, with all that was in it, up to exchange 1"
        in process.output
    )


@pytest.mark.parametrize("mode", [(), ("--tcp",)])
def test_whoever_kills_it_loses_nothing_that_a_client_has_the_reply_of(
    mode: tuple[str, ...], record: Callable[..., tuple[Process, int]], upstream: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    process, port = record(path, "--upstream", f"127.0.0.1:{upstream}", *mode)
    answered: list[str] = []

    def client(number: int) -> None:
        body = POLL % number
        request = (
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            for step in range(10_000):
                connection.sendall(request.replace(b"SEQ=%d" % number, b"SEQ=%d" % (number + step)))
                read_until(connection, b"RES=20&")
                answered.append(str(number + step))

    clients = [threading.Thread(target=client, args=(100_000 * number,)) for number in range(1, 5)]
    for thread in clients:
        thread.start()
    while len(answered) < 200 and any(thread.is_alive() for thread in clients):
        time.sleep(0.01)
    process.stop(signal.SIGKILL)
    for thread in clients:
        thread.join(20)
    assert len(answered) >= 200
    assert set(answered) - set(sequences(path)) == set()


def test_a_reply_that_only_the_connection_ends_is_in_the_file_when_the_client_has_it(
    record: Callable[..., tuple[Process, int]], tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process, port = record(path, "--upstream", f"127.0.0.1:{listener.getsockname()[1]}", "--tcp")
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"POST HTTP/1.0\r\n\r\n" + POLL % 1)
            server, _ = listener.accept()
            with server:
                server.settimeout(20)
                read_until(server, POLL % 1)
                server.sendall(b"HTTP/1.0 200 OK\r\n\r\nVER=1.1&CMD=GETMSGEX&SEQ=1&UIN=10001&RES=20&RS=")
            assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b"&RS=")
            process.stop(signal.SIGKILL)
    (exchange,) = load(path).exchanges
    assert (exchange.reply is not None, exchange.error) == (True, None)


def test_the_table_on_a_terminal(upstream: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    port = free_port()
    main, side = pty.openpty()
    ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 80, 0, 0))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "HOME": str(tmp_path)}
    for size in ("COLUMNS", "LINES"):  # the terminal's own counts
        environment.pop(size, None)
    child = subprocess.Popen(
        [*RECORD, "--upstream", f"127.0.0.1:{upstream}", "--listen", f"127.0.0.1:{port}", "-o", str(path)],
        cwd=ROOT, env=environment, stdin=side, stdout=side, stderr=side, start_new_session=True,
    )  # fmt: skip
    os.close(side)
    seen = ""

    def wait_for(text: str) -> str:
        nonlocal seen
        end = time.monotonic() + 20
        while text not in seen:
            assert time.monotonic() < end, seen
            if select.select([main], [], [], 0.2)[0]:
                seen += os.read(main, 65536).decode()
        return seen

    try:
        wait_for(f"recording on 127.0.0.1:{port}")
        for number in range(1, 30):
            ask(port, POLL % number + b"&XX=\x1b]0;evil\x07")
        wait_for("29 exchanges")
        child.send_signal(signal.SIGINT)
        wait_for("  file  ")
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait()
        os.close(main)
    frames = seen.split("recording on ")
    assert max(frame.count("GetMsgEx") for frame in frames[:-1]) == 6  # so many rows fit in the window
    assert re.search(r"\d\d:\d\d:\d\d +10001 +GetMsgEx +RES=20 not logged… +\d+\.\d +field.undoc", seen)
    assert "commands       GetMsgEx 29" in seen
    assert "\x1b]" not in seen
    assert load(path).torn is None


def test_appending_forcing_and_a_second_recorder(
    record: Callable[..., tuple[Process, int]], upstream: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    options = ("--upstream", f"127.0.0.1:{upstream}", "--redact", "all", "--redact-key-file", key, "--sync", "always")
    login = b"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS=5f4dcc3b5aa765d61d8327deb882cf99&M5=1&LC=9326B87B234E7235"
    for _ in range(2):
        process, port = record(path, *options, "--append", "--body-limit", "60")
        ask(port, login)
        second = qqlab("record", "--proxy", "--listen", "127.0.0.1:0", "-o", path, "--append")
        assert (second.returncode, "another recorder is writing it" in second.stderr) == (3, True)
        assert process.stop() == 0
    one, two = load(path).exchanges
    assert (one.id, two.id) == ("1", "2")
    assert one.request is not None
    assert one.request.cut is not None
    assert (one.request.cut.length, one.request.body) == (len(login), sent(two).encode()[-60:])  # the same pseudonym
    process, port = record(path, *options, "--force")
    ask(port, POLL % 5)
    assert process.stop() == 0
    assert sequences(path) == ["5"]


def test_lines_on_one_long_connection(record: Callable[..., tuple[Process, int]], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        upstream = listening.getsockname()[1]
        process, port = record(path, "--upstream", f"127.0.0.1:{upstream}", "--lines")
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client, listening.accept()[0] as server:
            server.settimeout(20)
            push = b"VER=1.1&CMD=Server_Msg&SEQ=9&UIN=10001&UN=10002&MG=hi\r\n"
            server.sendall(push)  # before the client has said anything
            read_until(client, push)
            for start in (1, 3):
                asked = [b"VER=1.4&CON=1&CMD=GetMsgEx&SEQ=%d&UIN=10001\n" % one for one in (start, start + 1)]
                client.sendall(asked[0] + asked[1][:9])
                client.sendall(asked[1][9:])
                read_until(server, asked[1])
                answers = [b"VER=1.1&CMD=GETMSGEX&SEQ=%d&UIN=10001&RES=20\r\n" % one for one in (start + 1, start)]
                server.sendall(answers[0] + push[:20])  # in another order than asked
                server.sendall(push[20:] + answers[1])
                read_until(client, answers[1])
            printed = process.wait_for("7  ", begins=True)
            assert "Server_Msg" not in printed
        assert process.stop() == 0
    exchanges = load(path).exchanges
    assert {exchange.transport for exchange in exchanges} == {"lines"}
    assert [sent(exchange)[-15:-10] if exchange.request else "push" for exchange in exchanges] == [
        "push", "SEQ=2", "push", "SEQ=1", "SEQ=4", "push", "SEQ=3",
    ]  # fmt: skip
    assert {exchange.pairing for exchange in exchanges if exchange.request} == {"echo"}
    assert {exchange.reply.end for exchange in exchanges if exchange.reply} == {b"\r\n"}
