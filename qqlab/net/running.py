"""A plan under way: lanes side by side, each strictly in order, steps when they are due and what they wait for is over.

Law: nothing the target does raises: it becomes the `error` of an exchange, and the other lanes go on. A step goes out
once, when the one before it in its lane is over, those it comes `after` are, its time has come and the rate lets it.
At most `lanes` lanes are under way; one that waits for another lane gives its place up, so that none waits for ever:
of all lanes that are left, that with the earliest step waits for nobody. A target that is gone is given up soon, and
an account whose login fails is left alone, as `logins` says.
"""

import asyncio
import heapq
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from time import monotonic
from typing import NamedTuple, Protocol

import msgspec

from qqlab.capture.session import session
from qqlab.codec import decode
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.http import Http, most_files, most_kept
from qqlab.net.lines import Lines
from qqlab.net.logins import Logins
from qqlab.net.outcome import Outcome
from qqlab.net.pace import Pace
from qqlab.net.pushed import PushedAgain
from qqlab.net.silence import Silence
from qqlab.replay import Plan, Produced, Step, fill, produced
from qqlab.spec import Spec

_OTHER_FILES = 64

DOWN = "the target is down"
_NOT_SENT = Outcome(None, DOWN, datetime.min.replace(tzinfo=UTC), 0.0, "", silent=True)


class Keeper(Protocol):
    """Where what happens is kept."""

    def intent(self, step: Step) -> None:
        """A step is about to be sent: once that is kept, by the next `flush`."""

    def unsent(self, step: Step) -> None:
        """Nothing of the step was sent after all."""

    def outcome(self, exchange: Exchange, step: Step | None) -> None:
        """An exchange is over; a push has no step. It may wait to be kept until `flush`, which follows soon."""

    def flush(self) -> None:
        """Keep what waits."""


class Limits(NamedTuple):
    """`lanes` is the most lanes under way at once, None as many as there were when recorded; `logins` the refused
    logins after which an account is left alone."""

    lanes: int | None = None
    logins: int = 1


class Share(NamedTuple):
    """Which of how many processes this is of those that send a plan, and their count of silences; None for a count of
    its own. What each of them names is named by none of the others."""

    number: int = 0
    of: int = 1
    silence: Silence | None = None


_DEFAULT = Limits()
_ALL = Share()


