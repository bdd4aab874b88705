"""`make bench`: run the benchmarks, or those that are named, one after the other, and write what they say.

Law: everything happens on this machine's loopback interface, in folders that are gone afterwards, and ends by itself:
each benchmark is a process of its own with all that it starts, and is ended when its time is up. One that breaks is
told as broken, and the next one begins. What is known is written after each.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import page
import peer
import report
from check import USUAL
from children import HERE, environment
from floors import floors
from measure import Result, Skipped, Told
from one import BENCHMARKS
from report import Report, Section
from rich.console import Console
from rich.table import Table

# How many seconds a benchmark may take at scale 1, and all of them together; a long run is given more.
_SECONDS = {"addon": 240, "replay": 300, "report": 420, "cluster": 200}
_USUAL, _ALL, _LONG = 120, 1320, 3600


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; all if none")
    parser.add_argument("--long", action="store_true", help="measure memory with ten times as many exchanges, too")
    parser.add_argument("--scale", type=float, default=1.0, help="measure so many times as much")
    parser.add_argument(
        "--into",
        type=Path,
        metavar="DIR",
        help="write bench.json, bench.md and its plots there; benchmarks that are named replace their own part of "
        "what is there (default: reports, if none is named)",
    )
    parser.add_argument("--again", action="store_true", help="measure nothing: write page and plots anew")
    asked = parser.parse_args()
    unknown = set(asked.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    into = asked.into or (None if asked.names else USUAL.parent)
    if asked.again:
        page.write(into or USUAL.parent, report.read((into or USUAL.parent) / "bench.json"), floors())
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _Run(asked.names or list(BENCHMARKS), asked.scale, asked.long, into).all()
    except KeyboardInterrupt:
        sys.exit(130)  # what was measured is written


class _Run:
    """One run. `report` is what is known so far."""

    def __init__(self, names: list[str], scale: float, long: bool, into: Path | None) -> None:
        self._names = names
        self._into = into
        self._wanted = floors()
        self._end = time.monotonic() + (_ALL if not long else _LONG) * max(1, scale)
        in_part = into is not None and len(names) < len(BENCHMARKS) and (into / "bench.json").exists()
        self._old = report.read(into / "bench.json") if into is not None and in_part else None
        self.report = Report(
            qqlab_bench=report.FORMAT,
            began=report.now(),
            seconds=0,
            scale=scale,
            long=long,
            machine=report.machine(),
            versions=report.versions(),
            peers=dict(peer.versions()),
            sections=(),
        )

    def all(self) -> None:
        """Run each benchmark, and write after each."""
        with tempfile.TemporaryDirectory(prefix="qqlab-bench-") as shared:
            for place, name in enumerate(self._names, 1):
                print(f"[{place}/{len(self._names)}] {name} …", file=sys.stderr, flush=True)
                began = time.monotonic()
                section = self._one(name, Path(shared))
                if section.error:
                    print(f"    broken: {section.error}", file=sys.stderr)
                print(f"    {section.seconds:.0f} s", file=sys.stderr, flush=True)
                self.report = msgspec.structs.replace(
                    self.report,
                    sections=(*self.report.sections, section),
                    seconds=self.report.seconds + time.monotonic() - began,
                )
                self._write()
        Console(width=None if sys.stdout.isatty() else 160).print(self._table(), highlight=False)

    def _write(self) -> None:
        if self._into is None:
            return
        self._into.mkdir(parents=True, exist_ok=True)
        told = self.report if self._old is None else report.merged(self._old, self.report)
        report.write(self._into / "bench.json", told)
        page.write(self._into, report.read(self._into / "bench.json"), self._wanted)

    def _one(self, name: str, shared: Path) -> Section:
        """One benchmark, in a process of its own."""
        began, before, clock = report.now(), os.getloadavg()[0], time.monotonic()
        seconds = _SECONDS.get(name, _USUAL) * (10 if self.report.long else max(1, self.report.scale))
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=shared) as folder:
            told, error = _told(name, Path(folder), shared, self.report, min(seconds, self._end - time.monotonic()))
        return Section(
            name=name,
            about=" ".join((BENCHMARKS[name].__doc__ or "").split()),
            began=began,
            scale=self.report.scale,
            seconds=time.monotonic() - clock,
            load=(before, os.getloadavg()[0]),
            results=tuple(one for one in told if isinstance(one, Result)),
            skipped=tuple(one for one in told if isinstance(one, Skipped)),
            error=error,
        )

    def _table(self) -> Table:
        title = f"{self.report.machine.processors} processors, Python {self.report.versions['Python']}"
        table = Table(title=title, title_style="")
        for column in ("benchmark", "what", "median", "least … greatest", "wanted", "", "medians"):
            table.add_column(column)
        for section in self.report.sections:
            for result in section.results:
                table.add_row(section.name, *page.row(result, self._wanted.get(section.name, {}).get(result.key)))
            for one in section.skipped:
                table.add_row(section.name, one.key, "skipped", "", "", "", one.why)
            if section.error:
                table.add_row(section.name, "", "broken", "", "", "", section.error)
        return table


def _told(name: str, folder: Path, shared: Path, run: Report, seconds: float) -> tuple[list[Told], str]:
    """What a benchmark says, and why it broke, if it did."""
    file, errors = folder / "told.jsonl", folder / "errors.txt"
    file.touch()
    own = folder / "own"
    own.mkdir()
    arguments = [str(file), str(own), str(shared), str(run.scale), *(["long"] if run.long else [])]
    with errors.open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, HERE / "one.py", name, *arguments],
            env=environment(folder) | {"HOME": os.environ.get("HOME", str(folder))},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            told, over = _followed(child, file, time.monotonic() + seconds)
        finally:
            _end(child)
    if over:
        return told, f"it took longer than {max(0, seconds):.0f} s, and was ended"
    last = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return told, "" if child.returncode == 0 else (last[-1] if last else f"exit code {child.returncode}")[:500]


def _followed(child: "subprocess.Popen[bytes]", file: Path, end: float) -> tuple[list[Told], bool]:
    """What the process writes until it ends, shown as it comes; and whether its time was up before."""
    told: list[Told] = []
    with file.open("rb") as source:
        while True:
            is_over = child.poll() is not None
            for line in source:
                one = msgspec.json.decode(line, type=Told)
                told.append(one)
                print(f"    {_short(one)}", file=sys.stderr, flush=True)
            if is_over or time.monotonic() > end:
                return told, not is_over
            time.sleep(0.1)


def _short(one: Told) -> str:
    if isinstance(one, Skipped):
        return f"{one.key}: skipped, {one.why}"
    return f"{one.key}: {one.median:,.3g} {one.value_unit}".rstrip()


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started: they are a group of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            continue
        time.sleep(0.2)
    child.wait()


if __name__ == "__main__":
    main()
