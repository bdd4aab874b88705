"""A plan under way: lanes, pace, budgets, and what bad targets do to it. Real sockets; no assertion on time but of
what is late by construction."""

import asyncio
import contextlib
import gzip
import resource
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from conftest import free_port

from qqlab import failures, http1
from qqlab import spec as specs
from qqlab.diff import compare
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.net import loop
from qqlab.net.keeping import InMemory
from qqlab.net.pace import Lateness, Pace, lateness
from qqlab.net.replay import Replayed, Sending, execute, replay
from qqlab.net.running import Limits
from qqlab.replay import Step, Target, plan

SPEC = specs.builtin()
SENDING = Sending()
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def asked(
    id: str, uin: str, command: str, fields: str = "", *, at: float = 0.0, client: str = "", keep: bool = False
) -> Exchange:
    body = f"VER=1.1&CMD={command}&SEQ={1000 + int(id)}&UIN={uin}{fields and '&'}{fields}"
    reply = f"VER=1.1&CMD={command.upper()}&SEQ={1000 + int(id)}&UIN={uin}&RES=0"
    return Exchange(
        id=id,
        session=f"127.0.0.1/{uin}",
        client=client,
        time=EPOCH + timedelta(seconds=at),
        elapsed=0.0001,
        request=http1.request(body.encode(), "127.0.0.1", keep_alive=keep),
        reply=http1.reply(reply.encode(), keep_alive=keep),
    )


class Server:
    """A server of canned replies that notes what comes. `does` may do something else with a body; then it is told
    whether to answer on."""

    def __init__(self, does: Callable[[bytes, asyncio.StreamWriter], Awaitable[bool]] | None = None) -> None:
        self.bodies: list[str] = []
        self.connections = 0
        self.most = 0
        self._busy = 0
        self._does = does

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(http1.parse_head(head).get("content-length") or 0))
                self.bodies.append(body.decode())
                self._busy += 1
                self.most = max(self.most, self._busy)
                if self._does is None or await self._does(body, writer):
                    await asyncio.sleep(0.002)
                    writer.write(answer(body, b"keep-alive" in head))
                self._busy -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def numbers(self, uin: str) -> list[int]:
        """The numbers of an account's requests, as they came."""
        return [int(body.partition("&M=")[2]) for body in self.bodies if f"UIN={uin}&" in body]


def answer(body: bytes, keep: bool = False) -> bytes:
    fields = dict(pair.split(b"=", 1) for pair in body.split(b"&"))
    said = b"VER=1.1&CMD=%s&SEQ=%s&UIN=%s&RES=0" % (fields[b"CMD"].upper(), fields[b"SEQ"], fields[b"UIN"])
    message = http1.reply(said, keep_alive=keep)
    return message.head + message.body


def against(server: Server, recorded: Sequence[Exchange], how: Sending = SENDING) -> Replayed:
    async def run() -> Replayed:
        listening = await asyncio.start_server(server, "127.0.0.1", 0)
        try:
            port = listening.sockets[0].getsockname()[1]
            async with asyncio.timeout(30):
                return await replay(recorded, Target("127.0.0.1", port), spec=SPEC, start=50, sending=how)
        finally:
            listening.close()

    return loop.run(run())


def polls(accounts: int, each: int, *, gap: float = 0.0, keep: bool = False) -> list[Exchange]:
    """So many accounts that each ask so often, turn by turn."""
    return [
        asked(
            str(1 + turn * accounts + one),
            str(10001 + one),
            "GetMsgEx",
            f"M={turn}",
            at=gap * (turn * accounts + one),
            client=f"127.0.0.1:{2000 + one}" if keep else f"127.0.0.1:{2000 + turn * accounts + one}",
            keep=keep,
        )
        for turn in range(each)
        for one in range(accounts)
    ]


# ------------------------------------------------------------------------------------------------------------- lanes


