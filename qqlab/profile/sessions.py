"""Several exchanges to counts: what follows what, polling, presence, and lists that are asked for in pieces.

Law: bounded however many sessions there are: those that were quiet longest are forgotten, and what was learned of them
stays. Which fields tell what says the spec. Sessions are those of the capture; without a name there is none. A time
before that of the exchange before it is counted, and no duration is made of it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from qqlab.codec import Decoded, Message, Scalar, case_of
from qqlab.exchange import Exchange
from qqlab.profile.model import (
    BehaviourTally,
    PollingTally,
    PresenceTally,
    SessionTally,
    StepTally,
    TransitionTally,
    Way,
)
from qqlab.profile.tally import Held, clip
from qqlab.spec import Announcement, Command, Direction, Field, Paging, Spec

# Sessions that are followed at the same time; those whose beginning is kept, and how much of it.
FOLLOWED = 4096
SESSIONS = 20
STEPS = 100
# Pairs of commands, sessions that poll, spans of presence and accounts of which something is kept.
TRANSITIONS = 1000
POLLING = 500
SPANS = 500
ACCOUNTS = 1000


class Told(NamedTuple):
    """An exchange as far as its session is concerned; `ok` is whether its reply tells success."""

    label: str
    exchange: Exchange
    decoded: Decoded
    time: datetime | None
    ok: bool | None
    way: Way


class _Page(NamedTuple):
    """The last page of a list that is not complete: the cursors that began it and that should go on with it."""

    first: str
    next: str
    label: str
    time: datetime | None


class _Session(msgspec.Struct):
    """Where a session is."""

    name: str
    command: str | None = None
    number: str | None = None
    time: datetime | None = None
    announced: dict[Announcement, int] = {}
    polled: dict[str, datetime] = {}
    polling: dict[str, PollingTally] = {}
    pages: dict[str, _Page] = {}
    kept: SessionTally | None = None


class _Presence(NamedTuple):
    """Where a message tells of presence: the field with the code, and the one that says of whom."""

    field: Field
    whose: str | None


class SessionFold:
    """Follows sessions."""

    def __init__(self, spec: Spec, behaviour: BehaviourTally) -> None:
        self.spec = spec
        self.behaviour = behaviour
        self.capture = ""
        self.sessions: dict[str, _Session] = {}
        self.pairs = 0
        self.accounts: dict[str, PresenceTally] = {}
        self.announcing = {
            name: [(field.name, field.announces) for field in command.reply if field.announces is not None]
            for name, command in spec.commands.items()
        }
        self.telling: dict[tuple[str, Direction], list[_Presence]] = {}
        for command, direction, field in spec.every_field():
            of_case = next((case.presence_of for case in field.cases if case.presence_of is not None), None)
            if command is not None and (field.presence_of is not None or of_case is not None):
                self.telling.setdefault((command.name, direction), []).append(_Presence(field, field.presence_of))

    def begin(self, capture: str) -> None:
        """What follows is of another capture."""
        self.finish()
        self.capture = capture

    def finish(self) -> None:
        """Nothing follows: lists that were not asked for to their end never will be."""
        for session in self.sessions.values():
            for command, page in session.pages.items():
                self._held(self.behaviour.pages, command).add(False, page.label, page.time)
        self.sessions.clear()

    def add(self, told: Told) -> None:
        """Follow one exchange."""
        self.behaviour.untimed += told.time is None
        name = told.decoded.command
        if told.exchange.session:
            session = self._session(told.exchange.session)
            self._step(session, told, clip(name))
            self._number(session, told)
            if told.decoded.spec is not None:
                self._polling(session, told, told.decoded.spec)
                self._paging(session, told, told.decoded.spec)
        self._presence(told)

    def _session(self, name: str) -> _Session:
        """The session of that name; the one that was quiet longest makes room for a new one."""
        name = clip(name)
        session = self.sessions.pop(name, None)
        if session is None:
            if len(self.sessions) >= FOLLOWED:
                del self.sessions[next(iter(self.sessions))]
            session = _Session(name=clip(f"{self.capture}:{name}" if self.capture else name), kept=self._kept(name))
        self.sessions[name] = session
        return session

    def _kept(self, name: str) -> SessionTally | None:
        sessions = self.behaviour.sessions
        key = clip(f"{self.capture}:{name}" if self.capture else name)
        if key not in sessions:
            if len(sessions) >= SESSIONS:
                self.behaviour.more_sessions += 1
                return None
            sessions[key] = SessionTally(account=None)
        return sessions[key]

    def _step(self, session: _Session, told: Told, command: str) -> None:
        time, gap = told.time, None
        if time is not None and session.time is not None:
            seconds = (time - session.time).total_seconds()
            if seconds < 0:
                self.behaviour.clock_back += 1
            else:
                gap = seconds
        if told.way != "pushed":
            if session.command is not None:
                self._transition(session.command, command, gap)
            session.command = command
        session.time = time
        if session.kept is not None:
            _keep(session.kept, told, command)

    def _transition(self, before: str, after: str, gap: float | None) -> None:
        follow = self.behaviour.transitions.setdefault(before, {}) if self.pairs < TRANSITIONS else {}
        tally = (follow or self.behaviour.transitions.get(before, {})).get(after)
        if tally is None:
            if self.pairs >= TRANSITIONS:
                self.behaviour.more_transitions += 1
                return
            self.pairs += 1
            tally = follow[after] = TransitionTally()
        tally.count += 1
        if gap is not None:
            tally.gaps.add(gap)

    def _number(self, session: _Session, told: Told) -> None:
        """Whether a request says another number than the one before it."""
        request = told.decoded.request
        number = None if request is None else request.text(self.spec.roles.sequence)
        if number is None:
            return
        number = clip(number)
        if session.number is not None:
            self.behaviour.numbers.add(number != session.number, told.label, told.time)
        session.number = number

    def _polling(self, session: _Session, told: Told, command: Command) -> None:
        reply = told.decoded.reply
        if reply is not None and told.ok is not False:
            for name, kind in self.announcing.get(command.name, ()):
                seconds = reply.value(name)
                if isinstance(seconds, int):
                    session.announced = session.announced | {kind: seconds}
        if not command.polls or told.time is None or told.exchange.request is None:
            return
        before = session.polled.get(command.name)
        session.polled[command.name] = told.time
        if before is None or (gap := (told.time - before).total_seconds()) < 0:
            return
        tally = session.polling.get(command.name) or self._poller(session, command.name)
        if tally is not None:
            tally.gaps.add(gap)
            tally.interval, tally.limit = session.announced.get("interval"), session.announced.get("limit")

    def _poller(self, session: _Session, command: str) -> PollingTally | None:
        if len(self.behaviour.polling) >= POLLING:
            self.behaviour.more_polling += 1
            return None
        tally = session.polling[command] = PollingTally(session=session.name, command=command)
        self.behaviour.polling.append(tally)
        return tally

    def _paging(self, session: _Session, told: Told, command: Command) -> None:
        """Whether a list is asked for on and on until it is complete."""
        paging, request, reply = command.paging, told.decoded.request, told.decoded.reply
        if paging is None or request is None:
            return
        cursor, page = clip(request.text(paging.cursor) or ""), session.pages.pop(command.name, None)
        if page is not None:
            if cursor == page.next or cursor != page.first:
                self._held(self.behaviour.cursors, command.name).add(cursor == page.next, told.label, told.time)
            else:  # the list is asked for anew
                self._held(self.behaviour.pages, command.name).add(False, page.label, page.time)
                page = None
        if reply is None or (complete := reply.value(paging.complete)) is None:
            return
        if complete == paging.done:
            self._held(self.behaviour.pages, command.name).add(True, told.label, told.time)
        elif (last := _last_key(command, paging, reply)) is not None:
            first = cursor if page is None else page.first
            session.pages[command.name] = _Page(first, last, told.label, told.time)

    @staticmethod
    def _held(rules: dict[str, Held], command: str) -> Held:
        return rules.setdefault(command, Held())

    def _presence(self, told: Told) -> None:
        request, reply, known = told.decoded.request, told.decoded.reply, told.decoded.spec
        if known is None:
            return
        said = False
        for message in (request if told.ok else None, reply):
            if message is None or message.command is None:
                continue
            for telling in self.telling.get((message.command.name, message.direction), ()):
                for account, table, state in _states(message, telling, self.spec):
                    said = said or message is request
                    self._seen(account, table, state, told)
        if known.presence is not None and told.ok and not said and told.decoded.account is not None:
            self._seen(told.decoded.account, known.presence.codes, known.presence.value, told)

    def _seen(self, account: str, table: str, state: int, told: Told) -> None:
        account = clip(account)
        now = self.accounts.get(account)
        if now is not None:
            if told.time is not None and (now.until is None or told.time > now.until):
                now.until = told.time
            if now.state == state:
                return
        elif len(self.accounts) >= ACCOUNTS:
            self.behaviour.more_presence += 1
            return
        new = PresenceTally(account, table, state, clip(told.label), told.time, told.time)
        self.accounts[account] = new
        if len(self.behaviour.presence) < SPANS:
            self.behaviour.presence.append(new)
        else:
            self.behaviour.more_presence += 1


def _keep(kept: SessionTally, told: Told, command: str) -> None:
    """Add an exchange to the beginning of a session."""
    kept.exchanges += 1
    kept.account = kept.account or (None if told.decoded.account is None else clip(told.decoded.account))
    if told.time is not None:
        kept.first = told.time if kept.first is None or told.time < kept.first else kept.first
        kept.last = told.time if kept.last is None or told.time > kept.last else kept.last
    if len(kept.steps) < STEPS:
        status = told.decoded.status
        number = status if isinstance(status, int) else None
        kept.steps.append(StepTally(clip(told.label), told.time, command, number, told.way))


def _last_key(command: Command, paging: Paging, reply: Message) -> str | None:
    """The key of a page's last row: what the next page is asked for with."""
    for table in reply.tables:
        if table.spec.key is not None and table.rows:
            key = table.rows[-1].cells.get(table.spec.key)
            return None if key is None else clip(str(key))
    return None


def _states(message: Message, telling: _Presence, spec: Spec) -> Iterator[tuple[str, str, int]]:
    """Whose presence a message tells: account, table and value of each."""
    field = telling.field
    if telling.whose is not None and field.codes is not None and not field.list:
        account, state = message.text(telling.whose), message.value(field.name)
        if account is not None and isinstance(state, int):
            yield account, field.codes, state
        return
    for table in message.tables:
        if field.name not in table.spec.columns:
            continue
        for row in table.rows:
            case = case_of(field, row.cells) if telling.whose is None else None
            whose = telling.whose if case is None else case.presence_of
            codes = field.codes if case is None else case.codes
            said = None if whose is None else row.cells.get(whose)
            number = _number(row.cells.get(field.name))
            if codes is None or said is None or number is None:
                continue
            # The text that is no code of its case is what people wrote.
            if case is None or number in spec.codes[codes].by_value:
                yield str(said), codes, number


def _number(value: Scalar) -> int | None:
    """The number of a code; of a text, where its case makes it one."""
    text = str(value).strip(" ")
    return value if isinstance(value, int) else int(text) if text.isdecimal() and len(text) < 10 else None
