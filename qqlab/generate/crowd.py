"""Many users at once: whose turn it is, what the server says, and what a recorder in front of it writes.

Law: time goes forward, in microseconds. Requests reach the server in order of time, lines stand in the order in which
replies were complete. Who is affected by a request is not heard while it is under way, nor it while he is: so the order
of all that depends on each other shows in the recording, and a replay that keeps it meets the same replies.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from heapq import heappop, heappush, heapreplace

from qqlab import failures
from qqlab import spec as specs
from qqlab.capture import header
from qqlab.capture.file import encode_header
from qqlab.generate.chance import Chance
from qqlab.generate.clients import Kind, kind_of
from qqlab.generate.life import Script, Step, User, Values, with_errors
from qqlab.generate.lines import Lines, Places
from qqlab.generate.plan import DAY, Plan
from qqlab.spec import Spec
from qqlab.testserver import Accounts, State
from qqlab.testserver.state import Asked, Reply, Request

NOTE = "made up by qqlab generate with seed {seed}: nobody's traffic, users or words"

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_PATIENCE = 10
# How likely somebody comes in each hour of the day in UTC, beside an average hour: China's evening is at noon here.
_HOURS = (7, 8, 9, 10, 12, 11, 10, 10, 11, 12, 14, 18, 20, 20, 17, 12, 7, 4, 2, 1, 1, 2, 3, 5)
_AVERAGE, _MOST_OF_HOUR = sum(_HOURS) / 24, max(_HOURS)
_MOBILE_XP = "C4CA4238A0B92382"
# What a kept connection may rest before it is given up.
_KEPT = 75 * _SECOND


def generate(plan: Plan, accounts: Accounts, spec: Spec | None = None) -> Iterator[bytes]:
    """The lines of a capture, its header first."""
    known = specs.builtin() if spec is None else spec
    note = NOTE.format(seed=plan.seed)
    yield encode_header(header(known, redacted="secrets", created=plan.start, note=note))
    yield from _Crowd(plan, accounts, known).lines()


class _Seat:
    """A user's place: his script, what he does next and when, and his connection."""

    def __init__(self, place: int, user: User) -> None:
        self.place = place
        self.user = user
        self.script: Script | None = None
        self.step: Step | None = None
        self.host = f"10.{place >> 16 & 255}.{place >> 8 & 255}.{place & 255}"
        self.session = f"{self.host}/{user.account.uin}".encode()
        self.port = 1024 + place * 7919 % 60_000
        self.client = b""
        self.connected = -_KEPT
        self.sequence = 100 + place % 900
        self.way = 18_700 + place * 2_654_435_761 % 90_000


