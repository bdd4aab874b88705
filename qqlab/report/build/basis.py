"""What all parts of a report are made from, and how counts become parts of it.

Law: pure. Captured text stands in a report as it was, cut to a bounded length.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from qqlab import profile as profiles
from qqlab.profile import Profile
from qqlab.profile.model import CommandTally, FieldTally, MessageTally
from qqlab.report import model
from qqlab.report.say import Say
from qqlab.spec import Command, Direction, Field, Spec

# Names (clients, accounts, ...) that a report lists; the others are counted.
LISTED = 20

_Part = TypeVar("_Part", bound=model.Part)


class Basis(NamedTuple):
    """What was seen, what is documented, and the language in which both are told."""

    profile: Profile
    spec: Spec
    say: Say


def same(told: object, kind: type[_Part]) -> _Part:
    """What the spec says, as a part of the report that has the same names."""
    return msgspec.convert(told, kind, from_attributes=True)


def evidence(found: profiles.Evidence | None) -> model.Evidence:
    """Evidence as the report has it; None is nothing."""
    if found is None:
        return model.Evidence(count=0)
    return model.Evidence(
        count=found.count, exchanges=tuple(found.ids), more=found.more, first=found.first, last=found.last
    )


def added(one: model.Evidence | None, other: model.Evidence) -> model.Evidence:
    """The evidence of two things as that of both."""
    if one is None:
        return other
    exchanges = tuple(dict.fromkeys(one.exchanges + other.exchanges))
    return model.Evidence(
        count=one.count + other.count,
        exchanges=exchanges[: profiles.KEPT],
        more=one.more or other.more or len(exchanges) > profiles.KEPT,
        first=min((time for time in (one.first, other.first) if time is not None), default=None),
        last=max((time for time in (one.last, other.last) if time is not None), default=None),
    )


def listed(names: profiles.Names) -> model.Names:
    """Names as the report has them, the first of them by name."""
    first = [model.Name(name=name, count=count) for name, count in names.counts.items()]
    return model.Names(distinct=len(first), complete=names.more == 0, first=tuple(first[:LISTED]), about=names.about)


def messages(tally: CommandTally | None, direction: Direction) -> MessageTally:
    """What was seen of a command in one direction."""
    if tally is None:
        return MessageTally()
    return tally.request if direction == "request" else tally.reply


def tallies(profile: Profile, command: Command | None, direction: Direction, field: Field) -> Iterator[FieldTally]:
    """What was seen of a field: of a common one (whose command is None) in any command."""
    for name, tally in profile.commands.items():
        if command is None or name == command.name:
            found = messages(tally, direction).fields.get(field.name)
            if found is not None:
                yield found


def condition(field: str, values: Iterable[int], say: Say) -> str:
    """That a field has one of some values."""
    return f"{field} = {say.translated(' or ').join(map(str, values))}"


def rounded(seconds: float | None) -> float | None:
    """A duration to three digits, which is as exact as it was counted."""
    return None if seconds is None else float(f"{seconds:.3g}")
