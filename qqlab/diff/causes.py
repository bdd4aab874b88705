"""Which findings follow from which: what is wrong once is told once, with all that comes of it.

Law: pure on what was judged, in the order of the first capture. A finding follows from one cause at most, in an
earlier exchange or its own, and that from none; so causes and what nothing explains are what is wrong. Where nothing at
all came that is HTTP, that is the one cause, whatever came before it. What a login is, who is spoken
of, which code is a failure, the spec says: no command and no field is named here. In doubt a finding stands by itself.
"""

from collections.abc import Iterable, Iterator, Sequence

from qqlab.diff.finding import TARGET, Cause, Finding
from qqlab.diff.pair import Judged
from qqlab.diff.values import number
from qqlab.spec import Command, Spec

_LOGIN = "Who is not logged in is told nothing else, and is not there for others."
_LISTED = "What is told of somebody hangs on whether he is in the list."
_UNDONE = "What was not done, or otherwise, is seen by others afterwards."
_CONNECTION = "Nothing comes over a connection that is gone."
_GONE = "Nobody answers there."
_COUNTED = "The count stayed as it was, and its rows did not."
_NO_HTTP = "Nothing that came is HTTP: another program answers there, so is it the right port?"

_LACKING = ("row.missing", "push.missing")
_SURPLUS = ("row.extra", "push.extra")
_SEEN = (*_LACKING, *_SURPLUS, "row.value")
_UNANSWERED = ("exchange.missing", "reply.missing", "http.status")
_AWAY = (TARGET + "refused", TARGET + "unreachable")
_GARBAGE = TARGET + "no-http"
_FORBIDDEN = ("401", "403")

_Edge = frozenset[str]


def causes(judged: Iterable[Judged], spec: Spec, compared: int | None = None) -> tuple[Cause, ...]:
    """The causes among the findings of pairs, which stand in order. `compared` is how many exchanges were compared,
    those without findings too; None where that is not known."""
    judged = list(judged)
    stranger = _stranger(judged, compared)
    if stranger is not None:
        return (stranger,)
    explaining = _Explaining(spec)
    for one in judged:
        for finding in _in_turn(one.findings):
            if not finding.equivalent:
                explaining.add(finding, one.connection)
        explaining.end_login(one.login)
    return tuple(Cause(cause, explaining.why[cause], tuple(ids)) for cause, ids in explaining.following.items())


def _stranger(judged: Sequence[Judged], compared: int | None) -> Cause | None:
    """What explains all, where nothing that came in any exchange is HTTP."""
    found = []
    for finding in (finding for one in judged for finding in one.findings if not finding.equivalent):
        if not finding.rule.startswith(TARGET):
            return None
        found.append(finding)
    asked = sum(one.skipped is None and bool(one.findings) for one in judged)
    first = next((finding.id for finding in found if finding.rule == _GARBAGE), None)
    others = tuple(finding.id for finding in found if finding.id != first)
    return Cause(first, _NO_HTTP, others) if first is not None and others and asked == compared else None


def _in_turn(findings: Sequence[Finding]) -> Sequence[Finding]:
    """The findings of one exchange, a count behind its rows, since one of these may explain it."""
    return findings if len(findings) < 2 else sorted(findings, key=lambda finding: finding.rule == "count")


