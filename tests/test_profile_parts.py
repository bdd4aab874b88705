"""A profile does not depend on how the traffic was cut, nor on the order in which its parts are added."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain, pairwise
from types import ModuleType
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.exchange import Exchange, RawMessage
from qqlab.profile import (
    CAPTURE,
    Fold,
    Names,
    Part,
    Profile,
    Values,
    concluded,
    following,
    messages,
    model,
    session,
    sessions,
    transitions,
)
from qqlab.profile.distinct import Distinct
from qqlab.profile.lowest import rank

KNOWN = specs.builtin()
START = datetime(2005, 6, 30, 12, tzinfo=UTC)
ELSEWHERE = START.astimezone(timezone(timedelta(hours=8)))

# What is kept at most, so that it takes few exchanges to have more.
TIGHT: dict[ModuleType, dict[str, int]] = {
    following: {"FOLLOWED": 3, "MOST": 8, "SESSIONS": 2, "ACCOUNTS": 3, "SPANS": 4},
    concluded: {"POLLING": 2, "SPANS": 4, "TRANSITIONS": 3},
    transitions: {"TRANSITIONS": 2, "HEAVIEST": 5},
    session: {"STEPS": 3},
    sessions: {"STEPS": 3},
    model: {"UNKNOWN_COMMANDS": 2, "UNKNOWN_FIELDS": 2, "UNKNOWN_CODES": 2, "STATUSES": 2, "POSITIONS": 4},
    messages: {"DISTINCT": 3, "DISTINCT_UNKNOWN": 2},
}


@contextmanager
def tight() -> Iterator[None]:
    with ExitStack() as stack:
        for module, limits in TIGHT.items():
            for name, limit in limits.items():
                stack.enter_context(patch.object(module, name, limit))
        yield


keys = st.sampled_from(["0", "1", "2", "3"])
numbers = st.sampled_from(["1", "2", "3", "", "x"])
page = st.builds(
    "CMD=List&RES={}&FN={}&SN={}&UN={}".format,
    st.sampled_from(["0", "20", "7"]), st.sampled_from("001x"), numbers, st.sampled_from(["", "1,2,", "3,", "1"]),
)  # fmt: skip
friends = st.builds(
    "CMD=QUERY_STAT&RES=0&FN={}&SN=2&FC=0,0,&NK=a,b,&UN={},{},&ST={},{},".format,
    st.sampled_from("01"), keys, keys, *[st.sampled_from(["10", "20", "30", "77", "78", "79"])] * 2,
)  # fmt: skip
odd = st.text("ab&=,%01", max_size=12) | st.builds(
    "CMD={}&{}=1&{}=2&MT={}".format,
    st.sampled_from(["c1", "C2", "c3", "Login"]), *[st.sampled_from(["x", "y", "z", "UN", "a b"])] * 2, numbers,
)  # fmt: skip
asked = st.one_of(
    st.sampled_from(["CMD=Login&PS=secret&M5=1&LC=9", "CMD=GetMsgEx", "CMD=Logout"]),
    st.sampled_from(["CMD=Change_Stat&ST=30", "CMD=Change_stat&ST=99"]),
    st.builds("CMD=List&TN=2&UN={}".format, keys),
    st.builds("CMD=Query_Stat&TN=2&UN={}".format, keys),
    odd,
)  # fmt: skip
said = st.one_of(
    st.builds("CMD=Login&RES=0&RS={}&HI={}&LI={}".format, numbers, numbers, numbers),
    st.just("CMD=GETMSGEX&RES=0&MN=1&MT=9,&UN=7,&MG=hi,"),
    st.just("CMD=GETMSGEX&RES=0&MN=2&MT=99,9,&UN=7,8,&MG=20,10,"),
    st.just("CMD=Change_Stat&RES=0"), page, friends, odd,
)  # fmt: skip


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    def raw(body: str | None) -> RawMessage | None:
        if body is None:
            return None
        name, _, rest = body.partition("&")
        head = draw(st.sampled_from(["VER=1.1&", "VER=1.4&", "VER=2&", ""]))
        who, number = draw(st.sampled_from("6789")), draw(numbers)
        return RawMessage(body=f"{head}{name}&SEQ={number}&UIN={who}&{rest}".encode())

    request, reply = draw(st.none() | asked), draw(st.none() | said)
    seconds, start = draw(st.none() | st.integers(0, 400)), draw(st.sampled_from([START, START, ELSEWHERE]))
    return Exchange(
        id="",
        session=draw(st.sampled_from(["", "a", "b", "c", "d", "e"])),
        time=None if seconds is None else start + timedelta(seconds=seconds),
        elapsed=draw(st.none() | st.sampled_from([0.1, 0.5, 3.0])),
        error=draw(st.sampled_from([None, None, None, "broke off", "timed out", "reset"])),
        request=raw(request),
        reply=raw(reply),
    )


class Cut(msgspec.Struct):
    """Where one stretch begins, and what is in it."""

    capture: int
    start: int
    stop: int
    told: Sequence[tuple[int, Exchange]]


def cuts(captures: Sequence[Sequence[Exchange]], places: Iterable[tuple[int, int]]) -> list[Cut]:
    found = []
    for number, told in enumerate(captures):
        stands = [(number * CAPTURE + 10 * place, exchange) for place, exchange in enumerate(told)]
        own = {place for which, place in places if which == number and place <= 10 * len(told)}
        edges = sorted({0, 10 * len(told) + 10} | own)
        for start, stop in pairwise(edges):
            low, high = number * CAPTURE + start, number * CAPTURE + stop
            found.append(Cut(number, low, high, [pair for pair in stands if low <= pair[0] < high]))
    return found


def folded(stretches: Iterable[Cut]) -> Part:
    fold = Fold(KNOWN)
    for one in stretches:
        fold.begin(one.capture, f"capture {one.capture}", (one.start, one.stop))
        for at, exchange in one.told:
            fold.add(at, f"{one.capture}:{at}", exchange)
    part: Part = pickle.loads(pickle.dumps(fold.part()))
    return part


def differing(one: object, other: object, path: str = "") -> Iterator[str]:
    """Where two profiles differ, and how."""
    if isinstance(one, msgspec.Struct) and type(one) is type(other):
        for name in one.__struct_fields__:
            yield from differing(getattr(one, name), getattr(other, name), f"{path}.{name}")
    elif isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differing(one[key], other[key], f"{path}[{key!r}]")
    elif one != other or (isinstance(one, datetime) and str(one) != str(other)):
        yield f"{path}: {one} is not {other}"


def order(profile: Profile) -> object:
    """In which order a report tells what there is."""
    names = (profile.sessions, profile.clients, profile.servers, profile.accounts, profile.versions, profile.errors)
    return (
        [list(one.counts) for one in names],
        list(profile.notes),
        list(profile.behaviour.sessions),
        [(name, list(command.errors.counts)) for name, command in profile.commands.items()],
        [
            (name, list(field.contradictions))
            for command in profile.commands.values()
            for message in (command.request, command.reply)
            for name, field in message.fields.items()
        ],
    )


@st.composite
def usual(draw: st.DrawFn) -> list[Exchange]:
    """A few kinds of exchanges that come again and again, with other numbers, texts and times."""
    kinds = [
        ("CMD=GetMsgEx", "CMD=GETMSGEX&RES=0&MN=0&MT=&UN=&MG="),
        ("CMD=GetMsgEx", "CMD=GETMSGEX&RES=0&MN=1&MT=9,&UN={n},&MG=x{n},"),
        ("CMD=CLTMSG&UN={n}&MG=hi {n}", "CMD=CLTMSG&RES=0"),
        ("CMD=Change_Stat&ST=30", "CMD=Change_Stat&RES=0"),
        ("CMD=Change_Stat&ST={n}", "CMD=Change_Stat&RES={n}"),
        ("CMD=List&TN=2&UN={n}", "CMD=LIST&RES=0&FN=0&SN=2&UN={n},{m},"),
        ("CMD=GetInfo&UN={n}&LV=2", "CMD=GETINFO&RES=0&UN={n}&NK=a{m}&AG={n}&ODD={m}"),
    ]
    told = []
    for _ in range(draw(st.integers(0, 20))):
        ask, say = draw(st.sampled_from(kinds))
        n, m, sequence = draw(keys), draw(keys), draw(st.sampled_from(["71", "72", "73", "74"]))
        head = f"VER=1.1&{{}}&SEQ={sequence}&UIN={draw(st.sampled_from('678'))}&{{}}"
        bodies = [head.format(*body.format(n=n, m=m).partition("&")[::2]).rstrip("&").encode() for body in (ask, say)]
        seconds = draw(st.none() | st.integers(0, 400))
        told.append(
            Exchange(
                id="",
                session=draw(st.sampled_from("abcd")),
                time=None if seconds is None else START + timedelta(seconds=seconds),
                elapsed=draw(st.sampled_from([None, 0.1, 2.0])),
                client="host:1",
                request=RawMessage(body=bodies[0]),
                reply=RawMessage(head=b"HTTP/1.1 200 OK\r\n\r\n", body=bodies[1]),
            )
        )
    return told


captures = st.lists(st.lists(exchanges(), max_size=14) | usual(), min_size=1, max_size=2)
places = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 150)), max_size=5)


@pytest.mark.parametrize("limits", [ExitStack, tight])
@settings(max_examples=25, deadline=None)
@given(told=captures, cut=places, data=st.data())
def test_the_parts_of_any_cut_added_in_any_order_are_the_profile_of_all(
    limits: Callable[[], AbstractContextManager[object]],
    told: list[list[Exchange]],
    cut: list[tuple[int, int]],
    data: st.DataObject,
) -> None:
    with limits():
        whole = folded(cuts(told, ())).profile()
        parts = [folded([one]) for one in cuts(told, cut)]
        while len(parts) > 1:
            one = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
            parts[data.draw(st.integers(0, len(parts) - 1))].merge(one)
        assert list(differing(parts[0].profile(), whole)) == []
        assert order(parts[0].profile()) == order(whole)


things = st.lists(st.integers(0, 900), max_size=300)


def seen(*told: list[int]) -> Distinct:
    found = Distinct()
    for number in chain(*told):
        found.add(rank(str(number)))
    again: Distinct = pickle.loads(pickle.dumps(found))
    return again


@settings(deadline=None)
@given(things, things, things)
def test_an_estimate_is_of_the_set_that_was_seen(one: list[int], other: list[int], third: list[int]) -> None:
    many, whole = len({*one, *other, *third}), seen(one, other, third).count()
    joined = seen(other)
    joined.merge(seen(third, one))
    assert whole == joined.count() == seen(third, other).count(rank(str(number)) for number in one)
    assert abs(whole - many) <= 0.15 * many


@given(st.lists(st.text("abc", max_size=3), max_size=60), st.integers(0, 60))
def test_names_are_counted_exactly_as_far_as_they_are_kept(told: list[str], cut: int) -> None:
    whole, one, other = Names(room=5), Names(room=5), Names(room=5)
    for at, name in enumerate(told):
        whole.add(name, at)
        (one if at < cut else other).add(name, at)
    other.merge(one)
    settled = whole.settled()
    assert (other.settled(), list(other.settled().counts)) == (settled, list(settled.counts))
    assert settled.counts == {name: told.count(name) for name in settled.counts}
    assert len(settled.counts) == min(5, len(set(told)))
    assert settled.more == len(told) - sum(settled.counts.values())


@given(st.lists(st.integers(-3, 9) | st.text("ab0", max_size=3) | st.just("x" * 90), max_size=40), st.integers(0, 40))
def test_values_are_the_same_however_they_were_cut(told: list[int | str], cut: int) -> None:
    for masked in (False, True):
        whole, one, other = (Values(room=4, masked=masked) for _ in range(3))
        for at, value in enumerate(told):
            whole.add(value, at)
            (one if at < cut else other).add(value, at)
        other.merge(one)
        assert other.settled() == whole.settled()


def test_the_same_stretch_is_not_counted_twice() -> None:
    one, other = folded([Cut(0, 0, 20, [])]), folded([Cut(0, 10, 30, [])])
    with pytest.raises(ValueError, match="what stands from 10 to 20 was counted twice"):
        one.merge(other)


def test_memory_is_bounded_whatever_the_traffic() -> None:
    """Ten thousand of what can be told apart, in parts that are added up, take hardly more than half of them."""

    def hostile(n: int) -> Exchange:
        many = range(10 * n, 10 * n + 10)
        rows = {name: "".join(f"{one}," for one in many) for name in ("FC", "NK", "UN", "MT")}
        odd = "&".join(f"x{one}={one}" for one in many)
        friends = "&".join(f"{name}={value}" for name, value in rows.items())
        ask = f"VER={n}.1&CMD={'Query_Stat' if n % 2 else f'c{n}'}&SEQ={n}&UIN=8{n}&TN=1&{odd}"
        say = f"VER=1.1&CMD=QUERY_STAT&SEQ={n}&UIN=8{n}&RES={n}&FN=0&SN=1&{friends}&ST={'10,' * 10}"
        return Exchange(
            id=str(n), session=f"s{n % 1700}", client=f"host{n}:1", server=f"server {n}", elapsed=n % 300 + 0.5,
            time=START + timedelta(seconds=n), request=RawMessage(body=ask.encode()),
            reply=RawMessage(head=f"HTTP/1.1 {n} x\r\n\r\n".encode(), body=say.encode()),
            error=f"broke off at {n}" if n % 3 == 0 else None,
        )  # fmt: skip

    sizes: list[int] = []
    with patch.object(following, "FOLLOWED", 100):
        whole = folded([Cut(0, 0, 0, [])])
        for start in range(0, 2_000, 200):
            whole.merge(folded([Cut(0, start, start + 200, [(n, hostile(n)) for n in range(start, start + 200)])]))
            sizes.append(len(pickle.dumps(whole)))
    found = whole.profile().behaviour
    assert (found.followed, found.about_sessions, found.watched, found.about_accounts) == (100, 1_700, 1_000, 9_700)
    assert sizes[-1] < 1.1 * sizes[5] < 1_000_000, sizes
