"""The addon inside real mitmproxy, between real sockets."""

import json
import re
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import MITMDUMP, Process, free_port

from qqlab.capture import Capture, load
from qqlab.exchange import Exchange
from qqlab.proxy.recorder import OPTIONS

SECRET = "5f4dcc3b5aa765d61d8327deb882cf99"
LOGIN = f"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS={SECRET}&M5=1&LC=9326B87B234E7235".encode()
ANSWER = b"VER=1.1&CMD=Login&SEQ=1&UIN=10001&RES=0&RS=0&HI=60&LI=300"
POLL = b"VER=1.1&CMD=GetMsgEx&SEQ=2&UIN=10001"


class Server:
    """Answers every request with `ANSWER` and closes; a body that holds a word of `orders` gets that instead."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        while length is not None and len(body) < int(length[1]):
            body += connection.recv(65536)
        self.heads.append(head)
        self.bodies.append(body)
        if b"hang" in body:
            connection.settimeout(20)
            connection.recv(1)
        elif b"drop" not in body:
            reply = ANSWER if b"binary" not in body else b"\x00\xff&&=%"
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(reply) + reply
            )

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def send(port: int, body: bytes, line: bytes = b"POST / HTTP/1.1", pieces: int = 1 << 20) -> bytes:
    """One request over a connection of its own; the reply up to the end of file."""
    request = line + b"\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for start in range(0, len(request), pieces):
            connection.sendall(request[start : start + pieces])
        data = b""
        while piece := connection.recv(65536):
            data += piece
        return data


def proxy(start: Callable[..., Process], mode: str, capture: Path, *options: str) -> tuple[Process, int]:
    port = free_port()
    process = start(
        MITMDUMP, "--mode", mode, "--listen-host", "127.0.0.1", "--listen-port", str(port), "-s", "addons/qq.py",
        "--set", f"qq_capture={capture}", *options,
    )  # fmt: skip
    process.wait_for("listening at")
    return process, port


def bodies(capture: Capture) -> list[tuple[bytes, bytes | None]]:
    def pair(exchange: Exchange) -> tuple[bytes, bytes | None]:
        assert exchange.request is not None
        return exchange.request.body, None if exchange.reply is None else exchange.reply.body

    return [pair(exchange) for exchange in capture.exchanges]


def test_reverse_mode(start: Callable[..., Process], server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    process, port = proxy(start, f"reverse:http://127.0.0.1:{server.port}", path)

    assert send(port, LOGIN).endswith(ANSWER)
    # The exchange is in the file before its client has the reply, secrets taken out.
    first = load(path).exchanges[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in path.read_text()
    assert (first.id, first.session, first.transport, first.error) == ("1", "127.0.0.1/10001", "http", None)
    assert first.server == f"127.0.0.1:{server.port}"
    assert first.elapsed is not None
    assert first.request is not None
    assert first.request.head.startswith(b"POST / HTTP/1.1\r\nHost: 127.0.0.1")
    assert len(first.request.body) == len(LOGIN)

    assert send(port, LOGIN, b"POST HTTP/1.1").endswith(ANSWER)  # no target, in one piece
    assert send(port, POLL, b"POST HTTP/1.0", pieces=1).endswith(ANSWER)  # and byte by byte
    assert send(port, b"hello=world").endswith(ANSWER)  # not of this protocol
    assert send(port, POLL + b"&XX=binary").endswith(b"\x00\xff&&=%")  # odd bytes pass untouched
    send(port, POLL + b"&XX=drop")  # the server closes without a reply
    assert send(port, POLL + b"&XX=drop", b"POST HTTP/1.1") == b""

    assert process.stop() == 0
    assert f"qqlab: 6 exchanges recorded in {path}, 1 of other traffic passed by" in process.output
    assert server.heads[1].startswith(b"POST HTTP/1.1\r\n")
    assert server.bodies[0] == LOGIN
    capture = load(path)
    assert capture.header.redacted == "secrets"
    masked = first.request.body
    assert bodies(capture) == [
        (masked, ANSWER),
        (masked, ANSWER),
        (POLL, ANSWER),
        (POLL + b"&XX=binary", b"\x00\xff&&=%"),
        (POLL + b"&XX=drop", None),
        (POLL + b"&XX=drop", None),
    ]
    assert [exchange.transport for exchange in capture.exchanges] == ["http", "tcp", "tcp", "http", "http", "tcp"]
    assert [exchange.id for exchange in capture.exchanges] == ["1", "2", "3", "4", "5", "6"]
    assert [exchange.error for exchange in capture.exchanges[4:]] == [
        "server closed connection",
        "the connection ended before the reply",
    ]
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert [line["decoded"]["command"] for line in lines] == ["Login", "Login", *["GetMsgEx"] * 4]


def test_regular_mode(start: Callable[..., Process], server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    process, port = proxy(start, "regular", path, "--set", "qq_keep_secrets=true")
    target = b"POST http://127.0.0.1:%d/ HTTP/1.1" % server.port
    assert send(port, LOGIN, target).endswith(ANSWER)
    assert process.stop() == 0
    capture = load(path)
    assert bodies(capture) == [(LOGIN, ANSWER)]
    assert capture.header.redacted == "none"


def test_what_is_under_way_when_the_proxy_stops_is_recorded(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    process, port = proxy(start, f"reverse:http://127.0.0.1:{server.port}", path)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        body = POLL + b"&XX=hang"
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        while not server.bodies:
            threading.Event().wait(0.02)
        assert process.stop() == 0
    assert [exchange.error for exchange in load(path).exchanges] == ["the proxy was stopped before the reply"]


def test_an_existing_file_stops_the_proxy_before_it_serves(start: Callable[..., Process], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("precious")
    process = start(MITMDUMP, "-p", str(free_port()), "-s", "addons/qq.py", "--set", f"qq_capture={path}")
    assert process.wait() == 1
    assert f"{path}: exists already" in process.output
    assert path.read_text() == "precious"


def test_a_bad_spec_stops_the_proxy_before_it_serves(start: Callable[..., Process], tmp_path: Path) -> None:
    spec = tmp_path / "my.toml"
    spec.write_text("format = 1")
    process = start(MITMDUMP, "-p", str(free_port()), "-s", "addons/qq.py", "--set", f"qq_spec={spec}")
    assert process.wait() == 1
    assert "$.name: is missing" in process.output


def test_a_capture_that_cannot_be_written_stops_the_proxy(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    # A limit on file size stands in for a full disk: the write fails in the middle of a line.
    script = tmp_path / "limited.py"
    script.write_text(
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "from qqlab.proxy.script import addons\n"
    )
    port = free_port()
    process = start(
        MITMDUMP, "--mode", f"reverse:http://127.0.0.1:{server.port}", "-p", str(port), "-s", script,
        "--set", f"qq_capture={path}",
    )  # fmt: skip
    process.wait_for("listening at")
    for _ in range(3):
        try:
            send(port, LOGIN)
        except OSError:
            break
    assert process.wait() == 3
    capture = load(path)
    safe = len(capture.exchanges)
    assert safe in (1, 2)
    assert f"qqlab: {path}: File too large ({safe} exchanges are safe in it): the proxy stops" in process.output
    assert capture.torn is not None


def test_every_option_has_a_sentence() -> None:
    assert [name for name, _, _, text in OPTIONS if not text.endswith(".")] == []
