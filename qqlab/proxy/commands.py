"""Commands for mitmproxy's and mitmweb's prompt: look at flows decoded, save them as a capture, note something.

Law: typed, so that mitmproxy completes and checks arguments. What cannot be done is one line of CommandError. Saving
takes secrets out as recording does, and never writes over a file. A note is the flow's comment and goes no further: a
capture holds what was on the wire.
"""

import inspect
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from mitmproxy import ctx, exceptions, flow, hooks, http, tcp, types
from mitmproxy.addonmanager import Loader
from mitmproxy.log import ALERT

from qqlab import capture as captures
from qqlab import wording
from qqlab.codec import decode, is_of
from qqlab.errors import QqlabError
from qqlab.exchange import Exchange
from qqlab.files import refuse_existing
from qqlab.proxy import flows
from qqlab.proxy.known import Known
from qqlab.proxy.options import read
from qqlab.sheet import Sheet, part
from qqlab.spec import DIRECTIONS, Spec
from qqlab.visible import visible

logger = logging.getLogger(__name__)

NAMES = ("show", "save", "note")


class Commands:
    """The addon that holds the commands."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def load(self, loader: Loader) -> None:
        """Declare the commands."""
        for name in NAMES:
            loader.add_command(f"qq.{name}", getattr(self, name))

    def show(self, flows: Sequence[flow.Flow]) -> Sequence[str]:
        """Show what the flows say, decoded, line by line: fields with their docs, code names, rows, notes."""
        return [line for exchange in self._exchanges(flows) for line in self._lines(exchange)]

    def save(self, flows: Sequence[flow.Flow], path: types.Path) -> None:
        """Save the flows as a new capture of qqlab, secrets taken out as the options say."""
        target = Path(path).expanduser()
        exchanges = self._exchanges(flows)
        try:
            refuse_existing(target, "choose another name, or move it away")
            self._save(exchanges, target)
        except QqlabError as error:
            raise exceptions.CommandError(f"qq.save: {visible(str(error))}") from error
        logger.log(ALERT, "qqlab: %d exchanges saved in %s", len(exchanges), visible(path))

    def _save(self, exchanges: list[Exchange], target: Path) -> None:
        spec = self._known.spec
        settings = read(ctx.options)
        redactor = settings.redactor(spec)
        head = captures.header(spec, redacted=settings.redact, created=datetime.now(UTC))
        kept = exchanges if redactor is None else [redactor.exchange(exchange) for exchange in exchanges]
        numbered = [
            captures.with_session(msgspec.structs.replace(exchange, id=str(number)), spec)
            for number, exchange in enumerate(kept, 1)
        ]
        captures.save(target, head, numbered, spec)

    def note(self, flows: Sequence[flow.Flow], text: str) -> None:
        """Put the text into the flows' comments, behind what stands there."""
        for one in flows:
            one.comment = f"{one.comment}; {text}" if one.comment else text
        ctx.master.addons.trigger(hooks.UpdateHook(flows))

    def _exchanges(self, of: Sequence[flow.Flow]) -> list[Exchange]:
        """The flows' exchanges of the protocol. Raises CommandError where there are none."""
        found = [
            exchange for one in of for exchange in _all(one, self._known.spec) if is_of(exchange, self._known.spec)
        ]
        if not found:
            raise exceptions.CommandError(f"qqlab: nothing of {self._known.spec.title} is in {_counted(of)}")
        return found

    def _lines(self, exchange: Exchange) -> Iterator[str]:
        spec = self._known.spec
        decoded = decode(exchange, spec)
        when = "" if exchange.time is None else exchange.time.strftime("%H:%M:%S.%f")[:-3]
        yield visible(f"{when} {exchange.client}: {decoded.command or '?'} {wording.status(decoded, spec)}".strip())
        fallback = None if decoded.request is None else decoded.request.command
        for direction in DIRECTIONS:
            raw = exchange.request if direction == "request" else exchange.reply
            if raw is not None:
                notes = tuple(note for note in decoded.notes if note.direction in (direction, None))
                one = part(raw, direction, spec, fallback)._replace(notes=notes)
                yield from Sheet([one], spec, reveal=ctx.options.qq_show_secrets).text().split("\n")
        yield ""


def _all(one: flow.Flow, spec: Spec) -> Sequence[Exchange]:
    if isinstance(one, tcp.TCPFlow):
        return flows.tcp_exchanges(one, spec)[0]
    exchange = flows.http_exchange(one, flows.failure(one)) if isinstance(one, http.HTTPFlow) else None
    return [] if exchange is None else [exchange]


def _counted(of: Sequence[flow.Flow]) -> str:
    return f"{len(of)} flow{'s'[: len(of) != 1]}"


def table() -> list[tuple[str, str]]:
    """The commands as they are typed, each with what it does."""
    made = [(name, getattr(Commands, name)) for name in NAMES]
    return [
        (" ".join((f"qq.{name}", *list(inspect.signature(one).parameters)[1:])), inspect.getdoc(one) or "")
        for name, one in made
    ]
