"""The long connections of a replay: one for each that was recorded, begun when it is needed.

Law: a connection ends when its recorded client began another one, or with the replay; before that it is waited for
what was pushed over it when recorded, at most `timeout` seconds and only once. One that the server has ended is begun
anew for the next request; where one that was in use ends without a byte, it most likely had ended before the request
came, and the request is sent once more, if it is safe, as over HTTP. What times out is not sent again.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from qqlab.exchange import RawMessage
from qqlab.net.line import Line, Unasked
from qqlab.net.outcome import PAUSE, Outcome, connect, unconnected
from qqlab.replay import Plan
from qqlab.spec import Spec

# What comes unasked is most likely there with the last reply, but it travels over a connection of its own.
SETTLE = 0.1


class Pushed(NamedTuple):
    """A line that nobody asked for, our own address on its connection, and the host of the recorded client."""

    line: Unasked
    client: str
    host: str


class Lines:
    """The connections of one replay to the first of these addresses that answers. `opened`, `reused`,
    `retried` and `again` count as those of `Http`."""

    def __init__(
        self,
        addresses: Sequence[tuple[str, int]],
        planned: Plan,
        spec: Spec,
        *,
        timeout: float,
        limit: int,
        retries: int = 0,
    ) -> None:
        self.opened = self.reused = self.retried = self.again = 0
        self._retries = retries
        self._addresses = list(addresses)
        self._spec = spec
        self._timeout = timeout
        self._limit = limit
        self._left = Counter(step.line for step in planned.steps if step.line is not None)
        self._awaited = {line: len(ids) for line, ids in planned.pushes.items()}
        self._open: dict[str, Line] = {}
        self._of_session: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        self._pushed: list[Pushed] = []

    async def send(self, request: RawMessage, name: str, session: str, *, safe: bool = True) -> Outcome:
        """Send a line over the connection that stands for the recorded one of that name. One that is `safe` is sent
        once more where that turns out to have ended."""
        before = self._of_session.get(session)
        if before is not None and before != name and self._left[before] == 0:
            await self._finish([before])
        self._of_session[session] = name
        self._hosts[name] = session.rpartition("/")[0]
        self._left[name] -= 1
        started = datetime.now(UTC)
        in_use = name in self._open and not self._open[name].over
        try:
            line = await self._line(name)
            self.reused += in_use
            outcome = await line.send(request, self._timeout)
            if in_use and safe and line.over and line.heard == 0:
                self.again += 1
                outcome = await (await self._line(name)).send(request, self._timeout)
        except TimeoutError:
            return Outcome(None, unconnected(self._timeout), started, 0.0, "", silent=True)
        except OSError as error:
            return Outcome(None, unconnected(error), started, 0.0, "", silent=True)
        return outcome

    def pushed(self) -> list[Pushed]:
        """What has come unasked since the last call."""
        for name in self._open:
            self._gather(name)
        pushed, self._pushed = self._pushed, []
        return pushed

    async def finish(self) -> None:
        """Wait for what was pushed when recorded, and a moment longer for what was not; then end all connections."""
        if self._open:
            await self._finish(list(self._open), SETTLE)

    def close(self) -> None:
        """End all connections at once."""
        for line in self._open.values():
            line.close()

    async def _finish(self, names: list[str], settle: float = 0.0) -> None:
        waiting = (self._open[n].wait(self._awaited.get(n, 0), self._timeout) for n in names if n in self._open)
        await asyncio.gather(*waiting)
        await asyncio.sleep(settle)
        for name in names:
            if name in self._open:
                self._drop(name)

    async def _line(self, name: str) -> Line:
        if name in self._open and await self._open[name].has_ended(self._timeout):
            self._drop(name)
        if name not in self._open:
            async with asyncio.timeout(self._timeout):
                self._open[name] = await self._connect()
            self.opened += 1
        return self._open[name]

    async def _connect(self) -> Line:
        """Connect, and again after a growing pause where that fails. Raises OSError of the last time."""
        for again in range(self._retries):
            with contextlib.suppress(OSError):
                return await connect(self._addresses, lambda: Line(self._spec, self._limit))
            self.retried += 1
            await asyncio.sleep(PAUSE * 2**again)
        return await connect(self._addresses, lambda: Line(self._spec, self._limit))

    def _drop(self, name: str) -> None:
        line = self._open[name]
        line.close()
        self._gather(name)
        self._awaited[name] = max(0, self._awaited.get(name, 0) - line.count)
        del self._open[name]

    def _gather(self, name: str) -> None:
        line = self._open[name]
        self._pushed += (Pushed(unasked, line.client, self._hosts[name]) for unasked in line.unasked())
