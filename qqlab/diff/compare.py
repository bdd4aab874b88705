"""Two captures held against each other, exchange by exchange.

Law: exchanges belong together by their id, pushes by what they are (`qqlab.diff.pushes`), and unlike things are never
compared silently: another command, a request of other content, an exchange that only one side has is a finding. What
could not be compared is counted with its reason. Pure and total; files and printing are elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from qqlab import http1
from qqlab.codec import Decoded, decode
from qqlab.diff.finding import RULES, Deviation, Finding
from qqlab.diff.message import Replies, compare_requests
from qqlab.diff.pushes import is_push, pair_pushes
from qqlab.diff.values import said
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Direction, Spec

_MOST_FINDINGS = 100
_LINE_ENDS = {b"\n": "LF", b"\r\n": "CR LF"}

Verdict = Literal["equal", "equivalent", "different"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found.

    `total` counts the exchanges that either capture has; `equal`, `equivalent` and `different` those that were
    compared; `skipped` holds the ids of the others by reason. An exchange of the first capture that the second has
    not got is a finding as well as skipped. `findings` are in the order of the captures.
    """

    total: int
    equal: int
    equivalent: int
    different: int
    skipped: dict[str, tuple[str, ...]]
    findings: tuple[Finding, ...]

    @property
    def compared(self) -> int:
        """How many exchanges were compared."""
        return self.equal + self.equivalent + self.different

    @property
    def differences(self) -> tuple[Finding, ...]:
        """The findings that are no equivalences."""
        return tuple(finding for finding in self.findings if not finding.equivalent)


def compare(
    expected: Sequence[Exchange],
    actual: Sequence[Exchange],
    spec: Spec,
    *,
    skipped: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare the replies of two captures. `skipped` names ids that cannot be compared, each with the reason; a push
    that came nevertheless is compared."""
    known = dict(skipped or {})
    pairs, extra = _paired(expected, actual, known, spec)
    left_out = {exchange.id for exchange in expected} - {left.id for left, _ in pairs}
    verdicts = {"equal": 0, "equivalent": 0, "different": 0}
    reasons: dict[str, list[str]] = {}
    findings: list[Finding] = []
    for pair in pairs:
        outcome = _Pair(*pair, spec).outcome()
        findings.extend(outcome.findings)
        if outcome.skipped is None:
            verdicts[_verdict(outcome.findings)] += 1
        else:
            reasons.setdefault(outcome.skipped, []).append(pair[0].id)
    for exchange in extra:
        reasons.setdefault("only in the second capture", []).append(exchange.id)
        findings.append(_extra(exchange, spec))
    for identifier, reason in known.items():
        if identifier in left_out:
            reasons.setdefault(reason, []).append(identifier)
    return Comparison(
        total=len(pairs) + len(extra) + len(left_out),
        skipped={reason: tuple(ids) for reason, ids in reasons.items()},
        findings=tuple(findings),
        **verdicts,
    )


def _paired(
    expected: Sequence[Exchange], actual: Sequence[Exchange], known: Mapping[str, str], spec: Spec
) -> tuple[list[tuple[Exchange, Exchange | None]], list[Exchange]]:
    """The exchanges of the first capture with their counterparts, and those that only the second has."""
    asked = {exchange.id: exchange for exchange in actual if not is_push(exchange)}
    pushes = pair_pushes(filter(is_push, expected), filter(is_push, actual), spec)
    counterparts = {left.id: right for left, right in pushes if left is not None}
    all_pairs = [(e, counterparts.get(e.id) if is_push(e) else asked.get(e.id)) for e in expected]
    pairs = [(e, other) for e, other in all_pairs if e.id not in known or (is_push(e) and other is not None)]
    taken = {id(right) for _, right in pairs}
    return pairs, [e for e in actual if id(e) not in taken and (is_push(e) or e.id not in known)]


def _extra(exchange: Exchange, spec: Spec) -> Finding:
    decoded = decode(exchange, spec)
    push = is_push(exchange)
    deviation = Deviation("push.extra", actual=_told(decoded, spec)) if push else Deviation("exchange.extra")
    return _finding(exchange.id, decoded.command, deviation, None)


def _told(decoded: Decoded, spec: Spec) -> str:
    """What a push says, beside what every reply has."""
    fields = () if decoded.reply is None else decoded.reply.fields
    own = [field for field in fields if field.spec is None or field.spec not in spec.common.reply]
    values = {} if decoded.reply is None else decoded.reply.values()
    return ", ".join(f"{field.name} {said(field.value, field.spec, spec, values)}" for field in own)


def _verdict(findings: Iterable[Finding]) -> Verdict:
    severities = {finding.equivalent for finding in findings}
    return "different" if False in severities else "equivalent" if severities else "equal"


def _finding(identifier: str, command: str, deviation: Deviation, direction: Direction | None) -> Finding:
    return Finding(
        exchange=identifier,
        command=command,
        severity=RULES[deviation.rule][0],
        direction=direction,
        **deviation._asdict(),
    )


class _Outcome(NamedTuple):
    """What came of one pair; `skipped` says why its replies were not compared, None where they were."""

    findings: list[Finding]
    skipped: str | None = None


class _Pair:
    """An exchange of the first capture and the one of the same id in the second, if there is one."""

    def __init__(self, expected: Exchange, actual: Exchange | None, spec: Spec) -> None:
        self.expected = expected
        self.actual = actual
        self.spec = spec
        self.left = decode(expected, spec)
        self.right = None if actual is None else decode(actual, spec)

    def outcome(self) -> _Outcome:
        """The findings, and whether the replies were compared."""
        if is_push(self.expected) and self.actual is None:
            return self._unlike("push.missing", _told(self.left, self.spec), None, "only in the first capture")
        if self.actual is None or self.right is None:
            return self._unlike("exchange.missing", None, None, "only in the first capture")
        names = _label(self.left), _label(self.right)
        if names[0].upper() != names[1].upper():
            return self._unlike("exchange.command", *names, "other command")
        if self.expected.reply is None and self.expected.error is None:
            return _Outcome([], "no reply was recorded")
        if self.expected.reply is None and self.actual.reply is None:
            return _Outcome([], "no reply on either side")
        cuts = [reply.cut for reply in (self.expected.reply, self.actual.reply) if reply is not None]
        if any(cuts):
            same = len(cuts) == 2 and cuts[0] == cuts[1]
            return _Outcome([], None if same else "only the beginning of a reply was recorded")
        return _Outcome(list(self._compared(self.actual, self.right)))

    def _unlike(self, rule: str, expected: str | None, actual: str | None, reason: str) -> _Outcome:
        deviation = Deviation(rule, None, None, expected, actual)
        return _Outcome([_finding(self.expected.id, self.left.command, deviation, None)], reason)

    def _compared(self, actual: Exchange, right: Decoded) -> Iterator[Finding]:
        if self.left.request is not None and right.request is not None:
            yield from self._found(compare_requests(self.left.request, right.request, self.spec), "request")
        yield from self._found(self._replies(actual, right), "reply")

    def _found(self, deviations: Iterator[Deviation], direction: Direction) -> Iterator[Finding]:
        """The findings of these deviations, which a hostile reply can make many: no more of them than are read."""
        found = [_finding(self.expected.id, self.left.command, deviation, direction) for deviation in deviations]
        differences = [finding for finding in found if not finding.equivalent]
        yield from differences[:_MOST_FINDINGS]
        if len(differences) > _MOST_FINDINGS:
            yield _finding(self.expected.id, self.left.command, Deviation("more"), direction)
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
