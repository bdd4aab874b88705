"""The event loop that replays run on: uvloop where it is installed (`qqlab[fast]`), asyncio's own otherwise.

Law: what comes of a replay is the same on both. Bare lines go over the loop's own transports. HTTP goes over plain
sockets (`qqlab.net.http`), and takes as much processor time on the one as on the other.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]  # it is an extra

_T = TypeVar("_T")

FACTORY: Callable[[], asyncio.AbstractEventLoop] | None = None if uvloop is None else uvloop.new_event_loop
"""Makes the loop; None for asyncio's own."""


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=FACTORY) as runner:
        return runner.run(work)
