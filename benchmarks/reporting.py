"""What a report costs: the whole command, against what others take to load the same file, and by two processes."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import msgspec
import peer
from children import qqlab, ran
from measure import Figures, Result, Rounds, Setting, Skipped, Told, figure, ratio, result, rounds
from traffic import beginning, flows, traffic

_SMALL, _LARGE, _HUGE = 100_000, 1_000_000, 10_000_000
_ONE, _TWO, _PANDAS = "qqlab report", "qqlab report --workers 2", "pandas.read_json"
_PANDAS_BYTES = 18_000  # of memory that it takes for an exchange
_KEYS = {_ONE: "one", _TWO: "two", _PANDAS: "pandas"}


def report(setting: Setting) -> Iterator[Told]:
    """The whole command (reading, decoding, counting, pictures and pages written), by one process and by two, against
    `pandas.read_json(lines=True)` that only loads the same file. Memory is that of all processes together at its peak.
    Two sizes are measured, so that one sees how far all grows in proportion; pandas loads the larger one only where
    there is the memory for it."""
    why = peer.lacking("pandas")
    sizes = {"small": setting.number(_SMALL), "large": setting.number(_LARGE)}
    loaded = [name for name, number in sizes.items() if number * _PANDAS_BYTES < _available()]
    taken: dict[str, Rounds] = {}
    for name, number in sizes.items():
        capture = traffic(setting, number)
        variants: dict[str, Callable[[], Figures]] = {
            _ONE: partial(_report, setting.folder, capture, number, "1"),
            _TWO: partial(_report, setting.folder, capture, number, "2"),
        }
        if why is None and name in loaded:
            variants[_PANDAS] = partial(peer.figures, setting.folder, "frame", capture)
        taken[name] = rounds(variants, 3, 45 if name == "small" else 160)
        for variant, key in _KEYS.items():
            if variant in taken[name]:
                for unit, short in (("s", "s"), ("MB", "mb")):
                    what = figure(taken[name], variant, key=f"{short}-{key}-{number}", unit=unit)
                    yield _named(what, f"{variant}, {number:,}")
    large, number = taken["large"], sizes["large"]
    if why is None and loaded:
        for variant, key in ((_TWO, "pandas"), (_ONE, "pandas-one")):
            size = loaded[-1]
            yield ratio(taken[size], variant, _PANDAS, key=key, unit=peer.RATE, name=f"{sizes[size]:,}")
    else:
        yield Skipped(key="pandas", why=why or "this machine has too little memory for pandas")
    yield ratio(large, _TWO, _ONE, key="workers", unit=peer.RATE, name=f"{number:,}")
    yield _named(figure(large, _TWO, key="memory", unit="MB"), f"peak memory of all processes, {number:,}")
    yield from _model(taken, sizes, traffic(setting, number))
    if setting.long:
        yield from _long(setting)


def _report(folder: Path, capture: Path, number: int, workers: str) -> Figures:
    """The whole command."""
    done = ran(qqlab("report", capture, "--workers", workers, "-o", folder / "made", "--force"), folder)
    return {
        peer.RATE: number / done.seconds,
        peer.EFFORT: number / done.computed,
        "s": done.seconds,
        "CPU s": done.computed,
        "MB": done.peak / 1e6,
    }


def _available() -> int:
    """How many bytes of memory are there to be had."""
    found = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    return int(found[1]) << 10 if found else 0


def _named(told: Result, what: str) -> Result:
    return msgspec.structs.replace(told, what=what)


def _model(taken: dict[str, Rounds], sizes: dict[str, int], capture: Path) -> Iterator[Result]:
    """What an exchange costs, and what all reports cost: the difference of both sizes tells them apart."""
    more = sizes["large"] - sizes["small"]
    pairs = list(zip(taken["small"][_ONE], taken["large"][_ONE], strict=False))
    cost = [(large["CPU s"] - small["CPU s"]) / more * 1e6 for small, large in pairs]
    fixed = [small["s"] - (large["s"] - small["s"]) / more * sizes["small"] for small, large in pairs]
    memory = [(large["MB"] - small["MB"]) / more * 1e6 for small, large in pairs]
    linear = [large[peer.RATE] / small[peer.RATE] for small, large in pairs]
    spared = zip(pairs, zip(taken["small"][_TWO], taken["large"][_TWO], strict=False), strict=True)
    scaling = [
        (large["s"] - small["s"]) / max(more_two["s"] - two["s"], 1e-3) for (small, large), (two, more_two) in spared
    ]
    between = f"between {sizes['small']:,} and {sizes['large']:,}"
    yield _single(cost, "cost", f"an exchange, {between}", "CPU us")
    yield _single(fixed, "fixed", "what any report takes", "s")
    yield _single(memory, "memory-each", f"memory that an exchange adds, {between}", "bytes")
    yield _single([capture.stat().st_size / sizes["large"]], "size", "an exchange in the capture", "bytes")
    yield result(
        scaling,
        key="scaling",
        what=f"an exchange more, {between}: one process / two",
        figures={},
        unit="s",
    )
    yield result(
        linear,
        key="linear",
        what=f"exchanges a second, {sizes['large']:,} / {sizes['small']:,}",
        figures={f"{number:,}": median(one[peer.RATE] for one in taken[name][_ONE]) for name, number in sizes.items()},
        unit=peer.RATE,
    )


def _single(values: list[float], key: str, what: str, unit: str) -> Result:
    return result(values, key=key, what=what, figures={what: median(values)}, unit=unit, value_unit=unit)


def _long(setting: Setting) -> Iterator[Result]:
    """Ten times as many, by two processes, once: pandas would need some 30 GB."""
    number = setting.number(_HUGE)
    capture = traffic(setting, number)
    taken = rounds({_TWO: partial(_report, setting.folder, capture, number, "2")}, 1)
    capture.unlink()
    for unit, short in (("s", "s"), ("MB", "mb")):
        yield _named(figure(taken, _TWO, key=f"{short}-two-{number}", unit=unit), f"{_TWO}, {number:,}")
    what = f"peak memory of all processes, {number:,}"
    yield _named(figure(taken, _TWO, key="memory-long", unit="MB"), what)


_PREFIX = "http://192.0.2.1:8000"  # where generated traffic goes
_KNOWN = """openapi: 3.0.0
info: {{title: known, version: 1.0.0}}
servers:
- url: {prefix}
  description: known
