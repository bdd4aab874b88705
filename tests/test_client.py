"""The client and the replay driver against real servers on loopback: honest ones, and evil ones."""

import asyncio
import contextlib
import hashlib
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import msgspec
import pytest
from conftest import free_port

from qqlab import http1
from qqlab import spec as specs
from qqlab.diff import compare
from qqlab.errors import RefusedError, TargetError
from qqlab.exchange import Exchange, RawMessage
from qqlab.net import http as https
from qqlab.net import loop
from qqlab.net.client import Client, Outcome
from qqlab.net.http import Http
from qqlab.net.ready import ByEpoll, ByLoop
from qqlab.net.replay import Replayed, replay, resolve
from qqlab.net.server import serve
from qqlab.replay import Target
from qqlab.testserver import State, accounts, deviate

SPEC = specs.builtin()
HEAD = b"HTTP/1.1 200 OK\r\nX-Odd:  a\tb\r\nContent-Length: 5\r\n\r\n"
ASK = http1.request(b"CMD=Logout", "127.0.0.1")

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[int]:
    """A server on a free port whose connections are handled by that talk."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(int(http1.parse_head(head).get("content-length") or 0))


def says(*pieces: bytes, reset: bool = False, stay: bool = False) -> Talk:
    """Answer one request with these bytes; then close, reset or stay."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        if reset:
            writer.transport.abort()
        elif stay:
            await reader.read()

    return talk


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 4096)
        await writer.drain()


async def ask(talk: Talk, *, timeout: float = 5.0, limit: int = 1000) -> Outcome:
    async with listening(talk) as port:
        client = Client([("127.0.0.1", port)], timeout=timeout, limit=limit)
        outcome = await client.send(ASK)
        await client.close()
        return outcome


Told = tuple[RawMessage | None, str | None, bool]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = RawMessage(head=HEAD, body=b"RES=0")
UNTIL_CLOSED = RawMessage(head=b"HTTP/1.0 200 OK\r\n\r\n", body=b"RES=0")
TALKS: dict[str, tuple[Talk, Told]] = {
    "whole": (says(HEAD + b"RES=0", stay=True), (WHOLE, None, False)),
    "in pieces": (says(HEAD[:9], HEAD[9:] + b"R", b"ES=0", stay=True), (WHOLE, None, False)),
    "until closed": (says(b"HTTP/1.0 200 OK\r\n\r\nRES", b"=0"), (UNTIL_CLOSED, None, False)),
    "after an interim answer": (
        says(b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"RES=0"),
        (RawMessage(head=b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD, body=b"RES=0"), None, False),
    ),
    "chunked": (
        says(CHUNKED + b"2\r\nRE\r\n", b"3\r\nS=0\r\n0\r\n\r\n", stay=True),
        (RawMessage(head=CHUNKED, body=b"2\r\nRE\r\n3\r\nS=0\r\n0\r\n\r\n", chunked=True), None, False),
    ),
    "nothing": (says(), (None, "the connection was closed without a reply", False)),
    "reset at once": (says(reset=True), (None, "the connection was closed without a reply", False)),
    "half a head": (
        says(HEAD[:20]),
        (RawMessage(head=HEAD[:20]), "the connection was closed within the head of the reply (20 bytes came)", False),
    ),
    "too short": (
        says(HEAD + b"RES"),
        (
            RawMessage(head=HEAD, body=b"RES"),
            "the connection was closed within the body of the reply (3 bytes came)",
            False,
        ),
    ),
    "too long": (says(HEAD + b"RES=0&X=1", stay=True), (WHOLE, "more bytes follow the end of the reply", False)),
    "twice": (says((HEAD + b"RES=0") * 2, stay=True), (WHOLE, "more bytes follow the end of the reply", False)),
    "half a chunk": (
        says(CHUNKED + b"5\r\nRES"),
        (
            RawMessage(head=CHUNKED, body=b"5\r\nRES", chunked=True),
            "the connection was closed within the body of the reply (6 bytes came)",
            False,
        ),
    ),
    "garbage": (
        says(b"\x00\xff garbage\r\n\r\n"),
        (RawMessage(body=b"\x00\xff garbage\r\n\r\n"), "the reply is no HTTP: the first line is not HTTP/1's", False),
    ),
    "garbage without an end": (
        says(b"RES=0"),
        (RawMessage(body=b"RES=0"), "the connection was closed within the head of the reply (5 bytes came)", False),
    ),
    "an absurd length": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\nRES=0"),
        (
            RawMessage(head=b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n", body=b"RES=0"),
            None,
            False,
        ),
    ),
    "endless": (
        endless,
        (
            RawMessage(head=b"HTTP/1.1 200 OK\r\n\r\n", body=b"x" * (1000 - 19)),
            "the reply is longer than 1000 bytes",
            False,
        ),
    ),
}


