"""What a profile holds of behaviour: what shows only over several exchanges.

Law: types only, and bounded: what they are made from says `qqlab.profile.sessions`.
"""

from datetime import datetime
from typing import Literal

import msgspec

from qqlab.profile.histogram import Histogram
from qqlab.profile.tally import Held

# What became of an exchange.
Way = Literal["answered", "pushed", "unanswered", "failed"]


class TransitionTally(msgspec.Struct, array_like=True, gc=False):
    """How often one command came right after another in a session, and how long after it, where that is known."""

    count: int = 0
    gaps: Histogram = msgspec.field(default_factory=Histogram)

    def merge(self, other: "TransitionTally") -> None:
        """Count all of another one, too."""
        self.count += other.count
        self.gaps.merge(other.gaps)


class StepTally(msgspec.Struct, array_like=True, gc=False):
    """One exchange of a session, which stands at `at`. `status` is the reply's, None where it has none that is a
    number."""

    exchange: str
    at: int
    time: datetime | None
    command: str
    status: int | None
    way: Way


class SessionTally(msgspec.Struct, array_like=True, gc=False):
    """One session: how many exchanges, from when to when, and the first of them."""

    account: str | None
    exchanges: int = 0
    first: datetime | None = None
    last: datetime | None = None
    steps: list[StepTally] = []


class PollingTally(msgspec.Struct, array_like=True, gc=False):
    """The times between one sending of a command and the next in a session; what the server had announced there."""

    session: str
    command: str
    gaps: Histogram = msgspec.field(default_factory=Histogram)
    interval: int | None = None
    limit: int | None = None


class PresenceTally(msgspec.Struct, array_like=True, gc=False):
    """A presence of an account: a value of a table, first seen in an exchange, from `since` to `until`.

    `at` is where the exchange stands, and which of those that it tells of this one is.
    """

    at: tuple[int, int]
    account: str
    table: str
    state: int
    exchange: str
    since: datetime | None
    until: datetime | None


class BehaviourTally(msgspec.Struct, array_like=True, gc=False):
    """What shows only over several exchanges of a session.

    All of it is of the sessions that were `followed`; what is said of presence is of the accounts that were `watched`.
    `about_sessions` and `about_accounts` are how many there are, an estimate, where others were not, and else None.
    `transitions` are by the command before and the one after, `sessions`, of which a few are kept, by name (with the
    capture's name before it where there are several). `more_...` counts what is beyond the limits. `pages` tells
    whether a list that was begun was asked for to its end, `cursors` whether it went on with the last row's key,
    `numbers` whether sequence numbers differ from the one before, the first two by command. `untimed` exchanges have no
    time; `clock_back` counts those whose time is before that of the one before them.
    """

    transitions: dict[str, dict[str, TransitionTally]] = {}
    more_transitions: int = 0
    followed: int = 0
    about_sessions: int | None = None
    sessions: dict[str, SessionTally] = {}
    polling: list[PollingTally] = []
    more_polling: int = 0
    watched: int = 0
    about_accounts: int | None = None
    presence: list[PresenceTally] = []
    more_presence: int = 0
    pages: dict[str, Held] = {}
    cursors: dict[str, Held] = {}
    numbers: Held = msgspec.field(default_factory=Held)
    untimed: int = 0
    clock_back: int = 0
