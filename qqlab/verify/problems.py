"""What can be wrong with a recording: a catalogue of stable dotted rules, each with a severity and a sentence.

Law: an `error` means that the recording is not what it should be: the verification fails. A `warning` is odd but may be
right, an `info` is worth knowing.
"""

from collections import Counter
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "info"]

RULES: dict[str, tuple[Severity, str]] = {
    "compression": ("error", "The compression is damaged or cut off: nothing behind that can be read."),
    "decoded.other": ("info", "The `decoded` part is not what decoding says now; it is never read back."),
    "exchange.twice": ("error", "The same exchange stands there a second time."),
    "file.closed": ("error", "The file is packed in a way that is not looked into."),
    "id.gap": ("error", "Ids are missing between those of a recording."),
    "id.order": ("warning", "The id is lower than one before; a replay of several conversations at once does that."),
    "id.twice": ("error", "Another exchange has this id already."),
    "line.damaged": ("error", "The line is no exchange."),
    "line.long": ("error", "The line is too long to be read."),
    "line.torn": ("error", "The last line is cut off, as a crash leaves it."),
    "secret.common": ("error", "Redacted as it is said to be, the capture holds the hash of a common password."),
    "secret.found": ("error", "A secret of the accounts file stands there."),
    "secret.kept": ("info", "The capture is not redacted, and holds secret fields as they were sent."),
    "secret.short": (
        "info",
        "The secret is too short to be told from chance, and was not looked for.",
    ),
    "segment.before": ("error", "The segment before does not end where this one goes on."),
    "segment.missing": ("error", "A segment of the recording does not stand beside it."),
    "split": ("error", "Joining what a body was split into does not give the body."),
    "time.order": (
        "warning",
        "The exchange ended well before one that is written earlier: harmless where a replay was resumed or captures "
        "were put together; in a recording a clock was set back, and --speed 1 goes by wrong times.",
    ),
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong: `where` is `FILE:LINE` or a file, `rule` one of the catalogue, `text` says more."""

    rule: str
    severity: Severity
    where: str
    text: str


class Problems:
    """The problems of one verification: all are counted, the first `MOST` of each rule are kept."""

    MOST = 20

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.kept: list[Problem] = []

    def add(self, rule: str, where: str, text: str) -> None:
        """Note a problem."""
        self.counts[rule] += 1
        if self.counts[rule] <= self.MOST:
            self.kept.append(Problem(rule=rule, severity=RULES[rule][0], where=where, text=text))

    def number(self, severity: Severity) -> int:
        """How many there are of a severity."""
        return sum(count for rule, count in self.counts.items() if RULES[rule][0] == severity)