class Run:
    """One run of a plan.

    `skipped` tells by id why a step was not sent, `down` in one line why the target counts as gone, None where it does
    not. `sent` counts requests, `reordered` those that went out after one that had begun later when recorded. `found`
    are the values of replies that later steps take, `logins` how those of each account went.
    """

    def __init__(
        self,
        planned: Plan,
        http: Http,
        lines: Lines,
        *,
        spec: Spec,
        server: str,
        keeper: Keeper,
        pace: Pace,
        limits: Limits = _DEFAULT,
        share: Share = _ALL,
        found: Mapping[Produced, str] | None = None,
        taken: Collection[str] = (),
        repeated: PushedAgain | None = None,
        logins: Logins | None = None,
    ) -> None:
        self.skipped: dict[str, str] = {}
        self.down: str | None = None
        self.sent = self.reordered = 0
        self.found = dict(found or {})
        self._http = http
        self._lines = lines
        self._spec = spec
        self._server = server
        self._keeper = keeper
        self._pace = pace
        self._limits = limits
        self._pushes = planned.pushes
        self._taken = taken
        self._repeated = repeated
        self._push_numbers = count(1 + share.number, share.of)
        self._silence = share.silence or Silence(len(planned.steps))
        self.logins = logins or Logins(limits.logins)
        self._last_sent = -1
        steps_over = Counter([step.connection for step in planned.steps if step.line is None and step.connection])
        self._left = {name: steps for name, steps in steps_over.items() if steps > 1}
        self._awaited: dict[str, list[_Lane]] = {i: [] for i in _awaited(planned.steps)}
        self._lanes = _lanes(planned)
        self._room = min(limits.lanes or planned.at_once or 1, _most_lanes())
        self._ready: list[tuple[int, _Lane]] = []
        self._due: list[tuple[float, int, bool, _Lane]] = []
        self._alarm_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0
        self._waiting = False
        self._outbox: list[_Lane] = []
        self._over: asyncio.Future[None]

    async def run(self) -> None:
        """Run to the end."""
        self._over = asyncio.get_running_loop().create_future()
        self._open = len(self._lanes)
        self._pace.begin(monotonic())
        for lane in self._lanes:
            lane.then = partial(self._finished, lane)
            lane.on()
            self._stand_in_line(lane)
        self._admit()
        if self._open:
            try:
                await self._over
            finally:
                for task in self._tasks:
                    task.cancel()
                if self._alarm is not None:
                    self._alarm.cancel()
                self._keeper.flush()
        if self.down is None:
            await self._lines.finish()
        self._collect()
        self._keeper.flush()

    # ------------------------------------------------------------------------------------------------------- lanes

    def _stand_in_line(self, lane: "_Lane") -> None:
        """A lane that can go on waits for its place, the one with the earliest step first; or for other lanes."""
        waits = [i for i in lane.step.after if i in self._awaited]
        if waits and self.down is None:
            lane.waits = len(waits)
            for identifier in waits:
                self._awaited[identifier].append(lane)
        else:
            heapq.heappush(self._ready, (lane.place, lane))

    def _admit(self) -> None:
        while self._ready and self._room > 0:
            self._room -= 1
            self._go(heapq.heappop(self._ready)[1])

    def _next(self, lane: "_Lane") -> None:
        """A step is over: on to the next one."""
        if self._awaited:
            self._settle(lane.step.recorded.id)
        if not lane.on():
            self._leave()
        elif lane.step.after:
            self._room += 1
            self._stand_in_line(lane)
        else:
            self._go(lane)
        if self._ready:
            self._admit()

    def _pass_over(self, lane: "_Lane") -> None:
        with self._guarded():
            self._next(lane)

    def _settle(self, identifier: str) -> None:
        """Let those go on that waited for this."""
        for lane in self._awaited.pop(identifier, ()):
            lane.waits -= 1
            if lane.waits == 0:
                heapq.heappush(self._ready, (lane.place, lane))

    def _leave(self) -> None:
        self._room += 1
        self._open -= 1
        if self._open == 0 and not self._over.done():
            self._over.set_result(None)

    def _go(self, lane: "_Lane", *, has_place: bool = False) -> None:
        """Send a lane's step as soon as its time has come, or pass over what is not to be sent. `has_place`: the rate
        has let it."""
        step = lane.step
        reason = self.logins.why_not(step) if self.down is None else DOWN
        if reason is not None:
            self.skipped[step.recorded.id] = reason
            asyncio.get_running_loop().call_soon(self._pass_over, lane)
        elif self._pace.is_free or self._is_due(lane, step, has_place):
            self._send(lane, step)

    def _is_due(self, lane: "_Lane", step: Step, has_place: bool) -> bool:
        """Whether a step may go out now; otherwise it will later."""
        now = monotonic()
        wait = 0.0 if has_place else self._pace.due(step.due, now) - now
        if wait <= 0 and not has_place:
            has_place, wait = True, self._pace.reserve(now)
        if wait > 0:
            heapq.heappush(self._due, (now + wait, lane.place, has_place, lane))
            self._set_alarm(now)
            return False
        self._pace.sent(step.due, now)
        return True

    def _set_alarm(self, now: float) -> None:
        due = self._due[0][0]
        if self._alarm is not None:
            if self._alarm_at <= due:
                return
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = asyncio.get_running_loop().call_later(max(0.0, due - now), self._ring)

    def _ring(self) -> None:
        """Send what is due."""
        self._alarm = None
        with self._guarded():
            now = monotonic()
            while self._due and (self._due[0][0] <= now or self.down is not None):
                _, _, has_place, lane = heapq.heappop(self._due)
                self._go(lane, has_place=has_place)
            if self._due:
                self._set_alarm(now)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """What goes wrong on our side (a disk that is full) ends the run; the event loop would only tell of it."""
        try:
            yield
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    # ----------------------------------------------------------------------------------------------------- sending

    def _send(self, lane: "_Lane", step: Step) -> None:
        lane.request = fill(step, self.found, self._spec) if step.holes else step.request
        self.sent += 1
        if lane.place < self._last_sent:
            self.reordered += 1
        else:
            self._last_sent = lane.place
        # What goes out at about the same time goes out together: intents are written in one piece, and a server that is
        # woken by the first request stays awake for the others.
        if step.effect != "read":
            self._keeper.intent(step)
        self._outbox.append(lane)
        if not self._waiting:
            self._flush_soon()

    def _post(self, lane: "_Lane", step: Step, request: RawMessage) -> None:
        if step.line is not None:
            task = asyncio.get_running_loop().create_task(self._over_line(step, request, lane.then))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            over = step.connection if step.connection in self._left else None
            self._http.send(request, lane.then, over=over, safe=step.effect == "read")

    async def _over_line(self, step: Step, request: RawMessage, then: Callable[[Outcome], None]) -> None:
        assert step.line is not None
        safe = step.effect == "read"
        outcome = await self._lines.send(request, step.line, step.recorded.session, safe=safe)
        with self._guarded():
            self._collect()
        then(outcome)

    def _finished(self, lane: "_Lane", outcome: Outcome) -> None:
        """What came of a lane's step."""
        try:
            self._end(lane, lane.step, outcome)
        except Exception as error:
            self._fail(error)

    def _end(self, lane: "_Lane", step: Step, outcome: Outcome) -> None:
        if outcome is _NOT_SENT:
            self.sent -= 1
            self.skipped[step.recorded.id] = DOWN
            self._keeper.unsent(step)
        else:
            exchange = _exchange(step, lane.request, outcome, self._server)
            if step.login or step.wanted:
                self._learn(step, exchange)
            self._keep(exchange, step)
            if self.down is None and self._silence.is_over(outcome.silent):
                self._give_up(outcome.error or DOWN)
        if step.connection in self._left and step.line is None:
            self._one_less(step.connection)
        self._next(lane)

    def _one_less(self, connection: str) -> None:
        """A step over that connection is over; it ends with the last one."""
        self._left[connection] -= 1
        if not self._left[connection]:
            self._http.let_go(connection)

    def _keep(self, exchange: Exchange, step: Step | None) -> None:
        """Keep an exchange; several that are over at about the same time are written together."""
        self._keeper.outcome(exchange, step)
        if not self._waiting:
            self._flush_soon()

    def _flush_soon(self) -> None:
        self._waiting = True
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Keep what waits for it; then what was only waiting for that goes out."""
        self._waiting = False
        with self._guarded():
            self._keeper.flush()
            lanes, self._outbox = self._outbox, []
            for lane in lanes:
                if self.down is None:
                    self._post(lane, lane.step, lane.request)
                else:
                    self._end(lane, lane.step, _NOT_SENT)

    def _learn(self, step: Step, exchange: Exchange) -> None:
        """Take from a reply what later steps need, and whether a login still succeeds."""
        decoded = decode(exchange, self._spec)
        if step.wanted:
            self.found.update(produced(step, decoded))
        if step.login:
            self.logins.note(step.account or "", exchange, decoded, self._spec)

    def _give_up(self, reason: str) -> None:
        """The target is gone. What was sent is waited for, what was not will not be."""
        self.down = reason
        for ids in self._pushes.values():
            self.skipped.update((identifier, DOWN) for identifier in ids)
        for then in self._http.abandon():
            then(_NOT_SENT)
        self._ring()
        for lanes in list(self._awaited.values()):
            for lane in lanes:
                if lane.waits:
                    lane.waits = 0
                    heapq.heappush(self._ready, (lane.place, lane))
            lanes.clear()

    # ------------------------------------------------------------------------------------------------------ pushes

    def _collect(self) -> None:
        """Make exchanges of what was pushed."""
        for push in self._lines.pushed():
            exchange = Exchange(
                id="",
                session="",
                time=push.line.time,
                client=push.client,
                server=self._server,
                transport="lines",
                reply=push.line.reply,
                error=push.line.error,
            )
            identifier = None if self._repeated is None else self._repeated.take(exchange)
            whose = session(push.host, decode(exchange, self._spec).account)
            named = msgspec.structs.replace(exchange, id=identifier or self._new_name(), session=whose)
            self._keep(named, None)

    def _new_name(self) -> str:
        while (name := f"push-{next(self._push_numbers)}") in self._taken:
            self.sent -= 1
        return name


class _Lane:
    """A lane under way: its steps with their places in the plan, that which is next or under way, and the request that
    was sent last. `waits` counts the steps of other lanes that its next one waits for. `then` is told what came of it.
    """

    __slots__ = ("at", "place", "places", "request", "step", "steps", "then", "waits")

    step: Step
    then: Callable[[Outcome], None]

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.places = array("q")
        self.at = self.place = -1
        self.waits = 0
        self.request = RawMessage()

    def on(self) -> bool:
        """Go on to the next step; whether there is one."""
        self.at += 1
        if self.at == len(self.steps):
            return False
        self.step, self.place = self.steps[self.at], self.places[self.at]
        return True

    def __lt__(self, other: "_Lane") -> bool:
        return self.place < other.place


def _most_lanes() -> int:
    """So many lanes as there can be connections: as many as this process may have files open, but for some others."""
    return max(1, most_files() - most_kept() - _OTHER_FILES)


def _awaited(steps: Sequence[Step]) -> Collection[str]:
    """The ids of the steps that others wait for."""
    waited = {identifier for step in steps if step.after for identifier in step.after}
    return {step.recorded.id for step in steps if step.recorded.id in waited} if waited else ()


def _lanes(planned: Plan) -> list[_Lane]:
    lanes: dict[int, _Lane] = {}
    for place, step in enumerate(planned.steps):
        lane = lanes.get(step.lane)
        if lane is None:
            lane = lanes[step.lane] = _Lane()
        lane.steps.append(step)
        lane.places.append(place)
    return list(lanes.values())


def _exchange(step: Step, request: RawMessage, outcome: Outcome, server: str) -> Exchange:
    return Exchange(
        id=step.recorded.id,
        session=step.recorded.session,
        time=outcome.time,
        elapsed=None if outcome.reply is None else outcome.elapsed,
        client=outcome.client,
        server=server,
        transport="http" if step.line is None else "lines",
        request=request,
        reply=outcome.reply,
        error=outcome.error,
        pairing=outcome.pairing,
    )
