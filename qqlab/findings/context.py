"""What a teller of findings needs beside the comparison: names, the spec and where it stands, what was compared.

Law: frozen values; whoever compares makes one, and each format reads it. Nothing here opens a file.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import PurePath
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from qqlab.codec import Severity
from qqlab.diff import Finding
from qqlab.exchange import Exchange
from qqlab.spec import BUILTIN, Places, Spec

# From mild to severe.
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")

_MOST_ASKED = 50
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:-]*")


class Sides(NamedTuple):
    """The exchange of the first capture and its counterpart; None where there is none."""

    expected: Exchange | None
    actual: Exchange | None


class Case(NamedTuple):
    """One exchange that was compared, or was to be: both ids (empty where there is none), its command, how long the
    second one's reply took in seconds (None where that is not known), and why it was not compared, if it was not."""

    exchange: str
    actual_exchange: str
    command: str
    seconds: float | None = None
    skipped: str | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What findings are told with.

    `expected` and `actual` name the captures, the second one empty where it was kept nowhere; `time` is when they were
    compared (aware, UTC); `target` is the server that a replay asked, None for a comparison of captures; `course` tells
    how that replay went. `command` is the command line that compares anew, in words,
    to which `--only ID` is added. `spec_file` is the spec as whoever reads the result finds it: a path, absolute or
    from where the comparison was made, and `spec_text` what stands in it. `cases` are all exchanges in order, and
    `sides` those that findings are about, by both ids. `fail_on` is the mildest severity that makes a comparison fail.
    `equivalent` and `suppressed` tell whether findings are listed that are none but in writing, or were suppressed.
    """

    spec: Spec
    spec_text: str
    expected: str
    actual: str
    time: datetime
    target: str | None = None
    course: Mapping[str, object] | None = None
    command: tuple[str, ...] = ()
    spec_file: str = BUILTIN
    cases: Sequence[Case] = ()
    sides: Mapping[tuple[str, str], Sides] = {}
    fail_on: Severity = "warning"
    equivalent: bool = False
    suppressed: bool = False

    @cached_property
    def places(self) -> Places:
        """The lines of the spec file."""
        return Places(self.spec_text)

    def line(self, finding: Finding) -> int:
        """The line of the spec file that says how it should be: of the field, or of the value that was expected of a
        code, else of the command."""
        if finding.direction is None or finding.field is None:
            return self.places.command(finding.command)
        place = finding.command, finding.direction, finding.field
        number = re.match(r"-?\d{1,9}(?=\Z|\s)", finding.expected or "", re.ASCII)
        if finding.rule in ("code", "row.value") and number is not None:
            return self.places.value(self.spec, *place, int(number[0]))
        return self.places.field(*place)

    @property
    def spec_uri(self) -> str:
        """The spec file as a URI reference."""
        path = PurePath(self.spec_file)
        return path.as_uri() if path.is_absolute() else quote(self.spec_file)

    def again(self, *findings: Finding) -> str | None:
        """The command line that shows just these again, in order; None where nothing can be asked anew. Of very many it
        asks for the first, and says in a comment of the shell how many more there are."""
        ids = sorted({self._asked(finding) for finding in findings} - {""}, key=_in_order)
        if not self.command or not ids:
            return None
        more = f"  # and {len(ids) - _MOST_ASKED:,} more" if len(ids) > _MOST_ASKED else ""
        return " ".join([*map(shlex.quote, self.command), *map(_only, ids[:_MOST_ASKED])]) + more

    def _asked(self, finding: Finding) -> str:
        """The id to ask for; a replay can send nothing that was not recorded."""
        return finding.exchange or ("" if self.target is not None else finding.actual_exchange)

    def fails(self, finding: Finding) -> bool:
        """Whether the finding is severe enough to make the comparison fail."""
        return SEVERITIES.index(finding.severity) >= SEVERITIES.index(self.fail_on)


def _in_order(identifier: str) -> tuple[bool, int, str]:
    """Numbers by what they count, before all else."""
    is_number = identifier.isdecimal()
    return not is_number, len(identifier) if is_number else 0, identifier


def _only(identifier: str) -> str:
    # What begins with a dash would be read as an option.
    joined = " " if _PLAIN_ID.fullmatch(identifier) or not identifier.startswith("-") else "="
    return f"--only{joined}{shlex.quote(identifier)}"
