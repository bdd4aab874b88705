"""Several exchanges to counts: what follows what, polling, presence, and lists that are asked for in pieces.

Law: bounded however many sessions there are: those of the lowest rank are followed (`qqlab.profile.lowest`), as many as
there is room for. Which fields tell what says the spec. Sessions are those of one capture; without a name there is
none.
"""

from datetime import datetime
from typing import NamedTuple

from qqlab.codec import Cell, Decoded, Kind, Kinds, Message, Parts
from qqlab.exchange import Exchange
from qqlab.profile.adding import earliest, latest
from qqlab.profile.behaviour import StepTally, Way
from qqlab.profile.following import Following
from qqlab.profile.lowest import rank
from qqlab.profile.paging import Ask, Page, Pages
from qqlab.profile.polling import Polls
from qqlab.profile.presence import Presence, Sighting, Sightings, Tells
from qqlab.profile.session import STEPS, Numbers, Session
from qqlab.profile.tally import Cited, clip
from qqlab.profile.transitions import Transitions
from qqlab.spec import Announcement, Command, Paging, Spec


class Told(NamedTuple):
    """An exchange as far as its session is concerned; `ok` is whether its reply tells success."""

    cited: Cited
    exchange: Exchange
    decoded: Decoded
    ok: bool | None
    way: Way


class Paged(NamedTuple):
    """Where the exchanges of a kind say which page of a list they ask for, whether it is the last, and where the next
    one begins."""

    paging: Paging
    cursor: Cell | None
    complete: Cell | None
    key: Cell | None


class Steady(NamedTuple):
    """What all exchanges of one kind tell of their sessions, and where the rest stands."""

    command: str
    status: int | None
    account: Cell | None
    number: Cell | None
    announces: tuple[tuple[Cell, Announcement], ...]
    polls: str | None
    paged: Paged | None
    present: tuple[Tells, ...]