@pytest.mark.parametrize("run", [asyncio.run, loop.run])
@pytest.mark.parametrize("name", TALKS)
def test_whatever_a_server_does_becomes_an_outcome(name: str, run: Callable[[Any], Outcome]) -> None:
    talk, wanted = TALKS[name]
    outcome = run(ask(talk))
    assert (outcome.reply, outcome.error, outcome.silent) == wanted
    assert outcome.client.startswith("127.0.0.1:")
    assert outcome.elapsed >= 0


def test_a_length_of_thousands_of_digits() -> None:
    outcome = loop.run(ask(says(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nRES"), limit=9999))
    assert (outcome.reply and outcome.reply.body, outcome.error) == (b"RES", None)


@pytest.mark.parametrize(
    ("talk", "wanted"),
    [
        (says(stay=True), (None, "no reply within 0.2 s", True)),
        (
            says(HEAD + b"RES", stay=True),
            (RawMessage(head=HEAD, body=b"RES"), "the reply was not complete within 0.2 s (54 bytes came)", False),
        ),
        (
            says(HEAD[:-2], stay=True),
            (RawMessage(head=HEAD[:-2]), "the reply was not complete within 0.2 s (49 bytes came)", False),
        ),
    ],
)
def test_a_server_that_hangs(talk: Talk, wanted: Told) -> None:
    outcome = loop.run(ask(talk, timeout=0.2))
    assert (outcome.reply, outcome.error, outcome.silent) == wanted


def test_bytes_that_come_right_before_a_reset_are_kept() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # With a byte of the request unread, closing sends a reset.
        await reader.readuntil(b"POST")
        writer.write(HEAD + b"RES")
        await writer.drain()
        writer.transport.abort()

    outcome = loop.run(ask(talk))
    assert outcome.reply == RawMessage(head=HEAD, body=b"RES")
    assert outcome.error is not None
    assert outcome.error.endswith("within the body of the reply (3 bytes came)")


def test_nobody_listens() -> None:
    outcome = loop.run(Client([("127.0.0.1", free_port())]).send(ASK))
    assert (outcome.reply, outcome.error, outcome.client, outcome.silent) == (
        None,
        "cannot connect: connection refused",
        "",
        True,
    )


def test_the_next_address_is_tried() -> None:
    async def play() -> Outcome:
        async with listening(says(HEAD + b"RES=0")) as port:
            return await Client([("127.0.0.2", port), ("127.0.0.1", port)]).send(ASK)

    assert loop.run(play()).reply == WHOLE


def test_the_bytes_that_arrive_are_the_bytes_of_the_request() -> None:
    got: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())  # a request without a length ends with its direction
        writer.write(HEAD + b"RES=0")

    async def play() -> None:
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            await client.send(RawMessage(head=b"POST HTTP/1.1\n\n", body=b"CMD=\xff\x00"))

    loop.run(play())
    assert got == [b"POST HTTP/1.1\n\nCMD=\xff\x00"]


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (HEAD + b"RES=0", [1, 1, 1]),
        (HEAD.replace(b"X-Odd", b"Connection: close\r\nX-Odd") + b"RES=0", [1, 2, 3]),
        (HEAD.replace(b"1.1", b"1.0") + b"RES=0", [1, 2, 3]),
        (HEAD.replace(b"1.1", b"1.0").replace(b"X-Odd", b"Connection: Keep-Alive\r\nX-Odd") + b"RES=0", [1, 1, 1]),
    ],
)
def test_a_connection_is_kept_where_both_sides_want_it(reply: bytes, connections: list[int]) -> None:
    opened = 0
    served: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        mine = opened
        while True:
            try:
                await read_request(reader)
            except asyncio.IncompleteReadError:
                return
            served.append(mine)
            writer.write(reply)

    async def play() -> None:
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            for _ in range(3):
                assert (await client.send(ASK, lane="a")).error is None
            await client.close()

    loop.run(play())
    assert served == connections


