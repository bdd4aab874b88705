"""Replay over bare lines: a session with pushes against honest, deviating and hostile servers."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.capture import encode_line
from qqlab.diff import Comparison, compare
from qqlab.exchange import Exchange, RawMessage
from qqlab.net import line as lines
from qqlab.net.judging import Judging
from qqlab.net.kept import BROKEN, Keeping, log_in_again
from qqlab.net.replay import Replayed, Sending, replay
from qqlab.net.running import Limits
from qqlab.net.server import serve
from qqlab.net.whole import Replay, carry_out
from qqlab.replay import Target, plan
from qqlab.replay.journal import Head, Journal, Kept
from qqlab.testserver import State, accounts, deviate

SPEC = specs.builtin()
KNOWN = accounts.sample()


def request(id: str, uin: str, command: str, fields: str = "", *, client: str = "", end: bytes = b"\n") -> Exchange:
    seq = 1000 + int(id)
    body = f"VER=1.4&CON=1&CMD={command}&SEQ={seq}&UIN={uin}&SID=&XP=C4CA4238A0B92382{fields and '&'}{fields}"
    return Exchange(
        id=id,
        session=f"127.0.0.1/{uin}",
        client=client or f"127.0.0.1:{uin}",
        transport="lines",
        request=RawMessage(body=body.encode(), end=end),
    )


def login(id: str, uin: str, client: str = "") -> Exchange:
    hashed = hashlib.md5(f"mima-{uin}".encode()).hexdigest().upper()
    return request(id, uin, "Login", f"PS={hashed}&M5=1&LC=812822641C978097&LG=0&GD=EX&CKE=&ST=10", client=client)


SESSION = [
    login("1", "10001"),
    login("2", "10002"),
    request("3", "10001", "SimpleInfo2", "UN=0&TO=0"),
    request("4", "10001", "Query_Stat2", "CM=2&UN=0"),
    request("5", "10001", "CLTMSG", "UN=10002&MG=你好"),
    request("6", "10002", "CLTMSG", "UN=10001&MG=a%2cb", end=b"\r\n"),
    request("7", "10002", "Change_Stat2", "ST=50"),
    login("8", "10005"),
    request("9", "10005", "VERIFYCODE", "SC=2&VC=1234"),
    request("10", "10005", "VERIFYCODE", "SC=2&VC=K7QX"),
    request("11", "10005", "CLTMSG", "UN=10001&MG=hi"),
    request("12", "10002", "Logout"),
    # The client begins another connection, and is not there for a while.
    request("13", "10001", "GetMsgEx", client="127.0.0.1:2"),
    request("14", "10001", "Logout", client="127.0.0.1:2"),
]


async def _replayed(recorded: list[Exchange], port: int, *, timeout: float = 5.0, lanes: int | None = None) -> Replayed:
    return await replay(
        recorded,
        Target("127.0.0.1", port),
        spec=SPEC,
        passwords=KNOWN.password,
        codes=KNOWN.verification,
        sending=Sending(timeout=timeout, limits=Limits(lanes=lanes)),
        start=500,
    )


def replayed(recorded: list[Exchange], *rules: str, timeout: float = 5.0, lanes: int | None = None) -> Replayed:
    """A replay against a fresh test server."""

    async def run() -> Replayed:
        deviations = [deviate.parse(rule, SPEC) for rule in rules]
        async with serve(State(KNOWN, SPEC), "127.0.0.1", 0, rules=deviations, lines=True) as server:
            return await _replayed(recorded, server.port, timeout=timeout, lanes=lanes)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def recorded() -> list[Exchange]:
    """The session with what an honest server says: what is sent for the first time is a recording. One thing happens
    after the other, so that its order says what has to come before what."""
    return list(replayed(SESSION, lanes=1).exchanges)


@pytest.mark.parametrize("done", [2, 5, 8, 13])
def test_a_replay_that_goes_on_logs_its_lines_in_again(tmp_path: Path, recorded: list[Exchange], done: int) -> None:
    """Over the new connections comes what is pushed from then on, and what was pushed meanwhile is not missed."""

    async def run() -> tuple[Comparison, Comparison, list[str]]:
        async with serve(State(KNOWN, SPEC), "127.0.0.1", 0, lines=True) as server:
            target = f"127.0.0.1:{server.port}"
            planned = plan(recorded, SPEC, host=target, passwords=KNOWN.password, codes=KNOWN.verification, start=500)
            first = msgspec.structs.replace(planned, steps=planned.steps[:done], pushes={})
            for part, resume in ((first, False), (planned, True)):
                keeping = Keeping(tmp_path / "out.jsonl", recorded, target, resume=resume, force=False)
                job = Replay(
                    spec=SPEC,
                    server=target,
                    addresses=[("127.0.0.1", server.port)],
                    how=Sending(timeout=1.0, limits=Limits(lanes=1)),
                    taken={one.id for one in recorded},
                    start=500,
                    keeping=keeping,
                    judging=(judging := Judging(recorded, SPEC)),
                )
                course = await asyncio.to_thread(carry_out, part, job, lambda more, exchange: None)
            exchanges = list(keeping.exchanges(planned))
            found = compare(recorded, exchanges, SPEC, skipped=course.skipped)
            return found, judging.comparison(course.skipped), _pushed(exchanges)

    found, judged, pushed = asyncio.run(run())
    assert (found.findings, judged) == ((), found)
    assert found.skipped.keys() <= {BROKEN}
    assert len(pushed) + sum(map(len, found.skipped.values())) == len(_pushed(recorded))
    assert set(pushed) <= set(_pushed(recorded))


def test_only_a_login_that_stands_is_repeated(tmp_path: Path, recorded: list[Exchange]) -> None:
    """Not one that was followed by a logout, nor one that was refused, nor one on a line that is done."""
    planned = plan(recorded, SPEC, host="t", passwords=KNOWN.password, codes=KNOWN.verification, start=500)
    by_id = {one.id: one for one in recorded}

    def again(done: list[str], refused: str = "") -> set[str]:
        path = tmp_path / "out.jsonl.journal"
        path.unlink(missing_ok=True)
        journal = Journal(path, Head(qqlab_journal=1, replay="r", target="t", start=500))
        for one in done:
            line = encode_line(by_id[one], SPEC)
            journal.outcome(one, line.replace(b"RES=0", b"RES=20") if one == refused else line)
        journal.close()
        before = Kept([path], replay="r", target="t")
        log_in_again(planned, before, SPEC)
        return set(done) - before.done

    assert again(["1"]) == {"1"}
    assert again(["1", "2", "3"]) == {"1", "2"}
    assert again(["1", "2", "3"], refused="1") == {"2"}
    assert again(["8", "9"]) == set()
    assert again(["8", "9", "10"]) == {"8", "10"}
    assert again(["2", "6", "7", "12"]) == set()


def _pushed(exchanges: list[Exchange]) -> list[str]:
    return [
        re.sub("&SEQ=[0-9]+", "", exchange.reply.body.decode().removeprefix("VER=1.1&CMD="))
        for exchange in exchanges
        if exchange.request is None and exchange.reply is not None
    ]


def test_a_session_is_what_it_was(recorded: list[Exchange]) -> None:
    asked = [exchange for exchange in recorded if exchange.request is not None]
    assert [exchange.id for exchange in asked] == [exchange.id for exchange in SESSION]
    assert {(exchange.transport, exchange.pairing, exchange.error) for exchange in asked} == {("lines", "echo", None)}
    assert [exchange.request.end for exchange in asked if exchange.request] == [
        exchange.request.end for exchange in SESSION if exchange.request
    ]
    assert sorted(_pushed(recorded)) == [
        "Server_Msg&UIN=10001&RES=0&UN=10002&MG=a%2cb",
        "Server_Msg&UIN=10001&RES=0&UN=10005&MG=hi",
        "Server_Msg&UIN=10002&RES=0&UN=10001&MG=你好",
        "update_stat&UIN=10001&RES=0&ST=10&UN=10002",
        "update_stat&UIN=10001&RES=0&ST=10&UN=10005",
        "update_stat&UIN=10001&RES=0&ST=20&UN=10002",
        "update_stat&UIN=10001&RES=0&ST=50&UN=10002",
    ]
    pushes = [exchange for exchange in recorded if exchange.request is None]
    assert {exchange.id for exchange in pushes} == {f"push-{number}" for number in range(1, 8)}
    assert {exchange.session for exchange in pushes} == {"127.0.0.1/10001", "127.0.0.1/10002"}
    assert len({exchange.client for exchange in recorded}) == 4


def test_an_honest_server_makes_no_difference_again_and_again(recorded: list[Exchange]) -> None:
    again = replayed(recorded)
    assert (again.skipped, again.lacking, again.down) == ({}, (), None)
    comparison = compare(recorded, again.exchanges, SPEC)
    assert (comparison.findings, comparison.equal, comparison.total) == ((), len(recorded), len(recorded))
    third = replayed(list(again.exchanges))
    assert compare(recorded, third.exchanges, SPEC).findings == ()


def test_the_same_over_lines_and_http(recorded: list[Exchange]) -> None:
    """A capture of both is replayed in its order."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    body = b"VER=1.1&CMD=CLTMSG&UIN=10002&UN=10001&MG=http"
    over_http = Exchange(
        id="http", session="127.0.0.1/10002", request=RawMessage(head=head % len(body), body=body), transport="tcp"
    )
    mixed = [*SESSION[:7], over_http, *SESSION[7:]]
    first = replayed(mixed, lanes=1)
    assert "Server_Msg&UIN=10001&RES=0&UN=10002&MG=http" in _pushed(list(first.exchanges))
    assert compare(first.exchanges, replayed(list(first.exchanges)).exchanges, SPEC).findings == ()


