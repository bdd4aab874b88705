"""Real clients, in the languages that people wrote them in, through each mode of `qqlab record` that fits them, and
through mitmdump with the addon where nobody else looks.

Between each client and the recorder stands a tap, which knows what the client really sent and received: that, byte for
byte, is what the capture has to hold. The clients are in `clients/`; each logs in, sends a message, polls, logs out.
"""

import os
import re
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import MITMDUMP, ROOT, Process, free_port, qqlab

from qqlab import spec
from qqlab.capture import load
from qqlab.codec import decode
from qqlab.exchange import Exchange, RawMessage

CLIENTS = ROOT / "tests/clients"
QQLAB = (sys.executable, "-m", "qqlab")
ASKED = ["Login", "CLTMSG", "GetMsgEx", "Logout"]
TEXT = "你好, 山 & 水! 100% 真心\r\n再见"


class Client(NamedTuple):
    """How a client is run, with which tool, and by which account; each has its own, since a login ends another's."""

    account: str
    tool: str
    command: tuple[str, ...]
    line: str = ""
    friend: str = "10001"


HTTP = {
    "php": Client("10001", "php", ("php", "raw.php"), "POST HTTP/1.1"),
    "php 1.0": Client("10002", "php", ("php", "raw.php"), "POST / HTTP/1.0"),
    "curl": Client("10003", "curl", ("sh", "curl.sh")),
    "python": Client("10004", "sh", (sys.executable, "plain.py")),
    "java": Client("10005", "javac", ("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "Client.java")),
}
NO_PROXY = {"php 1.0"}  # a proxy wants to know from the target where to go, or from the Host header where there is none
# It writes to itself: the server pushes that.
LINES = {"lines": Client("10006", "sh", (sys.executable, "lines.py"), friend="10006")}

MODES: dict[str, tuple[list[str], dict[str, Client]]] = {
    "http": ([], HTTP),
    "tcp": (["--tcp"], HTTP),
    "proxy": (["--proxy"], {name: client for name, client in HTTP.items() if name not in NO_PROXY}),
    "lines": (["--lines"], LINES),
    "addon": ([], HTTP),
}
ADDON = ("-s", "addons/qq.py", "--set", "keep_host_header=true", "--set", "flow_detail=0")


class Tap:
    """Relays the connections of one client to a port, and keeps what went each way, all connections in one."""

    def __init__(self, port: int) -> None:
        self.sent, self.received = bytearray(), bytearray()
        self._to = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._relay, args=(client,), daemon=True))
            self._threads[-1].start()

    def _relay(self, client: socket.socket) -> None:
        with (
            client,
            socket.create_connection(("127.0.0.1", self._to)) as server,
            selectors.DefaultSelector() as open_ends,
            suppress(OSError),
        ):
            open_ends.register(client, selectors.EVENT_READ, (client, server, self.sent))
            open_ends.register(server, selectors.EVENT_READ, (server, client, self.received))
            while open_ends.get_map():
                for key, _ in open_ends.select():
                    source, target, seen = key.data
                    data = source.recv(65536)
                    seen += data
                    if data:
                        target.sendall(data)
                    else:
                        open_ends.unregister(source)
                        target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the test server, which speaks HTTP and lines."""
    home = tmp_path_factory.mktemp("home")
    server = Process(*QQLAB, "serve", "--listen", "127.0.0.1:0", "--lines", home=home)
    yield int(server.wait_for("serving on").split("127.0.0.1:")[1].split()[0].rstrip("/"))
    server.close()


@pytest.mark.parametrize("mode", MODES)
def test_what_a_client_said_and_was_told_is_recorded_byte_for_byte(
    mode: str,
    upstream: int,
    start: Callable[..., Process],
    require: Callable[[str], str],
    tmp_path: Path,
) -> None:
    options, clients = MODES[mode]
    for client in clients.values():
        require(client.tool)
    capture = tmp_path / "capture.jsonl"
    recorder, port = (addon if mode == "addon" else record)(start, upstream, capture, *options)
    with ExitStack() as stack:
        taps = {name: stack.enter_context(tapped(port)) for name in clients}
        run_all({name: (client, taps[name].port) for name, client in clients.items()}, upstream, mode == "proxy")
    assert recorder.stop() == 0, recorder.output

    exchanges = load(capture).exchanges
    assert mode != "addon" or {exchange.transport for exchange in exchanges} == {"tcp"}
    for name, client in clients.items():
        of_client = [exchange for exchange in exchanges if decode(exchange, spec.builtin()).account == client.account]
        asked = [exchange for exchange in of_client if exchange.request is not None]
        assert commands(asked) == ASKED, name
        assert (len(of_client) > len(asked)) == (mode == "lines"), name
        assert message(asked[1]) == TEXT, name
        # A proxy is asked for a whole address; what it sends on, and records, is the server's part of it.
        sent = bytes(taps[name].sent).replace(f"POST http://127.0.0.1:{upstream}/".encode(), b"POST /")
        assert wire(exchange.request for exchange in asked) == masked(sent), name
        assert wire(exchange.reply for exchange in of_client) == masked(bytes(taps[name].received)), name
    verified = qqlab("verify", capture, "--secrets-from", ROOT / "qqlab/testserver/accounts.toml")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    verified = qqlab("verify", capture)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def record(start: Callable[..., Process], upstream: int, capture: Path, *options: str) -> tuple[Process, int]:
    """`qqlab record`, and the port that it listens on."""
    where = [] if "--proxy" in options else ["--upstream", f"http://127.0.0.1:{upstream}"]
    recorder = start(*QQLAB, "record", "--listen", "127.0.0.1:0", *where, *options, "-o", capture)
    return recorder, int(recorder.wait_for("recording on").split(" into ")[0].rpartition(":")[2])


def addon(start: Callable[..., Process], upstream: int, capture: Path) -> tuple[Process, int]:
    """The same for mitmdump with the addon."""
    port = free_port()
    recorder = start(
        MITMDUMP, "--mode", f"reverse:http://127.0.0.1:{upstream}", "--listen-host", "127.0.0.1", "-p", str(port),
        *ADDON, "--set", f"qq_capture={capture}",
    )  # fmt: skip
    recorder.wait_for("listening at")
    return recorder, port


@contextmanager
def tapped(port: int) -> Iterator[Tap]:
    tap = Tap(port)
    try:
        yield tap
    finally:
        tap.close()


def run_all(clients: dict[str, tuple[Client, int]], upstream: int, proxied: bool) -> None:
    """Run the clients beside each other, each through its port; all must say that they are done."""
    running = {
        name: subprocess.Popen(
            client.command,
            cwd=CLIENTS,
            env=os.environ
            | {
                "QQ_HOST": "127.0.0.1",
                "QQ_PORT": str(port),
                "QQ_SERVER": f"127.0.0.1:{upstream if proxied else port}",
                "QQ_PROXY": f"127.0.0.1:{port}" if proxied else "",
                "QQ_REQUEST_LINE": client.line,
                "QQ_UIN": client.account,
                "QQ_PASSWORD": f"mima-{client.account}",
                "QQ_FRIEND": client.friend,
                "QQ_TEXT": TEXT,
                "no_proxy": "",
                "NO_PROXY": "",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, (client, port) in clients.items()
    }
    outputs = {}
    for name, child in running.items():
        try:
            outputs[name] = child.communicate(timeout=30)[0]
        finally:
            child.kill()
    assert {name: output.splitlines()[-1:] for name, output in outputs.items()} == {name: ["done"] for name in clients}


def commands(exchanges: list[Exchange]) -> list[str]:
    return [decode(exchange, spec.builtin()).command for exchange in exchanges]


def message(exchange: Exchange) -> object:
    request = decode(exchange, spec.builtin()).request
    return None if request is None else request.value("MG")


def wire(messages: Iterable[RawMessage | None]) -> bytes:
    """All these messages as they were on the wire, but for the value of the password's hash."""
    return masked(b"".join(one.head + one.body + one.end for one in messages if one is not None))


def masked(data: bytes) -> bytes:
    """The bytes with hashes and session tokens blotted out, which a capture holds as pseudonyms of the same length."""
    return re.sub(rb"(?<=[&?])(PS|SG|SSG|CKE)=([^&\r\n]*)", lambda m: m[1] + b"=" + b"*" * len(m[2]), data)
