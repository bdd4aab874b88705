"""Plain HTTP that nobody else looks at is relayed as bytes: when, and what server, client and capture see of it."""

import asyncio
import contextlib
import itertools
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import MITMDUMP, Process, free_port
from mitmproxy import options
from mitmproxy.addons import dumper, view
from mitmproxy.tools import dump

from qqlab import http1, spec
from qqlab.capture import load
from qqlab.codec import decode
from qqlab.proxy.alone import Others
from qqlab.proxy.choice import looks_plain
from qqlab.proxy.inside import Inside
from qqlab.proxy.recorder import Recorder

ANSWER = b"VER=1.1&CMD=GetMsgEx&SEQ=2&UIN=10001&RES=0"
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
OTHER_REPLY = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
MITMWEB = MITMDUMP.with_name("mitmweb")


class Server:
    """Answers every request that has a body with `ANSWER`, on connections that it keeps open unless a body says `bye`;
    `sent` is what it was sent, all connections in one."""

    def __init__(self) -> None:
        self.sent = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        reader = http1.Reader("request")
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            while data := connection.recv(65536):
                self.sent += data
                for request in reader.feed(data):
                    connection.sendall(REPLY if request.body else OTHER_REPLY)
                    if b"bye" in request.body:
                        return
            if reader.flush() is not None:
                connection.sendall(REPLY)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


class Client:
    """One connection to the proxy."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def send(self, data: bytes, pieces: int = 1 << 20) -> None:
        for start in range(0, len(data), pieces):
            self._socket.sendall(data[start : start + pieces])

    def end(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def read(self, replies: int = 1) -> bytes:
        """What comes, up to so many replies; to the end where that comes first."""
        data = b""
        while data.count(ANSWER) + data.count(OTHER_REPLY) < replies and (piece := self._socket.recv(65536)):
            data += piece
        return data

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def client(port: int) -> Iterator[Client]:
    made = Client(port)
    try:
        yield made
    finally:
        made.close()


def request(
    sequence: int, extra: bytes = b"", *, line: bytes = b"POST / HTTP/1.1", headers: bytes = b"Host: localhost:80\r\n"
) -> bytes:
    body = b"VER=1.1&CMD=GetMsgEx&SEQ=%d&UIN=10001" % sequence + extra
    return line + b"\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


# Sets options, before what becomes of a connection is decided: those that stand in a file when its client comes.
SETTING = """
import json
from pathlib import Path
from mitmproxy import ctx

def client_connected(client):
    ctx.options.update(**json.loads(Path({path!r}).read_text() or "{{}}"))
