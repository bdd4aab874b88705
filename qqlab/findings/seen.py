"""What was compared, kept as far as a format tells of it: all exchanges by name, and both sides of those that differ.

Law: bounded: of a capture of any length, a line for each exchange where somebody wants them, and the bytes of the first
pairs with findings.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from qqlab import wire
from qqlab.diff import Judged, Paired, Place
from qqlab.exchange import Exchange
from qqlab.findings.context import Case, Sides
from qqlab.spec import Spec

MOST_SIDES = 400

_Ids = tuple[str, str]


class Seen:
    """A witness of a comparison (`qqlab.diff.Witness`) that keeps `cases` and `sides`, each only if it is wanted."""

    def __init__(self, spec: Spec, *, cases: bool = True, sides: bool = True) -> None:
        self.spec = spec
        self._cases: list[tuple[Place, Case]] = []
        self._sides: list[tuple[Place, _Ids, Sides]] = []
        self._wants = cases, sides
        self._told = 0

    @property
    def wants_anything(self) -> bool:
        """Whether it keeps anything at all."""
        return any(self._wants)

    @property
    def wants(self) -> tuple[bool, bool]:
        """Whether it keeps cases, and sides."""
        return self._wants

    @property
    def cases(self) -> list[Case]:
        """All exchanges by name, in their order."""
        return [case for _, case in sorted(self._cases, key=itemgetter(0))]

    @property
    def sides(self) -> dict[_Ids, Sides]:
        """Both sides of the first that have findings, by their ids."""
        return {ids: sides for _, ids, sides in sorted(self._sides, key=itemgetter(0))[:MOST_SIDES]}

    def __call__(self, expected: Exchange | None, actual: Exchange | None, judged: Judged) -> None:
        """One pair was judged, or was not to be; pairs come in order."""
        self._told += 1
        self.see(Paired((0, self._told), expected, actual), judged)

    def see(self, pair: Paired, judged: Judged) -> None:
        """One pair was judged, or was not to be; pairs come in any order."""
        if not (self._wants[0] or (self._wants[1] and judged.findings)):
            return
        expected, actual = pair.expected, pair.actual
        ids = "" if expected is None else expected.id, "" if actual is None else actual.id
        if self._wants[0]:
            command = judged.findings[0].command if judged.findings else self._command(expected or actual)
            seconds = None if actual is None else actual.elapsed
            self._cases.append((pair.place, Case(*ids, command, seconds, judged.skipped)))
        if self._wants[1] and judged.findings:
            self._keep([(pair.place, ids, Sides(expected, actual))])

    def kept(self) -> "Kept":
        """All that it keeps, to be merged elsewhere."""
        return Kept(self._cases, self._sides)

    def merge(self, kept: "Kept") -> None:
        """Keep what another one has, of other pairs."""
        self._cases += kept.cases
        self._keep(kept.sides)

    def _keep(self, sides: Iterable[tuple[Place, _Ids, Sides]]) -> None:
        self._sides += sides
        if len(self._sides) >= 2 * MOST_SIDES:
            self._sides = sorted(self._sides, key=itemgetter(0))[:MOST_SIDES]

    def _command(self, exchange: Exchange | None) -> str:
        """The command of an exchange, without decoding the rest of it."""
        message = None if exchange is None else exchange.request or exchange.reply
        role = self.spec.roles.command.upper().encode()
        for key, value in wire.split(b"" if message is None else message.body):
            if key.upper() == role and value is not None:
                name = value.decode("utf-8", "replace").strip()
                known = self.spec.command(name)
                return name if known is None else known.name
        return ""


class Kept(NamedTuple):
    """What a witness keeps, with places."""

    cases: list[tuple[Place, Case]]
    sides: list[tuple[Place, _Ids, Sides]]
