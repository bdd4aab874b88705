"""VER 1.4 over bare lines, on real sockets: the test server, its pushes, its deviations, and clients that misbehave."""

import asyncio
import contextlib
import hashlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from conftest import Process
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.net.reading import MOST_BODY
from qqlab.net.server import Server, serve
from qqlab.testserver import State, accounts, deviate

SPEC = specs.builtin()
LOGOUT = b"VER=1.4&CON=1&CMD=Logout&SEQ=7&UIN=10001&SID=&XP=C4CA4238A0B92382"
LOGGED_OUT = b"VER=1.1&CMD=LOGOUT&SEQ=7&UIN=10001&RES=0\r\n"
HTTP = b"POST / HTTP/1.1\r\nContent-Length: 34\r\n\r\nVER=1.1&CMD=Logout&SEQ=7&UIN=10001"


def run(scene: Callable[[Server], Awaitable[None]], *rules: str, patience: float = 10.0) -> None:
    """Play a scene against a server of the sample accounts."""

    async def play() -> None:
        deviations = [deviate.parse(rule, SPEC) for rule in rules]
        state = State(accounts.sample(), SPEC)
        async with (
            asyncio.timeout(30),
            serve(state, "127.0.0.1", 0, rules=deviations, patience=patience, lines=True) as server,
        ):
            await scene(server)

    asyncio.run(play())


