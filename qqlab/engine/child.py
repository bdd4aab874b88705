"""What a process that works for another one owes it: to leave Ctrl-C to that one, and to end when that one is gone.

Law: no signal that ends the process that asks reaches a new one before it knows what to do with it; none that works
stays behind one that was killed.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end a process that asks."""


@contextmanager
def held_back(signals: Collection[int]) -> Iterator[None]:
    """Signals wait meanwhile: what ends us must not reach a new process while it has our way to take it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def settle() -> None:
    """Begin as a process that works for the one that started it, with `ENDING` held back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked sees to it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(asked: BaseProcess | None) -> None:
    """End this process at once when the one that asked is gone: it may be writing to a server.

    Those begun later hold the ends of pipes of those before: the last one notices first, and so on.
    """
    if asked is not None:
        asked.join()
    os._exit(1)
