"""The mitmproxy addon: each exchange of the protocol is in the capture before the client has its reply.

Law: one exchange, one line, written when its reply or its failure is known. Traffic of other kinds is counted,
not recorded. Recording never ends quietly: where it cannot go on, the proxy stops and says why. Secrets become
pseudonyms before anything reaches the disk, unless `qq_keep_secrets` is set. A request line without a target, which
mitmproxy would refuse, is relayed as bytes. Works on mitmproxy 11 and 12.
"""

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from mitmproxy import connection, ctx, exceptions, http, tcp
from mitmproxy.addonmanager import Loader
from mitmproxy.net.http import url
from mitmproxy.proxy import layer, layers, mode_specs
from mitmproxy.proxy.context import Context

from qqlab import http1, spec
from qqlab.capture import Writer, header, with_session
from qqlab.codec import recognise
from qqlab.errors import ExitCode, QqlabError
from qqlab.exchange import Exchange
from qqlab.files import check_writable, refuse_existing
from qqlab.proxy import flows
from qqlab.proxy.streams import Conversation, Paired
from qqlab.redact import Redactor
from qqlab.visible import visible

logger = logging.getLogger(__name__)

_STOPPED = "the proxy was stopped before the reply"
_UNLOADED = "the script was removed or loaded anew while it recorded"

_HTTP_PORT = 80
_BLANK_LINES = b"\r\n"

OPTIONS: tuple[tuple[str, type, str | bool, str], ...] = (
    ("qq_capture", str, "", "Record HTTP QQ traffic into this new file (JSON lines). Empty: record nothing."),
    ("qq_keep_secrets", bool, False, "Write passwords as they were sent, not as pseudonyms."),
    ("qq_spec", str, "", "Read the protocol from this spec file, not from the built-in one."),
    ("qq_note", str, "", "Write this free text into the header of a new capture."),
)


class _Settings(NamedTuple):
    """The options that say what is recorded, where and how; with the defaults, nothing is."""

    capture: str = ""
    keep_secrets: bool = False
    spec: str = ""