class _Explaining:
    """What was found so far, as far as it explains what may come."""

    def __init__(self, spec: Spec) -> None:
        self.following: dict[str, list[str]] = {}
        self.why: dict[str, str] = {}
        self._spec = spec
        self._logins: dict[str, tuple[str, bool]] = {}  # by account: the cause, and whether it is the actual side's
        self._listed: dict[tuple[_Edge, str], str] = {}
        self._undone: dict[_Edge, str] = {}
        self._connections: dict[str, str] = {}
        self._rows: dict[tuple[str, str, str], str] = {}  # by exchange and the count of its table
        self._failure: str | None = None

    def add(self, finding: Finding, connection: str) -> None:
        """Explain a finding by those before, and take it as what may explain others."""
        cause, why = next(self._explained(finding, connection), (finding.id, ""))
        if why:
            self.following.setdefault(cause, []).append(finding.id)
            self.why.setdefault(cause, why)
        self._remember(finding, connection, cause)

    def end_login(self, account: str) -> None:
        """That account is logged in on both sides from here on: what came of a login before explains nothing more."""
        self._logins.pop(account, None)

    def _explained(self, finding: Finding, connection: str) -> Iterator[tuple[str, str]]:
        """The causes that a finding may follow from, each with the reason, the nearest first."""
        is_failure = _failed(finding)
        if is_failure or finding.rule in _LACKING:
            yield from self._by(_CONNECTION, self._connections.get(connection))
        if finding.rule in _AWAY:
            yield from self._by(_GONE, self._failure)
        if (login := self._logins.get(finding.account)) is not None and self._turned_away(finding) is login[1]:
            yield login[0], _LOGIN
        if finding.rule in _SEEN:
            yield from self._seen(finding)
        if finding.rule == "count" and number(finding.expected) == number(finding.actual) is not None:
            yield from self._by(
                _COUNTED, self._rows.get((finding.exchange, finding.actual_exchange, finding.field or ""))
            )

    def _seen(self, finding: Finding) -> Iterator[tuple[str, str]]:
        """Why an account may see otherwise what others are and do."""
        for other in finding.about:
            edge = frozenset((finding.account, other))
            yield from self._by(_LISTED, self._listed.get((edge, _side(finding))))
            yield from self._by(_UNDONE, self._undone.get(edge) or self._undone.get(frozenset((other,))))
            login = self._logins.get(other)
            yield from self._by(_LOGIN, None if login is None else login[0])

    @staticmethod
    def _by(why: str, cause: str | None) -> Iterator[tuple[str, str]]:
        if cause is not None:
            yield cause, why

    def _remember(self, finding: Finding, connection: str, cause: str) -> None:
        command = self._spec.command(finding.command)
        is_failure = _failed(finding)
        if is_failure and connection:
            self._connections.setdefault(connection, cause)
        self._failure = (self._failure or cause) if finding.rule.startswith(TARGET) else None
        if command is None:
            return
        if finding.rule in ("row.missing", "row.extra"):
            for count in _counts(command, finding):
                self._rows.setdefault((finding.exchange, finding.actual_exchange, count), cause)
        if command.logs_in and (is_failure or finding.rule == "code"):
            refused = True if is_failure else self._refused(finding)
            if refused is not None:
                self._logins.setdefault(finding.account, (cause, refused))
        if command.effect == "write" and (is_failure or finding.rule == "code"):
            others = finding.about or ("",)
            for other in others:
                self._undone.setdefault(frozenset(filter(None, (finding.account, other))), cause)
        if finding.rule in _SEEN and finding.row in finding.about:
            self._listed.setdefault((frozenset((finding.account, finding.row)), _side(finding)), cause)

    def _turned_away(self, finding: Finding) -> bool | None:
        """Whether the actual side refuses to do anything here, or (False) the expected one; None where neither."""
        if finding.rule == "http.status":
            return True if finding.actual in _FORBIDDEN else False if finding.expected in _FORBIDDEN else None
        if finding.rule != "code" or finding.field != self._spec.roles.status:
            return None
        return self._refused(finding)

    def _refused(self, finding: Finding) -> bool | None:
        """Whether a code says on the actual side that it failed, or (False) on the expected one; None where both do, or
        neither."""
        known = self._spec.field(self._spec.command(finding.command), "reply", finding.field or "")
        if known is None:
            return None
        codes = [self._spec.code(known, number(side)) for side in (finding.expected, finding.actual)]
        failed = [code is not None and code.ok is False for code in codes]
        return None if failed[0] == failed[1] else failed[1]


def _counts(command: Command, finding: Finding) -> Iterator[str]:
    """The fields that count the rows which a finding is about."""
    for rows in command.rows:
        if rows.count is not None and rows.direction == finding.direction and rows.key == finding.field:
            yield rows.count


def _side(finding: Finding) -> str:
    """Which side has what the other lacks; for a row that differs, neither."""
    return "expected" if finding.rule in _LACKING else "actual" if finding.rule in _SURPLUS else ""


def _failed(finding: Finding) -> bool:
    """Whether the exchange came to nothing, as a whole."""
    return finding.rule in _UNANSWERED or finding.rule.startswith(TARGET)
