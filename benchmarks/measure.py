"""Figures from rounds: each variant measured in each round, one right after the other, and ratios within a round.

Law: a ratio is only ever taken between two figures of one round, so that what the machine does beside it hits both.
What is told is the median of the rounds' ratios, and their least and greatest, never a mean. What is wanted of a ratio
is no business of who measures it: that stands in `floors.toml`, under the benchmark's name and the ratio's key.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec


class Setting(NamedTuple):
    """What a benchmark is given: a folder of its own, one that all of a run share, and how much is to be measured."""

    folder: Path
    shared: Path
    scale: float = 1
    long: bool = False

    def number(self, usual: int, least: int = 100) -> int:
        """So many of something, at this scale."""
        return max(least, round(usual * self.scale))


class Result(msgspec.Struct, frozen=True, kw_only=True, tag="result"):
    """What is measured under a key: the median over the rounds, and the spread.

    `values` are those of the rounds, in order: ratios, where two variants are compared. `figures` are the medians of
    what was measured, by variant, in `unit`; `value_unit` is that of `values`, empty for a ratio.
    """

    key: str
    what: str
    median: float
    least: float
    greatest: float
    values: tuple[float, ...]
    figures: dict[str, float]
    unit: str
    value_unit: str = ""


class Skipped(msgspec.Struct, frozen=True, kw_only=True, tag="skipped"):
    """What could not be measured here, and why: a peer is not installed, say."""

    key: str
    why: str


Told = Result | Skipped

Figures = Mapping[str, float]
"""What one measurement gave, by unit."""

Rounds = dict[str, list[Figures]]


def rounds(variants: Mapping[str, Callable[[], Figures]], number: int, seconds: float = 60) -> Rounds:
    """Measure each variant once a round, beginning with another one each time: so many rounds, or fewer where the next
    one is not likely to end within so many seconds."""
    names = list(variants)
    taken: Rounds = {name: [] for name in names}
    began = time.monotonic()
    for turn in range(number):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(variants[name]())
        if (time.monotonic() - began) * (turn + 2) / (turn + 1) > seconds:
            break
    return taken


def ratio(taken: Rounds, over: str, under: str, *, key: str, unit: str, name: str = "") -> Result:
    """How much one variant makes of another in that unit. `name` says of what, where keys alone do not."""
    values = [a[unit] / b[unit] for a, b in zip(taken[over], taken[under], strict=True)]
    return result(
        values,
        key=key,
        what=f"{name}: {over} / {under}" if name else f"{over} / {under}",
        figures={variant: median(one[unit] for one in taken[variant]) for variant in (over, under)},
        unit=unit,
    )


def figure(taken: Rounds, variant: str, *, key: str, unit: str, name: str = "") -> Result:
    """What one variant makes, in that unit."""
    values = [one[unit] for one in taken[variant]]
    what = f"{name}: {variant}" if name else variant
    return result(values, key=key, what=what, figures={variant: median(values)}, unit=unit, value_unit=unit)


def result(
    values: Sequence[float], *, key: str, what: str, figures: dict[str, float], unit: str, value_unit: str = ""
) -> Result:
    """What values of rounds say together."""
    return Result(
        key=key,
        what=what,
        median=median(values),
        least=min(values),
        greatest=max(values),
        values=tuple(values),
        figures=figures,
        unit=unit,
        value_unit=value_unit,
    )
