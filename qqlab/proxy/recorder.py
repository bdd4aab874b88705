"""The mitmproxy addon: each exchange of the protocol is in the capture before the client has its reply.

Law: one exchange, one line, written when its reply or its failure is known. Traffic of other kinds is counted,
not recorded. Recording never ends quietly: where it cannot go on, the proxy stops and says why. Secrets become
pseudonyms before anything reaches the disk, unless `qq_redact` says otherwise. What is relayed as bytes, and not taken
apart by mitmproxy, `qqlab.proxy.choice` says. The protocol's historical servers are never connected to, whatever the
client or the mode names. Works on mitmproxy 11 and 12.
"""

import asyncio
import logging
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
from mitmproxy import connection, ctx, exceptions, http, tcp
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import layer, server_hooks

from qqlab import http1, spec
from qqlab.capture import Writer, check, header, session
from qqlab.codec import Decoded, decode, is_of
from qqlab.conversation import Conversation, Paired, Transport
from qqlab.errors import InputError, QqlabError, RefusedError, UsageError
from qqlab.exchange import Exchange
from qqlab.proxy import flows
from qqlab.proxy.alone import Others
from qqlab.proxy.choice import choose
from qqlab.proxy.host import with_host
from qqlab.proxy.known import are_kept
from qqlab.proxy.options import OPTIONS, Settings, read
from qqlab.redact import Redactor
from qqlab.replay.target import normal_host, refuse_historical
from qqlab.visible import visible

logger = logging.getLogger(__name__)

_STOPPED = "the proxy was stopped before the reply"
_UNLOADED = "the script was removed or loaded anew while it recorded"
_RELAY = "qqlab record --tcp relays it and records what is of the protocol"
_IDLE = 1.0  # seconds
_STOPS = ": the proxy stops, since nothing more can be recorded"

# What mitmproxy logs of bytes that it does not relay and tells no script of, and how to say that without them: there
# may be a password among them.
_REFUSALS = {
    "Bad HTTP request line": "mitmproxy refused the request's first line",
    "Invalid header": "mitmproxy refused a line of the request's head",
    "Client closed connection before completing request headers": "bytes of the client are no whole request",
    "Unexpected data from server": "bytes of the server answer no request",
}
_REFUSED = re.compile("|".join(map(re.escape, _REFUSALS)))
_REFUSED_BY = logging.getLogger("mitmproxy.proxy.server")

Told = Callable[[Exchange, Decoded], None]


class _Relayed(NamedTuple):
    """A connection that is relayed as bytes. `requests` cuts its requests and changes their heads, where they are
    changed."""

    flow: tcp.TCPFlow
    conversation: Conversation
    requests: http1.Reader | None = None


