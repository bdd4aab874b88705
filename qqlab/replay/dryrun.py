"""What a replay would do, in words and as a document, before it does anything.

Law: pure, and shows no secret: of what is put back or carried over only the field, never the value. Captured text is
made visible here. Long lists are cut with a count of what is left out; the document holds them whole.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from qqlab.replay.correlate import Link
from qqlab.replay.effects import EFFECTS
from qqlab.replay.lanes import Lane
from qqlab.replay.plan import Plan
from qqlab.replay.rewrite import Example
from qqlab.replay.schedule import moments
from qqlab.replay.target import Target
from qqlab.spec import Effect
from qqlab.visible import visible

_FIRST_LANES = 8
_FIRST_IDS = 5
_LONGEST = 40

KINDS = {
    "sequence": "fresh sequence numbers",
    "password": "passwords put back",
    "picture": "codes of pictures put back",
    "account": "other accounts named",
    "set": "fields set",
    "correlated": "values carried over from replies",
    "host": "heads that name the target as their host",
}
"""What the kinds of `Plan.rewrites` are."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests of a command would be sent, and what it does to the server's memory."""

    command: str
    effect: Effect
    requests: int


class Rewritten(msgspec.Struct, frozen=True, kw_only=True):
    """How often something is put in place of what was recorded; `example` is one such case, where it may be shown."""

    kind: str
    count: int
    example: Example | None


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges that are left out for one reason, by their ids."""

    reason: str
    exchanges: tuple[str, ...]


class More(msgspec.Struct, frozen=True, kw_only=True):
    """Replays that come after the first one: how many against which target, what each of them would send and leave
    out."""

    target: str
    runs: int
    requests: int
    skipped: tuple[Left, ...]
    refused: tuple[Effect, ...]


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as `--dry-run --json` prints it.

    `exchanges` are in the capture, `requests` would be sent. `waits` is how many of these wait for another lane.
    `lanes_at_once` is the most that are under way together. `recorded_seconds` is how long the recording took, silences
    shortened as wanted; `expected_seconds` how long the replay takes at least, by its pace; the target's own time comes
    on top. `lacking` are accounts without a known password, `unread` those of whose picture the code is not known.
    `pushes` is how many lines are waited for. `unused` are options that nothing in the capture is meant by,
    `strange` those of fields that the spec does not have,
    `refused` the effects for which requests are left out. `more` are the replays that --control and --baseline add.
    """

    qqlab_plan: int = 1
    target: str
    exchanges: int
    requests: int
    lanes: tuple[Lane, ...]
    lanes_at_once: int
    waits: int
    commands: tuple[Asked, ...]
    rewritten: tuple[Rewritten, ...]
    links: tuple[Link, ...]
    recorded_seconds: float
    expected_seconds: float
    speed: float | None
    rate: float | None
    skipped: tuple[Left, ...]
    lacking: tuple[str, ...]
    unread: tuple[str, ...]
    pushes: int
    unused: tuple[str, ...]
    strange: tuple[str, ...]
    refused: tuple[Effect, ...]
    more: tuple[More, ...] = ()


class Again(NamedTuple):
    """A plan that is carried out after the first one, so many times."""

    planned: Plan
    target: Target
    runs: int


def outline(
    planned: Plan,
    target: Target,
    *,
    lanes: int | None = None,
    speed: float | None = None,
    rate: float | None = None,
    more: Iterable[Again] = (),
) -> Outline:
    """What a plan comes to at a pace (`speed` None: without waiting), with at most `lanes` lanes at once."""
    due = [step.due for step in planned.steps]
    pushes = sum(map(len, planned.pushes.values()))
    return Outline(
        target=str(target),
        exchanges=len(planned.steps) + len(planned.skipped) + pushes,
        requests=len(planned.steps),
        lanes=planned.lanes,
        lanes_at_once=min(lanes or planned.at_once, planned.at_once),
        waits=sum(bool(step.after) for step in planned.steps),
        commands=tuple(_commands(planned)),
        rewritten=tuple(
            Rewritten(kind=kind, count=planned.rewrites[kind], example=planned.examples.get(kind))
            for kind in KINDS
            if kind in planned.rewrites
        ),
        links=planned.links,
        recorded_seconds=round(max(due, default=0.0), 3),
        expected_seconds=round(max(moments(due, speed, rate), default=0.0), 3),
        speed=speed,
        rate=rate,
        skipped=tuple(_left(planned.skipped)),
        lacking=planned.lacking,
        unread=planned.unread,
        pushes=pushes,
        unused=planned.unused,
        strange=planned.strange,
        refused=planned.refused,
        more=tuple(map(_more, more)),
    )


def _more(again: Again) -> More:
    return More(
        target=str(again.target),
        runs=again.runs,
        requests=len(again.planned.steps),
        skipped=tuple(_left(again.planned.skipped)),
        refused=again.planned.refused,
    )


def _commands(planned: Plan) -> Iterator[Asked]:
    counts: Counter[tuple[str, Effect]] = Counter()
    counts.update((step.command, step.effect) for step in planned.steps)
    by_harm = sorted(counts.items(), key=lambda one: (EFFECTS.index(one[0][1]), -one[1], one[0]))
    for (command, effect), requests in by_harm:
        yield Asked(command=command, effect=effect, requests=requests)