"""
OTHER = "def response(flow):\n    pass\n"


class Proxy:
    """mitmdump with the addon, silent; `set` sets its options for connections to come."""

    def __init__(self, start: Callable[..., Process], folder: Path, server: Server, *options: str) -> None:
        self.capture = folder / "a.jsonl"
        self.port = free_port()
        self._settings = folder / "settings.json"
        self._settings.write_text("")
        script = folder / "setting.py"
        script.write_text(SETTING.format(path=str(self._settings)))
        self.scripts = [str(Path("addons/qq.py").absolute()), str(script)]
        self._process = start(
            MITMDUMP, "--mode", f"reverse:http://127.0.0.1:{server.port}", "--listen-host", "127.0.0.1",
            "--listen-port", str(self.port), "-s", self.scripts[0], "-s", script, "--set", "flow_detail=0",
            "--set", f"qq_capture={self.capture}", *options,
        )  # fmt: skip
        self._process.wait_for("listening at")

    def set(self, **options: object) -> None:
        self._settings.write_text(json.dumps(options))

    def stop(self) -> str:
        assert self._process.stop() == 0
        return self._process.output

    def kill(self) -> None:
        assert self._process.stop(signal.SIGKILL) == -signal.SIGKILL


def ask(port: int, *requests: bytes) -> bytes:
    """Send all at once, on one connection; gives what comes back."""
    with client(port) as made:
        made.send(b"".join(requests))
        return made.read(len(requests))


def transports(capture: Path) -> list[str]:
    return [exchange.transport for exchange in load(capture).exchanges]


def sequences(capture: Path) -> list[str | None]:
    return [decode(exchange, spec.builtin()).sequence for exchange in load(capture).exchanges]


def test_it_is_taken_where_nobody_else_looks_and_left_once_somebody_does(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    proxy = Proxy(start, tmp_path, server)
    (tmp_path / "other.py").write_text(OTHER)
    looking: list[dict[str, Any]] = [
        {"modify_headers": ["/~q/X/y"]},
        {"stickycookie": "."},
        {"flow_detail": 1},
        {"qq_relay": False},
        {"save_stream_file": str(tmp_path / "a.flows")},
        {"scripts": [*proxy.scripts, str(tmp_path / "other.py")]},
    ]
    idle: dict[str, Any] = {
        "modify_headers": [],
        "stickycookie": None,
        "flow_detail": 0,
        "qq_relay": True,
        "save_stream_file": None,
    }
    expected = []
    for number, wanted in enumerate(looking, 1):
        for chosen, transport in ((idle, "tcp"), (wanted, "http")):
            proxy.set(**chosen)
            assert ask(proxy.port, request(number)) == REPLY
            expected.append(transport)
            # The exchange is in the file before its client has the reply.
            assert transports(proxy.capture) == expected
    assert f"{len(expected)} exchanges recorded" in proxy.stop()


def test_a_connection_that_is_relayed_stays_so(start: Callable[..., Process], server: Server, tmp_path: Path) -> None:
    proxy = Proxy(start, tmp_path, server)
    (tmp_path / "other.py").write_text(OTHER)
    with client(proxy.port) as made:
        made.send(request(1))
        assert made.read() == REPLY
        proxy.set(scripts=[*proxy.scripts, str(tmp_path / "other.py")], flow_detail=1, modify_headers=["/~q/X/y"])
        assert ask(proxy.port, request(2)) == REPLY
        made.send(request(3) + request(4))
        assert made.read(2) == REPLY * 2
    proxy.stop()
    assert sequences(proxy.capture) == ["1", "2", "3", "4"]
    assert transports(proxy.capture) == ["tcp", "http", "tcp", "tcp"]
    assert server.sent.count(b"\r\nHost: 127.0.0.1:%d\r\n" % server.port) == 4
    assert server.sent.count(b"X: y") == 1


def test_the_server_is_sent_what_mitmproxy_would_have_sent_it(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    proxy = Proxy(start, tmp_path, server)
    streams = [
        request(1) + request(2),
        request(3, headers=b"") + request(4, line=b"POST /a?b=1 HTTP/1.1", headers=b"X: 1\r\nhost: a\r\nHost: b\r\n"),
        request(5, line=b"POST / HTTP/1.0", headers=b"Connection: keep-alive\r\n"),
        b"GET /cgi HTTP/1.1\r\nHost: localhost\r\nX-Host: a\r\n\r\n" + request(6, b"\r\nHost: c\r\n\r\n"),
    ]
    sent: list[bytes] = []
    for relay in (False, True):
        proxy.set(qq_relay=relay)
        before = len(server.sent)
        for stream in streams:
            # One after the other: mitmproxy knows no two requests at once.
            with client(proxy.port) as made:
                for one in http1.Reader("request").feed(stream):
                    made.send(one.head + one.body)
                    assert made.read() == (REPLY if one.body else OTHER_REPLY)
        sent.append(server.sent[before:])
    assert sent[0] == sent[1]
    assert sent[1].count(b"ost: 127.0.0.1:%d\r\n" % server.port) == 7
    requests = [one.request for one in load(proxy.capture).exchanges]
    assert requests[:6] == requests[6:]
    assert transports(proxy.capture) == ["http"] * 6 + ["tcp"] * 6
    proxy.stop()


def test_what_mitmproxy_would_refuse_or_tear_is_recorded(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    proxy = Proxy(start, tmp_path, server)
    host = b"Host: 127.0.0.1:%d" % server.port
    # Several at once, and cut anywhere behind the first line.
    assert ask(proxy.port, request(1), request(2), request(3)) == REPLY * 3
    with client(proxy.port) as made:
        made.send(request(4)[:30])
        made.send(request(4)[30:] + request(5), pieces=7)
        assert made.read(2) == REPLY * 2
    # Without a length, and at the end of what the client sends; line ends without CR, which stay so.
    plain = b"POST / HTTP/1.0\nHost: a\n\nVER=1.1&CMD=GetMsgEx&SEQ=6&UIN=10001"
    with client(proxy.port) as made:
        made.send(plain)
        made.end()
        assert made.read() == REPLY
        assert made.read() == b""
    assert server.sent.endswith(plain.replace(b"Host: a", host))
    # A server that closes a connection which was to be kept alive; the next one finds it there.
    with client(proxy.port) as made:
        made.send(request(7, b"&XX=bye"))
        assert made.read() == REPLY
        assert made.read() == b""
    # A head that breaks off goes on as far as it came.
    with client(proxy.port) as made:
        made.send(request(8) + b"POST / HTTP/1.1\r\nHost: to")
        assert made.read() == REPLY
        made.end()
        assert made.read() == REPLY
    assert server.sent.endswith(b"\r\nHost: to")
    # A body that is longer than it says goes on whole: its server may wait for the rest, and the client for the reply.
    long = request(9).replace(b"Content-Length: 36", b"Content-Length: 10")
    with client(proxy.port) as made:
        made.send(long)
        assert made.read() == REPLY
        assert server.sent.endswith(long.partition(b"\r\n\r\n")[2])
    # Other traffic is counted, and not recorded.
    assert ask(proxy.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == OTHER_REPLY
    output = proxy.stop()
    assert sequences(proxy.capture)[:8] == ["1", "2", "3", "4", "5", "6", "7", "8"]
    assert set(transports(proxy.capture)) == {"tcp"}
    assert f"11 exchanges recorded in {proxy.capture}, 1 of other traffic passed by" in output


def test_whoever_kills_the_proxy_loses_nothing_that_a_client_has_the_reply_of(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    proxy = Proxy(start, tmp_path, server)
    answered: list[list[str]] = [[], [], [], []]

    def ask_on(number: int, rounds: int, at_once: int) -> None:
        """So many rounds on each connection, until the proxy is gone."""
        numbers = itertools.count(100_000 * (number + 1))
        with contextlib.suppress(OSError):
            while True:
                with client(proxy.port) as made:
                    for _ in range(rounds):
                        asked = list(itertools.islice(numbers, at_once))
                        made.send(b"".join(map(request, asked)))
                        whole = made.read(at_once).count(REPLY)
                        answered[number] += map(str, asked[:whole])

    shapes = [(100_000, 1), (1, 1), (1, 1), (100_000, 5)]
    clients = [threading.Thread(target=ask_on, args=(number, *shape)) for number, shape in enumerate(shapes)]
    for thread in clients:
        thread.start()
    while any(len(one) < 50 for one in answered):
        assert all(thread.is_alive() for thread in clients)
        time.sleep(0.01)
    proxy.kill()
    for thread in clients:
        thread.join(20)
    assert set(itertools.chain(*answered)) - set(sequences(proxy.capture)) == set()
    assert set(transports(proxy.capture)) == {"tcp"}


@pytest.mark.parametrize("strategy", ["eager", "lazy"])
def test_no_mode_leads_to_the_historical_servers_and_no_header_does(
    strategy: str, start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    port, other_port = free_port(), free_port()
    process = start(
        MITMDUMP, "--mode", f"reverse:http://tqq.tencent.com:8000@127.0.0.1:{port}",
        "--mode", f"reverse:http://127.0.0.1:{server.port}@127.0.0.1:{other_port}", "-s", "addons/qq.py",
        "--set", "flow_detail=0", "--set", f"connection_strategy={strategy}", "--set", "keep_host_header=true",
        "--set", f"qq_capture={tmp_path / 'a.jsonl'}",
    )  # fmt: skip
    for listening in (port, other_port):
        process.wait_for(f"listening at 127.0.0.1:{listening}")
    historical = request(1, headers=b"Host: tqq.tencent.com:8000\r\n")
    with client(port) as made:  # which mitmproxy 11 leaves waiting where it connects before anything is asked
        made.send(historical)
        process.wait_for("not connected: tqq.tencent.com: the protocol's historical servers are never contacted")
    assert ask(other_port, historical) == REPLY
    assert server.sent == historical
    assert process.stop() == 0
    assert set(transports(tmp_path / "a.jsonl")) == {"http" if strategy == "lazy" else "tcp"}


@pytest.mark.parametrize(
    "first",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT /a HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nupgrade: h2c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: mitm.it\r\n\r\n",
        b"POST http://a/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"POST / HT",
        b"post / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\x05POST / HTTP/1.1\r\n",
        b"",
    ],
)
def test_what_is_not_plain_is_left_to_mitmproxy(first: bytes) -> None:
    assert not looks_plain(first)
    assert looks_plain(request(1))
    assert looks_plain(b"GET /a HTTP/1.0\n")


def seen_with(*addons: object, **changed: Any) -> tuple[bool, bool]:
    """Whether others see relayed bytes, and whether they see HTTP messages."""

    async def look() -> tuple[bool, bool]:
        master = dump.DumpMaster(options.Options(), with_termlog=False)
        recorder = Recorder(exits=False)
        inside = Inside()
        master.addons.add(recorder, inside, *addons)
        master.options.update(**{"flow_detail": 0} | changed)
        others = Others(recorder)
        try:
            return others.see_bytes, others.see_messages
        finally:
            master.addons.remove(inside)  # its view is mitmproxy's, and not this master's

    return asyncio.run(look())


class Beside:
    """An addon of a user that has no business with messages."""

    def running(self) -> None: ...
    def client_connected(self, client: object) -> None: ...
    def server_connect(self, data: object) -> None: ...


class Printing(dumper.Dumper):
    """One of mitmproxy's that does more than print."""

    def response(self, flow: object) -> None: ...