class Recorder:
    """See the module's law; the options are those of `OPTIONS`.

    `told` is called with each exchange once it is in the file. `other` counts what passed by and is in no exchange.
    `failure` is why nothing more can be recorded; where `exits` is set, it ends the process. `alone` tells whether no
    other addon wants to see the bytes that are relayed.
    """

    def __init__(self, told: Told | None = None, *, exits: bool = True) -> None:
        self._told = told
        self._exits = exits
        self._settings = Settings()
        self._spec = spec.builtin()
        self._writer: Writer | None = None
        self._redactor: Redactor | None = None
        self._quoted = Redactor(self._spec)
        self._relayed: dict[str, _Relayed] = {}
        self._unanswered: dict[str, http.HTTPFlow] = {}
        self._refusing: set[str] = set()
        self._running = False
        self._others = Others(self)
        self.other = 0
        self.alone = False
        self.failure: QqlabError | None = None

    def load(self, loader: Loader) -> None:
        """Declare the options."""
        for name, kind, default, text in OPTIONS:
            loader.add_option(name, kind, default, text)

    def configure(self, updated: set[str]) -> None:
        """Open the capture that the options name, then close the one before. Where that fails before the proxy serves,
        it never does; later it stops, and up to then the one before is written. The first capture is only made once
        the proxy serves, so that one that never does (its port is taken) leaves no file."""
        if "stream_large_bodies" in updated and ctx.options.stream_large_bodies and ctx.options.qq_capture:
            logger.warning("qqlab: stream_large_bodies is set: what mitmproxy streams is not recorded whole")
        self._others.forget()
        self.alone = self._running and not self._others.see_bytes
        if not updated & {name for name, *_ in OPTIONS}:
            return
        try:
            wanted = read(ctx.options)
            if wanted._replace(note=self._settings.note) == self._settings:
                return
            known = spec.load(Path(wanted.spec)) if wanted.spec else spec.builtin()
            redactor = wanted.redactor(known)
            writer = _writer(wanted, known) if wanted.capture and self._running else None
            if wanted.capture and not self._running:
                check(wanted.path, wanted.storage)
        except QqlabError as error:
            self._fail(error)
            if not self._running:
                self._exit("")
                return
            raise exceptions.OptionsError(f"qqlab: {visible(str(error))}") from error
        self._close()
        self._settings, self._spec, self._redactor = wanted, known, redactor
        self._quoted = redactor or Redactor(known)
        self._writer, self.other = writer, 0

    def running(self) -> None:
        """The proxy serves from now on."""
        self._running = True
        _REFUSED_BY.addFilter(self._refused)
        _REFUSED_BY.setLevel(min(_REFUSED_BY.getEffectiveLevel(), logging.INFO))
        if self.failure is not None:
            ctx.master.shutdown()
        elif self._settings.capture:
            self._opened()
            self._idle()
        else:
            logger.warning("qqlab: nothing is recorded, since no file is named: --set qq_capture=FILE")

    def _idle(self) -> None:
        """About once a second, also where nothing passes: keep what the writer promises, and see that it still can."""
        if self._writer is not None:
            try:
                _check_present(self._writer, self._settings.capture)
                self._writer.idle()
            except QqlabError as error:
                self._fail(error)
                self._close()
        if self._running:
            asyncio.get_running_loop().call_later(_IDLE, self._idle)

    def _opened(self) -> Writer | None:
        """The capture's writer, made now if it is not yet; None where nothing is recorded."""
        if self._writer is None and self._settings.capture and self.failure is None:
            try:
                self._writer = _writer(self._settings, self._spec)
            except QqlabError as error:
                self._fail(error)
        return self._writer

    def _fail(self, error: QqlabError) -> None:
        """Stop the proxy, with the first reason as its last words."""
        self.failure = self.failure or error
        if self._running:
            ctx.master.shutdown()

    def _exit(self, consequence: str) -> None:
        """End the process where nothing more can be recorded. Raised in the usual way, mitmproxy would bury the reason
        under a traceback, and print its log later than this exit, which would be with 0."""
        if self.failure is None or not self._exits:
            return
        failure, self.failure = self.failure, None
        print(f"qqlab: {visible(str(failure))}{consequence}", file=sys.stderr, flush=True)
        sys.exit(failure.exit_code)

    def _close(self) -> None:
        if self._writer is None:
            return
        try:
            self._writer.close()
        except QqlabError as error:
            self._fail(error)
        logger.info(
            "qqlab: %d exchange%s recorded in %s, %d of other traffic passed by",
            self._writer.count,
            "s"[: self._writer.count != 1],
            visible(self._settings.capture),
            self.other,
        )
        self._writer, self._settings = None, Settings()

    def request(self, flow: http.HTTPFlow) -> None:
        """The request is complete; its reply is to come."""
        self._unanswered[flow.id] = flow

    def response(self, flow: http.HTTPFlow) -> None:
        """The reply is complete, and the client does not have it yet; it never will where that is not in the file."""
        self._flow(flow, None)
        if self.failure is not None and flow.killable:
            flow.kill()

    def error(self, flow: http.HTTPFlow) -> None:
        """There will be no reply, or no whole one."""
        self._flow(flow, flows.failure(flow))

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """What becomes of a connection."""
        choose(nextlayer, self)

    @property
    def unwatched(self) -> bool:
        """Whether nobody else would look at HTTP messages, and these are recorded."""
        wanted = ctx.options.qq_relay and self._settings.capture and not self._settings.lines
        return bool(wanted) and self.failure is None and not self._others.see_messages

    def _lose(self, client: connection.Client, reason: str) -> None:
        """Something that may have been of this protocol is in no exchange: it counts as other traffic, not quietly."""
        self.other += 1
        logger.warning("qqlab: %s: not recorded: %s", flows.peer(client.peername), reason)

    def refuse(self, client: connection.Client, reason: str) -> None:
        """Something that mitmproxy will refuse, for a reason that is known already."""
        self._lose(client, reason)
        self._refusing.add(flows.peer(client.peername))

    def _refused(self, record: logging.LogRecord) -> bool:
        """Notice what mitmproxy says that it did not relay, and say it in its place. What it quotes otherwise goes on
        without secrets, whatever is recorded."""
        said = record.getMessage()
        if (match := _REFUSED.search(said)) is None:
            text = self._quoted.text(said)
            if text != said:
                record.msg, record.args = text, ()
            return True
        where = flows.peer(getattr(record, "client", None))
        if where in self._refusing:
            self._refusing.remove(where)
        else:
            self.other += 1
            logger.warning("qqlab: %s: not recorded: %s; %s", where, _REFUSALS[match[0]], _RELAY)
        return False

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Nothing that a client asks for leads to the historical servers."""
        if data.server.address is None:
            return
        try:
            refuse_historical(normal_host(data.server.address[0]))
        except RefusedError as error:
            data.server.error = visible(str(error))
            logger.warning("qqlab: %s: not connected: %s", flows.peer(data.client.peername), data.server.error)
        except UsageError:
            pass  # no name of a host at all: the resolver says so

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        """A connection is relayed as bytes."""
        self.alone = not self._others.see_bytes
        if flow.id not in self._relayed:
            spoken: Transport | None = "lines" if self._settings.lines else None
            self._relayed[flow.id] = _Relayed(flow, Conversation(self._spec, spoken))

    def converse(self, flow: tcp.TCPFlow, host: str | None) -> None:
        """HTTP is relayed from now on, and its requests name that host."""
        requests = None if host is None else http1.Reader("request", patch=partial(with_host, host=host))
        self._relayed[flow.id] = _Relayed(flow, Conversation(self._spec, "tcp", requests), requests)

    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        """Some bytes passed: one read, which may be a part of a message or several of them."""
        message = flow.messages[-1]
        time = datetime.fromtimestamp(message.timestamp, UTC)
        message.content = self._read(flow, message.content, time, from_client=message.from_client)
        if not are_kept():
            # mitmproxy keeps all that a connection ever sent, 700 bytes an exchange; other addons look at the last.
            del flow.messages[:-1]

    def relayed(self, flow: tcp.TCPFlow, data: bytes, *, from_client: bool) -> bytes:
        """The same where nobody else is told of it."""
        return self._read(flow, data, datetime.now(UTC), from_client=from_client)

    def withheld(self, flow: tcp.TCPFlow) -> bytes:
        """What of a request under way was not sent on."""
        relayed = self._relayed.get(flow.id)
        if relayed is None or relayed.requests is None or self.failure is not None:
            return b""
        return relayed.requests.passed(last=True)

    def _read(self, flow: tcp.TCPFlow, data: bytes, time: datetime, *, from_client: bool) -> bytes:
        """Record what these bytes complete; gives those that may be sent on."""
        if (relayed := self._relayed.get(flow.id)) is None:
            return data  # it began before this script was loaded
        conversation, requests = relayed.conversation, relayed.requests
        try:
            feed = conversation.from_client if from_client else conversation.from_server
            self._pairs(flow, conversation, feed(data, time))
        except Exception:
            logger.exception("qqlab: %s: not recorded: this is a bug of qqlab", flows.peer(flow.client_conn.peername))
        if self.failure is not None:
            return b""
        return data if requests is None or not from_client else requests.passed()

    def tcp_server_done(self, flow: tcp.TCPFlow) -> None:
        """The server sends nothing more on a relayed connection, which the client does not know yet."""
        if (relayed := self._relayed.get(flow.id)) is not None:
            self._pairs(flow, relayed.conversation, relayed.conversation.server_done(datetime.now(UTC)))

    def tcp_end(self, flow: tcp.TCPFlow) -> None:
        """The relayed connection is over."""
        self._tcp_over(flow.id, None)

    def tcp_error(self, flow: tcp.TCPFlow) -> None:
        """The relayed connection failed."""
        self._tcp_over(flow.id, flows.failure(flow))

    def done(self) -> None:
        """The proxy ends: what was under way is recorded as far as it got."""
        for flow in list(self._unanswered.values()):
            self._flow(flow, _STOPPED)
        for identifier in list(self._relayed):
            self._tcp_over(identifier, _STOPPED)
        self._running = False
        _REFUSED_BY.removeFilter(self._refused)
        if self._writer is not None and self.failure is None and not ctx.master.should_exit.is_set():
            self._fail(InputError(self._settings.capture, _UNLOADED))
        self._close()
        self._exit(_STOPS)

    def _flow(self, flow: http.HTTPFlow, error: str | None) -> None:
        self._unanswered.pop(flow.id, None)
        exchange = flows.http_exchange(flow, error)
        if exchange is None or not is_of(exchange, self._spec):
            self.other += 1
        else:
            self._record(exchange)

    def _tcp_over(self, identifier: str, error: str | None) -> None:
        if identifier not in self._relayed:
            return  # mitmproxy closes connections after it has told scripts that it is done
        flow, conversation, _ = self._relayed.pop(identifier)
        self._pairs(flow, conversation, conversation.end(datetime.now(UTC), error))
        self.other += not conversation.any

    def _pairs(self, flow: tcp.TCPFlow, conversation: Conversation, pairs: list[Paired]) -> None:
        """Record what is of the protocol, and what went wrong on a connection that carried it."""
        for pair in pairs:
            if conversation.recognises(pair) or (conversation.ours and pair.error is not None):
                self._record(flows.tcp_exchange(flow, pair, conversation.transport))
            else:
                self.other += 1

    def _record(self, exchange: Exchange) -> None:
        writer = self._opened()
        if writer is None:
            return
        try:
            exchange, decoded = self._finished(exchange, writer.count + 1)
        except Exception:
            # A bug, and whoever knows how to provoke it shall cost himself this exchange, and nobody those behind it.
            self.other += 1
            logger.exception("qqlab: %s: not recorded: this is a bug of qqlab", exchange.client)
            return
        if self._write(writer, exchange, decoded) and self._told is not None:
            self._told(exchange, decoded)

    def _finished(self, exchange: Exchange, number: int) -> tuple[Exchange, Decoded]:
        """An exchange as it is written."""
        if self._redactor is not None:
            exchange = self._redactor.exchange(exchange)
        decoded = decode(exchange, self._spec)
        conversation = session(exchange.client, decoded.account)
        return msgspec.structs.replace(exchange, id=str(number), session=conversation), decoded

    def _write(self, writer: Writer, exchange: Exchange, decoded: Decoded) -> bool:
        """Whether the exchange is in the file now."""
        try:
            _check_present(writer, self._settings.capture)
            writer.append(exchange, decoded)
        except QqlabError as error:
            self._fail(error)
            self._close()
            return False
        return True


def _check_present(writer: Writer, path: str) -> None:
    """Raise InputError where what is written now would be in no folder any more."""
    if os.fstat(writer.fileno()).st_nlink == 0:
        what = f"was removed while it was being recorded, with all that was in it, up to exchange {writer.count}"
        raise InputError(path, what)


def _writer(wanted: Settings, known: spec.Spec) -> Writer:
    head = header(
        known,
        redacted=wanted.redact,
        created=datetime.now(UTC),
        note=wanted.note,
    )
    writer = Writer(wanted.path, head, known, wanted.storage)
    for line in writer.notices:
        logger.warning("qqlab: %s", visible(line))
    return writer