def _left(skipped: dict[str, str]) -> Iterator[Left]:
    by_reason: dict[str, list[str]] = {}
    for identifier, reason in skipped.items():
        by_reason.setdefault(reason, []).append(identifier)
    for reason, ids in sorted(by_reason.items(), key=lambda one: -len(one[1])):
        yield Left(reason=reason, exchanges=tuple(ids))


def lines(plan: Outline) -> Iterator[str]:
    """The outline in words."""
    yield f"{plan.requests} of {_counted(plan.exchanges, 'exchange')} would go to {plan.target}; nothing is sent now"
    yield from _section("lanes", _lanes(plan))
    yield from _section("commands", _table((_name(c.command), c.effect, str(c.requests)) for c in plan.commands))
    yield from _section("rewritten", _rewritten(plan))
    carried = [link for link in plan.links if link.verdict == "carried"]
    yield from _section("carried over from the new replies (--pin CMD.FIELD keeps what was recorded)", _links(carried))
    kept = [link for link in plan.links if link.verdict == "pinned" or (link.verdict == "dropped" and link.seen > 1)]
    yield from _section("kept as recorded, though a reply had said it before", _links(kept))
    yield from _section("left out", _skipped(plan.skipped))
    yield from _section("to mind", _minded(plan))
    yield f"duration: {_duration(plan)}"
    for more in plan.more:
        again = "once more" if more.runs == 1 else f"{more.runs} times more"
        yield f"then, {again}: {_counted(more.requests, 'request')} to {more.target}"
        if more.skipped != plan.skipped:
            yield from _section("left out there", _skipped(more.skipped))


def _section(title: str, content: Iterable[str]) -> Iterator[str]:
    """A title above its lines; nothing where there are none."""
    body = list(content)
    if body:
        yield f"{title}:"
        yield from (f"  {one}" for one in body)


def _lanes(plan: Outline) -> Iterator[str]:
    if not plan.lanes:
        return
    waits = f"; requests that wait for another lane's: {plan.waits}" if plan.waits else ""
    yield f"{len(plan.lanes)}, at most {plan.lanes_at_once} at once{waits}"
    yield from _table(
        (_name(lane.name), _counted(lane.steps, "request"), _counted(lane.connections, "connection"))
        for lane in plan.lanes[:_FIRST_LANES]
    )
    if len(plan.lanes) > _FIRST_LANES:
        yield f"and {len(plan.lanes) - _FIRST_LANES} more"


def _rewritten(plan: Outline) -> Iterator[str]:
    for one in plan.rewritten:
        yield f"{KINDS[one.kind]}: {one.count}{_example(one.example)}"


def _example(example: Example | None) -> str:
    if example is None:
        return ""
    old = "" if example.old is None else f" {_name(example.old)}"
    new = f" -> {_name(example.new)}" if example.new else ""
    return f" (exchange {_name(example.exchange)}: {_name(example.field)}{old}{new})"


def _links(links: Sequence[Link]) -> Iterator[str]:
    for link in links:
        part = {"whole": "", "last": "the last of ", "item": "an item of "}[link.part]
        pairs = ", ".join(f"{_name(asked)} from {_name(said)}" for asked, said in link.examples)
        source = f"{_name(link.source_command)}'s reply {_name(link.source_field)}"
        yield (
            f"{_name(link.command)}.{_name(link.field)} is {part}{source}: {link.seen} of "
            f"{_counted(link.of, 'request')} ({pairs}); {link.reason}"
        )


def _skipped(skipped: Iterable[Left]) -> Iterator[str]:
    for left in skipped:
        ids = ", ".join(_name(one) for one in left.exchanges[:_FIRST_IDS])
        more = ", …" if len(left.exchanges) > _FIRST_IDS else ""
        yield f"{_counted(len(left.exchanges), 'exchange')} ({ids}{more}): {left.reason}"


def _minded(plan: Outline) -> Iterator[str]:
    for account in islice(plan.lacking, _FIRST_LANES):
        yield f"no password is known for account {_name(account)}: its login goes out with a pseudonym"
    for account in islice(plan.unread, _FIRST_LANES):
        yield f"what the picture of account {_name(account)} shows is not known: a pseudonym goes out"
    if "auth" in plan.refused:
        yield "no login is sent, so the server may refuse what needs one"
    yield from in_vain(plan)
    if plan.pushes:
        yield f"{_counted(plan.pushes, 'line')} that the server pushed will be waited for"


def in_vain(plan: Plan | Outline) -> Iterator[str]:
    """What options most likely do not do as was meant, a line each."""
    yield from (f"{visible(option, 80)} is for nothing in this capture" for option in plan.unused)
    doubtful = (option for option in plan.strange if option not in plan.unused)
    yield from (f"{visible(option, 80)}: the spec has no such field there, and it is added" for option in doubtful)


def _duration(plan: Outline) -> str:
    recorded = f"{plan.recorded_seconds:.1f} s when recorded"
    paced = plan.speed is not None or plan.rate is not None
    at_least = f"at least {plan.expected_seconds:.1f} s" if paced else "as long as the target takes"
    return f"{at_least} ({recorded})"


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Columns side by side, numbers too on the left: they stand behind what they count."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _name(text: str) -> str:
    return visible(text, _LONGEST)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s'[: number != 1]}"