class _Crowd:
    """All users of a plan, in front of one server."""

    def __init__(self, plan: Plan, accounts: Accounts, spec: Spec) -> None:
        self._plan = plan
        self._spec = spec
        self._chance = Chance(f"crowd {plan.seed}")
        self._state = State(accounts, spec)
        key = hashlib.sha256(f"qqlab generate {plan.seed}".encode()).digest()
        self._lines = Lines(spec, self._state, key)
        self._seats = [
            _Seat(place, User(account, kind_of(place), self._chance)) for place, account in enumerate(accounts.accounts)
        ]
        self._places = {account.uin: place for place, account in enumerate(accounts.accounts)}
        self._busy = [0] * len(self._seats)  # until when what a user does or what is done to him is under way
        self._commands = {command.name: command for command in spec.commands.values()}
        self._minute = (-1, b"")

    def lines(self) -> Iterator[bytes]:
        """The exchanges in the order of their ends, each as its line."""
        turns = [(self._next_visit(0), seat.place) for seat in self._seats]
        turns.sort()
        under_way: list[tuple[int, int, bytes]] = []
        written = 0
        for number in range(self._plan.exchanges):
            start, end, line = self._exchange(turns)
            while under_way and under_way[0][0] <= start:
                written += 1
                yield b'{"id":"%d%b' % (written, heappop(under_way)[2])
            heappush(under_way, (end, number, line))
        while under_way:
            written += 1
            yield b'{"id":"%d%b' % (written, heappop(under_way)[2])

    def _exchange(self, turns: list[tuple[int, int]]) -> tuple[int, int, bytes]:
        """The next exchange: when it began, when it was over, and its line."""
        while True:
            now, place = turns[0]
            seat = self._seats[place]
            step = seat.step
            if step is None:
                heapreplace(turns, self._after(seat, now, None))
                continue
            affected = self._affected(seat, step)
            free = max([self._busy[one] for one in affected]) if len(affected) > 1 else self._busy[place]
            if free >= now:
                heapreplace(turns, (free + 1 + self._chance.below(5000), place))
                continue
            end, line, reply = self._ask(seat, step, now)
            for one in affected:
                self._busy[one] = end
            heapreplace(turns, self._after(seat, end, reply))
            return now, end, line

    def _after(self, seat: _Seat, now: int, reply: Reply | None) -> tuple[int, int]:
        """A user's next turn; what he then does stands in his seat."""
        if seat.script is not None:
            try:
                seat.step = step = seat.script.send(reply)
            except StopIteration:
                seat.script = seat.step = None
                return self._next_visit(now), seat.place
            return now + 1 + int(step.after * _SECOND), seat.place
        script = seat.user.visit()
        seat.script = with_errors(seat.user, script, self._plan.errors) if self._plan.errors else script
        seat.step = next(seat.script)
        return now + 1, seat.place

    def _next_visit(self, now: int) -> int:
        """When somebody comes again: at any time, but sooner at the hours at which people do."""
        mean = self._plan.gap * _AVERAGE / _MOST_OF_HOUR
        start = self._plan.start
        seconds = now / _SECOND + start.hour * 3600 + start.minute * 60
        begun = seconds
        while True:
            seconds += self._chance.around(mean)
            if self._chance.uniform() * _MOST_OF_HOUR < _HOURS[int(seconds % DAY / 3600)]:
                return now + 1 + int((seconds - begun) * _SECOND)

    def _affected(self, seat: _Seat, step: Step) -> list[int]:
        """The user himself, and whom his request may change something for."""
        if not step.affects:
            return [seat.place]
        if step.affects == "one":
            other = self._places.get(str(step.values[0][1]))
            return [seat.place] if other is None else [seat.place, other]
        return [seat.place, *(self._places[uin] for uin in self._state.watchers(seat.user.account.uin))]

    def _ask(self, seat: _Seat, step: Step, now: int) -> tuple[int, bytes, Reply | None]:
        """Send a request: when its exchange was over, its line, and the reply if it came whole."""
        kind, account = seat.user.kind, seat.user.account.uin
        said = self._said(kind, step)
        command = self._commands[step.command]
        request = Request(
            command,
            self._asked(kind, self._lines.heard(kind, command, said)),
            account,
            self._sequence(seat, now),
            seat.host,
            now / _SECOND,
        )
        reply = self._state.perform(request)
        elapsed = _PATIENCE * _SECOND if step.fate == "silent" else self._elapsed(seat)
        places = Places(seat.session, self._client(seat, now), self._time(now), repr(elapsed / _SECOND).encode())
        seat.connected = now + elapsed
        if step.fate == "whole":
            return now + elapsed, self._lines.line(kind, command, said, reply, places), reply
        seat.connected = -_KEPT
        error, kept = self._broken(step, reply)
        line = self._lines.slow(kind, command, said, reply, places, error=error, kept=kept)
        return now + elapsed, line, None

    def _broken(self, step: Step, reply: Reply) -> tuple[str, int]:
        """What is told of a reply that did not come whole, and how much of it did."""
        if step.fate == "silent":
            return failures.say("silent", seconds=_PATIENCE), 0
        kept = 1 + self._chance.below(self._lines.reply_length(reply) - 1)
        return failures.say("cut", where=f"within the body of the reply ({kept} bytes came)"), kept

    def _said(self, kind: Kind, step: Step) -> Values:
        """All that a request of that client says beside its roles."""
        if kind.is_mobile:
            return (("CON", 1), ("SID", ""), ("XP", _MOBILE_XP), *step.values)
        return step.values

    def _asked(self, kind: Kind, said: Values) -> Asked:
        asked = Asked(said)
        asked[self._spec.roles.version] = kind.version
        if "PS" in asked:
            asked["PS"] = hashlib.md5(str(asked["PS"]).encode()).hexdigest()
        return asked

    def _sequence(self, seat: _Seat, now: int) -> str:
        """The number of the next request, never that of the last one."""
        match seat.user.kind.sequence:
            case "count":
                seat.sequence += 1
            case "random":
                drawn = 1000 + self._chance.below(8000)
                seat.sequence = drawn if drawn != seat.sequence else drawn + 1
            case "clock":
                seat.sequence = now // 10_000 % 100_000_000 + 1
        return str(seat.sequence)

    def _elapsed(self, seat: _Seat) -> int:
        """How long a reply takes, in microseconds: the way there, which is each user's own, and the server's work."""
        return seat.way + int(self._chance.around(14_000))

    def _client(self, seat: _Seat, now: int) -> bytes:
        """The client's end of the connection: a new one, or the one that is kept alive."""
        if not seat.user.kind.keeps or now - seat.connected > _KEPT:
            seat.port = seat.port + 1 if seat.port < 65_000 else 1024
            seat.client = f"{seat.host}:{seat.port}".encode()
        return seat.client

    def _time(self, now: int) -> bytes:
        """A time in ISO form, without the zone; never on the full second, which is written shorter."""
        minute, micro = divmod(now, _MINUTE)
        if minute != self._minute[0]:
            moment = self._plan.start + timedelta(minutes=minute)
            self._minute = minute, moment.strftime("%Y-%m-%dT%H:%M:").encode()
        second, micro = divmod(micro, _SECOND)
        return b"%b%02d.%06d" % (self._minute[1], second, micro or 1)
