"""Two exchanges that belong together, judged: pure, total, and the same whoever asks.

Law: unlike things are never compared silently: another command, a request of other content, an exchange that only one
side has is a finding. What cannot be compared says why. Nothing outside the two exchanges and the spec counts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from qqlab import http1
from qqlab.codec import Decoded, decode
from qqlab.diff.finding import RULES, Deviation, Finding, identify
from qqlab.diff.message import Replies, compare_requests
from qqlab.diff.pushes import is_push
from qqlab.diff.values import said
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Direction, Spec

ONLY_FIRST = "only in the first capture"
ONLY_SECOND = "only in the second capture"

_MOST_FINDINGS = 100
_LINE_ENDS = {b"\n": "LF", b"\r\n": "CR LF"}

Verdict = Literal["equal", "equivalent", "different"]


class Judged(NamedTuple):
    """What came of one pair: a verdict, or else in `skipped` why the replies were not compared; and the findings, which
    there may be in either case. `exchange` is the id in the first capture, or in the second where only that has it."""

    exchange: str
    verdict: Verdict | None
    skipped: str | None
    findings: tuple[Finding, ...] = ()


def judge(expected: Exchange | None, actual: Exchange | None, spec: Spec) -> Judged:
    """Hold an exchange of the first capture against its counterpart; None where that side has none.

    Raises ValueError where there is neither.
    """
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
    decoded = decode(exchange, spec)
    push = is_push(exchange)
    deviation = Deviation("push.extra", actual=_told(decoded, spec)) if push else Deviation("exchange.extra")
    found = _Findings("", exchange.id, decoded).found([deviation], None)
    return Judged(exchange.id, None, ONLY_SECOND, tuple(found))


def _told(decoded: Decoded, spec: Spec) -> str:
    """What a push says, beside what every reply has."""
    fields = () if decoded.reply is None else decoded.reply.fields
    own = [field for field in fields if field.spec is None or field.spec not in spec.common.reply]
    values = {} if decoded.reply is None else decoded.reply.values()
    return ", ".join(f"{field.name} {said(field.value, field.spec, spec, values)}" for field in own)


class _Findings:
    """Makes findings of the deviations of one pair; each has its own id, the same in each run."""

    def __init__(self, exchange: str, actual: str, decoded: Decoded) -> None:
        self._ids = exchange, actual
        self._decoded = decoded
        self._seen: Counter[tuple[object, ...]] = Counter()

    def found(self, deviations: Iterable[Deviation], direction: Direction | None) -> list[Finding]:
        return [self._finding(deviation, direction) for deviation in deviations]

    def _finding(self, deviation: Deviation, direction: Direction | None) -> Finding:
        rule = RULES[deviation.rule]
        sides = ("first", self._ids[0]) if self._ids[0] else ("second", self._ids[1])
        place = (*sides, direction, deviation.field, deviation.row, deviation.rule)
        self._seen[place] += 1
        return Finding(
            id=identify(*place, self._seen[place]),
            exchange=self._ids[0],
            actual_exchange=self._ids[1],
            command=self._decoded.command,
            account=self._decoded.account or "",
            severity=rule.severity,
            reason=rule.reason,
            direction=direction,
            **deviation._asdict(),
        )


class _Pair:
    """An exchange of the first capture and the one of the same id in the second, if there is one."""

    def __init__(self, expected: Exchange, actual: Exchange | None, spec: Spec) -> None:
        self.expected = expected
        self.actual = actual
        self.spec = spec
        self.left = decode(expected, spec)
        self.right = None if actual is None else decode(actual, spec)
        self.findings = _Findings(expected.id, "" if actual is None else actual.id, self.left)

    def judged(self) -> Judged:
        """The findings, and whether the replies were compared."""
        if is_push(self.expected) and self.actual is None:
            return self._unlike("push.missing", _told(self.left, self.spec), None, ONLY_FIRST)
        if self.actual is None or self.right is None:
            return self._unlike("exchange.missing", None, None, ONLY_FIRST)
        names = _label(self.left), _label(self.right)
        if names[0].upper() != names[1].upper():
            return self._unlike("exchange.command", *names, "other command")
        if self.expected.reply is None and self.expected.error is None:
            return self._skipped("no reply was recorded")
        if self.expected.reply is None and self.actual.reply is None:
            return self._skipped("no reply on either side")
        cuts = [reply.cut for reply in (self.expected.reply, self.actual.reply) if reply is not None]
        if any(cuts):
            same = len(cuts) == 2 and cuts[0] == cuts[1]
            return self._judged(()) if same else self._skipped("only the beginning of a reply was recorded")
        return self._judged(self._compared(self.actual, self.right))

    def _unlike(self, rule: str, expected: str | None, actual: str | None, reason: str) -> Judged:
        deviation = Deviation(rule, None, None, expected, actual)
        return self._skipped(reason, self.findings.found([deviation], None))

    def _skipped(self, reason: str, findings: Iterable[Finding] = ()) -> Judged:
        return Judged(self.expected.id, None, reason, tuple(findings))

    def _judged(self, findings: Iterable[Finding]) -> Judged:
        found = tuple(findings)
        return Judged(self.expected.id, verdict(found), None, found)

    def _compared(self, actual: Exchange, right: Decoded) -> Iterator[Finding]:
        if self.left.request is not None and right.request is not None:
            yield from self._found(compare_requests(self.left.request, right.request, self.spec), "request")
        yield from self._found(self._replies(actual, right), "reply")

    def _found(self, deviations: Iterator[Deviation], direction: Direction) -> Iterator[Finding]:
        """The findings of these deviations, which a hostile reply can make many: no more of them than are read."""
        found = self.findings.found(deviations, direction)
        differences = [finding for finding in found if not finding.equivalent]
        yield from differences[:_MOST_FINDINGS]
        if len(differences) > _MOST_FINDINGS:
            yield from self.findings.found([Deviation("more")], direction)
        yield from [finding for finding in found if finding.equivalent][:_MOST_FINDINGS]

    def _replies(self, actual: Exchange, right: Decoded) -> Iterator[Deviation]:
        old, new = self.expected.reply, actual.reply
        if old is None:
            yield Deviation("reply.extra", None, None, self.expected.error, "a reply")
        elif new is None:
            yield Deviation("reply.missing", None, None, "a reply", actual.error)
        elif (self.expected.error is None) != (actual.error is None):
            sides = (exchange.error or "a whole reply" for exchange in (self.expected, actual))
            yield Deviation("reply.broken", None, None, *sides)
        else:
            # A reply that was handed down without its head is one that a client could read.
            statuses = _status(old) or str(http1.OK), _status(new)
            if statuses[1] is not None and statuses[0] != statuses[1]:
                yield Deviation("http.status", None, None, *statuses)
                return
            if old.end and new.end and old.end != new.end:
                yield Deviation("line.end", None, None, *(_LINE_ENDS.get(side, "?") for side in (old.end, new.end)))
            yield from Replies(self.left, right, (_body(old), _body(new)), self.spec).deviations()


def _label(decoded: Decoded) -> str:
    """What an exchange is: its command, and whether anybody asked."""
    return decoded.command if decoded.request is not None else f"{decoded.command} (no request)".lstrip()


def _status(reply: RawMessage) -> str | None:
    """The status code, or the start line where none can be read in it; None where the head is not known."""
    if not reply.head:
        return None
    code = http1.status(reply)
    return http1.parse_head(reply.head).start if code is None else str(code)


def _body(message: RawMessage) -> bytes:
    """The body that decoding read: without its content coding, where that can be undone."""
    content = http1.content(message)
    return message.body if content is None else content