class Line:
    """A client of one account on one long connection."""

    def __init__(self, uin: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.uin, self.reader, self.writer = uin, reader, writer
        self.sequence = 0

    def send(self, command: str, fields: str = "") -> None:
        self.sequence += 1
        self.writer.write(f"VER=1.4&CMD={command}&SEQ={self.sequence}&UIN={self.uin}&{fields}\n".encode())

    async def hear(self) -> str:
        """The next line, without what is the same in all."""
        line = await self.reader.readuntil(b"\r\n")
        return line.decode().removesuffix("\r\n").removeprefix("VER=1.1&CMD=").replace(f"&UIN={self.uin}", "", 1)

    async def ask(self, command: str, fields: str = "") -> str:
        self.send(command, fields)
        return (await self.hear()).replace(f"&SEQ={self.sequence}", "", 1)

    async def login(self) -> str:
        hashed = hashlib.md5(f"mima-{self.uin}".encode()).hexdigest().upper()
        return await self.ask("Login", f"PS={hashed}&M5=1&LC=812822641C978097")


@contextlib.asynccontextmanager
async def line(server: Server, uin: str = "10001") -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        yield Line(uin, reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(server: Server, *pieces: bytes) -> bytes:
    """Send pieces one by one, end our side, and read to the end."""
    async with line(server) as client:
        for piece in pieces:
            client.writer.write(piece)
            await client.writer.drain()
            await asyncio.sleep(0)
        client.writer.write_eof()
        return await client.reader.read()


@pytest.mark.parametrize(
    "sent",
    [LOGOUT + b"\n", LOGOUT + b"\r\n", b"\r\n\n" + LOGOUT + b"\n\r\n", LOGOUT + b"\n" + LOGOUT],
    ids=["LF", "CR LF", "blank lines", "a line that breaks off"],
)
def test_a_line_is_answered_by_a_line_whatever_the_pieces(sent: bytes) -> None:
    async def scene(server: Server) -> None:
        assert await exchange(server, sent) == LOGGED_OUT
        assert await exchange(server, *(sent[i : i + 1] for i in range(len(sent)))) == LOGGED_OUT

    run(scene)


def test_several_lines_in_one_piece_are_answered_in_order() -> None:
    async def scene(server: Server) -> None:
        sent = b"".join(LOGOUT.replace(b"SEQ=7", b"SEQ=%d" % number) + b"\n" for number in range(9))
        assert await exchange(server, sent) == b"".join(
            LOGGED_OUT.replace(b"SEQ=7", b"SEQ=%d" % number) for number in range(9)
        )

    run(scene)


def test_http_is_spoken_on_the_same_port() -> None:
    async def scene(server: Server) -> None:
        for piece in (HTTP, b"\r\n" + HTTP):
            assert (await exchange(server, piece)).endswith(b"\r\n\r\nVER=1.1&CMD=LOGOUT&SEQ=7&UIN=10001&RES=0")
            assert (await exchange(server, *(bytes([byte]) for byte in piece))).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await exchange(server, b"PO") == await exchange(server, b"POST / HTTP/1.1\r\n")
        assert await exchange(server, b"") == b""

    run(scene)


def test_without_lines_a_line_is_no_http() -> None:
    async def scene() -> None:
        async with asyncio.timeout(30), serve(State(accounts.sample()), "127.0.0.1", 0) as server:
            assert (await exchange(server, LOGOUT + b"\n")).startswith(b"HTTP/1.1 400 Bad Request\r\n")

    asyncio.run(scene())


def test_what_a_line_cannot_say_is_said_by_silence_or_the_end() -> None:
    async def scene(server: Server) -> None:
        unknown = b"VER=9.9&CMD=List&SEQ=1&UIN=10001\nVER=1.4&CMD=Fly&SEQ=1&UIN=10001\n"
        assert await exchange(server, unknown + LOGOUT + b"\n") == LOGGED_OUT
        async with line(server) as client:
            client.writer.write(b"A=hello\n" + LOGOUT + b"\n")
            assert await client.reader.read() == b""
        async with line(server) as client:
            client.writer.write(LOGOUT + b"\n" + LOGOUT.replace(b"SEQ=7", b"SEQ=x") + b"\n")
            assert await client.reader.read() == LOGGED_OUT

    run(scene)


def test_a_conversation_with_pushes() -> None:
    async def scene(server: Server) -> None:
        async with line(server, "10001") as one, line(server, "10002") as two:
            assert (await one.login()).startswith("Login&RES=0&RS=0&HI=60&LI=300&SG=")
            assert (await two.login()).startswith("Login&RES=0&RS=0&")
            assert await one.hear() == "update_stat&SEQ=1&RES=0&ST=10&UN=10002"
            assert await one.ask("Query_Stat2", "CM=2&UN=0") == "Query_Stat2&RES=0&FN=1&ST=10,&UN=10002,"
            assert await one.ask("CLTMSG", "UN=10002&MG=你好") == "CLTMSG&RES=0"
            assert await two.hear() == "Server_Msg&SEQ=1&RES=0&UN=10001&MG=你好"
            assert await two.ask("Change_Stat2", "ST=50") == "Change_Stat2&RES=0"
            assert await one.hear() == "update_stat&SEQ=2&RES=0&ST=50&UN=10002"
            assert await one.ask("CLTMSG", "UN=10001&MG=note") == "CLTMSG&RES=0"
            assert await one.hear() == "Server_Msg&SEQ=3&RES=0&UN=10001&MG=note"
            assert (await exchange(server, HTTP.replace(b"10001", b"10002"))).startswith(b"HTTP/1.1 200 OK\r\n")
            assert await one.hear() == "update_stat&SEQ=4&RES=0&ST=20&UN=10002"

    run(scene)


def test_what_comes_once_the_line_has_ended_waits() -> None:
    async def scene(server: Server) -> None:
        async with line(server, "10002") as two:
            async with line(server, "10001") as one:
                await one.login()
            await two.login()
            while "MG=hi" not in await _fetched(server):
                await two.ask("CLTMSG", "UN=10001&MG=hi")

    run(scene)


async def _fetched(server: Server) -> str:
    async with line(server, "10001") as client:
        return await client.ask("GetMsgEx")


@pytest.mark.parametrize(
    ("rule", "received"),
    [
        ("drop:Logout.UIN", LOGGED_OUT.replace(b"&UIN=10001", b"")),
        ("status:Logout=500", LOGGED_OUT),
        ("close:Logout", b""),
        ("cut:Logout", LOGGED_OUT[:20]),
        ("garbage:Logout", b"\x00\xff\x16\x03QQ\r\n\r\n\xfe"),
        ("silence:Logout", b""),
        ("delay:Logout=0.01", LOGGED_OUT),
        ("line-end:Logout", LOGGED_OUT.replace(b"\r\n", b"\n")),
        ("twice:Logout", LOGGED_OUT * 2),
    ],
)
def test_deviations_of_replies(rule: str, received: bytes) -> None:
    async def scene(server: Server) -> None:
        assert await exchange(server, LOGOUT + b"\n") == received
        assert server.answered == 1

    run(scene, rule)


@pytest.mark.parametrize(
    ("rule", "heard"),
    [
        ("value:Server_Msg.MG=oh", ["CLTMSG&RES=0", "Server_Msg&SEQ=1&RES=0&UN=10001&MG=oh"]),
        ("delay:Server_Msg=0.01", ["CLTMSG&RES=0", "Server_Msg&SEQ=1&RES=0&UN=10001&MG=hi"]),
        ("delay:CLTMSG=0.01", ["Server_Msg&SEQ=1&RES=0&UN=10001&MG=hi", "CLTMSG&RES=0"]),
        ("silence:Server_Msg", ["CLTMSG&RES=0"]),
        ("twice:Server_Msg", ["CLTMSG&RES=0", *["Server_Msg&SEQ=1&RES=0&UN=10001&MG=hi"] * 2]),
        ("close:Server_Msg", ["CLTMSG&RES=0", ""]),
    ],
)
def test_deviations_of_pushes(rule: str, heard: list[str]) -> None:
    async def scene(server: Server) -> None:
        async with line(server) as client:
            await client.login()
            client.send("CLTMSG", "UN=10001&MG=hi")
            got = []
            for wanted in heard:
                got.append((await client.hear()).replace(f"&SEQ={client.sequence}&", "&") if wanted else "")
            assert got == heard
            if heard[-1] == "":
                assert await client.reader.read() == b""
            else:
                assert (await client.ask("Logout")).startswith("LOGOUT")

    run(scene, rule)


def test_a_line_without_end_and_a_line_too_long() -> None:
    async def scene(server: Server) -> None:
        async with line(server) as resting, line(server) as endless:
            resting.writer.write(LOGOUT)
            undecided = asyncio.create_task(_rests(server, b"PO"))
            endless.writer.write(b"A=" + b"x" * (MOST_BODY + 1) + b"\n" + LOGOUT + b"\n")
            assert await endless.reader.read() == b""
            assert await resting.reader.read() == b""
            assert (await undecided).startswith(b"HTTP/1.1 408 Request Timeout\r\n")

    run(scene, patience=0.2)


async def _rests(server: Server, sent: bytes) -> bytes:
    async with line(server) as client:
        client.writer.write(sent)
        return await client.reader.read()


def test_a_client_that_does_not_read_its_pushes_is_cut_off() -> None:
    async def scene(server: Server) -> None:
        text = "x" * 500_000
        async with line(server, "10001") as deaf, line(server, "10002") as two:
            await deaf.login()
            await two.login()
            while server.connections == 2:
                await two.ask("CLTMSG", f"UN=10001&MG={text}")

    run(scene)


@given(
    pieces=st.lists(st.binary(max_size=40) | st.sampled_from([LOGOUT, b"\n", b"\r\n", b"VER=1.4&", HTTP]), max_size=6)
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_end_it(pieces: list[bytes]) -> None:
    async def scene(server: Server) -> None:
        with contextlib.suppress(ConnectionError):
            await exchange(server, *pieces)
        assert await exchange(server, LOGOUT + b"\n") == LOGGED_OUT

    run(scene)


def test_the_command_serves_both(start: Callable[..., Process]) -> None:
    server = start(sys.executable, "-m", "qqlab", "-v", "serve", "--lines", "--listen", "127.0.0.1:0")
    told = server.wait_for("serving on")
    assert told.endswith(" (6 accounts, HTTP and lines; Ctrl-C ends)")
    port = int(told.partition(" (")[0].rpartition(":")[2])

    async def scene() -> None:
        for sent in (LOGOUT + b"\n", HTTP):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.write_eof()
            assert b"VER=1.1&CMD=LOGOUT&SEQ=7&UIN=10001&RES=0" in await reader.read()
            writer.close()

    asyncio.run(scene())
    assert server.stop() == 0
    assert server.output.splitlines()[1:] == ["10001 Logout: accepted"] * 2 + ["qqlab: ended; requests answered: 2"]