def _found(comparison: Comparison) -> set[tuple[str, str, str | None]]:
    return {(finding.command, finding.rule, finding.field) for finding in comparison.findings}


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("value:Server_Msg.MG=x", {("Server_Msg", "value", "MG")}),
        ("code:update_stat.ST=30", {("update_stat", "code", "ST")}),
        ("silence:update_stat", {("update_stat", "push.missing", None)}),
        ("drop:Query_Stat2.ST", {("Query_Stat2", "field.missing", "ST")}),
        ("row-drop:SimpleInfo2", {("SimpleInfo2", "row.missing", "UN")}),
        ("silence:SimpleInfo2", {("SimpleInfo2", "target.silent", None)}),
        ("close:SimpleInfo2", {("SimpleInfo2", "target.closed", None)}),
        ("cut:SimpleInfo2", {("SimpleInfo2", "target.cut", None)}),
        ("garbage:SimpleInfo2", {("SimpleInfo2", "target.closed", None), ("", "push.extra", None)}),
        ("value:VERIFYCODE.VC=89", set()),
        ("value:VERIFYCODE.VC=no-picture", {("Login", "value", "VC"), ("VERIFYCODE", "value", "VC")}),
        ("delay:CLTMSG=0.01", set()),
    ],
)
def test_a_deviating_server_is_found_out(recorded: list[Exchange], rule: str, wanted: set[object]) -> None:
    again = replayed(recorded, rule, timeout=1.0 if rule.startswith("silence") else 5.0)
    assert _found(compare(recorded, again.exchanges, SPEC, skipped=again.skipped)) == wanted
    assert again.down is None


