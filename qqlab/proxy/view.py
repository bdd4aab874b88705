"""The content view `QQ`, for mitmproxy, mitmweb and mitmdump: what a message says, and on mitmproxy 12 how to edit it.

Law: the view chooses itself for messages of the protocol and for no others, in HTTP and on relayed connections; given
anything else it shows the bytes as they are. Secrets are not shown unless `qq_show_secrets` is set: screens are shared,
and what mitmdump prints ends in log files. Their bytes stand in mitmproxy's own views and survive every edit. One
class without a base fits the view interfaces of mitmproxy 11 and 12 alike.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mitmproxy import contentviews, ctx, exceptions, flow, http
from mitmproxy.addonmanager import Loader

from qqlab.codec import Note, decode, decode_message, recognise
from qqlab.errors import QqlabError
from qqlab.exchange import RawMessage
from qqlab.proxy import flows
from qqlab.proxy.known import Known
from qqlab.sheet import Part, Sheet, part, parts
from qqlab.spec import Command, Direction, Spec

OPTIONS: tuple[tuple[str, type, str | bool, str], ...] = (
    ("qq_show_secrets", bool, False, "Show passwords in the view QQ and by qq.show, where else stands !secret."),
)

# Above what the view of URL-encoded forms says, which is 1.
_OURS = 2.0
_NOT_OURS = -1.0


class NotEditable(exceptions.CommandError, ValueError):
    """An edit that cannot be put into the bytes: mitmproxy's console shows it as one line."""


class Seen(NamedTuple):
    """What mitmproxy says of the bytes to show, as far as it is known: their message, and its flow."""

    message: Any
    flow: flow.Flow | None

    @property
    def is_http(self) -> bool:
        """Whether the bytes are an HTTP body, and not one read of a stream."""
        return not hasattr(self.message, "from_client")

    def direction(self, data: bytes, spec: Spec) -> Direction:
        """Which way the bytes went; where nobody knows, the status that only a reply says decides."""
        if isinstance(self.message, http.Request):
            return "request"
        if isinstance(self.message, http.Response):
            return "reply"
        if self.message is not None:
            return "request" if self.message.from_client else "reply"
        status = decode_message(data, "reply", spec).get(spec.roles.status)
        return "request" if status is None else "reply"


class View:
    """See the module's law."""

    name = "QQ"
    syntax_highlight = "yaml"

    def __init__(self, known: Known) -> None:
        self._known = known
        self.reveal = False

    def prettify(self, data: bytes, metadata: Any) -> str:
        """The bytes as a sheet."""
        return self._sheet(data, _seen(metadata)).text()

    def reencode(self, prettified: str, metadata: Any) -> bytes:
        """The bytes that an edited sheet means. Raises NotEditable where it means none."""
        seen = _seen(metadata)
        data = metadata.original_data
        try:
            return self._sheet(_content(seen.message) if data is None else data, seen).read(prettified)
        except QqlabError as error:
            raise NotEditable(f"{self.name}: {error}") from error

    def render_priority(self, data: bytes, metadata: Any = None, **known: Any) -> float:
        """How well this view fits; `metadata` is what mitmproxy 12 gives, `known` what 11 does."""
        seen = _seen(metadata, **known)
        if not data or (seen.is_http and not self._may_be_ours(data, seen)):
            return _NOT_OURS
        return _OURS if any(one.message is not None for one in self._parts(data, seen)) else _NOT_OURS

    def __call__(self, data: bytes, **known: Any) -> tuple[str, Iterator[list[tuple[str, str]]]]:
        """What mitmproxy 11 asks for: a description, and lines of styled pieces."""
        lines = self._sheet(data, _seen(None, **known)).text().split("\n")
        return self.name, iter([_styled(line) for line in lines])

    def __lt__(self, other: Any) -> bool:
        return bool(self.name < other.name)

    def _sheet(self, data: bytes, seen: Seen) -> Sheet:
        return Sheet(self._parts(data, seen), self._known.spec, reveal=self.reveal)

    def _may_be_ours(self, data: bytes, seen: Seen) -> bool:
        """Told from the first bytes, so that a large body of something else costs nothing."""
        spec = self._known.spec
        return recognise(data, spec) or (seen.flow is not None and recognise(_request_body(seen.flow), spec))

    def _parts(self, data: bytes, seen: Seen) -> list[Part]:
        spec = self._known.spec
        direction = seen.direction(data, spec)
        if not seen.is_http:
            return parts(data, direction, spec)
        found = part(RawMessage(body=data), direction, spec, self._fallback(seen))
        if found.message is not None and isinstance(seen.flow, http.HTTPFlow):
            found = found._replace(notes=self._notes(seen.flow, direction) or found.notes)
        return [found]

    def _fallback(self, seen: Seen) -> Command | None:
        """The request's command, for a reply that names none."""
        body = b"" if seen.flow is None else _request_body(seen.flow)
        return decode_message(body, "request", self._known.spec).command if body else None

    def _notes(self, of: http.HTTPFlow, direction: Direction) -> tuple[Note, ...]:
        """What is odd about that side of the exchange, held against the other one."""
        exchange = flows.http_exchange(of, flows.failure(of))
        if exchange is None:
            return ()
        notes = decode(exchange, self._known.spec).notes
        return tuple(note for note in notes if note.direction == direction or (note.direction is None and of.error))


def _seen(metadata: Any, **known: Any) -> Seen:
    """One form of what either mitmproxy says."""
    names = ("http_message", "tcp_message", "udp_message", "websocket_message")
    message = next(
        (one for name in names if (one := getattr(metadata, name, None) or known.get(name)) is not None), None
    )
    return Seen(message, getattr(metadata, "flow", None) or known.get("flow"))


def _content(message: Any) -> bytes:
    """The bytes that mitmproxy would show of a message."""
    if message is None:
        return b""
    try:
        content = message.content
    except ValueError:  # a content coding that cannot be undone
        content = message.raw_content
    return content or b""


def _request_body(of: flow.Flow) -> bytes:
    return _content(of.request) if isinstance(of, http.HTTPFlow) else b""


def _styled(line: str) -> list[tuple[str, str]]:
    """A line in the styles of mitmproxy 11: a field's name stands out."""
    name, colon, value = line.partition(": ")
    if line.startswith(("#", '"')) or not colon:
        return [("text", line)]
    return [("header", name + colon), ("text", value)]


class Views:
    """The addon that brings the view into mitmproxy, and takes it out again."""

    def __init__(self, known: Known) -> None:
        self._view = View(known)

    def load(self, loader: Loader) -> None:
        """Declare the option, and add the view."""
        for name, kind, default, text in OPTIONS:
            loader.add_option(name, kind, default, text)
        api: Any = contentviews  # the argument of `add` is of another type in each mitmproxy
        api.add(self._view)

    def configure(self, updated: set[str]) -> None:
        """Show secrets, or not."""
        if "qq_show_secrets" in updated:
            self._view.reveal = ctx.options.qq_show_secrets

    def done(self) -> None:
        """Take the view out, where mitmproxy (11) would refuse it when the script is loaded anew."""
        api: Any = contentviews
        if self._view in getattr(api, "views", ()):
            api.remove(self._view)
