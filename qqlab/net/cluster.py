"""A replay over the workers of a cluster: each reads the capture by itself, plans it, and sends its own lanes.

Law: what comes of it is what comes of one process. Every worker goes by the same plan, made from the same bytes on
storage that all share, and checks by itself whom it may ask for what. What a part has sent, its journals say, beside
the capture that is to be: a part whose worker has died is gone on with by another, by the rules of `--resume`. One
schedule holds for all: a moment by the clock of who asks, as far ahead or behind as each worker's own clock is.
"""

import asyncio
import platform
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import msgspec

from qqlab import spec as specs
from qqlab.capture import Capture, Header, joined, load, together
from qqlab.engine import is_wanted
from qqlab.engine.work import ahead
from qqlab.errors import InputError, RefusedError
from qqlab.net import loop
from qqlab.net.judging import Found, Judging
from qqlab.net.kept import PartKeeping, PartKept
from qqlab.net.replay import Course, Sending, resolve
from qqlab.net.whole import Replay, carry_out
from qqlab.net.workers import Part, parts
from qqlab.net.workers import together as as_one
from qqlab.replay import Expectation, Options, Passwords, Plan, Target, plan, renamed
from qqlab.replay.effects import allowed_effects, check_any, recorded_hosts
from qqlab.replay.journal import Ordered, fingerprint
from qqlab.replay.target import is_loopback
from qqlab.spec import Spec

_T = TypeVar("_T")

# Seconds: between two looks whether the work is still wanted, and how long who was taken for dead may need to end.
_LOOK = 0.2
_ENDS = 20.0


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers are told: `captures`, the spec's file (None: the built-in one) and `output` as paths that each
    of them can open; `secrets` reads passwords and what pictures show; the `machine` that asks; `begin` is the moment
    that all times follow from, by the clock of who asks, None for when each begins. `earlier` are the journals of an
    interrupted replay that is gone on with, `key` makes the pseudonyms. `number` is how many parts there are; what
    tells the plan that all go by from others is `surveyed`, once it is known."""

    captures: tuple[Path, ...]
    spec: Path | None
    target: Target
    hosts: tuple[str, ...]
    effects: str | None
    secrets: Callable[[], tuple[Passwords, Passwords]]
    options: Options
    how: Sending
    start: int
    output: Path
    machine: str
    key: bytes
    number: int
    resend: bool = False
    earlier: tuple[Path, ...] = ()
    begin: float | None = None
    surveyed: tuple[str, tuple[int, ...]] | None = None


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker found when it read and planned all of it: the capture's header and name, what is missing of it,
    how many exchanges it has and how many of their ids had to change; what tells it from others; the plan, but for its
    steps; how many steps each part has; and in how many seconds that was known."""

    header: Header
    name: str
    torn: str | None
    renamed: int
    exchanges: int
    fingerprint: str
    plan: Plan
    loads: tuple[int, ...]
    took: float


class PartDone(NamedTuple):
    """What came of a part: the same as of a process, and by how many seconds its worker's clock is behind that of who
    asked."""

    course: Course
    found: Found
    kept: list[Ordered]
    behind: float


class _Whole(NamedTuple):
    """A capture that was read and planned."""

    spec: Spec
    capture: Capture
    renamed: int
    plan: Plan
    shares: list[Part]