def test_without_the_codes_of_pictures_the_accounts_are_named(recorded: list[Exchange]) -> None:
    async def run() -> Replayed:
        async with serve(State(KNOWN, SPEC), "127.0.0.1", 0, lines=True) as server:
            target = Target("127.0.0.1", server.port)
            return await replay(recorded, target, spec=SPEC, passwords=KNOWN.password, timeout=0.5)

    again = asyncio.run(run())
    assert (again.lacking, again.unread) == ((), ("10005",))
    assert ("VERIFYCODE", "echo", "CMD") in _found(compare(recorded, again.exchanges, SPEC))


# -------------------------------------------------------------------------------------------------- hostile servers

Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OUT = b"VER=1.1&CMD=LOGOUT&SEQ=%s&UIN=10001&RES=0\r\n"


@contextlib.asynccontextmanager
async def serving(serve_one: Serving) -> AsyncIterator[int]:
    """A server of our own; gives its port."""
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve_one(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def _sequence(reader: asyncio.StreamReader) -> bytes:
    """The sequence number of the next request."""
    return (await reader.readuntil(b"\n")).partition(b"SEQ=")[2].partition(b"&")[0]


def against(serve_one: Serving, *recorded: Exchange, timeout: float = 5.0) -> Replayed:
    async def run() -> Replayed:
        async with asyncio.timeout(30), serving(serve_one) as port:
            return await _replayed(list(recorded), port, timeout=timeout)

    return asyncio.run(run())


LOGOUTS = [request(str(number), "10001", "Logout") for number in (1, 2)]


def _told(outcome: Replayed) -> list[tuple[str, bytes | None, str | None]]:
    return [(e.id, None if e.reply is None else e.reply.body, e.error) for e in outcome.exchanges]


def test_a_server_that_closes_in_between_is_connected_to_again() -> None:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OUT % await _sequence(reader))
        writer.close()

    told = _told(against(serve_one, *LOGOUTS))
    assert [(identifier, error) for identifier, _, error in told] == [("1", None), ("2", None)]


