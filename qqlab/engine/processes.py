"""Work done by processes of this machine.

Law: each process has one task at a time and is given the next one before the result of the last is used. A process that
dies is an error, never a missing result. None stays behind, however it ends: not even behind one that asked and was
killed. Ctrl-C is for the process that asked.
"""

import multiprocessing
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias

from qqlab.engine.child import ENDING, held_back, settle
from qqlab.engine.work import Result, Task, nothing
from qqlab.errors import TargetError

_Pipe: TypeAlias = "Connection[Any, Any]"  # no generic class before Python 3.12
# For each process so many results may wait for the one before them.
_AHEAD = 4


class _Worker(NamedTuple):
    process: BaseProcess
    pipe: _Pipe


class _Raised(NamedTuple):
    """What a task raised."""

    error: Exception


class Processes:
    """So many processes, begun when this is made and ended by `close`, or as a context manager."""

    def __init__(self, number: int) -> None:
        self.workers = number
        self._all: list[_Worker] = []
        self._start()

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        told: Callable[[Result], None] = nothing,
    ) -> Iterator[Result]:
        """See `Engine.run`."""
        if not self._all:
            self._start()
        try:
            yield from _ordered(self._outcomes(pickle.dumps(work), tasks, self.workers * _AHEAD), told)
        except BaseException:
            self.close()  # others are still at tasks that nobody waits for
            raise

    def at_once(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """See `Engine.at_once`."""
        if len(tasks) > self.workers:
            raise TargetError(f"{len(tasks)} tasks", f"there are only {self.workers} processes for them")
        return list(self.run(work, tasks))

    def close(self) -> None:
        """End the processes, whatever they do."""
        ending, self._all = self._all, []
        for worker in ending:
            worker.pipe.close()
            worker.process.terminate()
        for worker in ending:
            worker.process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        with held_back(ENDING):
            try:
                for _ in range(self.workers):
                    self._all.append(_started())
            except BaseException:
                self.close()
                raise

    def _outcomes(self, work: bytes, tasks: Iterable[Task], ahead: int) -> Iterator[tuple[int, Any]]:
        """What came of each task, with its number, in the order in which they are done; no task is begun that is so
        far ahead of the first that is not done."""
        numbered = enumerate(tasks)
        idle = list(self._all)
        busy: dict[object, tuple[int, _Worker]] = {}
        done: set[int] = set()
        first = begun = 0
        outcomes: list[tuple[int, Any]] = []
        while True:
            for number, task in islice(numbered, max(0, min(len(idle), first + ahead - begun))):
                worker = idle.pop()
                _send(worker, (work, task))
                busy[worker.pipe] = number, worker
                begun += 1
            yield from outcomes  # who worked has its next task before anybody uses what it did
            if not busy:
                return
            outcomes.clear()
            for pipe in wait([worker.pipe for _, worker in busy.values()]):
                number, worker = busy.pop(pipe)
                outcomes.append((number, _received(worker)))
                idle.append(worker)
                done.add(number)
            while first in done:
                done.remove(first)
                first += 1


def _ordered(outcomes: Iterator[tuple[int, Any]], told: Callable[[Result], None]) -> Iterator[Result]:
    waiting: dict[int, Any] = {}
    following = 0
    for number, outcome in outcomes:
        waiting[number] = outcome
        if not isinstance(outcome, _Raised):
            told(outcome)
        while following in waiting:
            result = waiting.pop(following)
            if isinstance(result, _Raised):
                raise result.error
            following += 1
            yield result


def _send(worker: _Worker, message: object) -> None:
    try:
        worker.pipe.send(message)
    except OSError as error:
        raise _died(worker) from error


def _received(worker: _Worker) -> Any:
    try:
        return worker.pipe.recv()
    except (EOFError, OSError) as error:
        raise _died(worker) from error


def _died(worker: _Worker) -> TargetError:
    worker.process.join(5)
    code = worker.process.exitcode
    how = f"of signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    return TargetError(
        "a process that did part of the work", f"has died {how}", "is there too little memory? try fewer --workers"
    )


def _started() -> _Worker:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(ours, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(ours: _Pipe, theirs: _Pipe) -> None:
    settle()
    ours.close()
    known, function = b"", nothing
    with suppress(EOFError, OSError):
        while True:
            work, task = theirs.recv()
            if work != known:
                known, function = work, pickle.loads(work)
            theirs.send(_outcome(function, task))


def _outcome(function: Callable[[Any], Any], task: Any) -> Any:
    try:
        return function(task)
    except Exception as error:
        return _Raised(error)