@pytest.mark.parametrize("lanes", [1, 3, None])
def test_a_lane_is_strictly_in_order_and_so_many_are_under_way(lanes: int | None) -> None:
    server = Server()
    recorded = polls(8, 5)
    again = against(server, recorded, Sending(limits=Limits(lanes=lanes)))
    assert [exchange.error for exchange in again.exchanges] == [None] * 40
    assert [exchange.id for exchange in again.exchanges] == [exchange.id for exchange in recorded]
    assert [server.numbers(str(uin)) for uin in range(10001, 10009)] == [[0, 1, 2, 3, 4]] * 8
    assert server.most <= (lanes or 8)
    assert compare(recorded, again.exchanges, SPEC).findings == ()


def test_few_files_may_be_open_and_lanes_go_side_by_side_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(body: bytes, writer: asyncio.StreamWriter) -> bool:
        if server.most == 8:
            there.set()
        await there.wait()
        return True

    there = asyncio.Event()
    server = Server(waits)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    assert [exchange.error for exchange in against(server, polls(8, 2, keep=True)).exchanges] == [None] * 16


def test_connections_are_kept_or_not_as_they_were() -> None:
    server = Server()
    course = against(server, polls(4, 5, keep=True)).course
    assert (server.connections, course.opened, course.reused, course.sent) == (4, 4, 16, 20)
    server = Server()
    course = against(server, polls(4, 5)).course
    assert (server.connections, course.opened, course.reused) == (20, 20, 0)


def test_lanes_that_wait_for_each_other_come_through_one_at_a_time() -> None:
    """Each message changes something for the other account: they go out in recorded order, however few lanes may."""
    recorded = [
        asked(str(n), uin, "CLTMSG", f"UN={other}&MG=x&M={n}", at=n)
        for n, (uin, other) in enumerate([("10001", "10002"), ("10002", "10001")] * 10, 1)
    ]
    for lanes in (1, 2):
        server = Server()
        again = against(server, recorded, Sending(limits=Limits(lanes=lanes)))
        assert [int(body.partition("&M=")[2]) for body in server.bodies] == list(range(1, 21))
        assert (again.course.sent, again.course.reordered) == (20, 0)


# -------------------------------------------------------------------------------------------------------------- pace


def test_times_follow_from_the_start_alone() -> None:
    pace = Pace(speed=2.0)
    pace.begin(100.0)
    assert [pace.due(due, 999.0) for due in (0.0, 1.0, 10.0)] == [100.0, 100.5, 105.0]
    assert Pace().due(5.0, 7.0) == 7.0
    pace.sent(1.0, 100.75)
    pace.sent(10.0, 104.9)
    assert list(pace.late) == [0.25, 0.0]


def test_a_rate_delays_and_drops_nothing() -> None:
    pace = Pace(rate=10.0)
    pace.begin(0.0)
    assert [pytest.approx(wait) for wait in (0.0, 0.1, 0.2)] == [pace.reserve(0.0) for _ in range(3)]
    assert pace.reserve(5.0) == 0.0


def test_lateness_is_told_in_parts() -> None:
    assert lateness(array("d", [n / 1000 for n in range(101)])) == Lateness(0.05, 0.095, 0.099, 0.1)
    assert lateness(array("d")) is None


def test_a_replay_takes_its_time() -> None:
    recorded = polls(4, 5, gap=0.02)
    server = Server()
    course = against(server, recorded, Sending(speed=2.0)).course
    assert course.duration >= 0.19
    assert course.reordered == 0
    assert course.lateness is not None
    assert len(course.late) == 20
    assert against(Server(), recorded, Sending(rate=100.0)).course.duration >= 0.19


# ----------------------------------------------------------------------------------------------------------- budgets

LOGIN = msgspec.structs.replace(
    asked("1", "10001", "Login", "PS=0123456789abcdef0123456789abcdef&M5=1&LC=9326B87B234E7235&M=0"),
    reply=http1.reply(b"VER=1.1&CMD=LOGIN&SEQ=1001&UIN=10001&RES=0&RS=0&HI=60&LI=300"),
)


