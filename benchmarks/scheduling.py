"""What a Dask cluster costs beside the work: chunks that hold nothing, and real ones, by the number of workers."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from measure import Figures, Rounds, Setting, Told, figure, rounds
from timed.chunks import counted, nothing
from traffic import traffic

from qqlab.capture.chunks import cut
from qqlab.engine import Engine, Here, opened, processors

WORKERS = (1, 2, 4, 8)
_SMALL = 2 << 20  # bytes of a real chunk: small ones, so that there are many
_MS = "ms a chunk"


def cluster(setting: Setting) -> Iterator[Told]:
    """What a chunk takes beside its work when Dask's workers do it, processes of this machine each: an empty one, which
    is what the scheduler, the client and the way between them take, and a real one, whose work is what the same chunk
    takes in this process. Of real ones it is the time of all processors that workers can use here."""
    capture = traffic(setting, setting.number(50_000))
    number = setting.number(400, 20)
    with cut([capture], _SMALL) as pieces, ExitStack() as stack:
        chunks = [chunk for one in pieces for chunk in one.chunks]
        engines: dict[str, Engine] = {
            _name(workers): stack.enter_context(opened(workers, "local")) for workers in WORKERS
        }
        empty = rounds({name: partial(_run, engine, nothing, range(number)) for name, engine in engines.items()}, 5, 40)
        here = {"in this process": Here()} | engines
        real = rounds({name: partial(_run, engine, counted, chunks) for name, engine in here.items()}, 5, 60)
    for workers in WORKERS:
        yield figure(empty, _name(workers), key=f"empty-{workers}", unit=_MS, name="an empty chunk")
    beside = _beside(real)
    for workers in WORKERS:
        yield figure(beside, _name(workers), key=f"real-{workers}", unit=_MS, name="a real chunk, beside its work")
    yield figure(real, "in this process", key="work", unit=_MS, name="the work of a real chunk")


def _name(workers: int) -> str:
    return f"Dask, {workers} worker{'s' * (workers > 1)}"


def _run(engine: Engine, work: Callable[[Any], Any], tasks: Iterable[Any]) -> Figures:
    began, number = time.perf_counter(), 0
    for _ in engine.run(work, tasks):
        number += 1
    return {_MS: (time.perf_counter() - began) / number * 1e3}


def _beside(real: Rounds) -> Rounds:
    """What a chunk takes of all processors that its workers can have, less what its work is."""
    return {
        name: [
            {_MS: one[_MS] * min(_workers(name), processors()) - alone[_MS]}
            for one, alone in zip(taken, real["in this process"], strict=True)
        ]
        for name, taken in real.items()
        if name != "in this process"
    }


def _workers(name: str) -> int:
    return int(name.split()[1])
