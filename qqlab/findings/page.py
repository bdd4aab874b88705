"""Findings as one HTML page that needs nothing beside itself: each finding with both sides, field by field.

Law: layout stands in the template. No script runs, on any page: filters are form controls that style sheets ask about,
and what a style sheet names is made from numbers. Every value that is printed passes `visible` and the escaping of
HTML by the environment. Bounded: the first findings are listed, and the first pairs shown whole.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qqlab.codec import Severity
from qqlab.diff import Comparison, Finding
from qqlab.findings.beside import Beside, Mark, Pair
from qqlab.findings.context import SEVERITIES, Context
from qqlab.findings.kinds import by_rule, count, headline, kinds
from qqlab.findings.text import summary
from qqlab.findings.words import title, where
from qqlab.visible import visible

MOST = 1000
_OPEN = 5
_MOST_CAUSES = 12
_SIGNS: dict[Mark, str] = {
    "written": "written otherwise",
    "differs": "differs",
    "missing": "only expected",
    "extra": "only got",
    "wrong": "does not fit its rows",
}


class Shown(NamedTuple):
    """One finding as the page shows it.

    `others` are the other findings of its kind, and `hint` what else may be the reason.

    `group` numbers the cause that it is of, or is, 0 for none. `pairs` are both sides, empty where they stand under
    another finding, whose anchor `pairs_at` is then, or are not at hand.
    """

    finding: Finding
    anchor: str
    title: str
    where: str
    line: int
    again: str | None
    command: int
    group: int
    pairs: tuple[Pair, ...]
    pairs_at: str
    why: str = ""
    follows: "tuple[Shown, ...]" = ()
    others: "tuple[Shown, ...]" = ()
    hint: str = ""


class _Page:
    """Makes what the template prints."""

    def __init__(self, comparison: Comparison, context: Context) -> None:
        self.context = context
        self.comparison = comparison
        self.beside = Beside(context.spec)
        self.commands: dict[str, int] = {}
        self.anchors: dict[tuple[str, str], str] = {}
        self.miscounted = _miscounted(comparison.findings)
        self.room = MOST
        self.left_out = 0

    def shown(self) -> list[Shown]:
        """The findings in order: the first of each kind with the others under it, consequences under their causes."""
        told: list[Shown] = []
        groups = 0
        for kind in kinds(self.comparison, self.context):
            group = 0
            if kind.cause is not None:
                group = groups = groups + 1
            made = self._all(kind.findings, group)
            if kind.cause is not None and made:
                follows = self._all((one for follow in kind.follows for one in follow.findings), group)
                made = [made[0]._replace(follows=tuple(follows), why=kind.cause.why)]
            told += [made[0]._replace(others=tuple(made[1:]), hint=kind.hint)] if made else []
        return told

    def _all(self, findings: Iterable[Finding], group: int) -> list[Shown]:
        made = []
        for finding in findings:
            if self.room <= 0:
                self.left_out += 1
                continue
            self.room -= 1
            made.append(self._one(finding, group))
        return made

    def _one(self, finding: Finding, group: int) -> Shown:
        number = MOST - self.room
        anchor = f"f-{finding.id}" if re.fullmatch("[0-9a-f]+", finding.id) else f"f-n{number}"
        ids = finding.exchange, finding.actual_exchange
        at = self.anchors.setdefault(ids, anchor)
        sides = self.context.sides.get(ids)
        return Shown(
            finding=finding,
            anchor=anchor,
            title=title(finding, self.context.spec),
            where=where(finding),
            line=self.context.line(finding),
            again=self.context.again(finding),
            command=self.commands.setdefault(finding.command, len(self.commands)),
            group=group,
            pairs=tuple(self.beside.pairs(sides, self.miscounted.get(ids, ())))
            if sides is not None and at == anchor
            else (),
            pairs_at=at if at != anchor and sides is not None else "",
        )


def render(comparison: Comparison, context: Context) -> Iterator[str]:
    """The page, piece by piece."""
    page = _Page(comparison, context)
    shown = page.shown()
    counts = count(comparison)
    severities: list[Severity] = [one for one in reversed(SEVERITIES) if counts.severities[one]]
    yield from (
        _environment()
        .get_template("findings.html.j2")
        .generate(
            comparison=comparison,
            context=context,
            counts=counts,
            headline=headline(counts),
            shown=shown,
            left_out=page.left_out,
            commands=page.commands,
            causes=[one for one in shown if one.follows][:_MOST_CAUSES],
            severities=[one for one in severities if one != "info" or context.equivalent],
            ignored=by_rule(comparison),
            summary=summary(comparison),
            opened=_OPEN,
        )
    )


def _miscounted(findings: Iterable[Finding]) -> dict[tuple[str, str], set[str]]:
    """The counts that do not fit their rows, by the ids of the exchanges: side by side they may look alike."""
    told: dict[tuple[str, str], set[str]] = {}
    for finding in findings:
        if finding.rule == "count" and finding.field is not None:
            told.setdefault((finding.exchange, finding.actual_exchange), set()).add(finding.field)
    return told


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("qqlab.findings", "templates"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": lambda number: f"{number:,}", "lines": _lines}
    environment.globals |= {"title": title, "where": where, "signs": _SIGNS}
    return environment


def _visible(value: Any) -> Any:
    """What is about to be printed; the environment escapes it afterwards."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(text: str) -> list[str]:
    """A message's lines, their ends left to be seen as they are but for the usual ones."""
    return [line.removesuffix("\r") for line in text.split("\n")]
