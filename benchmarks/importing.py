"""What importing costs beside what mitmproxy's own reader takes for the same file."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from children import origin, proxy, reverse_http
from load import ask
from measure import Figures, Result, Setting, ratio, rounds
from mitmproxy.io import FlowReader

from qqlab import spec
from qqlab.capture import header, save
from qqlab.formats.importing import Wanted, imported
from qqlab.formats.tally import Tally

UNIT = "flows/s"


def flows(setting: Setting) -> Iterator[Result]:
    """A flow file that mitmdump wrote: read by mitmproxy's reader and nothing else, and made a capture of."""
    folder = setting.folder
    number, file = setting.number(4000), folder / "recorded.flows"
    with origin() as behind, proxy(folder, [*reverse_http(behind), "-w", file]) as (port, _):
        ask(port, number)
    variants = {"importing": partial(_import, file, folder / "imported.jsonl"), "FlowReader": partial(_read, file)}
    taken = rounds({name: partial(_timed, run) for name, run in variants.items()}, 7)
    yield ratio(taken, "importing", "FlowReader", key="flowreader", unit=UNIT)


def _timed(run: Callable[[], int]) -> Figures:
    began = time.perf_counter()
    return {UNIT: run() / (time.perf_counter() - began)}


def _read(file: Path) -> int:
    with file.open("rb") as source:
        return sum(1 for _ in FlowReader(source).stream())


def _import(file: Path, capture: Path) -> int:
    """As `qqlab import` does it."""
    known, tally = spec.builtin(), Tally()
    exchanges = imported([file], Wanted(policy="secrets"), known, tally)
    save(capture, header(known, redacted="secrets"), exchanges, known, force=True)
    return tally.taken
