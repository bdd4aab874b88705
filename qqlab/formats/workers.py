"""A function over many pieces of bytes, in other processes where that is worth it.

Law: results come in the order of the pieces; memory holds one piece and one result for each process. A process that
dies is an error, never a missing result. Nothing stays behind once the iteration ends, however it ends.
"""

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

Function = Callable[[bytes], bytes]
_Pipe: TypeAlias = "Connection[Any, Any]"  # no generic class before Python 3.12

MOST = 4
# So many pieces are done on the spot before it is worth starting processes.
FEW = 4


def mapped(function: Function, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The results of the function; it must raise for no piece."""
    rest = iter(pieces)
    first = list(islice(rest, FEW))
    number = min(MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    if len(first) < FEW or number < 2:
        return map(function, chain(first, rest))
    return _spread(function, chain(first, rest), number)


def _spread(function: Function, pieces: Iterator[bytes], number: int) -> Iterator[bytes]:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(_worker(function)) for _ in range(number)]
        busy: deque[_Pipe] = deque()
        for piece in pieces:
            if idle:
                busy.append(idle.pop())
                busy[-1].send_bytes(piece)
                continue
            # It is sent its next piece before its last result is used, so that it works meanwhile.
            worker = busy.popleft()
            result = _result(worker)
            worker.send_bytes(piece)
            busy.append(worker)
            yield result
        while busy:
            yield _result(busy.popleft())


def _result(worker: _Pipe) -> bytes:
    try:
        return worker.recv_bytes()
    except EOFError as error:
        raise ChildProcessError("a process that was reading it has died") from error


@contextlib.contextmanager
def _worker(function: Function) -> Iterator[_Pipe]:
    """The pipe to a process that answers each piece with its result."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(function, ours, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.terminate()
        process.join()


def _work(function: Function, ours: _Pipe, theirs: _Pipe) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked sees to it
    ours.close()
    with contextlib.suppress(EOFError, OSError):
        while True:
            theirs.send_bytes(function(theirs.recv_bytes()))
