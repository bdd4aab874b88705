"""A replay over processes that read, plan, send, keep and judge their own lanes, each by itself.

Law: what comes of it is what comes of one process. Nothing is sent before every process has planned, and the whole was
looked at by who asked. Where the parts cannot be planned apart, `NotApart` says why, and nothing was sent.
"""

import gc
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_bytes
from time import monotonic
from typing import NamedTuple

import msgspec

from qqlab.capture.index import Index
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.judging import Found, Judging
from qqlab.net.kept import Keeping
from qqlab.net.logins import Logins
from qqlab.net.replay import Course, Sending
from qqlab.net.running import Share
from qqlab.net.silence import Silence
from qqlab.net.whole import Known, Replay, send_part
from qqlab.net.workers import Crew, Part, Talk, crew, shared_out, together
from qqlab.replay import Expectation, Options, Passwords, Plan
from qqlab.replay.apart import (
    NotApart,
    Outline,
    Shared,
    Whole,
    outline,
    part_seen,
    regrouped,
    shared,
    to_ask,
    told,
    whole,
)
from qqlab.replay.apart import shared_out as shared_out_at_home
from qqlab.replay.journal import Head, Journal, Ordered, fingerprint_part, fingerprint_together, new_paths, ordered
from qqlab.replay.plan import plan_of
from qqlab.replay.schedule import timed
from qqlab.replay.seen import Seen
from qqlab.spec import Spec


class Job(NamedTuple):
    """What is to be planned and sent, the same for all. `host` is the target as requests name it, `start` the number
    that fresh sequence numbers follow on. `recorded_clean`: there are no secrets in the recording."""

    spec: Spec
    host: str
    passwords: Passwords
    codes: Passwords
    start: int
    options: Options
    how: Sending
    recorded_clean: bool


class _Read(NamedTuple):
    """What a process has read: when its first exchange began, whether times follow from the sessions alone, the servers
    that were recorded, and its part of the fingerprint. `why` it cannot be planned apart, None where it can."""

    first: float
    servers: frozenset[str]
    mark: int
    why: str | None


class _Go(NamedTuple):
    """What a process needs to begin, beside its plan."""

    addresses: Sequence[tuple[str, int]]
    how: Sending
    steps: int
    first: float
    secret: tuple[RawMessage, ...]
    key: bytes
    journal: Path | None
    head: Head | None


class Sent(NamedTuple):
    """What came of it all."""

    course: Course
    found: list[Found]
    kept: list[Ordered]


class _Done(NamedTuple):
    course: Course
    found: Found
    kept: Ordered | None


class Apart:
    """A replay whose parts are read and planned; nothing is sent yet. `servers` are those that were recorded,
    `fingerprint` tells the capture from others, `whole` is what is known of the plan."""

    def __init__(self, working: Crew, job: Job, silence: Silence, number: int) -> None:
        """Raises NotApart."""
        self._working = working
        self._job = job
        self._number = number
        self._read: list[_Read] = working.hear()
        for why in (one.why for one in self._read):
            if why is not None:
                raise NotApart(why)
        self.servers = frozenset().union(*(one.servers for one in self._read))
        self.fingerprint = fingerprint_together(one.mark for one in self._read)

    def plan(self) -> Whole:
        """Plan it. Raises NotApart."""
        number, working = self._number, self._working
        seen = working.ask([min(one.first for one in self._read)] * number)
        sessions = regrouped(seen)
        if sessions is not None:
            seen = working.ask(sessions)
        said = working.ask([to_ask(seen)] * number)
        outlines: list[Outline] = working.ask([shared(seen, said)] * number)
        self._whole = whole(outlines)
        self._room = min(self._job.how.limits.lanes or self._whole.plan.at_once or 1, self._whole.lanes)
        if self._room < sum(map(bool, self._whole.loads)):
            raise NotApart("so few lanes are under way at once")
        return self._whole

    def send(self, addresses: Sequence[tuple[str, int]], keeping: Keeping | None, more: Callable[[int], None]) -> Sent:
        """Send it, after `plan`; `more` is called with how many more exchanges are over. Raises InputError where it
        cannot be kept, ChildProcessError where a process dies; what was kept until then stays."""
        how, loads = self._job.how, self._whole.loads
        paths: Sequence[Path | None] = [None] * self._number
        head = None
        if keeping is not None:
            paths, head = new_paths(keeping.output, self._number), keeping.head(self._job.start)
        begin, key = monotonic(), token_bytes(32)
        rooms = iter(shared_out(self._room, [load for load in loads if load]))
        words = [
            _Go(
                addresses,
                msgspec.structs.replace(
                    how,
                    begin=begin,
                    rate=None if how.rate is None or not load else how.rate * load / sum(loads),
                    limits=how.limits._replace(lanes=next(rooms) if load else 1),
                ),
                sum(loads),
                self._whole.first,
                self._whole.secret,
                key,
                path if load else None,
                head,
            )
            for load, path in zip(loads, paths, strict=True)
        ]
        self._working.say(words)
        done: list[_Done] = self._working.hear(more)
        return Sent(
            together([one.course for one in done]),
            [one.found for one in done],
            [one.kept for one in done if one.kept is not None],
        )


