"""The shell: real sockets, sloppy clients, HTTP errors, deviations on the wire, and `qqlab serve` as a process."""

import asyncio
import contextlib
import gzip
import hashlib
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from conftest import Process, free_port, qqlab
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.errors import TargetError
from qqlab.net.reading import MOST_BODY, RequestReader
from qqlab.net.server import Server, serve
from qqlab.testserver import State, accounts, deviate

SPEC = specs.builtin()
LOGOUT = b"VER=1.1&CMD=Logout&SEQ=7&UIN=10001"
LOGGED_OUT = b"VER=1.1&CMD=LOGOUT&SEQ=7&UIN=10001&RES=0"
CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Length: 40\r\nConnection: close\r\n\r\n"
LIST = b"VER=1.1&CMD=List&SEQ=7&UIN=10001"
KEPT_OUT = CLOSE.replace(b"40", b"39") + b"VER=1.1&CMD=LIST&SEQ=7&UIN=10001&RES=20"
KEEP = CLOSE.replace(b"close", b"keep-alive")


def request(body: bytes = LOGOUT, *headers: str, line: str = "POST / HTTP/1.1") -> bytes:
    lines = [line, *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def run(scene: Callable[[Server], Awaitable[None]], *rules: str, patience: float = 10.0) -> None:
    """Play a scene against a server of the sample accounts."""

    async def play() -> None:
        state = State(accounts.sample(), SPEC)
        deviations = [deviate.parse(rule, SPEC) for rule in rules]
        async with asyncio.timeout(30), serve(state, "127.0.0.1", 0, rules=deviations, patience=patience) as server:
            await scene(server)

    asyncio.run(play())


@contextlib.asynccontextmanager
async def connected(
    server: Server, buffer: int | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection from that address; `buffer` is how many bytes its side shall take before somebody reads."""
    client = socket.socket()
    client.setblocking(False)
    client.bind((address, 0))
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    await asyncio.get_running_loop().sock_connect(client, (server.host, server.port))
    reader, writer = await asyncio.open_connection(sock=client, limit=buffer or 65536)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(server: Server, *pieces: bytes, end: bool = False, address: str = "127.0.0.1") -> bytes:
    """Send pieces one by one and read to the end of file, as the old clients did."""
    async with connected(server, address=address) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if end:
            writer.write_eof()
        return await reader.read()


CHUNKED_HEAD = b"POST HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOPPY = {
    "plain": request(),
    "no target": request(line="POST HTTP/1.1"),
    "no target, two blanks": request(line="POST  HTTP/1.0"),
    "a full URL as target": request(line="POST http://tqq.invalid:8000/ HTTP/1.1"),
    "HTTP/1.0": request(line="POST / HTTP/1.0"),
    "text": request(LOGOUT, "Host: localhost", "Content-Type: text/plain; charset=UTF-8"),
    "form": request(LOGOUT, "Content-Type: application/x-www-form-urlencoded"),
    "odd header case": b"POST / HTTP/1.1\r\ncontent-LENGTH: 34\r\n\r\n" + LOGOUT,
    "chunked": CHUNKED_HEAD + b"4\r\nVER=\r\n1e\r\n" + LOGOUT[4:] + b"\r\n0\r\n\r\n",
    "line ends before": b"\r\n\n" + request(),
    "line ends behind": request() + b"\r\n",
    "close": request(LOGOUT, "Connection: close"),
    "more than asked": request() + request(),
}


@pytest.mark.parametrize("sent", SLOPPY.values(), ids=SLOPPY)
def test_sloppy_requests_whole_and_byte_by_byte(sent: bytes) -> None:
    async def scene(server: Server) -> None:
        assert await exchange(server, sent) == CLOSE + LOGGED_OUT
        assert await exchange(server, *(sent[i : i + 1] for i in range(len(sent)))) == CLOSE + LOGGED_OUT
        assert await exchange(server, sent, end=True) == CLOSE + LOGGED_OUT
        assert server.answered == 3

    run(scene)


def test_a_connection_is_kept_when_asked_and_replies_come_in_order() -> None:
    kept = [
        request(b"VER=1.1&CMD=Logout&SEQ=%d&UIN=10001" % number, "Connection: Keep-Alive", line=line)
        for number, line in enumerate(("POST / HTTP/1.1", "POST HTTP/1.1", "POST HTTP/1.0", "POST / HTTP/1.1"), 1)
    ]
    replies = b"".join(KEEP + b"VER=1.1&CMD=LOGOUT&SEQ=%d&UIN=10001&RES=0" % number for number in range(1, 5))

    async def scene(server: Server) -> None:
        sent = b"".join(kept) + request()
        assert await exchange(server, sent) == replies + CLOSE + LOGGED_OUT
        assert (
            await exchange(server, *(sent[i : i + 3] for i in range(0, len(sent), 3))) == replies + CLOSE + LOGGED_OUT
        )
        assert await exchange(server, b"".join(kept), end=True) == replies

    run(scene)


def test_a_kept_connection_waits_for_the_next_request() -> None:
    async def scene(server: Server) -> None:
        async with connected(server) as (reader, writer):
            for _ in range(3):
                writer.write(request(LOGOUT, "Connection: keep-alive", line="POST HTTP/1.1"))
                assert await reader.readexactly(len(KEEP + LOGGED_OUT)) == KEEP + LOGGED_OUT

    run(scene)


def refused(code: int, reason: str, sentence: str, extra: str = "") -> bytes:
    return (
        f"HTTP/1.1 {code} {reason}\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Length: {len(sentence) + 1}\r\n"
        f"Connection: close\r\n{extra}\r\n{sentence}\n"
    ).encode()


ALLOW = "Allow: POST\r\n"
MALFORMED = [
    (b"GET / HTTP/1.1\r\n\r\n", refused(405, "Method Not Allowed", "Only POST is served.", ALLOW)),
    (b"CONNECT a:1 HTTP/1.1\r\n\r\n", refused(405, "Method Not Allowed", "Only POST is served.", ALLOW)),
    (b"POST / HTTP/1.1\r\n\r\n", refused(411, "Length Required", "A Content-Length is needed.")),
    (
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY + 1),
        refused(413, "Request Entity Too Large", f"A body may hold {MOST_BODY} bytes at most."),
    ),
    (
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        refused(400, "Bad Request", "This is no HTTP request: Invalid character in Content-Length."),
    ),
    (
        b"hello, is there anybody\r\n",
        refused(400, "Bad Request", "This is no HTTP request: Invalid method encountered."),
    ),
    (b"\x16\x03\x01\x02", refused(400, "Bad Request", "This is no HTTP request: Invalid method encountered.")),
    (b"POST / HTTP/1.1\n\n", refused(400, "Bad Request", "This is no HTTP request: Expected CRLF after version.")),
    (
        request(LOGOUT, "Connection: Upgrade", "Upgrade: h2c"),
        refused(400, "Bad Request", "No other protocol is spoken here; leave Upgrade out."),
    ),
    (
        request(b"hello"),
        refused(400, "Bad Request", "This is no request of the protocol: a command and its version are needed."),
    ),
]


@pytest.mark.parametrize(("sent", "reply"), MALFORMED)
def test_malformed_requests_get_a_clear_error(sent: bytes, reply: bytes) -> None:
    async def scene(server: Server) -> None:
        assert _same_phrase(await exchange(server, sent)) == _same_phrase(reply)
        kept = request(LOGOUT, "Connection: keep-alive")
        assert _same_phrase(await exchange(server, kept + sent)) == KEEP + LOGGED_OUT + _same_phrase(reply)

    run(scene)


def _same_phrase(reply: bytes) -> bytes:
    """Python 3.13 has another phrase for 413."""
    return reply.replace(b"Content Too Large", b"Request Entity Too Large")


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ((b"POST / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n",), b"HTTP/1.1 431 "),
        ((b"POST /" + b"x" * 70_000,), b"HTTP/1.1 431 "),
        ((CHUNKED_HEAD, *[b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 20), b"HTTP/1.1 413 "),
        ((b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", *[b"x" * 100_000] * 50), b"HTTP/1.1 413 "),
    ],
)
def test_too_much_is_refused_and_the_client_can_read_why(pieces: tuple[bytes, ...], status: bytes) -> None:
    async def scene(server: Server) -> None:
        assert (await exchange(server, *pieces)).startswith(status)

    run(scene)


def test_the_largest_body_is_served() -> None:
    body = LOGOUT + b"&X=" + b"x" * (MOST_BODY - len(LOGOUT) - 3)

    async def scene(server: Server) -> None:
        assert await exchange(server, request(body)) == CLOSE + LOGGED_OUT

    run(scene)


def test_a_request_that_breaks_off_or_rests() -> None:
    broke_off = refused(400, "Bad Request", "The request broke off.")
    rests = refused(408, "Request Timeout", "The rest of the request did not come.")
    halves = (b"PO", b"POST HTTP/1.1\r\nContent-", request()[:-1])

    async def scene(server: Server) -> None:
        for half in halves:
            assert await exchange(server, half, end=True) == broke_off
        assert await asyncio.gather(*(exchange(server, half) for half in halves)) == [rests] * 3

    run(scene, patience=0.2)


def test_a_request_that_drips_in_is_not_waited_for_without_end() -> None:
    async def scene(server: Server) -> None:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"POST / HTTP/1.1\r\n")
        answer = asyncio.create_task(reader.read(100))
        while not answer.done():
            writer.write(b"X: 1\r\n")
            await asyncio.sleep(0.02)
        assert answer.result().startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        writer.close()

    run(scene, patience=0.2)


def test_a_client_that_waits_for_100_gets_it() -> None:
    sent = request(LOGOUT, "Expect: 100-continue")

    async def scene(server: Server) -> None:
        async with connected(server) as (reader, writer):
            writer.write(sent[: -len(LOGOUT)])
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(LOGOUT)
            assert await reader.read() == CLOSE + LOGGED_OUT
        assert await exchange(server, sent) == CLOSE + LOGGED_OUT

    run(scene)


def test_the_server_knows_a_client_by_its_address() -> None:
    hashed = hashlib.md5(b"mima-10001").hexdigest()
    login = request(f"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS={hashed}&M5=1".encode())
    listed = request(b"VER=1.1&CMD=List&SEQ=2&UIN=10001&TN=1&UN=0")

    async def scene(server: Server) -> None:
        heard: list[tuple[str, str]] = []
        server.on_answer = lambda answer: heard.append((answer.account, answer.outcome))
        assert (await exchange(server, login)).endswith(b"&RES=0&RS=0&HI=60&LI=300")
        assert (await exchange(server, listed)).endswith(b"&RES=0&FN=0&SN=1&UN=10002,")
        assert (await exchange(server, listed, address="127.0.0.2")).endswith(b"&RES=20")
        assert heard == [("10001", "accepted"), ("10001", "accepted"), ("10001", "not logged in")]

    run(scene)


def test_many_connections_at_once_while_others_rest() -> None:
    async def scene(server: Server) -> None:
        async with contextlib.AsyncExitStack() as resting:
            for _ in range(50):
                _, writer = await resting.enter_async_context(connected(server))
                writer.write(b"POST HTTP/1.1\r\nContent-Le")
            replies = await asyncio.gather(*(exchange(server, request()) for _ in range(200)))
        assert replies == [CLOSE + LOGGED_OUT] * 200

    run(scene)


def test_a_client_that_does_not_read_is_not_served_on() -> None:
    """Its requests wait unread, so that replies to it do not fill the memory."""
    kept = request(LOGOUT, "Connection: keep-alive")

    async def scene(server: Server) -> None:
        async with connected(server, buffer=4096) as (reader, writer):
            flood = asyncio.create_task(_flood(writer, kept * 1000))
            before = -1
            while server.answered != before:
                before = server.answered
                await asyncio.sleep(0.2)
            assert await exchange(server, request()) == CLOSE + LOGGED_OUT
            assert await reader.readexactly(len(KEEP + LOGGED_OUT)) == KEEP + LOGGED_OUT
            flood.cancel()
            writer.transport.abort()

    run(scene)


async def _flood(writer: asyncio.StreamWriter, data: bytes) -> None:
    while True:
        writer.write(data)
        await writer.drain()


@given(
    pieces=st.lists(
        st.binary(max_size=40) | st.sampled_from([*SLOPPY.values(), b"POST HTTP/1.1\r\n", b"\r\n"]), max_size=6
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_end_it(pieces: list[bytes]) -> None:
    async def scene(server: Server) -> None:
        with contextlib.suppress(ConnectionError):
            await exchange(server, *pieces, end=True)
        assert await exchange(server, request()) == CLOSE + LOGGED_OUT

    run(scene)


@given(sent=st.lists(st.sampled_from([*SLOPPY.values(), b"x", b"\r\n"]), max_size=4).map(b"".join), data=st.data())
@settings(max_examples=100)
def test_the_reader_gives_the_same_for_all_sizes_of_pieces(sent: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=10)))
    pieces = [sent[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert _read([sent]) == _read(pieces)


def _read(pieces: list[bytes]) -> list[object]:
    reader, items = RequestReader(), list[object]()
    for piece in pieces:
        reader.feed(piece)
        while (item := reader.next()) is not None:
            items.append(item)
            if not hasattr(item, "keep_alive"):
                return items
    return [*items, reader.pending]


# -------------------------------------------------------------------------------------------------------- deviations


@pytest.mark.parametrize(
    ("rule", "received"),
    [
        ("drop:Logout.UIN", CLOSE.replace(b"40", b"30") + b"VER=1.1&CMD=LOGOUT&SEQ=7&RES=0"),
        ("status:Logout=500", CLOSE.replace(b"200 OK", b"500 Internal Server Error") + LOGGED_OUT),
        ("status:Logout=599", CLOSE.replace(b"200 OK", b"599 ") + LOGGED_OUT),
        ("close:Logout", b""),
        ("cut:Logout", CLOSE + LOGGED_OUT[:20]),
        ("garbage:Logout", b"\x00\xff\x16\x03QQ\r\n\r\n\xfe"),
        ("delay:Logout=0.01", CLOSE + LOGGED_OUT),
        ("drop:List.UN", CLOSE + LOGGED_OUT),
        ("line-end:Logout", CLOSE + LOGGED_OUT),
        ("twice:Logout", (CLOSE + LOGGED_OUT) * 2),
        ("length:Logout=3", CLOSE.replace(b"40", b"43") + LOGGED_OUT),
        ("length:Logout=-3", CLOSE.replace(b"40", b"37") + LOGGED_OUT),
        ("length:Logout=-99", CLOSE.replace(b"40", b"0") + LOGGED_OUT),
        (
            "redirect:Logout=http://127.0.0.1:9/",
            CLOSE.replace(b"200 OK", b"302 Found").replace(b"\r\n\r\n", b"\r\nLocation: http://127.0.0.1:9/\r\n\r\n")
            + LOGGED_OUT,
        ),
    ],
)
def test_deviations_on_the_wire(rule: str, received: bytes) -> None:
    async def scene(server: Server) -> None:
        assert await exchange(server, request()) == received
        assert await exchange(server, request(), end=True) == received

    run(scene, rule)


@pytest.mark.parametrize(("rule", "half"), [("gzip:Logout", False), ("gzip-broken:Logout", True)])
def test_a_packed_reply_says_so(rule: str, half: bool) -> None:
    async def scene(server: Server) -> None:
        head, _, body = (await exchange(server, request())).partition(b"\r\n\r\n")
        packed = gzip.compress(LOGGED_OUT, mtime=0)
        assert body == (packed[: len(packed) // 2] if half else packed)
        assert b"\r\nContent-Encoding: gzip" in head
        assert b"\r\nContent-Length: %d\r\n" % len(body) in head

    run(scene, rule)


def test_a_reply_of_ten_megabytes_comes_whole() -> None:
    async def scene(server: Server) -> None:
        received = await exchange(server, request())
        assert b"\r\nContent-Length: 10485760\r\n" in received
        assert len(received.partition(b"\r\n\r\n")[2]) == deviate.LONG

    run(scene, "long:Logout")


def test_a_reset_comes_in_the_middle() -> None:
    async def scene(server: Server) -> None:
        async with connected(server) as (reader, writer):
            writer.write(request())
            assert await reader.readexactly(len(CLOSE) + 20) == CLOSE + LOGGED_OUT[:20]
            with pytest.raises(ConnectionResetError):
                await reader.read()

    run(scene, "reset:Logout")


def test_an_endless_reply_waits_for_its_reader_and_ends_with_him() -> None:
    async def scene(server: Server) -> None:
        async with connected(server) as (reader, writer):
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Content-Length" not in head
            assert (await reader.readexactly(3 * 1024 * 1024)).strip(b"0") == LOGGED_OUT.strip(b"0")
            assert await exchange(server, request(LIST)) == KEPT_OUT
        while server.connections:
            await asyncio.sleep(0.01)

    run(scene, "endless:Logout")


def test_a_dripping_reply_begins_at_once() -> None:
    async def scene(server: Server) -> None:
        async with connected(server) as (reader, writer):
            writer.write(request())
            assert await reader.readexactly(1) == b"H"
        while server.connections:
            await asyncio.sleep(0.01)

    run(scene, "drip:Logout")


def test_a_delayed_reply_keeps_the_order_and_others_go_on() -> None:
    listed = request(LIST, "Connection: keep-alive")

    async def scene(server: Server) -> None:
        late = asyncio.create_task(exchange(server, listed + request()))
        assert await exchange(server, request()) == CLOSE + LOGGED_OUT
        assert not late.done()
        kept = KEEP.replace(b"40", b"39") + b"VER=1.1&CMD=LIST&SEQ=7&UIN=10001&RES=20"
        assert await late == kept + CLOSE + LOGGED_OUT

    run(scene, "delay:List=1")


def test_a_client_that_leaves_before_its_delayed_reply() -> None:
    async def scene(server: Server) -> None:
        async with connected(server) as (_, writer):
            writer.write(request())
            await writer.drain()
            while server.answered == 0:
                await asyncio.sleep(0.01)
            writer.transport.abort()
        await asyncio.sleep(0.1)
        assert await exchange(server, request(b"VER=9&CMD=x")) == CLOSE.replace(b"40", b"0")

    run(scene, "delay:Logout=0.05")


# ---------------------------------------------------------------------------------------------------- qqlab serve


def _url(server: Process) -> tuple[str, int]:
    line = server.wait_for("serving on")
    match = re.fullmatch(r"qqlab: serving on http://(.+):(\d+) \(6 accounts; Ctrl-C ends\)", line)
    assert match is not None, line
    return match[1], int(match[2])


def _ask(host: str, port: int, *requests: bytes) -> list[bytes]:
    async def ask() -> list[bytes]:
        replies = []
        for sent in requests:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(sent)
            replies.append((await reader.read()).partition(b"\r\n\r\n")[2])
            writer.close()
        return replies

    return asyncio.run(ask())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_end(start: Callable[..., Process], number: int) -> None:
    server = start(sys.executable, "-m", "qqlab", "-v", "serve", "--listen", "127.0.0.1:0", "--deviate", "case:List")
    host, port = _url(server)
    login = request(b"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS=0123456789abcdef0123456789abcdef&M5=1")
    listed = request(b"VER=1.1&CMD=List&SEQ=1&UIN=10001&TN=1&UN=0")
    assert _ask(host, port, login, listed, b"GET / HTTP/1.1\r\n\r\n") == [
        "VER=1.1&CMD=Login&SEQ=1&UIN=10001&RES=0&RS=1&RA=登录失败".encode(),
        b"VER=1.1&CMD=list&SEQ=1&UIN=10001&RES=20",
        b"Only POST is served.\n",
    ]
    assert server.stop(number) == 0
    assert server.output.splitlines()[1:] == [
        "10001 Login: refused",
        "10001 List: not logged in",
        "- -: HTTP 405",
        "qqlab: ended; requests answered: 3",
    ]


def test_a_port_in_use_is_one_line(start: Callable[..., Process]) -> None:
    host, port = _url(start(sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0"))
    second = qqlab("serve", "--listen", f"{host}:{port}")
    hint = "choose another port with --listen, or end what listens there"
    assert second.stderr == f"qqlab: {host}:{port}: cannot listen: Address already in use ({hint})\n"
    assert (second.returncode, second.stdout) == (4, "")


def test_listening_beyond_loopback_is_allowed_with_a_warning(start: Callable[..., Process]) -> None:
    server = start(sys.executable, "-m", "qqlab", "serve", "--listen", f"0.0.0.0:{free_port()}")
    server.wait_for("serving on http://0.0.0.0:")
    assert server.output.startswith("qqlab: warning: 0.0.0.0 is no loopback address")
    assert server.stop() == 0


def test_accounts_of_ones_own(start: Callable[..., Process], tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[[accounts]]\nuin = "5"\npassword = "x"\nnickname = "五"\n', encoding="utf-8")
    server = start(sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0", "--accounts", file)
    assert re.fullmatch(
        r"qqlab: serving on http://127.0.0.1:\d+ \(1 account; Ctrl-C ends\)", server.wait_for("serving")
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--listen", "8000"], 2, "qqlab: --listen 8000: is no HOST:PORT (for example --listen 127.0.0.1:8000)\n"),
        (["--listen", "h:65536"], 2, "qqlab: --listen h:65536: is no HOST:PORT "),
        (["--listen", "h.invalid:1"], 4, "qqlab: h.invalid:1: cannot listen: "),
        (["--accounts", "missing.toml"], 3, "qqlab: missing.toml: No such file or directory\n"),
        (["--spec", "missing.toml"], 3, "qqlab: missing.toml: No such file or directory\n"),
        (["--deviate", "fold:List"], 2, "qqlab: --deviate fold:List: there is no rule 'fold' ("),
    ],
)
def test_what_the_command_refuses(arguments: list[str], code: int, message: str) -> None:
    ended = qqlab("serve", *arguments)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith(message)
    assert ended.stderr.count("\n") == 1


def test_the_help_lists_every_rule() -> None:
    told = qqlab("serve", "--help").stdout
    assert "Example: qqlab serve" in told
    assert [line for line in deviate.table().splitlines() if line not in told] == []


def test_serving_where_one_cannot_is_an_error() -> None:
    async def twice(server: Server) -> None:
        with pytest.raises(TargetError, match="cannot listen: Address already in use"):
            async with serve(State(accounts.sample()), server.host, server.port):
                pass

    run(twice)
