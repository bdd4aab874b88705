"""The addon inside real mitmproxy, between real sockets."""

import asyncio
import contextlib
import json
import os
import re
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import MITMDUMP, Process, free_port
from mitmproxy import tcp
from mitmproxy.test import taddons, tflow

from qqlab.capture import Capture, load
from qqlab.codec import Decoded, decode
from qqlab.exchange import Exchange, RawMessage
from qqlab.proxy import recorder as recorder_module
from qqlab.proxy.options import OPTIONS
from qqlab.proxy.recorder import Recorder
from qqlab.spec import Spec

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
        if b"100-continue" in head:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        while length is not None and len(body) < int(length[1]):
            body += connection.recv(65536)
        self.heads.append(head)
        self.bodies.append(body)
        if b"hang" in body:
            connection.settimeout(20)
            connection.recv(1)
        elif b"to the end" in body:
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER)
        elif b"torn" in body:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + ANSWER[:5])
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


def send(
    port: int, body: bytes, line: bytes = b"POST / HTTP/1.1", pieces: int = 1 << 20, host: bytes = b"Host: 127.0.0.1"
) -> bytes:
    """One request over a connection of its own; the reply up to the end of file."""
    request = line + b"\r\n" + host + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for start in range(0, len(request), pieces):
            connection.sendall(request[start : start + pieces])
        data = b""
        while piece := connection.recv(65536):
            data += piece
        return data