class SessionFold:
    """Follows sessions over one stretch of a capture after the other."""

    def __init__(self, spec: Spec, following: Following, kinds: Kinds) -> None:
        self.spec = spec
        self.following = following
        self.kinds = kinds
        self.sightings = Sightings(spec)
        self.announcing = {
            name: [(field.name, field.announces) for field in command.reply if field.announces is not None]
            for name, command in spec.commands.items()
        }
        self.number, self.capture = 0, ""
        self.sessions: dict[str, Session] = {}
        self.accounts: dict[str, Presence] = {}

    def begin(self, number: int, capture: str) -> None:
        """What follows is another stretch, of that capture."""
        self.number, self.capture = number, capture
        self.sessions.clear()
        self.accounts.clear()

    def add(self, told: Told) -> None:
        """Follow one exchange."""
        following = self.following
        following.untimed += told.cited.time is None
        if told.exchange.session:
            session = self._session(clip(told.exchange.session), told.cited, leads=told.way != "pushed")
            if session is not None:
                self._add(session, told)
        for seen in self.sightings.of(told.decoded, told.ok, told.cited):
            self._see(seen)

    def steady(self, kind: Kind, ok: bool | None) -> Steady | None:
        """What the exchanges of a kind tell of their sessions. None where it is to be looked for in each of them."""
        decoded, command = kind.example, kind.example.spec
        present = self.sightings.of_kind(kind, ok)
        if command is None or present is None:
            return None
        announcing = () if ok is False else self.announcing.get(command.name, ())
        number = kind.cell("request", self.spec.roles.sequence)
        return Steady(
            command=clip(decoded.command),
            status=decoded.status if isinstance(decoded.status, int) else None,
            account=kind.role(self.spec.roles.account),
            number=None if number is None or number.text is None else number,
            announces=tuple(
                (cell, announced) for name, announced in announcing if (cell := kind.cell("reply", name)) is not None
            ),
            polls=command.name if command.polls else None,
            paged=None if command.paging is None else _paged(kind, command.paging),
            present=present,
        )

    def add_steady(self, cited: Cited, exchange: Exchange, parts: Parts, steady: Steady) -> None:
        """Follow one exchange of a kind, which has request and reply."""
        if cited.time is None:
            self.following.untimed += 1
        if exchange.session:
            session = self._session(clip(exchange.session), cited, leads=True)
            if session is not None:
                self._add_steady(session, cited, parts, steady)
        if steady.present:
            for seen in self.sightings.told(steady.present, self.kinds, parts, cited):
                self._see(seen)

    def _add_steady(self, session: Session, cited: Cited, parts: Parts, steady: Steady) -> None:
        time, kinds = cited.time, self.kinds
        session.exchanges += 1
        if not session.account and steady.account is not None:
            account = kinds.text(steady.account, parts)
            session.account = None if account is None else clip(account)
        if time is not None:
            if session.first is None or session.last is None:
                session.first, session.last = earliest(session.first, time), latest(session.last, time)
            elif time > session.last:
                session.last = time
            elif time < session.first:
                session.first = time
        if len(session.steps) < STEPS and self.following.is_shown(session):
            label, command, status = clip(cited.label), steady.command, steady.status
            session.steps.append(StepTally(label, cited.at, time, command, status, "answered"))
        session.transitions.add(steady.command, time)
        if steady.number is not None:
            self._number(session, kinds.text(steady.number, parts), cited)
        for cell, announced in steady.announces:
            seconds = kinds.value(cell, parts)
            if isinstance(seconds, int):
                session.announced[announced] = seconds
        if steady.polls is not None and time is not None:
            self._poll(session, steady.polls, cited, time)
        if (paged := steady.paged) is not None:
            cursor = "" if paged.cursor is None else kinds.text(paged.cursor, parts) or ""
            ask, pages = self._ask(session, steady.command, paged.paging, cursor, cited)
            complete = None if paged.complete is None else kinds.value(paged.complete, parts)
            if complete is None:
                return
            if complete == paged.paging.done:
                pages.done(ask)
            elif paged.key is not None:
                keys = kinds.value(paged.key, parts)
                last = keys[-1] if isinstance(keys, tuple) else None
                if last is not None:
                    pages.open = Page(clip(str(last)), *cited)

    def _session(self, name: str, cited: Cited, *, leads: bool) -> Session | None:
        """The session of that name; None where there is no room to follow it."""
        session = self.sessions.get(name)
        if session is None:
            key, at = (self.number, name), rank(f"{self.capture}\0{name}")
            known = self.following.sessions.get(key)
            gone = None if known is not None else self.following.admit(key, at)
            if gone == key:
                return None
            if gone is not None and gone[0] == self.number:
                self.sessions.pop(gone[1], None)
            shown = clip(f"{self.capture}:{name}" if self.capture else name)
            flow = Transitions(cited.time, None, leads=leads)
            session = self.sessions[name] = Session(shown, at, cited.at, flow)
            self.following.sessions.setdefault(key, []).append(session)
        return session

    def _see(self, seen: Sighting) -> None:
        account = self.accounts.get(seen.account)
        if account is not None:
            account.add(seen)
            return
        gone = None if seen.account in self.following.accounts else self.following.admit_account(seen.account)
        if gone == seen.account:
            return
        if gone is not None:
            self.accounts.pop(gone, None)
        self.accounts[seen.account] = new = Presence([seen.span()])
        self.following.accounts.setdefault(seen.account, []).append(new)

    def _add(self, session: Session, told: Told) -> None:
        decoded, time = told.decoded, told.cited.time
        command = clip(decoded.command)
        session.exchanges += 1
        session.account = session.account or (None if decoded.account is None else clip(decoded.account))
        if time is not None:
            session.first, session.last = earliest(session.first, time), latest(session.last, time)
        if len(session.steps) < STEPS and self.following.is_shown(session):
            status = decoded.status if isinstance(decoded.status, int) else None
            session.steps.append(StepTally(clip(told.cited.label), told.cited.at, time, command, status, told.way))
        if told.way == "pushed":
            session.transitions.wait(time)
        else:
            session.transitions.add(command, time)
        self._number(
            session, None if decoded.request is None else decoded.request.text(self.spec.roles.sequence), told.cited
        )
        if decoded.spec is not None:
            self._polling(session, told, decoded.spec)
            if decoded.spec.paging is not None and decoded.request is not None:
                self._paging(session, told, decoded.spec, decoded.spec.paging, decoded.request)

    @staticmethod
    def _number(session: Session, number: str | None, cited: Cited) -> None:
        """Whether a request says another number than the one before it."""
        if number is None:
            return
        number = clip(number)
        if session.numbers is None:
            session.numbers = Numbers(number, cited, number)
        else:
            session.numbers.add(number, cited)

    def _polling(self, session: Session, told: Told, command: Command) -> None:
        reply, time = told.decoded.reply, told.cited.time
        if reply is not None and told.ok is not False:
            for name, kind in self.announcing.get(command.name, ()):
                seconds = reply.value(name)
                if isinstance(seconds, int):
                    session.announced[kind] = seconds
        if not command.polls or time is None or told.exchange.request is None:
            return
        self._poll(session, command.name, told.cited, time)

    @staticmethod
    def _poll(session: Session, command: str, cited: Cited, time: datetime) -> None:
        interval, limit = session.announced.get("interval"), session.announced.get("limit")
        polls = session.polls.get(command)
        if polls is None:
            session.polls[command] = Polls(time, cited.at, interval, limit, time)
        else:
            polls.add(time, cited.at, interval, limit)

    def _paging(self, session: Session, told: Told, command: Command, paging: Paging, request: Message) -> None:
        """Whether a list is asked for on and on until it is complete."""
        ask, pages = self._ask(session, command.name, paging, request.text(paging.cursor) or "", told.cited)
        reply = told.decoded.reply
        complete = None if reply is None else reply.value(paging.complete)
        if reply is None or complete is None:
            return
        if complete == paging.done:
            pages.done(ask)
        elif (last := _last_key(reply)) is not None:
            pages.open = Page(last, *told.cited)

    @staticmethod
    def _ask(session: Session, command: str, paging: Paging, cursor: str, cited: Cited) -> tuple[Ask, Pages]:
        begins = True if cursor in ("", paging.start) else None if paging.start is None else False
        ask = Ask(clip(cursor), begins, *cited)
        pages = session.pages.get(command)
        if pages is None:
            pages = session.pages[command] = Pages(ask)
        else:
            pages.ask(ask)
        return ask, pages


def _paged(kind: Kind, paging: Paging) -> Paged:
    reply = kind.example.reply
    tables = () if reply is None else reply.tables
    key = next((table.spec.key for table in tables if table.spec.key is not None and table.rows), None)
    return Paged(
        paging=paging,
        cursor=kind.cell("request", paging.cursor),
        complete=kind.cell("reply", paging.complete),
        key=None if key is None else kind.cell("reply", key),
    )


def _last_key(reply: Message) -> str | None:
    """The key of a page's last row: what the next page is asked for with."""
    for table in reply.tables:
        if table.spec.key is not None and table.rows:
            key = table.rows[-1].cells.get(table.spec.key)
            return None if key is None else clip(str(key))
    return None
