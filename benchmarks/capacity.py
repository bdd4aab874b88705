"""What a report of a terabyte would take on 64 cores, and what would break first: computed from what was measured.

Law: each figure of the model is either a result of the same run, with the spread of its rounds, or an assumption that
is told as one. What lies beyond the machine that measured is extrapolated in a way that is written down.
"""

from collections.abc import Sequence
from typing import NamedTuple

from report import Report

TOTAL = 1e12  # bytes
CORES = 64
NETWORK = 1.25e9  # bytes a second that the storage gives all cores together: 10 Gbit/s. An assumption.
WORKERS = tuple(2**power for power in range(13))
_SCHEDULED = (1, 2, 4, 8)


class Spread(NamedTuple):
    """A figure: its median, and the least and the greatest of its rounds."""

    median: float
    least: float
    greatest: float

    def times(self, factor: float) -> "Spread":
        """So many times that."""
        return Spread(self.median * factor, self.least * factor, self.greatest * factor)


class Model(NamedTuple):
    """What the model reckons with, in seconds and bytes.

    `cost` is a processor's time for an exchange, of `size` bytes in the capture; `chunk` the bytes of a chunk, `extra`
    what one takes a worker beside its exchanges, `merge` what its part takes to be merged where all come together,
    `dispatch` what it takes the scheduler at one worker, and `grows` what that gains with each one more. `fixed` is
    what a report takes however short the capture is, `efficiency` what a second process adds of what it would at best,
    and `memory` what the process that merges keeps for an exchange.
    """

    cost: Spread
    size: Spread
    chunk: Spread
    extra: Spread
    merge: Spread
    dispatch: Spread
    grows: Spread
    fixed: Spread
    efficiency: Spread
    memory: Spread


def model(report: Report) -> Model | None:
    """The model, where all that it needs was measured."""
    found = {
        (name, key): report.find(name, key)
        for name, key in (
            *(("report", key) for key in ("cost", "size", "fixed", "scaling", "memory-each")),
            *(("chunk", key) for key in ("size", "merge")),
            *(("cluster", f"{kind}-{number}") for kind in ("empty", "real") for number in _SCHEDULED),
        )
    }
    if any(one is None for one in found.values()):
        return None

    def spread(name: str, key: str, factor: float) -> Spread:
        one = found[name, key]
        assert one is not None
        return Spread(one.median, one.least, one.greatest).times(factor)

    empty = [spread("cluster", f"empty-{number}", 1e-3) for number in _SCHEDULED]
    lines = [_line(_SCHEDULED, [one[part] for one in empty]) for part in range(3)]
    return Model(
        cost=spread("report", "cost", 1e-6),
        size=spread("report", "size", 1),
        chunk=spread("chunk", "size", 1e6),
        extra=spread("cluster", "real-1", 1e-3),
        merge=spread("chunk", "merge", 1e-3),
        dispatch=Spread(*(line[0] + line[1] for line in lines)),
        grows=Spread(*(max(0.0, line[1]) for line in lines)),
        fixed=spread("report", "fixed", 1),
        efficiency=spread("report", "scaling", 0.5),
        memory=spread("report", "memory-each", 1),
    )