async def refuses(body: bytes, writer: asyncio.StreamWriter) -> bool:
    """Refuse every login, and answer all else."""
    if b"CMD=Login" not in body:
        return True
    message = http1.reply(answer(body).partition(b"\r\n\r\n")[2] + b"&RS=1&RA=no")
    writer.write(message.head + message.body)
    return False


def test_an_account_is_left_alone_when_its_login_is_refused() -> None:
    recorded = [
        LOGIN,
        asked("2", "10002", "GetMsgEx", "M=0", at=1),
        asked("3", "10001", "GetMsgEx", "M=1", at=2),
        msgspec.structs.replace(LOGIN, id="4", time=EPOCH + timedelta(seconds=3)),
        asked("5", "10002", "GetMsgEx", "M=1", at=4),
    ]
    server = Server(refuses)
    again = against(server, recorded)
    assert again.skipped == dict.fromkeys(("3", "4"), "the login of account 10001 was refused")
    assert (server.numbers("10001"), server.numbers("10002")) == ([0], [0, 1])
    assert again.course.refused == ("10001",)
    server = Server(refuses)
    assert against(server, recorded, Sending(limits=Limits(logins=2))).skipped == {}
    assert server.numbers("10001") == [0, 1, 0]


@pytest.mark.parametrize(
    "reply",
    [
        http1.reply(b"VER=1.1&CMD=LOGIN&SEQ=1&UIN=10001&RES=0&RS=77"),
        http1.reply(b"VER=1.1&CMD=LOGIN&SEQ=1&UIN=10001&RES=0"),
        http1.reply(b"", code=403, reason="Forbidden"),
        None,
    ],
)
def test_a_login_that_fails_in_any_other_way_is_not_tried_again(reply: RawMessage | None) -> None:
    async def fails(body: bytes, writer: asyncio.StreamWriter) -> bool:
        if b"CMD=Login" not in body:
            return True
        if reply is None:
            writer.close()
        else:
            writer.write(reply.head + reply.body)
        return False

    recorded = [
        LOGIN,
        msgspec.structs.replace(LOGIN, id="2", time=EPOCH + timedelta(seconds=1)),
        asked("3", "10001", "GetMsgEx", "M=1", at=2),
    ]
    server = Server(fails)
    again = against(server, recorded)
    assert again.skipped == {"2": "the login of account 10001 did not succeed"}
    assert server.numbers("10001") == [0, 1]
    assert (again.course.refused, again.course.failed) == ((), ("10001",))
    server = Server(fails)
    assert against(server, recorded, Sending(limits=Limits(logins=2))).skipped == {}


class FullDisk(InMemory):
    """Keeps nothing any more once so much was to be kept."""

    def __init__(self, room: int) -> None:
        super().__init__(SPEC)
        self._room = room

    def intent(self, step: Step) -> None:
        self._take()

    def outcome(self, exchange: Exchange, step: Step | None) -> None:
        self._take()

    def _take(self) -> None:
        self._room -= 1
        if self._room < 0:
            raise InputError("out.jsonl.journal", "cannot be written: No space left on device")


@pytest.mark.parametrize("room", range(6))
def test_a_disk_that_is_full_ends_the_run_wherever_it_is(room: int) -> None:
    """Also while the steps of an account are passed over whose login was refused: the next lane is begun from there."""

    recorded = [
        LOGIN,
        asked("2", "10001", "GetMsgEx", "M=1", at=1),
        asked("3", "10002", "GetMsgEx", "M=2", at=2),
        asked("4", "10003", "GetMsgEx", "M=3", at=3),
    ]

    async def run() -> None:
        listening = await asyncio.start_server(Server(refuses), "127.0.0.1", 0)
        address = listening.sockets[0].getsockname()[:2]
        planned = plan(recorded, SPEC, host="127.0.0.1", start=50)
        how = Sending(limits=Limits(lanes=1))
        try:
            async with asyncio.timeout(30):
                await execute(planned, [address], spec=SPEC, server="x", keeper=FullDisk(room), how=how)
        finally:
            listening.close()

    with pytest.raises(InputError, match="No space left"):
        loop.run(run())