def test_a_kept_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    async def play() -> list[str | None]:
        async with listening(says(HEAD + b"RES=0")) as port:
            client = Client([("127.0.0.1", port)])
            first = await client.send(ASK, lane="a")
            await asyncio.sleep(0.1)
            errors = [first.error, (await client.send(ASK, lane="a")).error]
            await client.close()
            return errors

    assert loop.run(play()) == [None, None]


def test_a_connection_that_a_request_has_ended_is_not_kept() -> None:
    opened = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await reader.read()  # a request without a length ends with its direction
        writer.write(HEAD + b"RES=0")
        await writer.drain()

    async def play() -> list[str | None]:
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            request = RawMessage(head=b"POST / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", body=b"CMD=Logout")
            errors = [(await client.send(request, lane="a")).error for _ in range(3)]
            await client.close()
            return errors

    assert (loop.run(play()), opened) == ([None] * 3, 3)


def keeps(*answers: bytes, stay: bool = False, reset: bool = False) -> tuple[Talk, list[int]]:
    """Answer so many requests over each connection, then take one more and close, reset or stay; and the connections
    over which requests came, by number. An answer that is no whole reply is followed by the close at once."""
    served: list[int] = []
    opened = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        mine = opened
        for answer in (*answers, b""):
            try:
                await read_request(reader)
            except asyncio.IncompleteReadError:
                return
            served.append(mine)
            writer.write(answer)
            await writer.drain()
            if not answer.startswith(HEAD):
                break
        if reset:
            writer.transport.abort()
        if stay:
            await reader.read()

    return talk, served


async def ask_twice(talk: Talk, *, timeout: float = 5.0) -> list[str | None]:
    async with listening(talk) as port:
        client = Client([("127.0.0.1", port)], timeout=timeout)
        errors = [(await client.send(ASK, lane="a")).error for _ in range(2)]
        await client.close()
        return errors


@pytest.mark.parametrize("reset", [False, True])
def test_a_kept_connection_that_ends_without_a_byte_is_replaced_once(reset: bool) -> None:
    talk, served = keeps(HEAD + b"RES=0", reset=reset)
    assert loop.run(ask_twice(talk)) == [None, None]
    assert served == [1, 1, 2]


@pytest.mark.parametrize("delay", [0, 0.002])
def test_a_server_that_closes_unannounced_gives_no_false_alarm(delay: float) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HEAD + b"RES=0")
        await writer.drain()
        await asyncio.sleep(delay)

    async def play() -> list[str | None]:
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            errors = [(await client.send(ASK, lane="a")).error for _ in range(20)]
            await client.close()
            return errors

    assert loop.run(play()) == [None] * 20


def test_what_came_over_a_fresh_connection_is_not_sent_again() -> None:
    talk, served = keeps()
    assert loop.run(ask_twice(talk)) == ["the connection was closed without a reply"] * 2
    assert served == [1, 2]


