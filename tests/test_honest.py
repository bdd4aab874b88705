"""An honest server is found guilty of nothing: ten thousand exchanges, a hundred lanes, any order that may be."""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile

import msgspec
import pytest
from crowd import Crowd, crowd
from scenes import SPEC

from qqlab import http1
from qqlab.diff import compare
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.judging import Judging
from qqlab.net.keeping import InMemory
from qqlab.net.loop import run
from qqlab.net.replay import Course, Sending, execute
from qqlab.net.server import serve
from qqlab.replay import Plan, Step, plan
from qqlab.testserver import State, deviate


@pytest.fixture(scope="module")
def day() -> Crowd:
    return crowd()


@pytest.fixture(scope="module")
def planned(day: Crowd) -> Plan:
    """Made once for both tests: no server minds by which host it is called."""
    return plan(day.exchanges, SPEC, host="127.0.0.1:1", passwords=day.accounts.password, start=500_000)


def test_the_day_is_what_it_should_be(day: Crowd, planned: Plan) -> None:
    kinds = Counter(f"{exchange.transport}{'' if exchange.request else ' push'}" for exchange in day.exchanges)
    assert (len(planned.steps), planned.skipped, len(planned.lanes)) == (10_000, {}, 100)
    assert kinds["lines"] > 500
    assert kinds["lines push"] > 200
    assert sum(1 for step in planned.steps if step.after) > 5000


def some_order(planned: Plan, chance: random.Random) -> Iterator[Step]:
    """The steps in an order that keeps each lane's, and what a step has to wait for."""
    lanes: dict[int, list[Step]] = {}
    for step in reversed(planned.steps):
        lanes.setdefault(step.lane, []).append(step)
    over: set[str] = set()
    open_lanes = list(lanes)
    while open_lanes:
        lane = chance.choice(open_lanes)
        if all(identifier in over for identifier in lanes[lane][-1].after):
            step = lanes[lane].pop()
            over.add(step.recorded.id)
            yield step
            if not lanes[lane]:
                open_lanes.remove(lane)


def answered(steps: Iterator[Step], day: Crowd) -> Iterator[Exchange]:
    """What the server of those people says to these steps, one after the other."""
    state = State(day.accounts, SPEC)
    lines: dict[str, int] = {}
    for number, step in enumerate(steps):
        line = None if step.line is None else lines.setdefault(step.line, len(lines))
        answer = state.answer(step.request.body, "127.0.0.1", number / 1000, line)
        reply = http1.reply(answer.body, code=answer.code) if line is None else _line(answer.body)
        yield msgspec.structs.replace(step.recorded, request=step.request, reply=reply)
        for place, push in enumerate(state.pushes()):
            identifier = f"push-{number}-{place}"
            yield Exchange(id=identifier, session=push.account, transport="lines", reply=_line(push.body))


def _line(body: bytes) -> RawMessage:
    return RawMessage(body=body, end=b"\r\n")


def test_in_any_order_that_the_plan_allows_nothing_differs(day: Crowd, planned: Plan) -> None:
    """Of orders that no timing may ever bring, a part of the day is enough."""
    begun = planned.steps[:2500]
    last = day.exchanges.index(begun[-1].recorded)
    recorded = [*day.exchanges[: last + 1], *takewhile(lambda one: one.request is None, day.exchanges[last + 1 :])]
    part = msgspec.structs.replace(planned, steps=begun)
    comparison = compare(recorded, answered(some_order(part, random.Random(1)), day), SPEC)
    assert (comparison.findings, comparison.causes, comparison.skipped) == ((), (), {})
    assert comparison.equal == comparison.total == len(recorded) > 2500


def test_over_real_connections_whatever_the_timing_nothing_differs(day: Crowd, planned: Plan) -> None:
    """A hundred lanes at once, against a server that takes its time for some commands and none for others."""
    rules = [deviate.parse(f"delay:{late}", SPEC) for late in ("List=0.004", "CLTMSG=0.002", "GetInfo=0.001")]

    judging = Judging(day.exchanges, SPEC)
    keeper = InMemory(SPEC, judging.add, keeps=False, recorded_clean=True)  # these accounts have no secrets

    async def replayed() -> Course:
        async with serve(State(day.accounts, SPEC), "127.0.0.1", 0, rules=rules, lines=True) as server:
            how, taken = Sending(retries=0), {exchange.id for exchange in day.exchanges}
            address = [("127.0.0.1", server.port)]
            return await execute(planned, address, spec=SPEC, server="test", keeper=keeper, how=how, taken=taken)

    course = run(replayed())
    assert (course.skipped, course.down) == ({}, None)
    comparison = judging.comparison(course.skipped)
    assert (comparison.findings, comparison.causes, comparison.skipped) == ((), (), {})
    assert comparison.equal == comparison.total == len(day.exchanges)
    assert course.reordered > 1000  # lanes did run side by side
