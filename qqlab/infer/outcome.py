"""Which values mean that it worked, and which that it did not.

Law: pure; told by what comes with a value and after it. A status is good where replies carry what their command has to
say, bad where they never do though the same command's replies do under another status. Any other code that says which
fields come tells success by what its hearer does next: after a failure he tries again, or is refused.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping

from qqlab.infer.support import FOLLOWS, SHARE, SIDE
from qqlab.infer.tally import After, CommandTally


def statuses(commands: Mapping[str, CommandTally], common: Collection[str]) -> dict[str, bool]:
    """The values of the status that mean success or failure; those about which nothing is known are not there."""
    full: Counter[str] = Counter()
    bare: Counter[str] = Counter()
    for command in commands.values():
        own = command.reply
        rich = {number for names, number in own.layouts.items() if not set(names) <= set(common)}
        says = {status for (status, number) in own.statuses if number in rich}
        for (status, number), count in own.statuses.items():
            if number in rich:
                full[status] += count
            elif says - {status}:
                bare[status] += count
    good = {status: True for status, count in full.items() if count >= SIDE}
    return good | {status: False for status, count in bare.items() if count >= SIDE and not full[status]}


def judged(command: CommandTally, field: str, values: Collection[int], good: Callable[[str], bool]) -> dict[int, bool]:
    """The values of a code that mean success or failure; none where not both are there."""
    shares = {value: _failing(command, field, str(value), good) for value in values}
    told = {
        value: share <= 1 - SHARE
        for value, share in shares.items()
        if share is not None and (share >= SHARE or share <= 1 - SHARE)
    }
    return told if len(set(told.values())) == 2 else {}


def _failing(command: CommandTally, field: str, value: str, good: Callable[[str], bool]) -> float | None:
    """The share of those who were told this value, under a good status, that tried again or were refused next."""
    told = (one for (status, *of), one in command.after.items() if of == [field, value] and good(status))
    after = list(told)
    total = sum(one.total for one in after)
    return sum(map(_bad(good), after)) / total if total >= FOLLOWS else None


def _bad(good: Callable[[str], bool]) -> Callable[[After], int]:
    return lambda after: after.retried + sum(count for (_, status), count in after.others.items() if not good(status))