def _line(places: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The straight line that comes nearest to these values: what it is at 0, and how steep."""
    middle, mean = sum(places) / len(places), sum(values) / len(values)
    steep = sum((place - middle) * (value - mean) for place, value in zip(places, values, strict=True)) / sum(
        (place - middle) ** 2 for place in places
    )
    return mean - steep * middle, steep


def bounds(made: Model, cores: int, part: int = 0) -> dict[str, float]:
    """The seconds that each of what goes on side by side takes for all, at so many cores: the longest is what one
    waits for. `part` chooses the medians (0), or the best (1) or the worst (2) of what was measured."""
    worst, best = (2, 1) if part == 2 else (1, 2) if part == 1 else (0, 0)
    exchanges, chunks = TOTAL / made.size.median, TOTAL / made.chunk.median
    at_once = cores * min(1.0, made.efficiency[best]) if cores > 1 else 1.0
    return {
        "work": (exchanges * made.cost[worst] + chunks * max(0.0, made.extra[worst])) / at_once,
        "coordinating": chunks * (made.dispatch[worst] + made.grows[worst] * (cores - 1) + made.merge[worst]),
        "reading": TOTAL / NETWORK,
    }


def _total(made: Model, cores: int, part: int = 0) -> float:
    return made.fixed[part] + max(bounds(made, cores, part).values())


def breaking(made: Model) -> list[tuple[str, int]]:
    """What holds the work up, each with the least number of cores at which it takes as long as the work: the first of
    them breaks first."""
    found = []
    for name in ("coordinating", "reading"):
        cores = next((cores for cores in range(1, 100_001) if _is_held_up(bounds(made, cores), name)), None)
        if cores is not None:
            found.append((name, cores))
    return sorted(found, key=lambda one: one[1])


def _is_held_up(found: dict[str, float], name: str) -> bool:
    return found[name] >= found["work"]


_NAMES = {
    "coordinating": "the one process that hands out chunks and merges their parts",
    "reading": "the storage, which all cores read from",
}


def text(report: Report) -> str:
    """The last part of the page."""
    made = model(report)
    head = "## A terabyte on 64 cores\n"
    if made is None:
        return f"{head}\nNot all that the model needs was measured in this run (report, chunk, cluster).\n"
    return "\n".join([head, *_inputs(made), *_formula(), *_outcome(made)])


def _inputs(made: Model) -> list[str]:
    rows: list[tuple[str, str, Spread, str]] = [
        ("c", "processor time for an exchange", made.cost.times(1e6), "us"),
        ("b", "bytes of an exchange in the capture", made.size, "bytes"),
        ("B", "bytes of a chunk", made.chunk.times(1e-6), "MB"),
        ("o", "what a chunk takes its worker beside its exchanges", made.extra.times(1e3), "ms"),
        ("m", "merging the part of a chunk", made.merge.times(1e3), "ms"),
        ("d", "what a chunk takes the scheduler, one worker", made.dispatch.times(1e3), "ms"),
        ("g", "what it takes more with each worker more", made.grows.times(1e3), "ms"),
        ("f", "a report of next to nothing", made.fixed, "s"),
        ("e", "of a second process's time, what counts", made.efficiency.times(100), "%"),
        ("k", "what the merging process keeps of an exchange", made.memory, "bytes"),
    ]
    table = [f"| {sign} | {what} | {_shown(spread, unit)} |" for sign, what, spread, unit in rows]
    assumed = f"| n | what the storage gives (assumed: 10 Gbit/s, not measured) | {NETWORK / 1e9:g} GB/s |"
    return ["| | what was measured | median (least … greatest) |", "|---|---|---|", *table, assumed, ""]


def _shown(spread: Spread, unit: str) -> str:
    middle = f"{spread.median:,.3g}" if abs(spread.median) < 1000 else f"{spread.median:,.0f}"
    if spread.least == spread.greatest:
        return f"{middle} {unit}"
    return f"{middle} {unit} ({spread.least:.3g} … {spread.greatest:.3g})"


def _formula() -> list[str]:
    return [
        "With T bytes and W cores, three things go on side by side, and the longest is what one waits for:",
        "",
        "```",
        "work         = (T/b * c + T/B * o) / (W * e)",
        "coordinating = T/B * (d + g * (W - 1) + m)",
        "reading      = T / n",
        "time         = f + max(work, coordinating, reading)",
        "```",
        "",
    ]


def _outcome(made: Model) -> list[str]:
    at = bounds(made, CORES)
    rows = [f"| {name} | {_minutes(at[name])} | {_minutes(*_ends(made, name))} |" for name in at]
    total, best, worst = (_total(made, CORES, part) for part in (0, 1, 2))
    broken = breaking(made)
    told = [f"{_NAMES[name]} (from {cores:,} cores on)" for name, cores in broken]
    first = f"**What breaks first: {told[0]}**" if told else "**Nothing breaks up to 100,000 cores**"
    others = f"; then {'; then '.join(told[1:])}." if len(told) > 1 else "."
    exchanges, chunks = TOTAL / made.size.median, TOTAL / made.chunk.median
    kept = max(0.0, made.memory.median) * exchanges / 1e9
    return [
        f"For {TOTAL / 1e12:g} TB, which is {exchanges / 1e6:,.0f} million exchanges in {chunks:,.0f} chunks, on "
        f"{CORES} cores:",
        "",
        "| | median | best … worst of the rounds |",
        "|---|--:|--:|",
        *rows,
        f"| **time** | **{_minutes(total)}** | {_minutes(best, worst)} |",
        "",
        "![Minutes for a terabyte by the number of cores, and what bounds them](bench/capacity.svg)",
        "",
        first + others,
        "",
        f"To keep {CORES} cores busy, the storage would have to give {TOTAL / at['work'] / 1e9:.2f} GB/s.",
        "",
        "If the process that merges went on keeping as much of each exchange as it was seen to, it would hold "
        f"{kept:,.1f} GB in the end; above what its machine has, this would come before all of the above.",
        "",
        *_doubts(made),
    ]


def _ends(made: Model, name: str) -> tuple[float, float]:
    return bounds(made, CORES, 1)[name], bounds(made, CORES, 2)[name]


def _minutes(*seconds: float) -> str:
    return " … ".join(f"{one / 60:,.1f} min" if one >= 60 else f"{one:,.1f} s" for one in seconds)


def _doubts(made: Model) -> list[str]:
    """What the range above does not hold."""
    near, far = (made.dispatch.median + made.grows.median * (cores - 1) for cores in (max(_SCHEDULED), CORES))
    beyond = f"{far / max(near, 1e-9):.1f}"
    return [
        "How sure that is: the range is that of the rounds of this run alone. Beyond it lie that `e` was measured with "
        f"two processes and is taken to hold for {CORES}; that what a chunk takes the scheduler was measured with 1, "
        f"2, 4 and 8 workers of one machine and drawn on as a straight line ({beyond} times as much at {CORES} as at "
        f"{max(_SCHEDULED)}); that all workers are as fast as this machine's processor; and what the storage gives, "
        "which is assumed.",
        "",
    ]
