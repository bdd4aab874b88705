"""Replaying a capture: its requests go to a server again, and what happens is a capture with the same ids.

Law: a target is checked before it is resolved and again after. Nothing the target does raises: it becomes the `error`
of an exchange, and a target that is gone is given up soon (`qqlab.net.running`). What is kept and returned holds
pseudonyms where secrets were sent.
"""

import asyncio
import socket
import time
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import Self

import msgspec

from qqlab.errors import TargetError
from qqlab.exchange import Exchange
from qqlab.net.http import MAX_REPLY, Http
from qqlab.net.keeping import InMemory, secret_requests
from qqlab.net.lines import Lines
from qqlab.net.logins import Logins
from qqlab.net.pace import Lateness, Pace, lateness
from qqlab.net.pushed import PushedAgain
from qqlab.net.running import DOWN, Keeper, Limits, Run, Share
from qqlab.net.silence import GIVE_UP_AFTER
from qqlab.replay import Options, Passwords, Plan, Produced, Target, check_address, check_name, plan
from qqlab.replay.effects import allowed_effects, check_any, check_recorded, recorded_hosts
from qqlab.replay.passwords import no_passwords
from qqlab.replay.target import refuse_historical
from qqlab.spec import Spec

__all__ = ["DOWN", "GIVE_UP_AFTER", "Course", "Replayed", "Sending", "execute", "replay", "resolve"]

RETRIES = 2
_AS_RECORDED = Options()


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan is sent. `timeout` is seconds for each exchange, `limit` the bytes of a reply, `retries` how often a
    connection that failed is tried again. `speed` 1 is as recorded, None as fast as it goes; `rate` the most requests a
    second. `limits` says how many lanes are under way at once, and when an account is left alone. `begin` is the moment
    that all times follow from, by the clock `time.monotonic`; None for that when it begins. `share` says which part of
    a plan this is, where several processes send it."""

    timeout: float = 5.0
    limit: int = MAX_REPLY
    retries: int = RETRIES
    speed: float | None = None
    rate: float | None = None
    limits: Limits = Limits()
    begin: float | None = None
    share: Share = Share()


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How a replay went.

    `skipped` tells by id why a step was not sent; `down` in one line why the target counts as gone, None where it does
    not. `sent` counts requests, in `duration` seconds; `reordered` those that went out after one that had begun later
    when recorded. `refused` are the accounts whose login succeeded when recorded and was refused, `failed` these and
    all others of whose such logins one did not succeed. `opened` counts connections, `reused` the requests over one
    that had served before, `retried` the connections that were tried again, `again` the requests that were sent once
    more. `late` is how late each step was, in seconds, where steps have a time.
    """

    skipped: dict[str, str]
    down: str | None
    duration: float
    sent: int
    reordered: int
    refused: tuple[str, ...]
    failed: tuple[str, ...]
    opened: int
    reused: int
    retried: int
    again: int
    late: tuple[float, ...] = ()

    @classmethod
    def interrupted(cls, skipped: Mapping[str, str], sent: int) -> Self:
        """One that was broken off after so many exchanges; more is not known of it."""
        return cls(
            skipped=dict(skipped),
            down=None,
            duration=0.0,
            sent=sent,
            reordered=0,
            refused=(),
            failed=(),
            opened=0,
            reused=0,
            retried=0,
            again=0,
        )

    @property
    def lateness(self) -> Lateness | None:
        """What is told of the lateness; None where no step had a time."""
        return lateness(array("d", self.late))


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay brought.

    `exchanges` are in recorded order, a push behind what was over before it. `skipped` tells by id why an exchange was
    not sent. `lacking` are the accounts whose password would have been put back and is not known, `unread` those of
    whose picture the code is not. `down` says in one line why the target counts as gone, None where it does not.
    """

    exchanges: tuple[Exchange, ...]
    skipped: dict[str, str]
    lacking: tuple[str, ...]
    unread: tuple[str, ...]
    down: str | None
    course: Course


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
    sending: Sending | None = None,
) -> Replayed:
    """Replay exchanges against a target, keeping everything in memory.

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
    kept = InMemory(spec, None if told is None else lambda exchange, _: told(exchange), secret=secret_requests(planned))
    how = sending or Sending(timeout=timeout, limit=limit, retries=0)
    taken = {exchange.id for exchange in exchanges}
    course = await execute(planned, addresses, spec=spec, server=str(target), keeper=kept, how=how, taken=taken)
    return Replayed(
        exchanges=kept.in_order(planned),
        skipped=planned.skipped | course.skipped,
        lacking=planned.lacking,
        unread=planned.unread,
        down=course.down,
        course=course,
    )


async def execute(
    planned: Plan,
    addresses: Sequence[tuple[str, int]],
    *,
    spec: Spec,
    server: str,
    keeper: Keeper,
    how: Sending,
    found: Mapping[Produced, str] | None = None,
    taken: Collection[str] = (),
    repeated: PushedAgain | None = None,
    logins: Logins | None = None,
) -> Course:
    """Send a plan to checked addresses. `found` are values of replies that are known already, `taken` the ids that no
    push may have but those that it repeats, `logins` says how logins went before."""
    http = Http(addresses, timeout=how.timeout, limit=how.limit, retries=how.retries)
    lines = Lines(addresses, planned, spec, timeout=how.timeout, limit=how.limit, retries=how.retries)
    pace = Pace(how.speed, how.rate, how.begin)
    run = Run(
        planned,
        http,
        lines,
        spec=spec,
        server=server,
        keeper=keeper,
        pace=pace,
        limits=how.limits,
        share=how.share,
        found=found,
        taken=taken,
        repeated=repeated,
        logins=logins,
    )
    began = monotonic()
    try:
        await run.run()
        duration = monotonic() - began
    finally:
        lines.close()
        await http.close()
    return Course(
        skipped=run.skipped,
        down=run.down,
        duration=duration,
        sent=run.sent,
        reordered=run.reordered,
        refused=run.logins.refused,
        failed=run.logins.failed,
        opened=http.opened + lines.opened,
        reused=http.reused + lines.reused,
        retried=http.retried + lines.retried,
        again=http.again + lines.again,
        late=tuple(pace.late),
    )


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