class Recorder:
    """See the module's law; the options are those of `OPTIONS`."""

    def __init__(self) -> None:
        self._settings = _Settings()
        self._spec = spec.builtin()
        self._writer: Writer | None = None
        self._redactor: Redactor | None = None
        self._conversations: dict[str, tuple[tcp.TCPFlow, Conversation]] = {}
        self._unanswered: dict[str, http.HTTPFlow] = {}
        self._other = 0
        self._running = False
        self._failure = ""

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
        if not updated & {name for name, *_ in OPTIONS}:
            return
        wanted = _Settings(ctx.options.qq_capture, ctx.options.qq_keep_secrets, ctx.options.qq_spec)
        if wanted == self._settings:
            return
        try:
            known = spec.load(Path(wanted.spec)) if wanted.spec else spec.builtin()
            writer = _writer(wanted, known) if wanted.capture and self._running else None
            if wanted.capture and not self._running:
                _check(wanted)
        except QqlabError as error:
            reason = visible(str(error))
            if not self._running:
                # Raised in the usual way, mitmproxy would bury it under a traceback.
                print(f"qqlab: {reason}", file=sys.stderr, flush=True)
                sys.exit(error.exit_code)
            self._fail(reason)
            raise exceptions.OptionsError(f"qqlab: {reason}") from error
        self._close()
        self._settings, self._spec, self._writer = wanted, known, writer
        self._redactor = None if wanted.keep_secrets else Redactor(known)

    def running(self) -> None:
        """The proxy serves from now on."""
        self._running = True
        if self._failure:
            ctx.master.shutdown()
        elif self._settings.capture:
            self._opened()
        else:
            logger.warning("qqlab: nothing is recorded, since no file is named: --set qq_capture=FILE")

    def _opened(self) -> Writer | None:
        """The capture's writer, made now if it is not yet; None where nothing is recorded."""
        if self._writer is None and self._settings.capture and not self._failure:
            try:
                self._writer = _writer(self._settings, self._spec)
            except QqlabError as error:
                self._fail(visible(str(error)))
        return self._writer

    def _fail(self, reason: str) -> None:
        """Stop the proxy, with the reason as its last words; before it serves, mitmproxy itself sees to that."""
        self._failure = f"qqlab: {reason}: the proxy stops, since nothing more can be recorded"
        if self._running:
            ctx.master.shutdown()

    def _close(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        logger.info(
            "qqlab: %d exchanges recorded in %s, %d of other traffic passed by",
            self._writer.count,
            visible(self._settings.capture),
            self._other,
        )
        self._writer, self._other, self._settings = None, 0, _Settings()

    def request(self, flow: http.HTTPFlow) -> None:
        """The request is complete; its reply is to come."""
        self._unanswered[flow.id] = flow

    def response(self, flow: http.HTTPFlow) -> None:
        """The reply is complete, and the client does not have it yet."""
        self._flow(flow, None)

    def error(self, flow: http.HTTPFlow) -> None:
        """There will be no reply, or no whole one."""
        self._flow(flow, flows.failure(flow))

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Relay a connection as bytes where mitmproxy's own HTTP layer would refuse its first request."""
        data = nextlayer.data_client()
        if nextlayer.layer is not None or not data:
            return
        first = data.lstrip(_BLANK_LINES)
        missing = http1.has_no_target(first) if first else None
        if missing is None and len(data) <= http1.MAX_HEAD:
            # Too few bytes to tell. Scripts are asked before mitmproxy's own decision, which this holds off;
            # with more bytes it asks again.
            raise exceptions.AddonHalt
        if not missing:
            return
        if ctx.options.proxyauth:
            self._lose(nextlayer.context.client, "a request without a target cannot show the password of proxyauth")
        elif nextlayer.context.server.address is not None or self._find_server(nextlayer.context, first):
            nextlayer.layer = layers.TCPLayer(nextlayer.context)

    def _find_server(self, context: Context, data: bytes) -> bool:
        """Whether a request to the proxy itself, which names no server in its target, does so in its Host header."""
        head = http1.first_head(data)
        if head is None and len(data) <= http1.MAX_HEAD:
            raise exceptions.AddonHalt
        try:
            host, port = url.parse_authority(http1.parse_head(head or data).get("host") or "", check=True)
        except ValueError:
            host, port = "", None
        # A proxy that hands on to another proxy leaves it to that one to find servers.
        if not host or not isinstance(context.client.proxy_mode, mode_specs.RegularMode):
            self._lose(context.client, "nothing says where a request without a target should go")
            return False
        context.server.address = host, port or _HTTP_PORT
        return True

    def _lose(self, client: connection.Client, reason: str) -> None:
        """Something that may have been of this protocol is in no exchange: it counts as other traffic, not quietly."""
        self._other += 1
        logger.warning("qqlab: %s: not recorded: %s", flows.peer(client.peername), reason)

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        """A connection is relayed as bytes."""
        self._conversations[flow.id] = flow, Conversation()

    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        """Some bytes passed: one read, which may be a part of a message or several of them."""
        if flow.id not in self._conversations:
            return  # it began before this script was loaded
        _, conversation = self._conversations[flow.id]
        self._pairs(flow, flows.tcp_message(conversation, flow.messages[-1]))

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
        for identifier in list(self._conversations):
            self._tcp_over(identifier, _STOPPED)
        if self._writer is not None and not self._failure and not ctx.master.should_exit.is_set():
            self._fail(_UNLOADED)
        self._close()
        failure, self._failure = self._failure, ""
        if failure:
            # mitmproxy prints its log later than this exit, and would end with 0.
            print(failure, file=sys.stderr, flush=True)
            sys.exit(ExitCode.UNREADABLE)

    def _flow(self, flow: http.HTTPFlow, error: str | None) -> None:
        self._unanswered.pop(flow.id, None)
        exchange = flows.http_exchange(flow, error)
        if exchange is None:
            self._other += 1
        else:
            self._record(exchange)

    def _tcp_over(self, identifier: str, error: str | None) -> None:
        if identifier not in self._conversations:
            return  # mitmproxy closes connections after it has told scripts that it is done
        flow, conversation = self._conversations.pop(identifier)
        self._pairs(flow, conversation.end(datetime.now(UTC), error))
        if conversation.lost is not None:
            self._lose(flow.client_conn, conversation.lost)
        else:
            self._other += not conversation.any

    def _pairs(self, flow: tcp.TCPFlow, pairs: list[Paired]) -> None:
        for pair in pairs:
            self._record(flows.tcp_exchange(flow, pair))

    def _record(self, exchange: Exchange) -> None:
        if exchange.request is None or not recognise(http1.content(exchange.request) or b"", self._spec):
            self._other += 1
            return
        writer = self._opened()
        if writer is None:
            return
        exchange = msgspec.structs.replace(exchange, id=str(writer.count + 1))
        if self._redactor is not None:
            exchange = self._redactor.exchange(exchange)
        self._write(writer, with_session(exchange, self._spec))

    def _write(self, writer: Writer, exchange: Exchange) -> None:
        try:
            writer.append(exchange)
        except QqlabError as error:
            self._fail(visible(str(error)))
            self._close()


def _path(wanted: _Settings) -> Path:
    return Path(wanted.capture).expanduser()


def _check(wanted: _Settings) -> None:
    """Raise InputError now for what `_writer` would raise later."""
    refuse_existing(_path(wanted), "choose another name, or move it away")
    check_writable(_path(wanted))


def _writer(wanted: _Settings, known: spec.Spec) -> Writer:
    head = header(
        known,
        redacted="none" if wanted.keep_secrets else "secrets",
        created=datetime.now(UTC),
        note=ctx.options.qq_note,
    )
    return Writer(_path(wanted), head, known)