class Looking(Beside):
    """One that has."""

    def websocket_start(self, flow: object) -> None: ...


@pytest.mark.parametrize(
    ("addons", "changed", "expected"),
    [
        ((), {}, (False, False)),
        ((Beside(),), {"keep_host_header": True, "showhost": True}, (False, False)),
        ((), {"qq_redact": "none", "qq_marks": False}, (False, False)),
        ((Looking(),), {}, (False, True)),
        ((Printing(),), {}, (True, True)),
        ((view.View(),), {}, (True, True)),
        ((), {"flow_detail": 2}, (True, True)),
        ((), {"modify_body": ["/~q/a/b"]}, (False, True)),
        ((), {"proxyauth": "made:up"}, (False, True)),
        ((), {"anticache": True}, (False, True)),
        ((), {"stream_large_bodies": "1m"}, (False, True)),
        ((), {"validate_inbound_headers": False}, (False, True)),
    ],
)
def test_who_else_looks(addons: tuple[object, ...], changed: dict[str, Any], expected: tuple[bool, bool]) -> None:
    assert seen_with(*addons, **changed) == expected


def test_mitmweb_keeps_flows_and_so_takes_http_apart(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    capture, port = tmp_path / "a.jsonl", free_port()
    process = start(
        MITMWEB, "--no-web-open-browser", "--web-port", str(free_port()), "--mode",
        f"reverse:http://127.0.0.1:{server.port}", "--listen-host", "127.0.0.1", "-p", str(port),
        "-s", "addons/qq.py", "--set", f"qq_capture={capture}",
    )  # fmt: skip
    process.wait_for("listening at")
    assert ask(port, request(1)) == REPLY
    assert process.stop() == 0
    assert transports(capture) == ["http"]
