"""What was compared, kept as far as a format tells of it: all exchanges by name, and both sides of those that differ.

Law: bounded: of a capture of any length, a line for each exchange where somebody wants them, and the bytes of the first
pairs with findings.
"""

from qqlab import wire
from qqlab.diff import Judged
from qqlab.exchange import Exchange
from qqlab.findings.context import Case, Sides
from qqlab.spec import Spec

MOST_SIDES = 400


class Seen:
    """A witness of a comparison (`qqlab.diff.Witness`) that keeps `cases` and `sides`, each only if it is wanted."""

    def __init__(self, spec: Spec, *, cases: bool = True, sides: bool = True) -> None:
        self.spec = spec
        self.cases: list[Case] = []
        self.sides: dict[tuple[str, str], Sides] = {}
        self._wants = cases, sides

    @property
    def wants_anything(self) -> bool:
        """Whether it keeps anything at all."""
        return any(self._wants)

    def __call__(self, expected: Exchange | None, actual: Exchange | None, judged: Judged) -> None:
        """One pair was judged, or was not to be."""
        if not (self._wants[0] or (self._wants[1] and judged.findings)):
            return
        ids = "" if expected is None else expected.id, "" if actual is None else actual.id
        if self._wants[0]:
            command = judged.findings[0].command if judged.findings else self._command(expected or actual)
            seconds = None if actual is None else actual.elapsed
            self.cases.append(Case(*ids, command, seconds, judged.skipped))
        if self._wants[1] and judged.findings and len(self.sides) < MOST_SIDES:
            self.sides[ids] = Sides(expected, actual)

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
