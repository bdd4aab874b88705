"""What the traffic says about the spec, in one word.

Law: of a field,
* `undocumented`: seen, and not in the spec for that command and direction;
* `contradicted`: documented, and some value is not of the documented type, none of the constants, in no code table,
  a count that disagrees with the rows, or a repetition that does not repeat; or its list is not as long as those
  beside it; or a whole message that must have it has not, even where no message has;
* `never seen`: documented, and in no message of its command and direction, none of which must have it;
* `only empty`: seen, documented, and never with a value, so nothing can be said of it;
* `confirmed`: seen with a value, and nothing speaks against it. That a field repeats the request's is more than its
  value can show: it is proven only where it was held against a request at least once (`is_proven`), and whoever
  shows the verdict says so where it was not.
Of a code value: `confirmed` (seen and documented), `undocumented` (seen only), `never seen` (documented only).
"""

from typing import Literal

from qqlab.profile.model import FieldTally

Verdict = Literal["confirmed", "contradicted", "undocumented", "disputed", "under-sampled", "only empty", "never seen"]

VERDICTS: tuple[Verdict, ...] = (
    "contradicted",
    "undocumented",
    "disputed",
    "confirmed",
    "only empty",
    "under-sampled",
    "never seen",
)


def field_verdict(tally: FieldTally | None, documented: bool) -> Verdict:
    """The verdict on a field; `tally` is None where no message had it, or had to have it."""
    if tally is None:
        return "never seen"
    if not documented:
        return "undocumented"
    if tally.contradictions:
        return "contradicted"
    if tally.seen.count == 0:
        return "never seen"
    return "confirmed" if tally.filled.count else "only empty"


def is_proven(tally: FieldTally, echo: bool) -> bool:
    """Whether a confirmed field was confirmed in all that the spec says of it, not in its value alone."""
    return not echo or tally.echo.held > 0


def code_verdict(seen: bool, documented: bool) -> Verdict:
    """The verdict on a code value that was seen, or is documented, or both."""
    if not documented:
        return "undocumented"
    return "confirmed" if seen else "never seen"
