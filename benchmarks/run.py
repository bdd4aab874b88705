"""`make bench`: run the benchmarks, or those that are named; a table on stdout, and all figures in a file if asked.

Law: everything happens on this machine's loopback interface, in a folder that is gone afterwards, and ends by itself.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import differing
import importing
import msgspec
import recording
import replaying
from measure import Result
from rich.console import Console
from rich.table import Table

BENCHMARKS: dict[str, Callable[[Path, float], Iterator[Result]]] = {
    "addon": recording.addon,
    "tcp": recording.tcp,
    "record": recording.record,
    "memory": recording.memory,
    "import": importing.flows,
    "replay": replaying.replay,
    "pace": replaying.pace,
    "diff": differing.diff,
}
LONG = 5


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All results of one run, and what they were measured with. `load` is the machine's before and after."""

    date: str
    python: str
    mitmproxy: str
    processors: int | None
    load: tuple[float, float]
    results: tuple[Result, ...]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; all if none")
    parser.add_argument("--long", action="store_true", help=f"measure {LONG} times as long")
    parser.add_argument("--scale", type=float, default=1.0, help="measure so many times as long")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    asked = parser.parse_args()
    unknown = set(asked.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    report = _report(asked.names or list(BENCHMARKS), LONG if asked.long else asked.scale)
    Console(width=None if sys.stdout.isatty() else 160).print(_table(report), highlight=False)
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def _report(names: list[str], scale: float) -> Report:
    before = os.getloadavg()[0]
    results: list[Result] = []
    for name in names:
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="qqlab-bench-") as folder:
            results += BENCHMARKS[name](Path(folder), scale)
    return Report(
        date=time.strftime("%Y-%m-%d"),
        python=platform.python_version(),
        mitmproxy=version("mitmproxy"),
        processors=os.cpu_count(),
        load=(before, os.getloadavg()[0]),
        results=tuple(results),
    )


def _table(report: Report) -> Table:
    title = f"mitmproxy {report.mitmproxy}, Python {report.python}, {report.processors} processors"
    table = Table(title=f"{title}, load {report.load[0]:.1f} before and {report.load[1]:.1f} after", title_style="")
    for column in ("benchmark", "what", "median", "least … greatest", "wanted", "", "medians"):
        table.add_column(column)
    for result in report.results:
        figures = ", ".join(f"{name} {value:,.0f}" for name, value in result.figures.items())
        table.add_row(
            result.name,
            result.what,
            f"{result.median:.2f}",
            f"{result.least:.2f} … {result.greatest:.2f}",
            f"{result.sense} {result.target:g}",
            "met" if result.met else "missed",
            f"{figures} {result.unit}",
        )
    return table


if __name__ == "__main__":
    main()
