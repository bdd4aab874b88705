"""Two exchanges that belong together, judged: pure, total, and the same whoever asks.

Law: unlike things are never compared silently: another command, a request of other content, an exchange that only one
side has is a finding. What cannot be compared says why. Nothing outside the two exchanges and the spec counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from qqlab import http1
from qqlab.codec import Message, decode_message
from qqlab.diff.finding import TARGET, Deviation, Finding, identify, unlike
from qqlab.diff.message import Replies, compare_requests, parting
from qqlab.diff.narrow import apart
from qqlab.diff.pushes import is_push
from qqlab.diff.same import parted, plain, same, same_requests, statuses, unasked_coding
from qqlab.diff.severity import weigh
from qqlab.diff.side import Side, recorded_reply, remember
from qqlab.diff.values import plainly, said
from qqlab.exchange import Exchange, RawMessage
from qqlab.failures import named
from qqlab.spec import Command, Direction, Spec

ONLY_FIRST = "only in the first capture"
ONLY_SECOND = "only in the second capture"

_MOST_FINDINGS = 100
_LONGEST = 4096
_BEGINNING = 4096  # of a request, in which its command stands
_TELLING = 6  # letters of its name, which tell most commands from those that log in
_MOST_TEXT = 1000
_BEFORE = 40  # so much of a long text stands before what differs: less than is shown of it
_MOST_NAME = 100
_REDIRECTS = range(300, 400)
_LINE_ENDS = {b"\n": "LF", b"\r\n": "CR LF"}

Verdict = Literal["equal", "equivalent", "different"]


class Judged(NamedTuple):
    """What came of one pair: a verdict, or else in `skipped` why the replies were not compared; and the findings, which
    there may be in either case. `exchange` is the id in the first capture, or in the second where only that has it.
    `connection` is the client's end of a long connection that carried it when it was recorded, empty for any other.
    `login` is the account that was logged in by it on both sides, empty where none was."""

    exchange: str
    verdict: Verdict | None
    skipped: str | None
    findings: tuple[Finding, ...] = ()
    connection: str = ""
    login: str = ""


def judge(expected: Exchange | None, actual: Exchange | None, spec: Spec) -> Judged:
    """Hold an exchange of the first capture against its counterpart; None where that side has none.

    Raises ValueError where there is neither.
    """
    if expected is not None and actual is not None and same(expected, actual, spec):
        return Judged(expected.id, "equal", None, login=logged_in(expected, actual, spec))
    return judge_read(expected, actual, spec)


def logged_in(expected: Exchange, actual: Exchange, spec: Spec) -> str:
    """The account that is logged in by an exchange on both sides; empty where none is. Of any other command no more is
    read than its name."""
    if not _asks_to_log_in(expected, spec):
        return ""
    return _login(Side(expected, spec), Side(actual, spec))


def logged_in_alike(exchange: Exchange, spec: Spec) -> str:
    """The same of an exchange whose counterpart says the same."""
    if not _asks_to_log_in(exchange, spec):
        return ""
    side = Side(exchange, spec)
    return _login(side, side)


def _asks_to_log_in(exchange: Exchange, spec: Spec) -> bool:
    asked, mark, logins = exchange.request, spec.command_mark, spec.logins
    if asked is None or not _may_log_in(asked.body[: asked.body.find(mark) + len(mark) + _TELLING], mark, logins):
        return False
    return parted(asked.body[:_BEGINNING].upper(), mark)[1] in logins


@lru_cache(1024)
def _may_log_in(beginning: bytes, mark: bytes, logins: frozenset[bytes]) -> bool:
    """Whether a request that begins like this may be of a command that logs in: of few there is more to read."""
    name, ended, _ = beginning.upper().partition(mark)[2].partition(b"&")
    return any(login == name if ended else login.startswith(name) for login in logins)


def _login(left: Side, right: Side) -> str:
    if left.known is None or not left.known.logs_in or left.known is not right.known:
        return ""
    return left.account if left.succeeded and right.succeeded else ""


def judge_read(expected: Exchange | None, actual: Exchange | None, spec: Spec) -> Judged:
    """The same, of exchanges that are known not to be the same bytes."""
    if expected is not None:
        return _Pair(expected, actual, spec).judged()
    if actual is None:
        raise ValueError("there is nothing to judge")
    return _extra(actual, spec)


def verdict(findings: Iterable[Finding]) -> Verdict:
    """What the findings of a pair that was compared make of it."""
    severities = {finding.equivalent for finding in findings}
    return "different" if False in severities else "equivalent" if severities else "equal"


def _extra(exchange: Exchange, spec: Spec) -> Judged:
    side = Side(exchange, spec)
    push = is_push(exchange)
    deviation = Deviation("push.extra", actual=_told(side.whole_reply, spec)) if push else Deviation("exchange.extra")
    found = _Findings("", exchange.id, side).found([deviation], None)
    return Judged(exchange.id, None, ONLY_SECOND, tuple(found))


def _told(push: Message | None, spec: Spec) -> str:
    """What a push says, beside what every reply has."""
    fields = () if push is None else push.fields
    own = [field for field in fields if field.spec is None or field.spec not in spec.common.reply]
    values = {} if push is None else push.values()
    return ", ".join(f"{field.name} {said(field.value, field.spec, spec, values)}" for field in own)


class _Findings:
    """Makes findings of the deviations of one pair; each has its own id, the same in each run."""

    def __init__(self, exchange: str, actual: str, side: Side) -> None:
        self._ids = exchange, actual
        self._side = side
        self._exchange = f"first\0{exchange}" if exchange else f"second\0{actual}"
        self._seen: dict[str, int] = {}

    def found(self, deviations: Iterable[Deviation], direction: Direction | None) -> list[Finding]:
        return [self._finding(deviation, direction) for deviation in deviations]

    def _finding(self, deviation: Deviation, direction: Direction | None) -> Finding:
        severity, reason = weigh(deviation, direction, self._side.spec_of_command, self._side.spec)
        place = self._place(deviation, direction)
        number = self._seen[place] = self._seen.get(place, 0) + 1
        return Finding(
            id=identify(place, number),
            exchange=self._ids[0],
            actual_exchange=self._ids[1],
            command=self._side.command,
            account=self._side.account,
            severity=severity,
            reason=reason,
            direction=direction,
            rule=deviation.rule,
            field=_short(deviation.field),
            row=_short(deviation.row),
            expected=_cut(deviation.expected, deviation.actual),
            actual=_cut(deviation.actual, deviation.expected),
            about=self._about(deviation),
        )

    def _place(self, deviation: Deviation, direction: Direction | None) -> str:
        """What tells the finding's place from all others. A push that only the second capture has is told by what it
        says: its id there hangs on when it came."""
        if deviation.rule == "push.extra":
            return f"push\0{self._side.account}\0{self._side.command}\0{deviation.actual}\0{deviation.rule}"
        return f"{self._exchange}\0{direction}\0{deviation.field}\0{deviation.row}\0{deviation.rule}"

    def _about(self, deviation: Deviation) -> tuple[str, ...]:
        """Who is spoken of, beside the one that it was said to: where it happened, and what was asked for."""
        spoken_of, account = deviation.about + self._side.about, self._side.account
        if spoken_of == (account,):
            return ()
        return tuple([_short(one) or "" for one in dict.fromkeys(spoken_of) if one != account])


def _short(name: str | None) -> str | None:
    """A name as a finding holds it."""
    return name if name is None or len(name) <= _MOST_NAME else name[: _MOST_NAME - 1] + "…"


def _cut(text: str | None, other: str | None) -> str | None:
    """A value as a finding holds it: of a very long one the part in which it differs from the other side's, and how
    long it is."""
    if text is None or len(text) <= _MOST_TEXT:
        return text
    place = parting(text, other or "")
    begin = place - _BEFORE if place > 2 * _BEFORE else 0
    before, after = "…" if begin else "", "…" if begin + _MOST_TEXT < len(text) else ""
    where = f", from number {begin + 1:,} on" if begin else ""
    return f"{before}{text[begin : begin + _MOST_TEXT]}{after} ({len(text):,} characters{where})"


def _status_rule(reply: RawMessage) -> str:
    return "target.redirect" if http1.status(reply) in _REDIRECTS else "http.status"


class _Pair:
    """An exchange of the first capture and the one of the same id in the second, if there is one."""

    def __init__(self, expected: Exchange, actual: Exchange | None, spec: Spec) -> None:
        self.expected = expected
        self.actual = actual
        self.spec = spec
        self.left = Side(expected, spec)
        self.right = None if actual is None else Side(actual, spec, self.left)
        self.findings = _Findings(expected.id, "" if actual is None else actual.id, self.left)

    def judged(self) -> Judged:
        """The findings, and whether the replies were compared."""
        if self.actual is None or self.right is None:
            return self._alone()
        if self.left.known is None or self.left.known is not self.right.known:
            names = self.left.label, self.right.label
            if names[0].upper() != names[1].upper():
                return self._unlike("exchange.command", *names, "other command")
        if self.expected.reply is None and self.expected.error is None:
            return self._skipped("no reply was recorded")
        if self.expected.reply is None and self.actual.reply is None:
            code = named(self.actual.error)
            if code is None or code == (named(self.expected.error) or code):
                return self._skipped("no reply on either side")
        cuts = [reply.cut for reply in (self.expected.reply, self.actual.reply) if reply is not None]
        if any(cuts):
            found = self._found(self._around(self.actual), "reply")
            if found or (len(cuts) == 2 and cuts[0] == cuts[1]):
                return self._judged(found)
            return self._skipped("only the beginning of a reply was recorded")
        return self._judged(self._compared(self.actual, self.right))

    def _alone(self) -> Judged:
        if is_push(self.expected):
            return self._unlike("push.missing", _told(self.left.whole_reply, self.spec), None, ONLY_FIRST)
        return self._unlike("exchange.missing", None, None, ONLY_FIRST)

    def _unlike(self, rule: str, expected: str | None, actual: str | None, reason: str) -> Judged:
        deviation = Deviation(rule, None, None, expected, actual)
        return self._skipped(reason, self.findings.found([deviation], None))

    def _skipped(self, reason: str, findings: Iterable[Finding] = ()) -> Judged:
        return Judged(self.expected.id, None, reason, tuple(findings), self._connection())

    def _judged(self, findings: Sequence[Finding]) -> Judged:
        login = "" if self.right is None else _login(self.left, self.right)
        return Judged(self.expected.id, verdict(findings), None, tuple(findings), self._connection(), login)

    def _connection(self) -> str:
        return self.expected.client if self.expected.transport == "lines" else ""

    def _compared(self, actual: Exchange, right: Side) -> list[Finding]:
        found = self._found(self._replies(actual, right), "reply")
        return found if right.asks_as is not None else self._found(self._requests(right), "request") + found

    def _around(self, actual: Exchange) -> Iterator[Deviation]:
        """What differs beside the bodies."""
        old, new = self.expected.reply, actual.reply
        failed = self._failed(actual)
        codes = None if old is None or new is None else statuses(old.head, new.head)
        if failed is not None:
            yield failed
        elif codes is not None and new is not None:
            yield unlike(_status_rule(new), None, None, codes)

    def _requests(self, right: Side) -> Iterator[Deviation]:
        asked, again = self.left.asked, right.asked
        if asked is None or again is None or same_requests(asked, again, self.spec):
            return
        whole = self.left.whole_request(), right.whole_request()
        if whole[0] is not None and whole[1] is not None:
            yield from compare_requests(whole[0], whole[1], self.spec)

    def _found(self, deviations: Iterator[Deviation], direction: Direction) -> list[Finding]:
        """The findings of these deviations, which a hostile reply can make many: no more of them than are read."""
        found = self.findings.found(deviations, direction)
        if len(found) < 2:
            return found
        differences = [finding for finding in found if not finding.equivalent]
        more = self.findings.found([Deviation("more")], direction) if len(differences) > _MOST_FINDINGS else []
        equivalent = [finding for finding in found if finding.equivalent]
        return [*differences[:_MOST_FINDINGS], *more, *equivalent[:_MOST_FINDINGS]]

    def _replies(self, actual: Exchange, right: Side) -> Iterator[Deviation]:
        old, new = self.expected.reply, actual.reply
        around = list(self._around(actual))
        if around:
            yield from around
        elif old is not None and new is not None:
            if not plain(new.head) and http1.content(new) is None and http1.content(old) is not None:
                yield Deviation("target.coding", None, None, "a body that can be read", "one that cannot")
            else:
                yield from self._ends(old, new)
                packed = unasked_coding(self.expected), unasked_coding(actual)
                if packed[0] != packed[1]:
                    yield unlike("http.coding", None, None, (coding or "as it is" for coding in packed))
                yield from self._bodies(right)

    def _failed(self, actual: Exchange) -> Deviation | None:
        """What became of only one of the replies; None where both came, or broke off alike."""
        errors = self.expected.error, actual.error
        code = named(errors[1])
        rule = None if code is None or code == named(errors[0]) else TARGET + code
        if self.expected.reply is None:
            if actual.reply is None:
                return None if rule is None else unlike(rule, None, None, errors)
            return Deviation("reply.extra", None, None, errors[0], "a reply")
        if actual.reply is None:
            return Deviation(rule or "reply.missing", None, None, "a reply", errors[1])
        if (errors[0] is None) == (errors[1] is None):
            return None
        sides = (error or "a whole reply" for error in errors)
        return unlike(rule or "reply.broken", None, None, sides)

    @staticmethod
    def _ends(old: RawMessage, new: RawMessage) -> Iterator[Deviation]:
        if old.end and new.end and old.end != new.end:
            yield unlike("line.end", None, None, (_LINE_ENDS.get(side, "?") for side in (old.end, new.end)))

    def _bodies(self, right: Side) -> Iterable[Deviation]:
        known = self.left.known
        if known is not None and known is right.known:
            found = self._narrowed(right, known)
            if found is not None:
                return found
        assert self.left.body is not None
        assert right.body is not None
        bodies = self.left.body, right.body
        replies = self.left.reply(bodies[0]), right.reply(bodies[1])
        return Replies(replies, (self.left.numbered_request, right.numbered_request), bodies, self.spec).deviations()

    def _narrowed(self, right: Side, known: Command) -> Iterable[Deviation] | None:
        """What differs in the replies without what they have in common; None where they are to be read as wholes. Where
        no number is among it, it may have come before."""
        one, other = self.left.unnumbered, right.unnumbered
        if one is None or other is None or not one.stands_as(other):
            assert self.left.body is not None
            assert right.body is not None
            whole = apart(self.left.body, right.body, known)
            bodies = None if whole is None else whole.bodies(self.spec, self.left.asked == right.asked)
            requests = self.left.numbered_request, right.numbered_request
            return None if bodies is None else self._compared_replies(bodies, requests, known)
        parts = apart(one.said, other.said, known)
        if parts is None:
            return None
        alike = right.asks_as is not None
        single = parts.one_value(self.spec) if alike else None
        plain_one = None if single is None else plainly(*single, self.spec)
        return (plain_one,) if plain_one is not None else self._known(parts.bodies(self.spec, alike), right, known)

    def _known(self, bodies: tuple[bytes, bytes] | None, right: Side, known: Command) -> Iterable[Deviation] | None:
        """What came of these bodies before, or comes of them now."""
        if bodies is None or self.left.request is None or right.request is None:
            return None
        key = *bodies, self.left.request.body, right.request.body
        found: tuple[Deviation, ...] | None = self.spec.compared.get(key)
        if found is None:
            found = self._compared_replies(bodies, (self.left.message, right.message), known)
            if found is not None and sum(map(len, key)) <= _LONGEST:
                remember(self.spec, key, found)
        return found

    def _compared_replies(
        self, bodies: tuple[bytes, bytes], requests: tuple[Message | None, Message | None], known: Command
    ) -> tuple[Deviation, ...] | None:
        """The deviations of narrowed bodies; None where one is to another command than was asked."""
        left = recorded_reply(bodies[0], known, self.spec)
        right = decode_message(bodies[1], "reply", self.spec, known, checked=False)
        if left.command is not known or right.command is not known:
            return None
        return tuple(Replies((left, right), requests, bodies, self.spec).deviations())
