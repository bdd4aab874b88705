"""What it costs that a report is made in chunks: the part of each, and what a Dask cluster takes beside the work."""

import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from measure import Figures, Result, Rounds, Setting, Told, figure, result, rounds
from timed.chunks import nothing
from traffic import traffic

from qqlab.capture.chunks import SIZE, Chunk, cut
from qqlab.engine import Engine, Here, opened, processors
from qqlab.report.glance import How, Looked, SpecText, look

WORKERS = (1, 2, 4, 8)
_SMALL = 2 << 20  # bytes of a chunk on the cluster: small ones, so that there are many
_MS = "ms a chunk"
_LOOK: Callable[[Chunk], Looked] = partial(look, How(SpecText("en"), ("traffic",)))


def chunk(setting: Setting) -> Iterator[Result]:
    """What one process does with the part of each chunk, of the usual size, that others have looked at: it is read as
    it came from them, and merged with what was seen before. The parts come to be as large as they may."""
    capture = traffic(setting, setting.number(200_000))
    with cut([capture], min(SIZE, capture.stat().st_size // 3)) as pieces:
        parts = [pickle.dumps(_LOOK(one)) for each in pieces for one in each.chunks]
    first, *rest = parts
    whole: Looked = pickle.loads(first)
    took = []
    for part in rest:
        began = time.perf_counter()
        whole.seen.merge(pickle.loads(part).seen)
        took.append((time.perf_counter() - began) * 1e3)
    sizes = [len(part) / 1e6 for part in parts]
    yield result([SIZE / 1e6], key="size", what="a chunk", figures={}, unit="MB", value_unit="MB")
    yield result(sizes, key="part", what="its part, as it travels", figures={}, unit="MB", value_unit="MB")
    yield result(took, key="merge", what="reading and merging a part", figures={}, unit="ms", value_unit="ms")


def cluster(setting: Setting) -> Iterator[Told]:
    """What a chunk takes beside its work when Dask's workers do it, processes of this machine each: an empty one, which
    is what the scheduler, the client and the way between them take, and a real one (2 MiB, looked at for a report),
    whose work is what the same chunk takes in this process. Of real ones it is the time of all processors that workers
    can use here; beyond as many workers as processors, they are in each other's way."""
    capture = traffic(setting, setting.number(60_000))
    number = setting.number(400, 20)
    with cut([capture], _SMALL) as pieces, ExitStack() as stack:
        chunks = [one for each in pieces for one in each.chunks]
        engines: dict[str, Engine] = {
            _name(workers): stack.enter_context(opened(workers, "local")) for workers in WORKERS
        }
        for engine in engines.values():
            _run(engine, _LOOK, chunks[:1] * 2 * engine.workers)  # who works for the first time loads modules
        empty = rounds({name: partial(_run, engine, nothing, range(number)) for name, engine in engines.items()}, 5, 40)
        here = {_HERE: Here()} | engines
        real = rounds({name: partial(_run, engine, _LOOK, chunks) for name, engine in here.items()}, 5, 70)
    for workers in WORKERS:
        yield figure(empty, _name(workers), key=f"empty-{workers}", unit=_MS, name="an empty chunk")
    beside = _beside(real)
    for workers in WORKERS:
        yield figure(beside, _name(workers), key=f"real-{workers}", unit=_MS, name="a real chunk, beside its work")
    yield figure(real, _HERE, key="work", unit=_MS, name="the work of a real chunk")


_HERE = "in this process"


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
            for one, alone in zip(taken, real[_HERE], strict=True)
        ]
        for name, taken in real.items()
        if name != _HERE
    }


def _workers(name: str) -> int:
    return int(name.split()[1])
