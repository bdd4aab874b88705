"""What mitmproxy shows of the protocol, in one addon: the view, the marks, the commands.

Law: where nobody looks, an exchange is not held up. mitmproxy goes through every addon at each event of each flow, and
to call a hook takes longer than to find that there is nothing to do; so the parts are one addon, and its hooks for
flows are there only while marks are wanted.
"""

from mitmproxy.addonmanager import Loader

from qqlab.proxy.commands import Commands
from qqlab.proxy.known import Known
from qqlab.proxy.marks import Marks, are_wanted
from qqlab.proxy.view import Views

_EVENTS = ("response", "error", "tcp_end", "tcp_error")


class Inside:
    """Passes to its parts what happens."""

    def __init__(self) -> None:
        self._known = Known()
        self._views = Views(self._known)
        self._marks = Marks(self._known)
        self._commands = Commands(self._known)

    def load(self, loader: Loader) -> None:
        """Declare options and commands, and add the view."""
        self._views.load(loader)
        self._marks.load(loader)
        self._commands.load(loader)

    def configure(self, updated: set[str]) -> None:
        """Options changed; the spec comes first, since all go by it."""
        self._known.configure(updated)
        self._views.configure(updated)
        self._attend()

    def running(self) -> None:
        """The proxy serves, and whatever else shows flows is there."""
        self._attend()

    def done(self) -> None:
        """Take the view out."""
        self._views.done()

    def _attend(self) -> None:
        """Have the hooks for flows, or have none: mitmproxy looks for them anew at each event."""
        for event in _EVENTS:
            self.__dict__.pop(event, None)
            if are_wanted():
                setattr(self, event, getattr(self._marks, event))
