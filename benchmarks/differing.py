"""How many exchanges are compared in a second of one processor: once they are read, and reading both captures included.

Law: by processor time, since one process does all of it, and what else a machine does would be measured with it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from children import qqlab, ran
from measure import Figures, Setting, Skipped, Told, figure, ratio, rounds
from talk import talk
from traffic import has

from qqlab import http1
from qqlab.capture import header, load, open_capture, save
from qqlab.diff import compare
from qqlab.exchange import Exchange
from qqlab.spec import builtin

UNIT = "exchanges/CPU s"
RATE = "exchanges/s"
_ONE, _TWO = "qqlab diff", "qqlab diff --workers 2"
_KINDS = ("identical", "differing")

Change = Callable[[bytes, int], bytes]


def diff(setting: Setting) -> Iterator[Told]:
    """The demonstration's exchanges over and over, against the same with other sequence numbers, and against such as
    differ in one field each, in a value that comes but once."""
    number, folder, spec = setting.number(20_000), setting.folder, builtin()
    changes: dict[str, tuple[int, Change]] = {
        "recorded": (1000, _as_it_is),
        "identical": (5_000_000, _as_it_is),
        "differing": (9_000_000, _another_status),
    }
    for name, (start, change) in changes.items():
        save(folder / f"{name}.jsonl", header(spec, redacted="secrets"), _exchanges(number, start, change), spec)
    read = {name: load(folder / f"{name}.jsonl").exchanges for name in changes}
    variants: dict[str, Callable[[], Figures]] = {}
    for name in _KINDS:
        variants[f"{name}-read"] = partial(_compare, name, lambda one: read[one])
        variants[f"{name}-files"] = partial(_compare, name, lambda one: _stored(folder, one))
    taken = rounds(variants, 5, 40)
    for key in taken:
        what = f"{key.partition('-')[0]}, {'already read' if key.endswith('-read') else 'from files'}"
        yield figure({what: taken[key]}, what, key=key, unit=UNIT)

    yield from _by_two(setting)


def _by_two(setting: Setting) -> Iterator[Told]:
    """The command by two processes against one: captures long and short, whose difference counts."""
    if not has(setting, "diff", "--workers"):
        yield Skipped(key="workers", why="qqlab diff has no --workers")
        return
    spec, sizes = builtin(), (setting.number(60_000), setting.number(6_000, 50))
    for number in sizes:
        for name, start in (("a", 1000), ("b", 5_000_000)):
            path = setting.folder / f"{name}-{number}.jsonl"
            save(path, header(spec, redacted="secrets"), _exchanges(number, start, _as_it_is), spec)
    variants: dict[str, Callable[[], Figures]] = {
        _ONE: partial(_command, setting.folder, sizes, "1"),
        _TWO: partial(_command, setting.folder, sizes, "2"),
    }
    yield ratio(rounds(variants, 5, 30), _TWO, _ONE, key="workers", unit=RATE)


def _command(folder: Path, sizes: tuple[int, int], workers: str) -> Figures:
    long, short = (
        ran(qqlab("diff", f"a-{number}.jsonl", f"b-{number}.jsonl", "--workers", workers), folder).seconds
        for number in sizes
    )
    return {RATE: (sizes[0] - sizes[1]) / max(long - short, 1e-3)}


def _stored(folder: Path, name: str) -> Iterable[Exchange]:
    return open_capture(folder / f"{name}.jsonl").exchanges()


def _compare(name: str, exchanges: Callable[[str], Iterable[Exchange]]) -> Figures:
    """As `qqlab diff` does it."""
    began = time.process_time()
    comparison = compare(exchanges("recorded"), exchanges(name), builtin())
    taken = time.process_time() - began
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
