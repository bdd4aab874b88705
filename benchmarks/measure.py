"""Figures from rounds: each variant measured in each round, one right after the other, and ratios within a round.

Law: a ratio is only ever taken between two figures of one round, so that what the machine does beside it hits both.
What is told is the median of the rounds' ratios, and their least and greatest, never a mean.
"""

from collections.abc import Callable, Mapping
from statistics import median
from typing import Literal

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one benchmark says: the median over the rounds of `what`, its spread, and what is aimed for.

    `ratios` are those of the rounds, in order. `figures` are the medians of what was measured, by variant, in `unit`.
    """

    name: str
    what: str
    median: float
    least: float
    greatest: float
    sense: Literal["at least", "at most"]
    target: float
    ratios: tuple[float, ...]
    figures: dict[str, float]
    unit: str

    @property
    def met(self) -> bool:
        """Whether the median is on the right side of the target."""
        return self.median >= self.target if self.sense == "at least" else self.median <= self.target


Figures = Mapping[str, float]
"""What one measurement gave, by unit."""

Rounds = dict[str, list[Figures]]


def rounds(variants: Mapping[str, Callable[[], Figures]], number: int) -> Rounds:
    """Measure each variant once a round, beginning with another one each time."""
    names = list(variants)
    taken: Rounds = {name: [] for name in names}
    for turn in range(number):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(variants[name]())
    return taken


def ratio(taken: Rounds, over: str, under: str, *, name: str, target: float, unit: str) -> Result:
    """How much one variant makes of another in that unit, at least `target`."""
    ratios = [a[unit] / b[unit] for a, b in zip(taken[over], taken[under], strict=True)]
    return Result(
        name=name,
        what=f"{over} / {under}",
        median=median(ratios),
        least=min(ratios),
        greatest=max(ratios),
        sense="at least",
        target=target,
        ratios=tuple(ratios),
        figures={variant: median(one[unit] for one in taken[variant]) for variant in (over, under)},
        unit=unit,
    )
