"""Replaying a capture: its requests go to a server again, and what happens is a capture with the same ids.

Law: exchanges go out in recorded order, one after the other: each line over the connection that stands for its
recorded one, what is pushed there becomes an exchange without a request. A target is checked before it is resolved
and again after. Nothing the target does raises: it becomes the `error` of an exchange, and a target that is gone is
given up soon. What is returned holds pseudonyms where secrets were sent.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Collection, Sequence

import msgspec

from qqlab.capture.session import session
from qqlab.codec import decode
from qqlab.errors import TargetError
from qqlab.exchange import Exchange
from qqlab.net.client import MAX_REPLY, Client, Outcome
from qqlab.net.lines import Lines
from qqlab.redact import Redactor
from qqlab.replay import Options, Passwords, Plan, Step, Target, check_address, check_name, plan
from qqlab.replay.effects import allowed_effects, check_any, check_recorded, recorded_hosts
from qqlab.replay.passwords import no_passwords
from qqlab.replay.target import refuse_historical
from qqlab.spec import Spec

# So many exchanges in a row without a connection, or without a byte in time, and the target counts as gone.
GIVE_UP_AFTER = 5
_AS_RECORDED = Options()


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay brought.

    `skipped` tells by id why an exchange was not sent. `lacking` are the accounts whose password would have been put
    back and is not known, `unread` those of whose picture the code is not. `down` says in one line why the target
    counts as gone, None where it does not.
    """

    exchanges: tuple[Exchange, ...]
    skipped: dict[str, str]
    lacking: tuple[str, ...]
    unread: tuple[str, ...]
    down: str | None


async def replay(
    exchanges: Sequence[Exchange],
    target: Target,
    *,
    spec: Spec,
    passwords: Passwords = no_passwords,
    codes: Passwords = no_passwords,
    allowed: Collection[str] = (),
    timeout: float = 5.0,
    limit: int = MAX_REPLY,
    start: int | None = None,
    told: Callable[[Exchange], None] | None = None,
    options: Options = _AS_RECORDED,
) -> Replayed:
    """Replay exchanges against a target.

    `codes` knows what accounts' pictures show. `allowed` are hosts outside loopback that may be contacted. `timeout`
    is seconds for each exchange, `limit` the bytes of a reply. Fresh sequence numbers follow on `start`, by default on
    the clock. `told` is called with each exchange once it is over. `options` say how requests are to differ; what they
    may do is by default what may be done to that target. Raises RefusedError for a target that must not be contacted,
    TargetError for a name that cannot be resolved.
    """
    addresses = await resolve(target, allowed, recorded_hosts(exchanges))
    start = now() if start is None else start
    if options.effects is None:
        options = options._replace(effects=allowed_effects(target))
    planned = plan(exchanges, spec, host=str(target), passwords=passwords, codes=codes, start=start, options=options)
    check_any(target, planned.refused, len(planned.steps))
    client = Client(addresses, timeout=timeout, limit=limit)
    lines = Lines(addresses, planned, spec, timeout=timeout, limit=limit)
    taken = {exchange.id for exchange in exchanges}
    try:
        return await _Replaying(planned, client, lines, target, spec, taken, told).run()
    finally:
        lines.close()
        await client.close()


def now() -> int:
    """The number that fresh sequence numbers follow on."""
    return int(time.time())


async def resolve(
    target: Target, allowed: Collection[str] = (), recorded: Collection[str] = ()
) -> list[tuple[str, int]]:
    """The addresses of a target, each of them checked; `recorded` are the hosts of the recorded server. Raises
    RefusedError, TargetError."""
    check_name(target, allowed)
    check_recorded(target, target.host, recorded, allowed)
    try:
        # The system's own resolver on every loop: uvloop takes some spellings of addresses for itself.
        found = await asyncio.to_thread(
            socket.getaddrinfo, target.host, target.port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
        )
    except (OSError, UnicodeError) as error:
        raise TargetError(str(target), "the name cannot be resolved") from error
    addresses = []
    for _, _, _, canonical, address in found:
        refuse_historical(canonical)
        check_address(target, str(address[0]), allowed)
        check_recorded(target, str(address[0]), recorded, allowed)
        addresses.append((str(address[0]), target.port))
    return list(dict.fromkeys(addresses))


class _Replaying:
    """The state of one replay: what has come of it so far."""

    def __init__(
        self,
        planned: Plan,
        client: Client,
        lines: Lines,
        target: Target,
        spec: Spec,
        taken: Collection[str],
        told: Callable[[Exchange], None] | None,
    ) -> None:
        self._planned = planned
        self._client = client
        self._lines = lines
        self._target = target
        self._spec = spec
        self._redactor = Redactor(spec)
        self._taken = taken
        self._told = told
        self._exchanges: list[Exchange] = []
        self._pushes = 0

    async def run(self) -> Replayed:
        steps = self._planned.steps
        skipped = dict(self._planned.skipped)
        patience = min(GIVE_UP_AFTER, len(steps))
        silent = 0
        down = None
        for number, step in enumerate(steps, 1):
            outcome = await self._send(step)
            self._keep(_exchange(step, outcome, self._target))
            silent = silent + 1 if outcome.silent else 0
            if silent == patience:
                down = outcome.error
                left = [rest.recorded.id for rest in steps[number:]]
                left += [identifier for ids in self._planned.pushes.values() for identifier in ids]
                skipped.update((identifier, "the target is down") for identifier in left)
                break
        if down is None:
            await self._lines.finish()
        self._collect()
        return Replayed(
            exchanges=tuple(self._exchanges),
            skipped=skipped,
            lacking=self._planned.lacking,
            unread=self._planned.unread,
            down=down,
        )

    async def _send(self, step: Step) -> Outcome:
        if step.line is None:
            outcome = await self._client.send(step.request, lane=step.recorded.session if step.keep_alive else None)
        else:
            outcome = await self._lines.send(step.request, step.line, step.recorded.session)
        self._collect()
        return outcome

    def _collect(self) -> None:
        """Make exchanges of what was pushed."""
        for push in self._lines.pushed():
            self._pushes += 1
            while (identifier := f"push-{self._pushes}") in self._taken:
                self._pushes += 1
            exchange = Exchange(
                id=identifier,
                session="",
                time=push.line.time,
                client=push.client,
                server=str(self._target),
                transport="lines",
                reply=push.line.reply,
                error=push.line.error,
            )
            account = decode(exchange, self._spec).account
            self._keep(msgspec.structs.replace(exchange, session=session(push.host, account)))

    def _keep(self, exchange: Exchange) -> None:
        self._exchanges.append(self._redactor.exchange(exchange))
        if self._told is not None:
            self._told(self._exchanges[-1])


def _exchange(step: Step, outcome: Outcome, target: Target) -> Exchange:
    return Exchange(
        id=step.recorded.id,
        session=step.recorded.session,
        time=outcome.time,
        elapsed=None if outcome.reply is None else outcome.elapsed,
        client=outcome.client,
        server=str(target),
        transport="http" if step.line is None else "lines",
        request=step.request,
        reply=outcome.reply,
        error=outcome.error,
        pairing=outcome.pairing,
    )
