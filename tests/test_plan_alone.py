"""A plan is the same whether what comes again is remembered, or each message is read and rewritten as if it was new."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from crowd import crowd
from scenes import SCENES
from test_mutation import RECIPES, look, wrong_capture

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture import load
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.replay import Options, Plan, plan
from qqlab.replay.changes import Changes, read_settings
from qqlab.replay.correlate import Correlation, Offer, Offered, Taken
from qqlab.spec import Spec

SPEC = specs.builtin()
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_ASKED = (
    "VER=1.1&CMD=GetMsgEx&SEQ={}&UIN={}",
    "VER=1.1&CMD=Query_Stat&SEQ={}&UIN={}&TN=50&UN=0",
    "VER=1.1&CMD=CLTMSG&SEQ={}&UIN={}&UN=900001&MG=hello",
    "VER=1.1&CMD=Nobody&SEQ={}&UIN={}&TK=token",
    "VER=1.1&CMD=List&SEQ={}&UIN={}&TN=2&UN=10003",
    "VER=1.1&CMD=Login&SEQ={}&UIN={}&PS=abcdef0123456789abcdef0123456789&M5=1&LC=9326B87B234E7235",
    "VER=1.1&CMD=Logout&SEQ={}&UIN={}&seq=3",
    "VER=1.1&CMD=GetMsgEx&SEQ={}&XIN={}&CMD=Logout",
)
_SAID = (
    "VER=1.1&CMD=GETMSGEX&SEQ={}&UIN={}&RES=0&MN=0&",
    "VER=1.1&CMD=LIST&SEQ={}&UIN={}&RES=0&FN=1&SN=2&UN=10002,10003,",
    "VER=1.1&CMD=NOBODY&SEQ={}&UIN={}&RES=0&TK=token&",
    "VER=1.1&CMD=LOGIN&SEQ={}&UIN={}&RES=0&RS=0",
    "VER=1.1&CMD=LOGIN&SEQ={}&XIN={}&RES=0&RS=1",
)


def muddle(seed: int, number: int = 300) -> Iterator[Exchange]:
    """Clients that say the same again and again, and servers that answer as they like, some of it broken."""
    chance = random.Random(seed)
    kinds, rare = chance.choice((2, 5, 8)), chance.choice((0.0, 0.02, 0.1))
    seconds = 0.0
    for count in range(number):
        uin = 900_000 + chance.randrange(1 + seed % 5)
        sequence = chance.choice((7, 1000, 10**11)) if chance.random() < rare else 1000 + count
        token = f"token-{count // 3}" if seed % 2 else "0f0f0f0f0f"
        asked = chance.choice(_ASKED[:kinds]).format(sequence, uin).replace("token", token).encode()
        said = chance.choice(_SAID[:kinds]).format(sequence + (chance.random() < rare), uin).replace("token", token)
        seconds += chance.random() / 50 if chance.random() >= rare else -1
        over = chance.choice(("http", "http", "lines", "tcp")) if seed % 3 == 0 else "http"
        yield Exchange(
            id=str(count + 1) if chance.random() >= rare else f"x{count}",
            session=f"{'d' if chance.random() < rare else 'c'}/{uin}",
            time=None if chance.random() < rare else _BEGIN + timedelta(seconds=seconds),
            elapsed=chance.choice((None, 0.0, 0.001, 0.03)),
            client=chance.choice(("", f"127.0.0.1:{uin % 100}", f"127.0.0.1:{2000 + count % 50}")),
            transport=over,
            request=None if chance.random() < rare else _request(asked, over, chance, rare),
            reply=None if chance.random() < rare else _reply(said.encode(), over, chance),
            error="the reply broke off" if chance.random() < rare else None,
        )


def _request(body: bytes, over: str, chance: random.Random, rare: float) -> RawMessage:
    if over == "lines":
        return RawMessage(body=body, end=b"\n")
    usual = http1.request(body, "h:1", keep_alive=chance.random() < 0.6)
    if chance.random() >= 4 * rare:
        return usual
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return chance.choice(
        (
            RawMessage(body=body),
            RawMessage(head=usual.head.replace(b"POST / ", b"POST http://elsewhere/ "), body=body),
            RawMessage(head=b"GET /?CMD=Logout HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body), body=body),
            RawMessage(head=usual.head, body=body, cut=Cut(length=999, sha256="")),
            RawMessage(head=b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", body=chunks, chunked=True),
            RawMessage(head=usual.head + b"\r\n", body=body),
        )
    )


def _reply(body: bytes, over: str, chance: random.Random) -> RawMessage:
    if over == "lines":
        return RawMessage(body=body, end=b"\n")
    return http1.reply(body, keep_alive=chance.random() < 0.6)


def mutated() -> Iterator[Exchange]:
    """What the mutation tests hold to be wrong, one after the other."""
    number = 0
    for scene in SCENES:
        for rule, (recipe, _) in RECIPES.items():
            for wrong in islice(recipe(look(scene)), 1):
                for exchange in wrong_capture(scene, wrong):
                    number += 1
                    yield msgspec.structs.replace(
                        exchange, id=str(number), session=f"{exchange.session}{len(rule) % 3}"
                    )


def recorded(path: Path) -> Iterable[Exchange]:
    return load(path).exchanges


WAYS = {
    "as recorded": Options(),
    "set": Options(Changes(read_settings(["*.UN=12345", "GetMsgEx.X=1"], SPEC), {})),
    "reading": Options(effects=("read", "consume"), max_gap=0.5, pins=((None, "TK"),)),
}


def planned(exchanges: list[Exchange], spec: Spec, options: Options) -> Plan:
    known = {"900001": "secret", "10001": "qqlab-demo"}.get
    return plan(exchanges, spec, host="127.0.0.1:9", passwords=known, codes=known, start=1_700_000_000, options=options)


@contextmanager
def alone() -> Iterator[Spec]:
    """A spec by which nothing is known of a message before it is read; and all values are looked at for others."""

    def taken(self: Correlation, taken: tuple[Taken, ...]) -> tuple[Taken, ...]:
        return taken

    def heard(self: Correlation, lane: int, offered: Offered) -> tuple[Offer, ...]:
        self._lane(lane).heard.update(offered.heard)
        return offered.offers

    spec = msgspec.structs.replace(SPEC)
    spec.__dict__["free_number"] = b""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Correlation, "taken", taken)
        patched.setattr(Correlation, "heard", heard)
        yield spec


CAPTURES: dict[str, Callable[[], Iterable[Exchange]]] = {
    **{path.stem: partial(recorded, path) for path in sorted(Path("captures").glob("*.jsonl"))},
    "crowd": lambda: crowd(1000, 20).exchanges,
    "mutated": mutated,
    **{f"muddle {seed}": partial(muddle, seed) for seed in range(12)},
}


@pytest.mark.parametrize("name", CAPTURES)
def test_what_is_remembered_changes_no_plan(name: str) -> None:
    exchanges = list(CAPTURES[name]())
    with alone() as spec:
        expected = {way: planned(exchanges, spec, options) for way, options in WAYS.items()}
    for way, options in WAYS.items():
        found = planned(exchanges, SPEC, options)
        alike: dict[int, list[Exchange]] = {}
        for step in found.steps:
            if step.alike is not None:
                alike.setdefault(step.alike, []).append(step.recorded)
        steps = tuple(msgspec.structs.replace(step, alike=None) for step in found.steps)
        assert msgspec.structs.replace(found, steps=steps) == expected[way], way
        assert all(len({_but_its_number(one) for one in ones}) == 1 for ones in alike.values())


def test_what_comes_often_is_remembered() -> None:
    found = planned(crowd(1000, 5).exchanges, SPEC, Options())
    assert any(step.alike is not None for step in found.steps)


def _but_its_number(exchange: Exchange) -> tuple[bytes, ...]:
    asked, said = exchange.request, exchange.reply
    assert asked is not None
    assert said is not None
    assert exchange.error is None
    (before, _, rest), (before_said, _, rest_said) = asked.body.partition(b"&SEQ="), said.body.partition(b"&SEQ=")
    number = rest.partition(b"&")[0]
    assert number == rest_said.partition(b"&")[0]
    return asked.head, before, rest[len(number) :], said.head, before_said, rest_said[len(number) :]
