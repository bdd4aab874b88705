"""What is odd about a flow, as its comment and its marker in mitmproxy's list of flows.

Law: a comment is one harmless line that holds codes and statuses, no other values, so it can be kept with the flow. The
user's own comments and markers stay. Nothing is worked out where nobody could see it: in mitmdump, unless `-w` keeps
the flows.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mitmproxy import ctx, flow, http, tcp
from mitmproxy.addonmanager import Loader

from qqlab import wording
from qqlab.codec import Decoded, decode, is_of, succeeded
from qqlab.exchange import Exchange
from qqlab.proxy import flows
from qqlab.proxy.known import Known, are_kept
from qqlab.spec import Spec
from qqlab.visible import visible

OPTIONS: tuple[tuple[str, type, str | bool, str], ...] = (
    ("qq_marks", bool, True, "Mark flows whose reply says failure, or that are odd, and say in their comment why."),
)

FAILED = ":red_circle:"
ODD = ":yellow_circle:"

_OURS = "qqlab.comment"
# A connection is read as a whole once it is over. One that lived for days is left alone: the proxy would stand still.
_MOST_READS = 2000


class Mark(NamedTuple):
    """What is to say about an exchange or a connection: a line, and a marker of mitmproxy's."""

    comment: str
    marker: str


def mark(decoded: Decoded, spec: Spec) -> Mark | None:
    """What is to say of an exchange; None where all is well."""
    notes = [note for note in decoded.notes if note.severity != "info"]
    failed = succeeded(decoded, spec) is False or any(note.severity == "error" for note in notes)
    if not failed and not notes:
        return None
    said = f"{visible(decoded.command or '?', 30)}: {wording.status(decoded, spec) or 'no status'}"
    if notes:
        codes = ", ".join(dict.fromkeys(note.code for note in notes))
        said += f"; {len(notes)} note{'s'[: len(notes) != 1]}: {visible(codes, 200)}"
    return Mark(said, FAILED if failed else ODD)


def mark_all(exchanges: Sequence[Exchange], spec: Spec) -> Mark | None:
    """What is to say of a connection: how many of its exchanges are odd, and of the first that failed, what."""
    marks = [one for exchange in exchanges if (one := mark(decode(exchange, spec), spec)) is not None]
    if not marks:
        return None
    worst = next((one for one in marks if one.marker == FAILED), marks[0])
    if len(exchanges) == 1:
        return worst
    return Mark(f"{len(marks)} of {len(exchanges)} exchanges are odd; {worst.comment}", worst.marker)


class Marks:
    """The addon that marks flows as they are complete."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def load(self, loader: Loader) -> None:
        """Declare the option."""
        for name, kind, default, text in OPTIONS:
            loader.add_option(name, kind, default, text)

    def response(self, of: http.HTTPFlow) -> None:
        """The reply is complete."""
        self._http(of)

    def error(self, of: http.HTTPFlow) -> None:
        """There will be no reply, or no whole one."""
        self._http(of)

    def tcp_end(self, of: tcp.TCPFlow) -> None:
        """A relayed connection is over."""
        self._tcp(of)

    def tcp_error(self, of: tcp.TCPFlow) -> None:
        """A relayed connection failed."""
        self._tcp(of)

    def _http(self, of: http.HTTPFlow) -> None:
        if are_wanted() and (exchange := flows.http_exchange(of, flows.failure(of))) is not None:
            self._put(of, [exchange])

    def _tcp(self, of: tcp.TCPFlow) -> None:
        if are_wanted() and len(of.messages) <= _MOST_READS:
            self._put(of, flows.tcp_exchanges(of, self._known.spec)[0])

    def _put(self, of: flow.Flow, exchanges: Sequence[Exchange]) -> None:
        ours = [exchange for exchange in exchanges if is_of(exchange, self._known.spec)]
        said = mark_all(ours, self._known.spec) or Mark("", "")
        before = of.metadata.get(_OURS, ["", ""])
        if of.comment == before[0]:
            of.comment = said.comment
        if of.marked == before[1]:
            of.marked = said.marker
        if said.comment or _OURS in of.metadata:
            of.metadata[_OURS] = [said.comment, said.marker]


def are_wanted() -> bool:
    """Whether marks are asked for, and anything would show or keep them."""
    return bool(ctx.options.qq_marks) and are_kept()