def test_a_request_of_which_a_part_of_the_reply_came_is_not_sent_again() -> None:
    talk, served = keeps(HEAD + b"RES=0", HEAD[:20])
    assert loop.run(ask_twice(talk)) == [
        None,
        "the connection was closed within the head of the reply (20 bytes came)",
    ]
    assert served == [1, 1]


def test_a_request_that_changes_something_is_not_sent_again() -> None:
    """The server may have done what it says, and ended then."""
    talk, served = keeps(HEAD + b"RES=0")

    async def play() -> list[str | None]:
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            errors = [(await client.send(ASK, lane="a", safe=False)).error for _ in range(3)]
            await client.close()
            return errors

    assert loop.run(play()) == [None, "the connection was closed without a reply", None]
    assert served == [1, 1, 2]


def test_an_end_that_has_come_is_seen_before_what_changes_something_is_sent() -> None:
    opened = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await read_request(reader)
        writer.write(HEAD + b"RES=0")

    async def play() -> list[str | None]:
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            errors = []
            for _ in range(20):
                errors.append((await client.send(ASK, lane="a", safe=False)).error)
                await asyncio.sleep(0.002)
            await client.close()
            return errors

    assert (loop.run(play()), opened) == ([None] * 20, 20)


def test_what_is_sent_once_more_keeps_its_time() -> None:
    """What began first ends first, whatever happened to it on the way."""

    async def play() -> tuple[list[str], int]:
        asked = asyncio.Queue[asyncio.StreamWriter]()
        answers = iter([HEAD + b"RES=0"])  # then nothing more is said

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in answers:
                await says(answer)(reader, writer)
            while await reader.read(65536):
                await asked.put(writer)

        async with listening(talk) as port:
            http = Http([("127.0.0.1", port)], timeout=60.0)
            over: asyncio.Queue[str] = asyncio.Queue()
            keeping = http1.request(b"CMD=Logout", "127.0.0.1", keep_alive=True)
            http.send(keeping, lambda _: over.put_nowait("first"), over="a")
            await over.get()
            http.send(keeping, lambda _: over.put_nowait("kept"), over="a")
            kept = await asked.get()
            http.send(keeping, lambda _: over.put_nowait("later"), over="b")
            kept.close()
            while not http.again:
                await asyncio.sleep(0.001)
            http.timeout = 0.0  # as if it were over
            http._look()
            ended = [await over.get(), await over.get()]
            await http.close()
            return ended, http.again

    assert loop.run(play()) == (["kept", "later"], 1)


def test_a_connection_that_fails_is_tried_again() -> None:
    """Nothing was sent, so nothing is done twice."""

    async def play() -> tuple[Outcome, int]:
        port = free_port()
        http = Http([("127.0.0.1", port)], retries=3)
        over = asyncio.get_running_loop().create_future()
        http.send(ASK, over.set_result)
        while not http.retried:
            await asyncio.sleep(0.001)
        served = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await says(HEAD + b"RES=0")(reader, writer)
            writer.close()
            served.set()

        server = await asyncio.start_server(talk, "127.0.0.1", port)
        outcome = await over
        await served.wait()
        await http.close()
        server.close()
        return outcome, http.opened

    outcome, opened = loop.run(play())
    assert (outcome.reply, outcome.error, outcome.silent, opened) == (WHOLE, None, False, 1)


def test_a_request_that_timed_out_is_not_sent_again() -> None:
    talk, served = keeps(HEAD + b"RES=0", stay=True)
    assert loop.run(ask_twice(talk, timeout=0.3)) == [None, "no reply within 0.3 s"]
    assert served == [1, 1]


# Longer than what the system takes from who sends before the other side reads.
LONG = 16 << 20


class Hasty(ByLoop):
    """Tells of a socket at once, too, as one may be told of that had the number of its descriptor before."""

    def watch(self, number: int, call: Callable[[], None], *, writing: bool = False) -> None:
        super().watch(number, call, writing=writing)
        asyncio.get_running_loop().call_soon(call)