def this_machine() -> str:
    """What tells this machine, or container, from others."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{platform.node()} {boot.read_text() if boot.exists() else ''}".strip()


def survey(errand: Errand) -> Survey:
    """Read and plan all of it, and send nothing. Raises what would keep it from being sent."""
    began = monotonic()
    whole = _planned(errand)
    _check(errand, whole)
    return Survey(
        header=whole.capture.header,
        name=whole.capture.path,
        torn=whole.capture.torn,
        renamed=whole.renamed,
        exchanges=len(whole.capture.exchanges),
        fingerprint=_marks(whole)[0],
        plan=msgspec.structs.replace(whole.plan, steps=(), lanes=(), links=(), pushes={}, examples={}),
        loads=_marks(whole)[1],
        took=monotonic() - began,
    )


def _planned(errand: Errand) -> _Whole:
    try:
        spec = specs.builtin() if errand.spec is None else specs.load(errand.spec)
        capture, changed = joined(together([load(path) for path in errand.captures]))
        passwords, codes = errand.secrets()
    except InputError as error:
        if errand.machine == this_machine():
            raise
        what = f"{error.what}, says the worker {platform.node()}"
        raise InputError(error.where, what, error.hint or "is it on storage that all workers share?") from error
    planned = plan(
        capture.exchanges,
        spec,
        host=str(errand.target),
        passwords=passwords,
        codes=codes,
        start=errand.start,
        options=errand.options._replace(effects=allowed_effects(errand.target, errand.effects)),
    )
    return _Whole(spec, capture, changed, planned, parts(planned, errand.how, errand.number))


def _marks(whole: _Whole) -> tuple[str, tuple[int, ...]]:
    """What tells this plan from others: what it was made of, and how many steps each part has."""
    return fingerprint(whole.capture.exchanges), tuple(len(share.planned.steps) for share in whole.shares)


def _check(errand: Errand, whole: _Whole) -> list[tuple[str, int]]:
    """The addresses of the target, if this worker may ask it for anything. Raises RefusedError, TargetError."""
    if is_loopback(errand.target.host) and errand.machine != this_machine():
        what = f"is another machine on the worker {platform.node()} than here"
        raise RefusedError(str(errand.target), what, "name it as all workers reach it, with --allow-host")
    hosts = recorded_hosts(whole.capture.exchanges)
    addresses = loop.run(resolve(errand.target, errand.hosts, hosts))
    check_any(errand.target, whole.plan.refused, len(whole.plan.steps))
    return addresses


def do_part(errand: Errand, number: int) -> PartDone:
    """Send one part, or what is left of it. Raises InputError for what cannot be kept, is damaged, or is not what was
    surveyed: lanes of another plan would be sent twice, or by nobody."""
    whole = _planned(errand)
    marks = _marks(whole)
    if errand.surveyed not in (None, marks):
        what = f"reads otherwise on the worker {platform.node()} than when the replay was planned"
        raise InputError(whole.capture.path, what, "let nothing write to the capture or the spec meanwhile")
    addresses = _check(errand, whole)
    share, exchanges = whole.shares[number], whole.capture.exchanges
    numbers = _numbers(whole, number)
    mine = [exchanges[one] for one in numbers]
    part = PartKept(
        number,
        frozenset(one.id for one in mine),
        frozenset(step.recorded.session for step in share.planned.steps),
        errand.earlier,
        errand.options,
    )
    keeping = _keeping(errand, marks[0], part)
    expected = [renamed(one, errand.options.changes.accounts, whole.spec) for one in mine]
    expectation = Expectation(share.planned, whole.spec)
    mapped = bool(errand.options.changes.accounts)
    judging = Judging(expected, whole.spec, mapped=mapped, expectation=expectation)
    behind = 0.0 if errand.machine == this_machine() else ahead.get()
    replay = Replay(
        spec=whole.spec,
        server=str(errand.target),
        addresses=addresses,
        how=msgspec.structs.replace(share.how, begin=begin(errand, behind)),
        taken={one.id for one in exchanges},
        start=errand.start,
        keeping=keeping,
        judging=judging,
        resend=errand.resend,
        recorded_clean=whole.capture.header.redacted != "none",
        key=errand.key,
        ran=_while_wanted,
    )
    planned = share.planned if number == 0 else msgspec.structs.replace(share.planned, skipped={})
    course = carry_out(planned, replay, lambda more, exchange: None)
    places = {step.recorded.id: place for place, step in enumerate(whole.plan.steps)}
    return PartDone(course, judging.found(numbers), keeping.all().ordered(places), behind)


def _numbers(whole: _Whole, part: int) -> list[int]:
    """The places in the capture of what belongs to a part; to the first one what nobody sends."""
    part_of = {step.recorded.id: number for number, share in enumerate(whole.shares) for step in share.planned.steps}
    return [place for place, one in enumerate(whole.capture.exchanges) if part_of.get(one.id, 0) == part]


def _keeping(errand: Errand, mark: str, part: PartKept) -> PartKeeping:
    """Where the part is kept, once nobody else writes there: who was taken for dead may end only now."""
    if not errand.output.parent.is_dir():
        what = f"is no folder on the worker {platform.node()}"
        raise InputError(str(errand.output.parent), what, "name one on storage that all workers share: -o")
    end = monotonic() + _ENDS
    while True:
        try:
            return PartKeeping(errand.output, mark, str(errand.target), part)
        except InputError as error:
            if not isinstance(error.__cause__, BlockingIOError) or monotonic() > end:
                raise
        time.sleep(_LOOK)


def begin(errand: Errand, behind: float) -> float | None:
    """The moment that times follow from, by this process's own clock, which is so many seconds `behind` that of who
    asks; None for when it begins."""
    return None if errand.begin is None else monotonic() + errand.begin - (time.time() + behind)


class Unwanted(BaseException):
    """Nobody waits for the work any more."""


def _while_wanted(work: Coroutine[Any, Any, _T]) -> _T:
    return loop.run(_watched(work))


async def _watched(work: Coroutine[Any, Any, _T]) -> _T:
    if not is_wanted():
        work.close()
        raise Unwanted
    task = asyncio.ensure_future(work)
    while not (await asyncio.wait([task], timeout=_LOOK))[0]:
        if not is_wanted():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            raise Unwanted
    return task.result()


class Whole(NamedTuple):
    """What came of all parts."""

    course: Course
    found: list[Found]
    kept: list[Ordered]
    behind: list[float]


def put_together(done: Sequence[PartDone]) -> Whole:
    """What came of parts, in their order."""
    course = as_one([one.course for one in done])
    return Whole(
        course, [one.found for one in done], [kept for one in done for kept in one.kept], [one.behind for one in done]
    )
