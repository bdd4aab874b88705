"""One exchange at a time, for who waits for each: `qqlab.net.http` behind an `await`."""

import asyncio
from collections.abc import Sequence

from qqlab.exchange import RawMessage
from qqlab.net.http import MAX_REPLY, Http
from qqlab.net.outcome import Outcome, connect, told

__all__ = ["MAX_REPLY", "Client", "Outcome", "connect", "told"]


class Client:
    """Sends to one server, at the first of its addresses that answers; `timeout` is seconds for a whole exchange,
    `limit` the bytes of a reply with its head."""

    def __init__(self, addresses: Sequence[tuple[str, int]], *, timeout: float = 5.0, limit: int = MAX_REPLY) -> None:
        self._http = Http(addresses, timeout=timeout, limit=limit)

    async def send(self, request: RawMessage, *, lane: str | None = None, safe: bool = True) -> Outcome:
        """Send a request and read its reply; over the connection kept for `lane` where one is named. One that is
        `safe` is sent once more where a kept connection turns out to have ended."""
        over: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def then(outcome: Outcome) -> None:
            if not over.done():
                over.set_result(outcome)

        self._http.send(request, then, over=lane, safe=safe)
        return await over

    async def close(self) -> None:
        """Close the connections that were kept."""
        await self._http.close()