@contextmanager
def apart(index: Index, job: Job, number: int) -> Iterator[Apart]:
    """Begin to read and plan a capture in so many processes, or fewer where it has fewer lanes. Raises NotApart."""
    sizes = index.sizes
    loads = [sum(sizes[session] for session in one) for one in index.together]
    number = min(number, len(loads), job.how.limits.lanes or number)
    if number < 2:
        raise NotApart("it is one lane")
    to = shared_out_at_home(loads, [0] * len(loads), number)
    sessions: list[set[str]] = [set() for _ in range(number)]
    for one, part in zip(index.together, to, strict=True):
        sessions[part] |= one
    silence = Silence(index.count, shared=True)
    works = [partial(_work, index, frozenset(mine), job, part, number, silence) for part, mine in enumerate(sessions)]
    gc.freeze()
    try:
        with crew(works) as working:
            yield Apart(working, job, silence, number)
    finally:
        gc.unfreeze()


class _Lines:
    """The lines of some sessions, read: their numbers, and their exchanges."""

    def __init__(self, index: Index, sessions: frozenset[str]) -> None:
        self._index = index
        self.numbers: list[int] = []
        self.exchanges: list[Exchange] = []
        self.move(sessions)

    def move(self, sessions: frozenset[str]) -> None:
        """Have the lines of these sessions instead. Raises NotApart where one is damaged: who reads from the
        beginning says where."""
        known = dict(zip(self.numbers, self.exchanges, strict=True))
        self.numbers = self._index.numbers(sessions)
        try:
            read = self._index.read
            self.exchanges = [known[number] if number in known else read(number) for number in self.numbers]
        except InputError as error:
            raise NotApart(f"a line is not as it seemed ({error})") from error


def _work(
    index: Index, sessions: frozenset[str], job: Job, part: int, number: int, silence: Silence, talk: Talk
) -> _Done:
    """What one process does."""
    lines = _Lines(index, sessions)
    epoch = index.read(0).time
    clock = timed(lines.exchanges, epoch)
    first = talk.ask(_what_was_read(lines.exchanges, clock.first, alone=clock.alone and epoch is not None))
    seen = Seen(lines.exchanges, job.spec, spans=clock.after(first))
    answer = talk.ask(part_seen(seen))
    if isinstance(answer, frozenset):
        lines.move(answer)
        seen = Seen(lines.exchanges, job.spec, spans=timed(lines.exchanges, epoch).after(first))
        answer = talk.ask(part_seen(seen))
    common: Shared = talk.ask(told(seen, answer))
    seen.named_elsewhere = common.names
    seen.correlation.settle(common.settled)
    planned = plan_of(
        seen,
        job.spec,
        host=job.host,
        passwords=job.passwords,
        codes=job.codes,
        start=job.start,
        options=job.options,
    )
    where = _where(planned, seen, lines)
    secret = [place for place, step in enumerate(planned.steps) if step.tries or step.changed]
    go: _Go = talk.ask(outline(planned, where.begins, where.ends, where.numbers, secret))
    how = msgspec.structs.replace(go.how, share=Share(part, number, silence.of_steps(go.steps)))
    if how.speed is not None:
        steps = [
            msgspec.structs.replace(s, due=begin - go.first)
            for s, begin in zip(planned.steps, where.begins, strict=True)
        ]
        planned = msgspec.structs.replace(planned, steps=tuple(steps))
    return _sent(planned, lines, where, job, go._replace(how=how), talk)


def _what_was_read(exchanges: Sequence[Exchange], first: float, *, alone: bool) -> _Read:
    why = None if alone else "its times go back, or there are some without a time"
    if any(one.transport == "lines" for one in exchanges):
        why = "bare lines may be told what others did"
    servers = frozenset(one.server for one in exchanges)
    return _Read(first, servers, fingerprint_part(exchanges), why)


class _Where(NamedTuple):
    """Where each step of a part stands in the whole: from when to when, and the number of its line."""

    begins: "array[float]"
    ends: "array[float]"
    numbers: "array[int]"


def _where(planned: Plan, seen: Seen, lines: _Lines) -> _Where:
    number_of = dict(zip(map(id, lines.exchanges), lines.numbers, strict=True))
    sent = {id(step.recorded) for step in planned.steps}
    stands = [(one, span) for one, span in zip(map(id, seen.exchanges), seen.spans, strict=True) if one in sent]
    return _Where(
        array("d", [span.begin for _, span in stands]),
        array("d", [span.end for _, span in stands]),
        array("q", [number_of[one] for one, _ in stands]),
    )


def _sent(planned: Plan, lines: _Lines, where: _Where, job: Job, go: _Go, talk: Talk) -> _Done:
    judging = Judging(lines.exchanges, job.spec, expectation=Expectation(planned, job.spec))
    replay = Replay(
        spec=job.spec,
        server=job.host,
        addresses=go.addresses,
        how=go.how,
        taken=(),
        start=job.start,
        judging=judging,
        recorded_clean=job.recorded_clean,
    )
    known = Known({}, Logins(go.how.limits.logins), go.secret, (), go.key)
    journal = None if go.journal is None or go.head is None else Journal(go.journal, go.head)
    gc.freeze()  # what there is stays: to look through it again and again would cost a tenth of the time
    course = send_part(Part(planned, go.how), journal, replay, known, lambda _, __: talk.tick())
    kept = None
    if journal is not None:
        if journal.written is None:
            raise ChildProcessError("what a process has kept is not what it wrote")
        ids = [step.recorded.id for step in planned.steps]
        kept = ordered(journal.written, ids, where.begins, where.numbers)
    course = msgspec.structs.replace(course, skipped=planned.skipped | course.skipped)
    return _Done(course, judging.found(lines.numbers), kept)
