"""Replaying a capture: its requests go to a server again, and what happens is a capture with the same ids.

Law: exchanges go out in recorded order, one after the other. A target is checked before it is resolved
and again after. Nothing the target does raises: it becomes the `error` of an exchange, and a target that is gone is
given up soon. What is returned holds pseudonyms where secrets were sent.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Collection, Sequence

import msgspec

from qqlab.errors import TargetError
from qqlab.exchange import Exchange
from qqlab.net.client import MAX_REPLY, Client, Outcome
from qqlab.redact import Redactor
from qqlab.replay import Passwords, Plan, Step, Target, check_address, check_name, plan
from qqlab.replay.passwords import no_passwords
from qqlab.replay.target import refuse_historical
from qqlab.spec import Spec

# So many exchanges in a row without a connection, or without a byte in time, and the target counts as gone.
GIVE_UP_AFTER = 5


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay brought.

    `skipped` tells by id why an exchange was not sent. `lacking` are the accounts whose password would have been
    put back and is not known. `down` says in one line why the target counts as gone, None where it does not.
    """

    exchanges: tuple[Exchange, ...]
    skipped: dict[str, str]
    lacking: tuple[str, ...]
    down: str | None


async def replay(
    exchanges: Sequence[Exchange],
    target: Target,
    *,
    spec: Spec,
    passwords: Passwords = no_passwords,
    allowed: Collection[str] = (),
    timeout: float = 5.0,
    limit: int = MAX_REPLY,
    start: int | None = None,
    told: Callable[[Exchange], None] | None = None,
) -> Replayed:
    """Replay exchanges against a target.

    `allowed` are hosts outside loopback that may be contacted. `timeout` is seconds for each exchange, `limit` the
    bytes of a reply. Fresh sequence numbers follow on `start`, by default on the clock. `told` is called with each
    exchange once it is over. Raises RefusedError for a target that must not be contacted, TargetError for a name
    that cannot be resolved.
    """
    addresses = await resolve(target, allowed)
    planned = plan(
        exchanges, spec, host=str(target), passwords=passwords, start=int(time.time()) if start is None else start
    )
    client = Client(addresses, timeout=timeout, limit=limit)
    try:
        return await _run(planned, client, target, Redactor(spec), told)
    finally:
        await client.close()


async def resolve(target: Target, allowed: Collection[str] = ()) -> list[tuple[str, int]]:
    """The addresses of a target, each of them checked. Raises RefusedError, TargetError."""
    check_name(target, allowed)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
        )
    except (OSError, UnicodeError) as error:
        raise TargetError(str(target), "the name cannot be resolved") from error
    addresses = []
    for _, _, _, canonical, address in found:
        refuse_historical(canonical)
        check_address(target, str(address[0]), allowed)
        addresses.append((str(address[0]), target.port))
    return list(dict.fromkeys(addresses))


async def _run(
    planned: Plan, client: Client, target: Target, redactor: Redactor, told: Callable[[Exchange], None] | None
) -> Replayed:
    exchanges: list[Exchange] = []
    skipped = dict(planned.skipped)
    patience = min(GIVE_UP_AFTER, len(planned.steps))
    silent = 0
    down = None
    for number, step in enumerate(planned.steps, 1):
        outcome = await client.send(step.request, lane=step.recorded.session if step.keep_alive else None)
        exchanges.append(redactor.exchange(_exchange(step, outcome, target)))
        if told is not None:
            told(exchanges[-1])
        silent = silent + 1 if outcome.silent else 0
        if silent == patience:
            down = outcome.error
            skipped.update((rest.recorded.id, "the target is down") for rest in planned.steps[number:])
            break
    return Replayed(exchanges=tuple(exchanges), skipped=skipped, lacking=planned.lacking, down=down)


def _exchange(step: Step, outcome: Outcome, target: Target) -> Exchange:
    return Exchange(
        id=step.recorded.id,
        session=step.recorded.session,
        time=outcome.time,
        elapsed=None if outcome.reply is None else outcome.elapsed,
        client=outcome.client,
        server=str(target),
        transport="http",
        request=step.request,
        reply=outcome.reply,
        error=outcome.error,
    )
