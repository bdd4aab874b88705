"""How much memory a process and all that it started have: the peak of their sum, while it runs.

Law: what is added up is each one's resident memory. What processes share is counted for each of them, so that the sum
may be too much, never too little but for peaks shorter than a look.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY = 0.05  # seconds between two looks
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """Looks at a process and its descendants in a thread of its own; `peak` is in bytes."""

    def __init__(self, process: int) -> None:
        self.peak = 0
        self._process = process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.peak = max(self.peak, sum(resident(one) for one in family(self._process)))
            if self._over.wait(_EVERY):
                break


def family(process: int) -> Iterator[int]:
    """A process, what it started, what those started, and so on: as far as they still run."""
    yield process
    try:
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in (thread / "children").read_text(encoding="ascii").split():
                yield from family(int(child))
    except OSError:
        return  # it has just ended


def resident(process: int) -> int:
    """The resident memory of a process in bytes; 0 for one that has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except OSError:
        return 0
