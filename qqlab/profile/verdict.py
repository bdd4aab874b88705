"""What the traffic says about the spec, in one word, and how sure that is.

Law: of a field,
* `undocumented`: seen, and not in the spec for that command and direction;
* `contradicted`: documented, and some value is not of the documented type, none of the constants, in no code table,
  a count that disagrees with the rows, or a repetition that does not repeat; or its list is not as long as those
  beside it; or a whole message that must have it has not, even where no message has;
* `under-sampled`: documented, and in none of so few messages of its command and direction (fewer than 300) that it may
  well be in others: with 95% confidence in no more than 3/n of all (`bound`);
* `never seen`: the same of enough messages, or of none at all, which says nothing;
* `only empty`: seen, documented, and never with a value, so nothing can be said of it;
* `disputed`: else confirmed, but sources read a value that it had in different ways, and the traffic does not settle
  which is right;
* `confirmed`: seen with a value, and nothing speaks against it. That a field repeats the request's is more than its
  value can show: it is proven only where it was held against a request at least once (`is_proven`), and whoever
  shows the verdict says so where it was not.
Of a code value, or a command: the same words, of the values that its place had, or of all exchanges.
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

# So many times must something be looked for in vain to call it never seen: then it is in at most one of a hundred.
ENOUGH = 300


def bound(of: int) -> float | None:
    """The greatest share of all in which a thing may be that was in none of `of`, with 95% confidence: the rule of
    three. None where nothing was looked at."""
    return min(1.0, 3 / of) if of > 0 else None


def field_verdict(tally: FieldTally | None, documented: bool, of: int = 0, *, disputed: bool = False) -> Verdict:
    """The verdict on a field; `tally` is None where none of `of` messages had it, or had to have it."""
    if tally is None:
        return _unseen(of)
    if not documented:
        return "undocumented"
    if tally.contradictions:
        return "contradicted"
    if tally.seen.count == 0:
        return _unseen(of)
    if not tally.filled.count:
        return "only empty"
    return "disputed" if disputed else "confirmed"


def is_proven(tally: FieldTally, echo: bool) -> bool:
    """Whether a confirmed field was confirmed in all that the spec says of it, not in its value alone."""
    return not echo or tally.echo.held > 0


def code_verdict(seen: bool, documented: bool, of: int = 0, *, disputed: bool = False) -> Verdict:
    """The verdict on a code value, or a command, that was seen among `of`, or is documented, or both."""
    if not documented:
        return "undocumented"
    if not seen:
        return _unseen(of)
    return "disputed" if disputed else "confirmed"


def _unseen(of: int) -> Verdict:
    return "under-sampled" if 0 < of < ENOUGH else "never seen"