@pytest.fixture(params=[ByEpoll, ByLoop, Hasty])
def watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches the sockets, it comes to the same."""
    if request.param is ByEpoll and not hasattr(select, "epoll"):
        pytest.skip("this system has no epoll")
    monkeypatch.setattr(https, "AT_HAND", request.param)


@pytest.mark.usefixtures("watched")
def test_ends_that_have_come_are_seen_on_all_connections_before_what_changes_something_is_sent() -> None:
    ends: list[socket.socket] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(writer.get_extra_info("socket"))
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await read_request(reader)
                writer.write(HEAD + b"RES=0")

    async def play() -> list[str | None]:
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            for turn in range(2):
                outcomes = await asyncio.gather(*[client.send(ASK, lane=str(lane), safe=False) for lane in range(5)])
                for end in ends if turn == 0 else ():
                    end.shutdown(socket.SHUT_WR)  # the event loop has no time to tell of it
            await client.close()
            return [one.error for one in outcomes]

    assert (asyncio.run(play()), len(ends)) == ([None] * 5, 10)


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("run", [asyncio.run, loop.run])
@pytest.mark.parametrize("framed", [True, False])
def test_a_long_request_goes_out_as_the_server_reads_it(run: Callable[[Any], Any], framed: bool) -> None:
    got: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await (read_request(reader) if framed else reader.read()))
        writer.write(HEAD + b"RES=0")

    async def play() -> list[Outcome]:
        request = http1.request(b"MG=" + b"x" * LONG, "127.0.0.1", keep_alive=True)
        if not framed:
            request = msgspec.structs.replace(request, head=b"POST HTTP/1.1\n\n")
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            outcomes = [await client.send(one, lane="a") for one in (request, ASK if framed else request)]
            await client.close()
            assert got == [request.head + request.body, ASK.head + ASK.body if framed else got[0]]
            return outcomes

    assert [(one.reply, one.error) for one in run(play())] == [(WHOLE, None)] * 2


@pytest.mark.usefixtures("watched")
def test_a_connection_is_not_kept_over_which_a_request_did_not_go_out_whole() -> None:
    opened = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        first = opened == 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await (reader.readuntil(b"\r\n\r\n") if first else read_request(reader))
                writer.write(HEAD + b"RES=0")  # the first time though it was not told all
                if first:
                    await over.wait()

    async def play() -> list[str | None]:
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            long = http1.request(b"x" * LONG, "127.0.0.1", keep_alive=True)
            errors = [(await client.send(one, lane="a")).error for one in (long, ASK, ASK)]
            over.set()
            await client.close()
            return errors

    over = asyncio.Event()
    assert (loop.run(play()), opened) == ([None] * 3, 2)


@pytest.mark.usefixtures("watched")
def test_a_server_that_ends_in_the_middle_of_a_long_request() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async def play() -> Outcome:
        async with listening(talk) as port:
            client = Client([("127.0.0.1", port)])
            outcome = await client.send(http1.request(b"x" * LONG, "127.0.0.1"))
            await client.close()
            return outcome

    outcome = loop.run(play())
    assert (outcome.reply, outcome.silent) == (None, False)
    assert outcome.error in {f"{why} without a reply" for why in ("connection reset by peer", "broken pipe")}


@contextmanager
def full(port: int = 0) -> Iterator[socket.socket]:
    """A server that has as many connections waiting as it lets wait."""
    with socket.create_server(("127.0.0.1", port), backlog=0) as server, ExitStack() as stack:
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server


@pytest.mark.usefixtures("watched")
def test_a_connection_that_does_not_come_about_in_time() -> None:
    async def play(port: int) -> tuple[Outcome, list[object]]:
        http = Http([("127.0.0.1", port)], timeout=0.2)
        over: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        http.send(ASK, over.set_result)
        outcome = await over
        http.timeout = 60
        http.send(ASK, over.set_result)
        given_up: list[object] = [then == over.set_result for then in http.abandon()]
        http.send(ASK, over.set_result)
        await http.close()
        return outcome, given_up

    with full() as server:
        outcome, given_up = loop.run(play(server.getsockname()[1]))
    assert (outcome.error, outcome.client, outcome.silent) == ("cannot connect within 0.2 s", "", True)
    assert given_up == [True]


@pytest.mark.usefixtures("watched")
def test_an_address_that_says_nothing_does_not_take_the_time_of_the_next() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"RES=0")
        await reader.read()
        writer.close()

    async def play() -> Outcome:
        server = await asyncio.start_server(answer, "127.0.0.2", 0)
        port = server.sockets[0].getsockname()[1]
        with full(port):
            client = Client([("127.0.0.1", port), ("127.0.0.2", port)], timeout=0.5)
            outcome = await client.send(ASK)
            await client.close()
        server.close()
        await server.wait_closed()
        return outcome

    assert loop.run(play()).reply == WHOLE


@pytest.mark.usefixtures("watched")
def test_a_request_goes_out_once_its_connection_stands() -> None:
    async def answer(server: socket.socket) -> None:
        while True:
            accepted, _ = await asyncio.get_running_loop().sock_accept(server)
            with accepted:
                accepted.sendall(HEAD + b"RES=0")

    async def play(server: socket.socket) -> Outcome:
        client = Client([server.getsockname()])
        asked = asyncio.ensure_future(client.send(ASK))
        await asyncio.sleep(0)
        server.setblocking(False)
        answering = asyncio.ensure_future(answer(server))
        outcome = await asked
        answering.cancel()
        await client.close()
        return outcome

    with full() as server:
        outcome = loop.run(play(server))
    assert outcome.client.startswith("127.0.0.1:")


# ------------------------------------------------------------------------------------------------------- the driver


def secret(uin: str) -> str:
    return hashlib.md5(f"mima-{uin}".encode()).hexdigest()


BODIES = [
    ("10001", f"VER=1.1&CMD=Login&SEQ=1001&UIN=10001&PS={'0' * 32}&M5=1&LC=9326B87B234E7235"),
    ("10001", f"VER=1.1&CMD=Login&SEQ=1002&UIN=10001&PS={secret('10001')}&M5=1&LC=9326B87B234E7235"),
    ("10002", f"VER=1.1&CMD=Login&SEQ=1003&UIN=10002&PS={secret('10002')} &M5=1&LC=9326B87B234E7235"),
    ("10001", "VER=1.1&CMD=List&SEQ=1004&UIN=10001&TN=160&UN=0"),
    ("10001", "VER=1.1&CMD=Query_Stat&SEQ=1005&UIN=10001&TN=50&UN=0"),
    ("10001", "VER=1.1&CMD=GetInfo&SEQ=1006&UIN=10001&LV=3&UN=10002"),
    ("10002", "VER=1.1&CMD=CLTMSG&SEQ=1007&UIN=10002&UN=10001&MG=%e4%bd%a0%e5%a5%bd, a%26b"),
    ("10002", "VER=1.1&CMD=CLTMSG&SEQ=1008&UIN=10002&UN=10001&MG=again"),
    ("10001", "VER=1.1&CMD=GetMsgEx&SEQ=1009&UIN=10001"),
    ("10001", "VER=1.1&CMD=Change_stat&SEQ=1010&UIN=10001&ST=30"),
    ("10001", "VER=1.1&CMD=Logout&SEQ=1011&UIN=10001"),
    ("10001", "VER=1.1&CMD=GetMsgEx&SEQ=1012&UIN=10001"),
]


async def record(keep: bool = False) -> list[Exchange]:
    """A capture of a session, driven with our own client against a fresh server."""
    recorded = []
    async with serve(State(accounts.sample(), SPEC), "127.0.0.1", 0) as running:
        client = Client([(running.host, running.port)])
        for number, (uin, body) in enumerate(BODIES, 1):
            request = http1.request(body.encode(), "127.0.0.1", target="" if number % 2 else "/", keep_alive=keep)
            outcome = await client.send(request)
            assert outcome.error is None
            recorded.append(
                Exchange(
                    id=str(number), session=f"127.0.0.1/{uin}", client=outcome.client, request=request,
                    reply=outcome.reply, time=outcome.time, elapsed=outcome.elapsed,
                )
            )  # fmt: skip
    return recorded


def redacted(recorded: list[Exchange]) -> list[Exchange]:
    """The same with pseudonyms where the passwords were, as a recording has it."""
    hidden = []
    for exchange in recorded:
        assert exchange.request is not None
        body = exchange.request.body
        for uin in ("10001", "10002"):
            body = body.replace(secret(uin).encode(), hashlib.md5(uin.encode()).hexdigest().encode())
        hidden.append(msgspec.structs.replace(exchange, request=RawMessage(head=exchange.request.head, body=body)))
    return hidden


async def replayed(recorded: list[Exchange], *rules: str, passwords: bool = True) -> Replayed:
    parsed = [deviate.parse(rule, SPEC) for rule in rules]
    async with serve(State(accounts.sample(), SPEC), "127.0.0.1", 0, rules=parsed) as running:
        return await replay(
            recorded,
            Target(running.host, running.port),
            spec=SPEC,
            passwords=accounts.sample().password if passwords else lambda uin: None,
            start=77,
            timeout=0.5 if any("delay" in rule for rule in rules) else 5.0,
        )


@pytest.fixture(scope="module")
def capture() -> list[Exchange]:
    return redacted(loop.run(record()))


@pytest.mark.parametrize("keep", [False, True])
def test_an_honest_server_gives_no_differences(keep: bool) -> None:
    recorded = redacted(loop.run(record(keep)))
    outcome = loop.run(replayed(recorded))
    comparison = compare(recorded, outcome.exchanges, SPEC, skipped=outcome.skipped)
    assert comparison.findings == ()
    assert (comparison.equal, comparison.total) == (12, 12)
    assert [exchange.id for exchange in outcome.exchanges] == [exchange.id for exchange in recorded]
    assert [exchange.session for exchange in outcome.exchanges] == [exchange.session for exchange in recorded]
    assert (outcome.lacking, outcome.down, outcome.skipped) == ((), None, {})


def test_no_secret_is_in_what_a_replay_returns(capture: list[Exchange]) -> None:
    outcome = loop.run(replayed(capture))
    everything = msgspec.json.encode(
        [(e.request and e.request.body.decode("latin-1"), str(e)) for e in outcome.exchanges]
    )
    for uin in ("10001", "10002"):
        assert secret(uin).encode() not in everything
        assert f"mima-{uin}".encode() not in everything


def test_without_passwords_the_logins_are_refused_and_named(capture: list[Exchange]) -> None:
    outcome = loop.run(replayed(capture, passwords=False))
    comparison = compare(capture, outcome.exchanges, SPEC)
    assert outcome.lacking == ("10001", "10002")
    assert ("code", "RS", "0 logged in", "1 refused") in [
        (f.rule, f.field, f.expected, f.actual) for f in comparison.findings if f.exchange == "2"
    ]


DEVIATIONS = {
    "drop:GetInfo.NK": [("6", "field.missing", "NK")],
    "add:Logout.XX=1": [("11", "field.extra", "XX")],
    "code:Change_Stat.RES=20": [("10", "code", "RES")],
    "code:Login.RS=7": [("1", "code", "RS"), ("2", "code", "RS"), ("3", "code", "RS")],
    "value:GetInfo.SC=x": [("6", "value", "SC")],
    "reorder:List": [("4", "field.order", "SN")],
    "count:List": [("4", "count", "SN")],
    "count:GetMsgEx": [("9", "count", "MN")],
    "row-drop:List": [("4", "row.missing", "UN")],
    "row-add:List": [("4", "row.extra", "UN")],
    "row-order:List": [("4", "row.permuted", "UN")],
    "row-order:GetMsgEx": [("9", "row.order", None)],
    "row-drop:GetMsgEx": [("9", "row.missing", None)],
    "value:GetMsgEx.MG=x": [("9", "row.value", "MG")],
    "case:Logout": [("11", "command.case", "CMD")],
    "trailing:Logout": [("11", "body.terminator", None)],
    "status:Logout=500": [("11", "http.status", None)],
    "close:Logout": [("11", "target.closed", None)],
    "cut:Logout": [("11", "target.cut", None)],
    "garbage:Logout": [("11", "target.no-http", None)],
    "delay:Logout=5": [("11", "target.silent", None)],
    "value:Logout.SEQ=1": [("11", "echo", "SEQ")],
}


@pytest.mark.parametrize("rule", DEVIATIONS)
def test_each_deviation_of_the_server_is_one_finding(rule: str, capture: list[Exchange]) -> None:
    outcome = loop.run(replayed(capture, rule))
    findings = compare(capture, outcome.exchanges, SPEC, skipped=outcome.skipped).findings
    assert [(finding.exchange, finding.rule, finding.field) for finding in findings] == DEVIATIONS[rule]


def test_a_target_that_is_down_is_given_up_soon(capture: list[Exchange]) -> None:
    port = free_port()
    outcome = loop.run(replay(capture, Target("127.0.0.1", port), spec=SPEC))
    assert [exchange.error for exchange in outcome.exchanges] == ["cannot connect: connection refused"] * 5
    assert outcome.down == "cannot connect: connection refused"
    assert outcome.skipped == {str(number): "the target is down" for number in range(6, 13)}


def test_a_target_that_hangs_is_given_up_soon(capture: list[Exchange]) -> None:
    async def play() -> Replayed:
        async with listening(says(stay=True)) as port:
            return await replay(capture, Target("127.0.0.1", port), spec=SPEC, timeout=0.1)

    outcome = loop.run(play())
    assert ([exchange.error for exchange in outcome.exchanges], outcome.down) == (
        ["no reply within 0.1 s"] * 5,
        "no reply within 0.1 s",
    )


def test_a_target_that_closes_each_time_is_not_down(capture: list[Exchange]) -> None:
    async def play() -> Replayed:
        async with listening(says()) as port:
            return await replay(capture, Target("127.0.0.1", port), spec=SPEC)

    outcome = loop.run(play())
    assert (len(outcome.exchanges), outcome.down) == (12, None)


def test_targets_are_refused_before_anything_is_sent(capture: list[Exchange]) -> None:
    with pytest.raises(RefusedError, match="is not on this machine"):
        loop.run(replay(capture, Target("192.0.2.1", 1), spec=SPEC))
    with pytest.raises(RefusedError, match="historical servers"):
        loop.run(replay(capture, Target("tqq.tencent.com", 8000), spec=SPEC, allowed=["tqq.tencent.com"]))


def test_a_name_is_resolved_to_checked_addresses() -> None:
    found = loop.run(resolve(Target("localhost", 8000)))
    assert ("127.0.0.1", 8000) in found


def test_a_name_that_resolves_elsewhere_is_refused() -> None:
    """The resolver reads this old spelling as 10.0.0.1: no name on this machine, and nothing is looked up."""
    with pytest.raises(RefusedError, match="is not on this machine"):
        loop.run(resolve(Target("167772161", 8000)))
    assert loop.run(resolve(Target("167772161", 8000), ["167772161"])) == [("10.0.0.1", 8000)]


def test_a_name_that_cannot_be_resolved() -> None:
    with pytest.raises(TargetError, match="the name cannot be resolved"):
        loop.run(resolve(Target("::1%nosuch", 8000)))