paths:
  /: {{}}
"""


def swagger(setting: Setting) -> Iterator[Told]:
    """A report against mitmproxy2swagger, which reads the same exchanges as flows and documents what it saw, per
    exchange: of each a long capture and a short one, whose difference counts. mitmproxy2swagger needs two runs, one
    that finds the paths and one that documents them: only the second is measured."""
    if (why := peer.lacking("mitmproxy2swagger")) is not None:
        yield Skipped(key="exchange", why=why)
        return
    capture = traffic(setting, setting.number(_SMALL))
    ours = [beginning(setting, capture, setting.number(number)) for number in (60_000, 10_000)]
    theirs = [flows(setting, beginning(setting, capture, setting.number(number))) for number in (5_000, 1_000)]
    numbers = [setting.number(60_000) - setting.number(10_000), setting.number(5_000) - setting.number(1_000)]
    variants: dict[str, Callable[[], Figures]] = {
        _ONE: partial(_difference, numbers[0], [partial(_report, setting.folder, one, 1, "1") for one in ours]),
        "mitmproxy2swagger": partial(_difference, numbers[1], [partial(_swagger, setting, one) for one in theirs]),
    }
    taken = rounds(variants, 5, 60)
    for unit, by in ((peer.RATE, ""), (peer.EFFORT, "-cpu")):
        yield ratio(taken, _ONE, "mitmproxy2swagger", key=f"exchange{by}", unit=unit)


def _difference(number: int, both: list[Callable[[], Figures]]) -> Figures:
    """What the exchanges cost that the long one has more."""
    long, short = (run() for run in both)
    return {
        peer.RATE: number / max(long["s"] - short["s"], 1e-3),
        peer.EFFORT: number / max(long["CPU s"] - short["CPU s"], 1e-3),
    }


def _swagger(setting: Setting, file: Path) -> Figures:
    """The run that documents: the path that all requests have is known."""
    made = setting.folder / "swagger.yaml"
    made.write_text(_KNOWN.format(prefix=_PREFIX), encoding="utf-8")
    program = peer.VENV / "bin/mitmproxy2swagger"
    done = ran([program, "-i", file, "-o", made, "-p", _PREFIX, "-f", "flow"], setting.folder)
    if "post:" not in made.read_text(encoding="utf-8"):
        raise RuntimeError(f"mitmproxy2swagger found nothing to document: {done.output[-500:]}")
    return {"s": done.seconds, "CPU s": done.computed}
