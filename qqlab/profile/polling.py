"""The times between one sending of a command and the next in one session, and what the server had announced by then.

Law: see `qqlab.profile.transitions`. What was announced before a stretch began is not known in it: what is None there
is taken from the stretch before.
"""

from datetime import datetime

import msgspec

from qqlab.profile.histogram import Histogram
from qqlab.spec import Announcement

Announced = dict[Announcement, int]


class Polls(msgspec.Struct, array_like=True, gc=False):
    """The sendings of one command, as far as they have a time.

    `first` and `last` are those of the first and the last one. `interval` and `limit` are what was announced when the
    last duration ended, `first_...` when the first one was sent, which stands at `began`. `at` is where the first
    duration ended.
    """

    first: datetime
    began: int
    first_interval: int | None
    first_limit: int | None
    last: datetime
    gaps: Histogram = msgspec.field(default_factory=Histogram)
    interval: int | None = None
    limit: int | None = None
    at: int | None = None

    def add(self, time: datetime, at: int, interval: int | None, limit: int | None) -> None:
        """The next one."""
        gap = (time - self.last).total_seconds()
        self.last = time
        if gap >= 0:
            self.gaps.add(gap)
            self.interval, self.limit = interval, limit
            self.at = at if self.at is None else self.at

    def inherit(self, announced: Announced) -> None:
        """What was announced before."""
        interval, limit = announced.get("interval"), announced.get("limit")
        self.first_interval = interval if self.first_interval is None else self.first_interval
        self.first_limit = limit if self.first_limit is None else self.first_limit
        if self.gaps.count:
            self.interval = interval if self.interval is None else self.interval
            self.limit = limit if self.limit is None else self.limit

    def then(self, after: "Polls") -> None:
        """Those right after these, too, which have inherited what was announced."""
        self.add(after.first, after.began, after.first_interval, after.first_limit)
        self.last = after.last
        if after.gaps.count:
            self.gaps.merge(after.gaps)
            self.interval, self.limit = after.interval, after.limit
            self.at = after.at if self.at is None else self.at