def test_a_target_that_goes_down_is_given_up_and_nothing_more_is_sent() -> None:
    again = loop.run(replay(polls(20, 20), Target("127.0.0.1", free_port()), spec=SPEC))
    assert again.down == "cannot connect: connection refused"
    assert [exchange.error for exchange in again.exchanges] == ["cannot connect: connection refused"] * 5
    assert Counter(again.skipped.values()) == {"the target is down": 395}
    assert again.course.sent == 5


# ------------------------------------------------------------------------------------------------------- bad targets

LONG = 10 << 20
OUT = b"VER=1.1&CMD=GETMSGEX&SEQ=1&UIN=10001&RES=0"


def says(
    data: bytes, *, reset: bool = False, close: bool = False
) -> Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if reset:
            await asyncio.sleep(0.01)
            writer.transport.abort()
        elif close:
            writer.close()

    return say


async def drips(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.01)


async def never_ends(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(b"x" * 65536)
        await writer.drain()


async def quietly(talk: Coroutine[Any, Any, None]) -> None:
    """Whoever was cut off does not mind."""
    with contextlib.suppress(ConnectionError):
        await talk


def whole(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


Saying = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]
Bad = tuple[Saying, str | None, bytes]
BAD: dict[str, Bad] = {
    "closes": (says(b"", close=True), "closed", b""),
    "resets": (says(b"", reset=True), "closed", b""),
    "resets in the middle": (says(whole(b"200 OK", OUT)[:-9], reset=True), "cut", OUT[:-9]),
    "says nothing": (says(b""), "silent", b""),
    "drips": (drips, "slow", b"xxx"),
    "never ends": (never_ends, "long", b"x" * 100),
    "a length too large": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + OUT, close=True), "cut", OUT),
    "a length too large, and waits": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + OUT), "slow", OUT),
    "a length too small": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + OUT), "length", OUT[:9]),
    "no HTTP": (says(b"SSH-2.0-OpenSSH_9.6\r\n", close=True), "no-http", b"SSH-2.0"),
    "10 MB": (says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LONG + b"x" * LONG), "long", b"x" * 100),
    "a redirect": (says(whole(b"302 Found\r\nLocation: http://192.0.2.1/", OUT)), None, OUT),
    "gzip": (says(whole(b"200 OK\r\nContent-Encoding: gzip", gzip.compress(OUT))), None, b"\x1f\x8b"),
    "broken gzip": (says(whole(b"200 OK\r\nContent-Encoding: gzip", OUT)), "coding", b""),
    "another charset": (says(whole(b"200 OK\r\nContent-Type: text/html; charset=Big5", OUT + b"&MG=\xa7A")), None, OUT),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_target_is_named_and_the_others_go_on(name: str) -> None:
    does, code, came = BAD[name]
    tasks: list[asyncio.Task[None]] = []

    async def badly(body: bytes, writer: asyncio.StreamWriter) -> bool:
        if b"UIN=10001&M=1" not in body:
            return True
        tasks.append(asyncio.create_task(quietly(does(writer))))
        return False

    recorded = polls(3, 3)
    server = Server(badly)
    again = against(server, recorded, Sending(timeout=0.3))
    by_id = {exchange.id: exchange for exchange in again.exchanges}
    assert list(by_id) == [exchange.id for exchange in recorded]
    wrong = by_id.pop("4")
    assert failures.named(wrong.error) == code
    assert (b"" if wrong.reply is None else wrong.reply.head + wrong.reply.body).find(came) >= 0
    assert wrong.reply is None or len(wrong.reply.body) <= 1 << 20
    assert {exchange.error for exchange in by_id.values()} == {None}
    assert again.course.sent == len(server.bodies) == 9
    found = compare(recorded, again.exchanges, SPEC).findings
    assert {finding.exchange for finding in found} == (
        {"4"} if name != "gzip" else {finding.exchange for finding in found}
    )
