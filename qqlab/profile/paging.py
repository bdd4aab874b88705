"""Whether one session asks for a long list on and on until it is complete.

Law: see `qqlab.profile.transitions`. Only the page before tells how a list should go on, so a stretch needs to know no
more than the first asking of it and its last page. Where the spec does not say where lists begin, an asking that does
not go on with the last row may be for the list from its beginning, and is held against nothing.
"""

from datetime import datetime
from typing import NamedTuple

import msgspec

from qqlab.profile.tally import Held


class Ask(NamedTuple):
    """A request for a page: its cursor, and whether that is where lists begin, None where the spec does not say."""

    cursor: str
    begins: bool | None
    label: str
    time: datetime | None
    at: int


class Page(NamedTuple):
    """The last page of a list that is not complete: the cursor that should go on with it, and its exchange."""

    next: str
    label: str
    time: datetime | None
    at: int


class Pages(msgspec.Struct, array_like=True, gc=False):
    """A stretch of at least one asking. `open` is the last page, unless the list was complete or told no key."""

    first: Ask
    open: Page | None = None
    complete: Held = msgspec.field(default_factory=Held)
    cursors: Held = msgspec.field(default_factory=Held)

    def ask(self, ask: Ask) -> None:
        """One more asking, held against the page before."""
        page, self.open = self.open, None
        if page is None:
            return
        goes_on = ask.cursor == page.next
        if not goes_on and ask.begins:
            self.complete.add(False, page.label, page.time, page.at)
        else:
            self.cursors.add(True if goes_on else ask.begins, ask.label, ask.time, ask.at)

    def done(self, ask: Ask) -> None:
        """The list is complete with the reply to this asking."""
        self.complete.add(True, ask.label, ask.time, ask.at)

    def then(self, after: "Pages") -> None:
        """The stretch right after this one, too."""
        self.ask(after.first)
        self.open = after.open
        self.complete.merge(after.complete)
        self.cursors.merge(after.cursors)

    def close(self) -> Held:
        """Whether lists were asked for to their end, if nothing follows: one that was not yet never will be."""
        if self.open is None:
            return self.complete
        whole = Held()
        whole.merge(self.complete)
        whole.add(False, self.open.label, self.open.time, self.open.at)
        return whole