async def _sleeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def test_a_server_that_never_answers_is_given_up_and_its_pushes_are_not_missed() -> None:
    push = Exchange(id="3", session="", client="127.0.0.1:10001", transport="lines", reply=RawMessage(body=b"x"))
    outcome = against(_sleeps, *LOGOUTS, push, timeout=0.1)
    assert _told(outcome) == [("1", None, "no reply within 0.1 s"), ("2", None, "no reply within 0.1 s")]
    assert (outcome.down, outcome.skipped) == ("no reply within 0.1 s", {"3": "the target is down"})


def test_a_server_that_is_not_there() -> None:
    async def run() -> Replayed:
        async with serving(_sleeps) as port:
            pass
        return await _replayed(LOGOUTS, port)

    outcome = asyncio.run(run())
    assert outcome.down == "cannot connect: connection refused"


def test_a_late_reply_is_kept_as_what_nobody_waits_for() -> None:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, second = await _sequence(reader), await _sequence(reader)
        writer.write(OUT % first + OUT % second)

    outcome = against(serve_one, *LOGOUTS, timeout=0.3)
    assert [(identifier, error) for identifier, _, error in _told(outcome)] == [
        ("1", "no reply within 0.3 s"),
        ("push-1", "the reply to a request that was given up"),
        ("2", None),
    ]


def test_a_line_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _sequence(reader)
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    told = _told(against(serve_one, LOGOUTS[0]))
    assert [(identifier, error) for identifier, _, error in told if identifier == "1"] == [
        ("1", "the reply is longer than 1048576 bytes")
    ]


@pytest.mark.parametrize(
    ("limit", "most", "text", "said", "lines_at_most"),
    [
        ("MOST_UNASKED", 100, b"x", "more than 100 lines came that nobody asked for", 5000),
        ("MOST_BYTES", 1 << 20, b"x" * 100_000, "more than 1048576 bytes came that nobody asked for", 20),
    ],
)
def test_a_flood_that_nobody_asked_for_is_bounded(
    monkeypatch: pytest.MonkeyPatch, limit: str, most: int, text: bytes, said: str, lines_at_most: int
) -> None:
    monkeypatch.setattr(lines, limit, most)

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"VER=1.1&CMD=Server_Msg&UIN=10001&UN=1&MG=%s\r\n" % text * 10)
            await writer.drain()

    outcome = against(serve_one, LOGOUTS[0])
    by_id = {exchange.id: exchange for exchange in outcome.exchanges}
    assert by_id["1"].error == said
    assert len(outcome.exchanges) < lines_at_most


@given(
    st.lists(st.binary(max_size=30) | st.sampled_from([b"\r\n", b"\n", OUT % b"1501", b"SEQ=1501&", OUT]), max_size=5)
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_of_a_server_raise(pieces: list[bytes]) -> None:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
        writer.write_eof()
        await reader.read()

    outcome = against(serve_one, LOGOUTS[0])
    msgspec.json.encode([len(outcome.exchanges), outcome.skipped])
    said = b"".join(
        exchange.reply.body + exchange.reply.end for exchange in outcome.exchanges if exchange.reply is not None
    )
    assert said.replace(b"\r", b"").replace(b"\n", b"") == b"".join(pieces).replace(b"\r", b"").replace(b"\n", b"")
