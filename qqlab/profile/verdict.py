"""What the traffic says about the spec, in one word.

Law: of a field,
* `never seen`: documented, and in no message of its command and direction;
* `undocumented`: seen, and not in the spec for that command and direction;
* `contradicted`: seen, documented, and some value is not of the documented type, none of the constants, in no
  code table, a count that disagrees with the rows, or a repetition that does not repeat;
* `only empty`: seen, documented, and never with a value, so nothing can be said of it;
* `confirmed`: seen with a value, and nothing speaks against it.
Of a code value: `confirmed` (seen and documented), `undocumented` (seen only), `never seen` (documented only).
"""

from typing import Literal

from qqlab.profile.fold import FieldTally

Verdict = Literal["confirmed", "contradicted", "undocumented", "only empty", "never seen"]

VERDICTS: tuple[Verdict, ...] = ("contradicted", "undocumented", "confirmed", "only empty", "never seen")


def field_verdict(tally: FieldTally | None, documented: bool) -> Verdict:
    """The verdict on a field; `tally` is None where no message had it."""
    if tally is None or tally.seen.count == 0:
        return "never seen"
    if not documented:
        return "undocumented"
    if tally.contradictions:
        return "contradicted"
    return "confirmed" if tally.filled.count else "only empty"


def code_verdict(seen: bool, documented: bool) -> Verdict:
    """The verdict on a code value that was seen, or is documented, or both."""
    if not documented:
        return "undocumented"
    return "confirmed" if seen else "never seen"
