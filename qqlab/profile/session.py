"""One session over a stretch of the traffic: its commands, numbers, polls, pages, and its beginning.

Law: see `qqlab.profile.transitions`: a stretch that follows right after another one can be joined with it (`then`), and
the two show what they would have shown as one.
"""

from datetime import datetime

import msgspec

from qqlab.profile.adding import earliest, latest
from qqlab.profile.behaviour import SessionTally, StepTally
from qqlab.profile.paging import Pages
from qqlab.profile.polling import Announced, Polls
from qqlab.profile.tally import Cited, Held
from qqlab.profile.transitions import Transitions

# How much of a session's beginning is kept.
STEPS = 100


class Numbers(msgspec.Struct, array_like=True, gc=False):
    """Whether sequence numbers differ from the one before. `first` stands in the exchange that `cited` tells."""

    first: str
    cited: Cited
    last: str
    differ: Held = msgspec.field(default_factory=Held)

    def add(self, number: str, cited: Cited) -> None:
        """The next number."""
        self.differ.add(number != self.last, *cited)
        self.last = number

    def then(self, after: "Numbers") -> None:
        """The numbers right after these, too."""
        self.add(after.first, after.cited)
        self.last = after.last
        self.differ.merge(after.differ)


class Session(msgspec.Struct, array_like=True, gc=False):
    """A stretch of at least one exchange, the first of which stands at `at`. `rank` is that of the session, and `name`
    what it is called. `steps` are the first exchanges, where they are wanted; `announced` is what was last; `weight`
    how much there was of it when it was weighed."""

    name: str
    rank: int
    at: int
    transitions: Transitions
    account: str | None = None
    exchanges: int = 0
    first: datetime | None = None
    last: datetime | None = None
    steps: list[StepTally] = []
    numbers: Numbers | None = None
    announced: Announced = {}
    polls: dict[str, Polls] = {}
    pages: dict[str, Pages] = {}
    weight: int = 0

    def then(self, after: "Session") -> None:
        """The stretch right after this one, too, which is used up."""
        self.transitions.then(after.transitions)
        self.account = self.account or after.account
        self.exchanges += after.exchanges
        self.first, self.last = earliest(self.first, after.first), latest(self.last, after.last)
        self.steps = (self.steps + after.steps)[:STEPS]
        if self.numbers is None or after.numbers is None:
            self.numbers = self.numbers or after.numbers
        else:
            self.numbers.then(after.numbers)
        for command, polls in after.polls.items():
            polls.inherit(self.announced)
            if command in self.polls:
                self.polls[command].then(polls)
            else:
                self.polls[command] = polls
        self.announced = self.announced | after.announced
        for command, pages in after.pages.items():
            if command in self.pages:
                self.pages[command].then(pages)
            else:
                self.pages[command] = pages

    def weigh(self) -> None:
        """See how much there is of it."""
        self.weight = self.transitions.weight + sum(len(polls.gaps.buckets) for polls in self.polls.values())

    def tally(self) -> SessionTally:
        """What is shown of it."""
        return SessionTally(
            account=self.account, exchanges=self.exchanges, first=self.first, last=self.last, steps=self.steps
        )
