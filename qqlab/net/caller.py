"""One client's side of a talk with a server: requests one after the other, each becoming an exchange.

Law: nothing the server does raises, but for a login that it refuses, which ends the talk. Over HTTP each request has
a connection of its own, as these clients worked; bare lines go over one long connection, begun anew where the server
has ended it, and what is pushed there becomes exchanges without a request. What is given back holds pseudonyms where
secrets were sent.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from qqlab import http1, wording
from qqlab.capture.session import session
from qqlab.codec import decode, succeeded
from qqlab.errors import TargetError
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.client import MAX_REPLY, Client, Outcome, connect, told
from qqlab.net.line import Line
from qqlab.redact import Redactor
from qqlab.replay import Passwords, Target
from qqlab.replay.compose import Draft, Ways, log_in, numbers, read_picture, wants_picture_read
from qqlab.spec import Spec


class Secrets(NamedTuple):
    """The passwords of accounts, and what their pictures show."""

    passwords: Passwords
    codes: Passwords


class Caller:
    """Talks to one server, at the first of its addresses that answers. `exchanges` is all that was said, in order.

    `lines` tells whether bare lines are spoken; `timeout` is seconds for each exchange.
    """

    def __init__(
        self,
        target: Target,
        addresses: Sequence[tuple[str, int]],
        spec: Spec,
        *,
        lines: bool = False,
        timeout: float = 5.0,
    ) -> None:
        self.target = target
        self.exchanges: list[Exchange] = []
        self._addresses = list(addresses)
        self._spec = spec
        self._lines = lines
        self._timeout = timeout
        self._client = Client(addresses, timeout=timeout)
        self._line: Line | None = None
        self._redactor = Redactor(spec)
        self._numbers = numbers(int(time.time() * 1000))
        self._pushes = 0

    def number(self) -> str:
        """A sequence number that was not used yet."""
        return next(self._numbers)

    async def ask(self, draft: Draft, identifier: str) -> Exchange:
        """Send a request as it is, and give what came of it the id."""
        request = self._request(draft.body)
        outcome = await (self._over_line(request) if self._lines else self._client.send(request))
        self._collect()
        return self._keep(
            Exchange(
                id=identifier,
                session=session(outcome.client, draft.account),
                time=outcome.time,
                elapsed=None if outcome.reply is None else outcome.elapsed,
                client=outcome.client,
                server=str(self.target),
                transport="lines" if self._lines else "http",
                request=request,
                reply=outcome.reply,
                error=outcome.error,
                pairing=outcome.pairing,
            )
        )

    def rename(self, exchange: Exchange, identifier: str) -> Exchange:
        """The exchange under another id, also among `exchanges`."""
        renamed = msgspec.structs.replace(exchange, id=identifier)
        self.exchanges = [renamed if one is exchange else one for one in self.exchanges]
        return renamed

    async def log_in(self, account: str, version: str, secrets: Secrets, identifier: str) -> None:
        """Log an account in, and read its picture where the server shows one. `identifier` is the id of the first of
        these exchanges. Raises TargetError where the server refuses, UsageError where the password is not known."""
        ways = Ways(sequence=self.number(), passwords=secrets.passwords, codes=secrets.codes)
        exchange = await self.ask(log_in(account, version, self._spec, ways), identifier)
        if wants_picture_read(decode(exchange, self._spec)):
            draft = read_picture(account, version, self._spec, ways._replace(sequence=self.number()))
            exchange = await self.ask(draft, f"{identifier}-picture")
        self._check_login(exchange, account)

    async def listen(self, seconds: float) -> None:
        """Wait for what is pushed in so many seconds."""
        if self._line is not None and seconds > 0:
            await self._line.wait(self._line.count + 1 << 30, seconds)
            self._collect()

    async def close(self) -> None:
        """End the connections."""
        if self._line is not None:
            self._line.close()
        await self._client.close()

    def _request(self, body: bytes) -> RawMessage:
        return RawMessage(body=body, end=b"\n") if self._lines else http1.request(body, str(self.target))

    async def _over_line(self, request: RawMessage) -> Outcome:
        started = datetime.now(UTC)
        try:
            if self._line is None or self._line.over:
                self._collect()
                async with asyncio.timeout(self._timeout):
                    self._line = await connect(self._addresses, lambda: Line(self._spec, MAX_REPLY))
            return await self._line.send(request, self._timeout)
        except TimeoutError:
            return Outcome(None, f"cannot connect within {self._timeout:g} s", started, 0.0, "", silent=True)
        except OSError as error:
            return Outcome(None, f"cannot connect: {told(error)}", started, 0.0, "", silent=True)

    def _check_login(self, exchange: Exchange, account: str) -> None:
        decoded = decode(exchange, self._spec)
        if succeeded(decoded, self._spec) is True:
            return
        what = exchange.error or f"account {account} was not logged in: {wording.status(decoded, self._spec)}"
        hint = "is the server running?" if exchange.reply is None else "is its password right? --accounts FILE"
        raise TargetError(str(self.target), what, hint)

    def _collect(self) -> None:
        """Make exchanges of what was pushed."""
        for push in [] if self._line is None else self._line.unasked():
            self._pushes += 1
            exchange = Exchange(
                id=f"push-{self._pushes}",
                session="",
                time=push.time,
                client="" if self._line is None else self._line.client,
                server=str(self.target),
                transport="lines",
                reply=push.reply,
                error=push.error,
            )
            account = decode(exchange, self._spec).account
            self._keep(msgspec.structs.replace(exchange, session=session(exchange.client, account)))

    def _keep(self, exchange: Exchange) -> Exchange:
        self.exchanges.append(self._redactor.exchange(exchange))
        return self.exchanges[-1]
