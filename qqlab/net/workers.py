"""A replay over several processes: each sends, keeps and judges its own lanes.

Law: lanes that have to do with each other stay together, so that what one does to another happens in recorded order.
All start from one clock, share lanes and rate as they share the work, and give the target up together. A process that
dies is an error, never a missing result; none stays behind, however it ends: not even behind one that asked and was
killed.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, TypeAlias

import msgspec

from qqlab.engine.child import ENDING, held_back, settle
from qqlab.net.judging import Verdicts
from qqlab.net.replay import Course, Sending
from qqlab.net.running import DOWN, Share
from qqlab.net.silence import Silence
from qqlab.replay import Plan
from qqlab.replay.journal import Written

_Pipe: TypeAlias = "Connection[Any, Any]"  # no generic class before Python 3.12
# So many exchanges are over between two words to who waits.
_EACH = 50
_DEAD = "a process of the replay has died"


class Part(NamedTuple):
    """What one process does, and how."""

    planned: Plan
    how: Sending


class Done(NamedTuple):
    """What came of it; no verdicts where nothing was judged, and nothing written where nothing was kept."""

    course: Course
    verdicts: Verdicts | None
    written: Written | None


class Talk:
    """The way to the process that asked, in one that works."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._over = 0

    def tick(self) -> None:
        """One more exchange is over."""
        self._over += 1
        if self._over % _EACH == 0:
            self._pipe.send(_EACH)

    def ask(self, said: object) -> Any:  # what the two have agreed on
        """Say something, and wait for the answer."""
        self._pipe.send(said)
        return self._pipe.recv()


Work = Callable[[Talk], object]
"""Does a part, and tells of each exchange that is over; what it returns is the last that it says."""


def parts(planned: Plan, how: Sending, number: int) -> list[Part]:
    """The plan in at most so many parts of about the same size."""
    group_of = {lane.number: lane.group for lane in planned.lanes}
    sizes: dict[int, int] = {}
    for lane in planned.lanes:
        sizes[lane.group] = sizes.get(lane.group, 0) + lane.steps
    lanes = min(how.limits.lanes or planned.at_once or 1, len(planned.lanes))
    number = max(1, min(number, len(sizes), lanes))
    loads = [0] * number
    part_of: dict[int, int] = {}
    for group in sorted(sizes, key=sizes.__getitem__, reverse=True):
        part_of[group] = least = loads.index(min(loads))
        loads[least] += sizes[group]
    silence = Silence(len(planned.steps), shared=number > 1)
    rates = [None if how.rate is None else how.rate * load / max(1, sum(loads)) for load in loads]
    return [
        Part(
            _part(planned, {lane for lane, group in group_of.items() if part_of[group] == part}),
            msgspec.structs.replace(
                how,
                rate=rate,
                limits=how.limits._replace(lanes=room),
                share=Share(part, number, silence) if number > 1 else how.share._replace(silence=silence),
            ),
        )
        for part, (rate, room) in enumerate(zip(rates, shared_out(lanes, loads), strict=True))
    ]


def shared_out(number: int, loads: Sequence[int]) -> list[int]:
    """So many places shared out to who has so much to do: all of them and no more, but one to each at least."""
    given = [1] * len(loads)
    for _ in range(number - len(loads)):
        given[max(range(len(loads)), key=lambda one: loads[one] / given[one])] += 1
    return given


def _part(planned: Plan, lanes: set[int]) -> Plan:
    steps = tuple(step for step in planned.steps if step.lane in lanes)
    over = {step.line for step in steps}
    pushes = {line: ids for line, ids in planned.pushes.items() if line in over}
    return msgspec.structs.replace(planned, steps=steps, pushes=pushes)


def together(courses: Sequence[Course]) -> Course:
    """How the whole went."""
    return Course(
        skipped={identifier: reason for course in courses for identifier, reason in course.skipped.items()},
        down=_why_down([course.down for course in courses if course.down is not None]),
        duration=max(course.duration for course in courses),
        sent=sum(course.sent for course in courses),
        reordered=sum(course.reordered for course in courses),
        refused=tuple(dict.fromkeys(account for course in courses for account in course.refused)),
        failed=tuple(dict.fromkeys(account for course in courses for account in course.failed)),
        opened=sum(course.opened for course in courses),
        reused=sum(course.reused for course in courses),
        retried=sum(course.retried for course in courses),
        again=sum(course.again for course in courses),
        late=tuple(seconds for course in courses for seconds in course.late),
    )


def _why_down(reasons: Sequence[str]) -> str | None:
    """The reason of one that had it; others only learned that the target is given up."""
    return next((reason for reason in reasons if reason != DOWN), reasons[0] if reasons else None)


class Crew:
    """Processes at work, which speak in turn: each once, then each is answered, until each has said its last."""

    def __init__(self, pipes: Sequence[_Pipe]) -> None:
        self._pipes = pipes

    def hear(self, told: Callable[[int], None] = lambda more: None) -> list[Any]:
        """What each says next; `told` is called with how many more exchanges are over. Raises what one of them raises,
        ChildProcessError where one dies."""
        said: dict[_Pipe, Any] = {}
        while len(said) < len(self._pipes):
            ready = wait([one for one in self._pipes if one not in said])
            for pipe in [one for one in self._pipes if one in ready]:
                word = _heard(pipe)
                if isinstance(word, int):
                    told(word)
                else:
                    said[pipe] = word
        return [said[pipe] for pipe in self._pipes]

    def say(self, words: Sequence[object]) -> None:
        """Answer each. Raises ChildProcessError where one has died."""
        for pipe, word in zip(self._pipes, words, strict=True):
            try:
                pipe.send(word)
            except OSError as error:
                raise ChildProcessError(_DEAD) from error

    def ask(self, words: Sequence[object]) -> list[Any]:
        """Answer each, and hear what they say next."""
        self.say(words)
        return self.hear()


def _heard(pipe: _Pipe) -> Any:
    try:
        word = pipe.recv()
    except (EOFError, OSError) as error:
        raise ChildProcessError(_DEAD) from error
    if isinstance(word, Exception):
        raise word
    return word


@contextmanager
def crew(works: Sequence[Work]) -> Iterator[Crew]:
    """A process for each work; none is left behind."""
    with ExitStack() as stack:
        yield Crew([stack.enter_context(_worker(work)) for work in works])


def spread(works: Sequence[Work], told: Callable[[int], None]) -> list[Done]:
    """Do each work in a process of its own; `told` is called with how many more exchanges are over. Raises what one of
    them raises, ChildProcessError where one dies."""
    with crew(works) as working:
        return working.hear(told)


@contextmanager
def _worker(work: Work) -> Iterator[_Pipe]:
    """The pipe to a process that does it."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(work, ours, theirs), daemon=True)
    try:
        with held_back(ENDING):
            process.start()
        theirs.close()
        yield ours
    finally:
        ours.close()
        if process.pid is not None:
            process.terminate()
            process.join()


def _work(work: Work, ours: _Pipe, theirs: _Pipe) -> None:
    settle()
    ours.close()
    try:
        theirs.send(work(Talk(theirs)))
    except (BrokenPipeError, EOFError, ConnectionResetError):
        pass
    except Exception as error:
        theirs.send(error)
