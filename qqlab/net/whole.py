"""A whole replay: what is left of a plan sent by one process or several, kept as it happens, judged as it is over."""

import gc
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial
from secrets import token_bytes
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from qqlab.exchange import Exchange, RawMessage
from qqlab.net import loop
from qqlab.net.judging import Judging
from qqlab.net.keeping import InMemory, Journaled, secret_requests
from qqlab.net.kept import Keeping, ask_again, found_before, left_over, log_in_again, logins_before
from qqlab.net.logins import Logins
from qqlab.net.pushed import PushedAgain
from qqlab.net.replay import Course, Sending, execute
from qqlab.net.running import Keeper
from qqlab.net.workers import Done, Part, Talk, parts, spread, together
from qqlab.replay import Plan, Produced
from qqlab.replay.journal import Journal
from qqlab.spec import Spec

Told = Callable[[int, Exchange | None], None]
"""Is told how many more exchanges are over, and which, where it is one in this process."""


class Replay(NamedTuple):
    """A replay to be done: against which checked addresses of which server, and with what. `taken` are the ids that no
    push may have, `start` is the number that fresh sequence numbers follow on. `keeping` is None where nothing is kept,
    `judging` where nothing is judged. `resend` sends again what may have been done before the replay broke off.
    `recorded_clean`: there are no secrets in the recording. `refused` and `failed` are what an earlier course there
    had of these. `key` makes the pseudonyms, None for one that nobody knows. `ran` runs what sends."""

    spec: Spec
    server: str
    addresses: Sequence[tuple[str, int]]
    how: Sending
    taken: Collection[str]
    start: int
    workers: int = 1
    keeping: Keeping | None = None
    judging: Judging | None = None
    resend: bool = False
    recorded_clean: bool = False
    refused: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    key: bytes | None = None
    ran: Callable[[Coroutine[Any, Any, Course]], Course] = loop.run


def carry_out(planned: Plan, replay: Replay, told: Told) -> Course:
    """Send what is left of a plan. Raises InputError where it cannot be kept; what was kept until then stays."""
    keeping = replay.keeping
    logins = Logins(replay.how.limits.logins)
    logins.leave_alone(replay.refused, replay.failed)
    found: dict[Produced, str] = {}
    pushed: list[Exchange] = []
    whole, recorded = planned, replay.taken
    secret = secret_requests(planned)
    if keeping is not None:
        logins_before(planned, keeping.before, replay.spec, logins, resend=replay.resend)
    if keeping is not None and keeping.before.count:
        ask_again(planned, keeping.before)
        log_in_again(planned, keeping.before, replay.spec)
        found = found_before(planned, keeping.before, replay.spec)
        pushed = _pushes(keeping, planned, recorded)
        _judge_before(planned, replay, told)
        planned = left_over(planned, keeping.before, resend=replay.resend)
        replay = replay._replace(taken={*replay.taken, *keeping.before.done})
    elif keeping is not None:
        planned = left_over(planned, keeping.before, resend=replay.resend)
    gc.freeze()  # what there is stays: to look through it again and again would cost a tenth of the time
    try:
        course = _sent(planned, replay, Known(found, logins, secret, pushed, replay.key or token_bytes(32)), told)
    finally:
        gc.unfreeze()
    if pushed and keeping is not None and replay.judging is not None:
        replay.judging.all_pushes(_pushes(keeping, whole, recorded))
    return msgspec.structs.replace(course, skipped=planned.skipped | course.skipped)


def _pushes(keeping: Keeping, planned: Plan, recorded: Collection[str]) -> list[Exchange]:
    """The pushes that were kept so far, in order."""
    return [one for one in keeping.exchanges(planned) if one.request is None and one.id not in recorded]


class Known(NamedTuple):
    """What is known before anything is sent: values of replies, how logins went, the requests that hold secrets, what
    was pushed before the replay broke off, and the key of all pseudonyms."""

    found: dict[Produced, str]
    logins: Logins
    secret: Sequence[RawMessage]
    pushed: Sequence[Exchange]
    key: bytes


def _sent(planned: Plan, replay: Replay, known: Known, told: Told) -> Course:
    shares = parts(planned, replay.how, replay.workers)
    journals: Sequence[Journal | None] = [None] * len(shares)
    if replay.keeping is not None:
        journals = replay.keeping.journals(replay.start, len(shares))
    if len(shares) == 1:
        try:
            return send_part(shares[0], journals[0], replay, known, told)
        finally:
            if replay.keeping is not None and journals[0] is not None:
                replay.keeping.wrote(journals[0].written)
    begin = monotonic()
    shares = [Part(one, msgspec.structs.replace(how, begin=begin)) for one, how in shares]
    works = [partial(_done, share, journal, replay, known) for share, journal in zip(shares, journals, strict=True)]
    try:
        done = spread(works, lambda more: told(more, None))
    finally:
        for journal in journals:
            if journal is not None:
                journal.hand_over()
    for one in done:
        if replay.keeping is not None:
            replay.keeping.wrote(one.written)
        if one.verdicts is not None and replay.judging is not None:
            replay.judging.take(one.verdicts)
    return together([one.course for one in done])


def _done(share: Part, journal: Journal | None, replay: Replay, known: Known, talk: Talk) -> Done:
    """What one process does."""
    judging = None if replay.judging is None else replay.judging.another()
    course = send_part(share, journal, replay._replace(judging=judging), known, lambda _, __: talk.tick())
    return Done(course, None if judging is None else judging.verdicts(), None if journal is None else journal.written)


def send_part(share: Part, journal: Journal | None, replay: Replay, known: Known, told: Told) -> Course:
    """Send one part of a plan from this process."""
    judging, clean = replay.judging, replay.recorded_clean

    def over(exchange: Exchange, as_recorded: bool) -> None:
        if judging is not None:
            judging.add(exchange, as_recorded)
        told(1, exchange)

    keeper: Keeper
    if journal is None:
        keeper = InMemory(replay.spec, over, keeps=False, recorded_clean=clean, secret=known.secret, key=known.key)
    else:
        keeper = Journaled(journal, replay.spec, over, recorded_clean=clean, secret=known.secret, key=known.key)
    try:
        return replay.ran(
            execute(
                share.planned,
                replay.addresses,
                spec=replay.spec,
                server=replay.server,
                keeper=keeper,
                how=share.how,
                found=known.found,
                taken=replay.taken,
                repeated=PushedAgain(known.pushed, replay.spec),
                logins=known.logins,
            )
        )
    finally:
        if journal is not None:
            journal.close()


def _judge_before(planned: Plan, replay: Replay, told: Told) -> None:
    """Judge what was kept before the replay broke off."""
    assert replay.keeping is not None
    before = replay.keeping.before
    for exchange in replay.keeping.exchanges(planned):
        if exchange.id in before.done:
            told(1, None)
            if replay.judging is not None and exchange.id in replay.taken:  # a push may come again
                replay.judging.add(exchange)
