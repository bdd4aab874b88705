"""No limit on lanes makes them wait for each other for ever: whatever waits for whom, and whichever is over first."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from test_lanes import exchange

from qqlab import http1
from qqlab import spec as specs
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.http import Http
from qqlab.net.keeping import InMemory
from qqlab.net.lines import Lines
from qqlab.net.outcome import Outcome
from qqlab.net.pace import Pace
from qqlab.net.running import Limits, Run
from qqlab.replay import Plan, plan

SPEC = specs.builtin()
HOST = "127.0.0.1:9999"
STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=30
)


class AnyOrder:
    """A server that answers what is under way in any order; it notes what begins and what is over."""

    def __init__(self, rng: random.Random) -> None:
        self.events: list[tuple[str, int]] = []
        self.most = 0
        self._rng = rng
        self._under_way: list[tuple[int, Callable[[Outcome], None]]] = []

    def send(self, request: RawMessage, then: Callable[[Outcome], None], **_: object) -> None:
        number = int(request.body.rpartition(b"=")[2])
        self.events.append(("begin", number))
        self._under_way.append((number, then))
        self.most = max(self.most, len(self._under_way))
        asyncio.get_running_loop().call_soon(self._answer)

    def _answer(self) -> None:
        number, then = self._under_way.pop(self._rng.randrange(len(self._under_way)))
        self.events.append(("over", number))
        then(Outcome(http1.reply(b"RES=0"), None, datetime.now(UTC), 0.0, "", silent=False))


class NoLines:
    """There are no long connections."""

    async def finish(self) -> None:
        pass

    def pushed(self) -> list[object]:
        return []


async def run(planned: Plan, server: AnyOrder, limit: int) -> Run:
    made = Run(
        planned,
        cast(Http, server),
        cast(Lines, NoLines()),
        spec=SPEC,
        server=HOST,
        keeper=InMemory(SPEC),
        pace=Pace(),
        limits=Limits(lanes=limit),
    )
    async with asyncio.timeout(20):
        await made.run()
    return made


def recorded(times: list[tuple[int, int, int, int]]) -> list[Exchange]:
    """Accounts that write to each other, or read."""
    return [
        exchange(
            str(number),
            f"1000{one}",
            begin,
            long,
            body=f"CMD=GetInfo&UIN={{}}&LV=1&UN=1000{other}&N={number}"
            if begin % 3 == 0
            else f"CMD=CLTMSG&UIN={{}}&UN=1000{other}&MG=x&N={number}",
            reply=None,
        )
        for number, (one, other, begin, long) in enumerate(times)
    ]


@given(STEPS, st.integers(1, 4), st.integers(0, 10**9))
@settings(max_examples=60)
def test_every_step_has_its_turn_and_keeps_its_order(
    times: list[tuple[int, int, int, int]], limit: int, seed: int
) -> None:
    planned = plan(recorded(times), SPEC, host=HOST, start=1)
    server = AnyOrder(random.Random(seed))
    made = asyncio.run(run(planned, server, limit))
    assert (made.sent, made.skipped) == (len(planned.steps), {})
    assert server.most <= limit
    at = {event: place for place, event in enumerate(server.events)}
    last: dict[int, int] = {}
    for step in planned.steps:
        begin = at["begin", int(step.recorded.id)]
        for earlier in (*map(int, step.after), *([last[step.lane]] if step.lane in last else [])):
            assert at["over", earlier] < begin
        last[step.lane] = int(step.recorded.id)
