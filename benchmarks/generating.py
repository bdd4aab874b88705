"""How fast captures are made up: what other benchmarks wait for."""

from collections.abc import Iterator
from functools import partial

from children import qqlab, ran
from measure import Figures, Result, Setting, figure, rounds
from peer import EFFORT, RATE


def generate(setting: Setting) -> Iterator[Result]:
    """Exchanges a second of `qqlab generate`: a long capture and a short one, whose difference counts. No ratio: there
    is nothing to compare it with."""
    taken = rounds({"qqlab generate": partial(_rate, setting)}, 3, 30)
    for unit, key in ((RATE, "rate"), (EFFORT, "cpu")):
        yield figure(taken, "qqlab generate", key=key, unit=unit)


def _rate(setting: Setting) -> Figures:
    sizes = setting.number(50_000, 2000), setting.number(5_000, 200)
    long, short = (
        ran(qqlab("generate", "-n", str(number), "-o", "made.jsonl", "--force"), setting.folder) for number in sizes
    )
    number = sizes[0] - sizes[1]
    return {
        RATE: number / max(long.seconds - short.seconds, 1e-3),
        EFFORT: number / max(long.computed - short.computed, 1e-3),
    }
