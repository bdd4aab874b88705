"""How many exchanges a second are compared, reading both captures included, in one process."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from measure import Figures, Result, rounds
from talk import talk

from qqlab import http1
from qqlab.capture import header, open_capture, save
from qqlab.diff import compare
from qqlab.exchange import Exchange
from qqlab.spec import builtin

UNIT = "exchanges/s"
_WANTED = {"identical": 100_000, "differing": 20_000}

Change = Callable[[bytes, int], bytes]


def diff(folder: Path, scale: float) -> Iterator[Result]:
    """The demonstration's exchanges over and over, against the same with other sequence numbers, and against such as
    differ in one field each, in a value that comes but once."""
    number, spec = int(20_000 * scale), builtin()
    changes: dict[str, tuple[int, Change]] = {
        "recorded": (1000, _as_it_is),
        "identical": (5_000_000, _as_it_is),
        "differing": (9_000_000, _another_status),
    }
    for name, (start, change) in changes.items():
        save(folder / f"{name}.jsonl", header(spec, redacted="secrets"), _exchanges(number, start, change), spec)
    taken = rounds({name: partial(_compare, folder, name) for name in _WANTED}, 5)
    for name, wanted in _WANTED.items():
        rates = tuple(one[UNIT] for one in taken[name])
        yield Result(
            name="diff",
            what=name,
            median=median(rates),
            least=min(rates),
            greatest=max(rates),
            sense="at least",
            target=wanted,
            ratios=rates,
            figures={name: median(rates)},
            unit=UNIT,
        )


def _compare(folder: Path, name: str) -> Figures:
    """As `qqlab diff` does it."""
    began = time.perf_counter()
    recorded, other = (open_capture(folder / f"{one}.jsonl").exchanges() for one in ("recorded", name))
    comparison = compare(recorded, other, builtin())
    taken = time.perf_counter() - began
    found = comparison.equal if name == "identical" else comparison.different
    if found != comparison.total:
        raise AssertionError(f"{name}: {found} of {comparison.total}")
    return {UNIT: comparison.total / taken}


def _exchanges(number: int, start: int, change: Change) -> Iterator[Exchange]:
    pairs = list(talk().items())
    for place in range(number):
        asked, said = pairs[place % len(pairs)]
        sequence = b"%d" % (start + place)
        yield Exchange(
            id=str(place + 1),
            session="127.0.0.1/10001",
            client="127.0.0.1:50000",
            server="127.0.0.1:8000",
            request=http1.request(asked.body(sequence), "127.0.0.1:8000"),
            reply=http1.reply(change(said.body(sequence), place)),
            pairing="order",
        )


def _as_it_is(body: bytes, place: int) -> bytes:
    return body


def _another_status(body: bytes, place: int) -> bytes:
    """The body with a status that no other one has."""
    before, number, behind = body.partition(b"&RES=")
    return before + number + b"%d" % (place + 100) + behind.lstrip(b"0123456789")