def proxy(
    start: Callable[..., Process], mode: str, capture: Path, *options: str, script: str | Path = "addons/qq.py"
) -> tuple[Process, int]:
    port = free_port()
    process = start(
        MITMDUMP, "--mode", mode, "--listen-host", "127.0.0.1", "--listen-port", str(port), "-s", script,
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
    process, port = proxy(start, "regular", path, "--set", "qq_redact=none")
    target = b"POST http://127.0.0.1:%d/ HTTP/1.1" % server.port
    nobody = b"VER=1.1&CMD=GetMsgEx&SEQ=2"
    assert send(port, LOGIN, target).endswith(ANSWER)
    assert send(port, nobody, target).endswith(ANSWER)
    assert process.stop() == 0
    capture = load(path)
    assert bodies(capture) == [(LOGIN, ANSWER), (nobody, ANSWER)]
    assert [exchange.session for exchange in capture.exchanges] == ["127.0.0.1/10001"] * 2  # the reply names it, too
    assert capture.header.redacted == "none"


NO_TARGET = b"POST HTTP/1.1"


def test_a_request_without_target_to_the_proxy_itself_goes_to_its_host(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    process, port = proxy(start, "regular", path, "--set", "qq_redact=none")
    host = b"host: 127.0.0.1:%d" % server.port
    assert send(port, LOGIN, NO_TARGET, host=host).endswith(ANSWER)
    assert send(port, POLL, NO_TARGET, host=host, pieces=1).endswith(ANSWER)
    # Without a name to go by it is mitmproxy's to refuse.
    for nothing in (b"X: 1", b"Host: :x"):
        assert send(port, LOGIN, NO_TARGET, host=nothing).startswith(b"HTTP/1.1 400 ")
    assert process.stop() == 0
    assert f"qqlab: 2 exchanges recorded in {path}, 2 of other traffic passed by" in process.output
    assert (
        len(re.findall(r"not recorded: nothing says where a request without a target should go", process.output)) == 2
    )
    capture = load(path)
    assert bodies(capture) == [(LOGIN, ANSWER), (POLL, ANSWER)]
    assert {(exchange.transport, exchange.server) for exchange in capture.exchanges} == {
        ("tcp", f"127.0.0.1:{server.port}")
    }


def test_no_request_without_target_passes_by_the_password_of_the_proxy(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    process, port = proxy(start, "regular", tmp_path / "a.jsonl", "--set", "proxyauth=made:up")
    host = b"Host: 127.0.0.1:%d" % server.port
    assert send(port, LOGIN, NO_TARGET, host=host).startswith(b"HTTP/1.1 400 ")
    assert process.stop() == 0
    assert "not recorded: a request without a target cannot show the password of proxyauth" in process.output
    assert server.heads == []


SILENT = ("--set", "flow_detail=0")


@pytest.mark.parametrize(
    ("options", "told", "left"),
    [((), False, 1), (SILENT, False, 0), (SILENT, True, 1), ((*SILENT, "-w", "a.flows"), False, 2)],
    ids=["shown", "nobody else looks", "another script looks", "kept"],
)
def test_what_a_connection_sent_is_only_kept_for_who_wants_it(
    options: tuple[str, ...], told: bool, left: int, start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    script = tmp_path / "count.py"
    script.write_text(
        "def tcp_end(flow):\n    print('messages:', len(flow.messages), flush=True)\n"
        + "def tcp_message(flow):\n    print('told:', len(flow.messages[-1].content), flush=True)\n" * told
    )
    path = tmp_path / "a.jsonl"
    mode = f"reverse:tcp://127.0.0.1:{server.port}"
    options = tuple(str(tmp_path / one) if one == "a.flows" else one for one in options)
    process, port = proxy(start, mode, path, "-s", str(script), *options)
    assert send(port, LOGIN).endswith(ANSWER)
    assert process.wait_for("messages:") == f"messages: {left}"
    assert process.stop() == 0
    assert process.output.count("told:") == 2 * told
    assert [len(body) for body, _ in bodies(load(path))] == [len(LOGIN)]


def test_relayed_requests_of_every_kind(start: Callable[..., Process], server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    process, port = proxy(start, f"reverse:http://127.0.0.1:{server.port}", path)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"POST HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(POLL))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(POLL)
        assert connection.recv(65536).endswith(ANSWER)
    assert send(port, POLL, b"\r\n\r\n" + NO_TARGET, pieces=1).endswith(ANSWER)  # blank lines before
    assert send(port, POLL + b"&XX=torn", NO_TARGET).endswith(b"\r\n\r\n" + ANSWER[:5])
    assert send(port, POLL + b"\r\n\r\nmore", NO_TARGET, host=b"Content-Length: %d" % len(POLL)).endswith(ANSWER)
    assert process.stop() == 0
    capture = load(path)
    assert bodies(capture) == [
        (POLL, ANSWER),
        (POLL, ANSWER),
        (POLL + b"&XX=torn", ANSWER[:5]),
        (POLL, ANSWER),
        (b"\r\n\r\nmore", None),
    ]
    assert [exchange.error for exchange in capture.exchanges] == [
        None,
        None,
        "the connection ended before the reply was complete",
        None,
        "the first line is not HTTP/1's",
    ]


def test_a_reply_that_only_the_connection_ends_is_in_the_file_when_the_client_has_it(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    bytewise = free_port()
    both = ("--mode", f"reverse:tcp://127.0.0.1:{server.port}@{bytewise}")
    process, port = proxy(start, f"reverse:http://127.0.0.1:{server.port}", path, *both)
    body = POLL + b"&XX=to the end"
    for count, (where, line) in enumerate([(port, b"POST HTTP/1.1"), (bytewise, b"POST / HTTP/1.0")], 1):
        with socket.create_connection(("127.0.0.1", where), timeout=20) as connection:
            connection.sendall(line + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            assert b"".join(iter(lambda: connection.recv(65536), b"")).endswith(ANSWER)
            assert bodies(load(path)) == [(body, ANSWER)] * count
    assert process.stop() == 0


def test_a_reply_that_is_streamed_or_broken_off_says_so(
    start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    process, port = proxy(
        start, f"reverse:http://127.0.0.1:{server.port}", path, "--set", "stream_large_bodies=50"
    )  # between the request's size and the reply's
    assert len(POLL) < 50 < len(ANSWER) < len(LOGIN)
    assert send(port, POLL).endswith(ANSWER)
    assert send(port, LOGIN).endswith(ANSWER)  # its request is streamed, too
    assert process.stop() == 0
    assert process.output.count("qqlab: stream_large_bodies is set") == 1
    assert f"qqlab: 1 exchange recorded in {path}, 1 of other traffic passed by" in process.output
    capture = load(path)
    assert bodies(capture) == [(POLL, b"")]
    assert capture.exchanges[0].error == "the reply's body was streamed past the recorder"

    path = tmp_path / "b.jsonl"
    process, port = proxy(start, f"reverse:http://127.0.0.1:{server.port}", path)
    send(port, POLL + b"&XX=torn")
    assert process.stop() == 0
    capture = load(path)
    assert bodies(capture) == [(POLL + b"&XX=torn", b"")]
    assert re.search("peer closed connection without sending complete message", capture.exchanges[0].error or "")


def test_the_note_stands_in_the_header(start: Callable[..., Process], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    process, _ = proxy(start, "regular", path, "--set", "qq_note=my own server, 5 = 5")
    assert process.stop() == 0
    assert load(path).header.note == "my own server, 5 = 5"


# Sets options when a request says so: TURN (the same file with secrets in it), MOVE (another file), SAME (no change).
SETTING = """
from mitmproxy import ctx, exceptions
from qqlab.proxy.recorder import Recorder

class Setting:
    def request(self, flow):
        if b"TURN" in flow.request.raw_content:
            try:
                ctx.options.update(qq_redact="none")
            except exceptions.OptionsError as error:
                print("refused:", error)
        if b"MOVE" in flow.request.raw_content:
            ctx.options.update(qq_capture=ctx.options.qq_capture + ".next")
        if b"SAME" in flow.request.raw_content:
            ctx.options.update(qq_redact="secrets", qq_note="x")

addons = [Setting(), Recorder()]
"""


def test_options_that_change_while_it_records(start: Callable[..., Process], server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    script = tmp_path / "setting.py"
    script.write_text(SETTING)
    process, port = proxy(start, f"reverse:http://127.0.0.1:{server.port}", path, script=script)
    for word in (b"SAME", b"MOVE"):
        assert send(port, POLL + b"&XX=" + word).endswith(ANSWER)
    with contextlib.suppress(OSError):
        send(port, POLL + b"&XX=TURN")
    assert process.wait() == 3
    following = tmp_path / "a.jsonl.next"
    assert f"refused: qqlab: {following}: exists already" in process.output
    assert re.search(
        rf"^qqlab: {following}: exists already.*: the proxy stops, since nothing more can be recorded$",
        process.output,
        re.MULTILINE,
    )
    requests = [[request for request, _ in bodies(load(capture))] for capture in (path, following)]
    assert requests == [[POLL + b"&XX=SAME"], [POLL + b"&XX=MOVE", POLL + b"&XX=TURN"]]


@pytest.mark.parametrize("script", ["from qqlab.proxy.script import addons", SETTING])
@pytest.mark.parametrize("what", ["touched", "removed"])
def test_a_script_that_changes_while_it_records_stops_the_proxy(
    what: str, script: str, start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    file = tmp_path / "script.py"
    file.write_text(script)
    process, port = proxy(start, f"reverse:http://127.0.0.1:{server.port}", path, script=file)
    assert send(port, POLL).endswith(ANSWER)
    if what == "touched":
        os.utime(file, (file.stat().st_atime, file.stat().st_mtime + 10))
    else:
        file.unlink()
    assert process.wait() == 3
    reason = "the script was removed or loaded anew while it recorded"
    assert f"\nqqlab: {path}: {reason}: the proxy stops, since nothing more can be recorded\n" in process.output
    assert "Traceback" not in process.output
    assert bodies(load(path)) == [(POLL, ANSWER)]


def test_a_script_that_records_nothing_may_change(start: Callable[..., Process], tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("from qqlab.proxy.script import addons")
    process = start(MITMDUMP, "--listen-host", "127.0.0.1", "-p", str(free_port()), "-s", file)
    process.wait_for("listening at")
    process.output = ""
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime + 10))
    process.wait_for("Loading script")
    assert process.stop() == 0


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
    assert process.wait() == 3
    assert process.output.endswith(
        f"qqlab: {path}: exists already (choose another name, or --append to it, or --force to replace it)\n"
    )
    assert "Traceback" not in process.output
    assert path.read_text() == "precious"


def test_a_bad_spec_stops_the_proxy_before_it_serves(start: Callable[..., Process], tmp_path: Path) -> None:
    spec = tmp_path / "my.toml"
    spec.write_text("format = 1")
    process = start(MITMDUMP, "-p", str(free_port()), "-s", "addons/qq.py", "--set", f"qq_spec={spec}")
    assert process.wait() == 3
    assert "$.name: is missing" in process.output
    assert "Traceback" not in process.output


def test_a_proxy_that_never_serves_leaves_no_file(start: Callable[..., Process], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(
            MITMDUMP, "--listen-host", "127.0.0.1", "-p", port, "-s", "addons/qq.py", "--set", f"qq_capture={path}"
        )
        assert process.wait() == 1
    assert not path.exists()


def test_a_proxy_that_records_nothing_says_so(start: Callable[..., Process]) -> None:
    process = start(MITMDUMP, "--listen-host", "127.0.0.1", "-p", str(free_port()), "-s", "addons/qq.py")
    process.wait_for("qqlab: nothing is recorded, since no file is named: --set qq_capture=FILE")
    assert process.stop() == 0


@pytest.mark.parametrize("options", [(), SILENT], ids=["taken apart", "relayed"])
def test_a_capture_that_cannot_be_written_stops_the_proxy(
    options: tuple[str, ...], start: Callable[..., Process], server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    # A limit on file size stands in for a full disk: the write fails in the middle of a line.
    script = tmp_path / "limited.py"
    script.write_text(
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "from qqlab.proxy.script import addons\n"
    )
    port = free_port()
    process = start(
        MITMDUMP, "--mode", f"reverse:http://127.0.0.1:{server.port}", "-p", str(port), "-s", script,
        "--set", f"qq_capture={path}", *options,
    )  # fmt: skip
    process.wait_for("listening at")
    for _ in range(20):
        try:
            send(port, LOGIN)
        except OSError:
            break
    assert process.wait() == 3
    capture = load(path)
    safe = len(capture.exchanges)
    assert 0 < safe < 20
    told = "1 exchange is" if safe == 1 else f"{safe} exchanges are"
    assert f"qqlab: {path}: File too large ({told} safe in it): the proxy stops" in process.output
    assert capture.torn is None


def test_every_option_has_a_sentence() -> None:
    assert [name for name, _, _, text in OPTIONS if not text.endswith(".")] == []


def test_a_bug_costs_one_exchange_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def decode_or_fail(exchange: Exchange, known: Spec) -> Decoded:
        assert b"SEQ=2" not in (exchange.request or RawMessage()).body
        return decode(exchange, known)

    monkeypatch.setattr(recorder_module, "decode", decode_or_fail)
    path = tmp_path / "a.jsonl"

    async def record() -> Recorder:
        recorder = Recorder(exits=False)
        with taddons.context(recorder) as context:
            context.configure(recorder, qq_capture=str(path))
            recorder.running()
            flow = tflow.ttcpflow(messages=[])
            recorder.tcp_start(flow)
            for from_client in (True, False):
                lines = [b"VER=1.4&CMD=List&SEQ=%d&UIN=10001\n" % number for number in (1, 2, 3)]
                flow.messages.append(tcp.TCPMessage(from_client, b"".join(lines)))
                recorder.tcp_message(flow)
            recorder.tcp_end(flow)
            recorder.done()
        return recorder

    assert asyncio.run(record()).other == 1
    assert [exchange.id for exchange in load(path).exchanges] == ["1", "2"]
    assert "not recorded: this is a bug of qqlab" in caplog.text
