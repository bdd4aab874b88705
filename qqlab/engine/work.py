"""What an engine is, and the simplest one: this process.

Law: results in the order of the tasks; no more tasks are taken than are under way.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def nothing(result: object) -> None:
    """Tell nobody of it."""


class Engine(Protocol):
    """Does work. `workers` is how many tasks it does at a time."""

    @property
    def workers(self) -> int:
        """How many tasks are done at the same time."""

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        told: Callable[[Result], None] = nothing,
    ) -> Iterator[Result]:
        """The result of each task, in the order of the tasks; `told` is called with each as soon as it is there.

        Raises what the work raises, TargetError where there is nobody left to do it.
        """

    def at_once(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """The results of tasks that are done at the same time, each by a worker of its own and never again.

        Raises what the work raises, TargetError for more tasks than workers, and where one of these dies.
        """


class Here:
    """Work is done by who asks for it."""

    workers = 1

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        told: Callable[[Result], None] = nothing,
    ) -> Iterator[Result]:
        """See `Engine.run`."""
        for task in tasks:
            result = work(task)
            told(result)
            yield result

    def at_once(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """See `Engine.at_once`; one after the other, since there is only this process."""
        return [work(task) for task in tasks]


def _always() -> bool:
    return True


# Who does work for another sets here how to learn whether that one still waits for it.
wanted: ContextVar[Callable[[], bool]] = ContextVar("wanted", default=_always)


# And by how many seconds the clock of that one is ahead.
ahead: ContextVar[float] = ContextVar("ahead", default=0.0)


def is_wanted() -> bool:
    """Whether somebody still waits for the work that calls this: work that takes long asks now and then, and ends."""
    return wanted.get()()
