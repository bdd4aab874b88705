"""The mitmproxy addon: each exchange of the protocol is in the capture before the client has its reply.

Law: one exchange, one line, written when its reply or its failure is known. Traffic of other kinds is counted,
not recorded. Secrets become pseudonyms before anything reaches the disk, unless `qq_keep_secrets` is set. A
request line without a target, which mitmproxy would refuse, is relayed as bytes. Works on mitmproxy 11 and 12.
"""

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from mitmproxy import connection, ctx, exceptions, http, tcp
from mitmproxy.addonmanager import Loader
from mitmproxy.net.http.http1 import assemble
from mitmproxy.proxy import layer, layers

from qqlab import http1, spec
from qqlab.capture import Writer, header, session
from qqlab.codec import decode, recognise
from qqlab.errors import ExitCode, QqlabError
from qqlab.exchange import Exchange, RawMessage
from qqlab.proxy.streams import Conversation, Paired
from qqlab.redact import Redactor
from qqlab.visible import visible

logger = logging.getLogger(__name__)

_STOPPED = "the proxy was stopped before the reply"

OPTIONS: tuple[tuple[str, type, str | bool, str], ...] = (
    ("qq_capture", str, "", "Record HTTP QQ traffic into this new file (JSON lines). Empty: record nothing."),
    ("qq_keep_secrets", bool, False, "Write passwords as they were sent, not as pseudonyms."),
    ("qq_spec", str, "", "Read the protocol from this spec file, not from the built-in one."),
)


class Recorder:
    """See the module's law; the options are those of `OPTIONS`."""

    def __init__(self) -> None:
        self._spec = spec.builtin()
        self._writer: Writer | None = None
        self._redactor: Redactor | None = None
        self._conversations: dict[str, tuple[tcp.TCPFlow, Conversation]] = {}
        self._unanswered: dict[str, http.HTTPFlow] = {}
        self._other = 0
        self._failure = ""

    def load(self, loader: Loader) -> None:
        """Declare the options."""
        for name, kind, default, text in OPTIONS:
            loader.add_option(name, kind, default, text)

    def configure(self, updated: set[str]) -> None:
        """Open the capture that the options name; what cannot be opened stops the proxy before it serves."""
        if not updated & {name for name, *_ in OPTIONS}:
            return
        self._close()
        try:
            self._spec = spec.load(Path(ctx.options.qq_spec)) if ctx.options.qq_spec else spec.builtin()
            if ctx.options.qq_capture:
                self._open(Path(ctx.options.qq_capture).expanduser())
        except QqlabError as error:
            raise exceptions.OptionsError(f"qqlab: {visible(str(error))}") from error

    def _open(self, path: Path) -> None:
        keep = bool(ctx.options.qq_keep_secrets)
        self._redactor = None if keep else Redactor(self._spec)
        head = header(self._spec, redacted="none" if keep else "secrets", created=datetime.now(UTC))
        self._writer = Writer(path, head, self._spec)

    def _close(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        logger.info(
            "qqlab: %d exchanges recorded in %s, %d of other traffic passed by",
            self._writer.count,
            visible(ctx.options.qq_capture),
            self._other,
        )
        self._writer, self._other = None, 0

    def request(self, flow: http.HTTPFlow) -> None:
        """The request is complete; its reply is to come."""
        self._unanswered[flow.id] = flow

    def response(self, flow: http.HTTPFlow) -> None:
        """The reply is complete, and the client does not have it yet."""
        self._flow(flow, None)

    def error(self, flow: http.HTTPFlow) -> None:
        """There will be no reply, or no whole one."""
        self._flow(flow, flow.error.msg if flow.error is not None else "unknown failure")

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Relay a connection as bytes where mitmproxy's own HTTP layer would refuse its first request."""
        if nextlayer.layer is not None or nextlayer.context.server.address is None:
            return
        missing = http1.has_no_target(nextlayer.data_client())
        if missing:
            nextlayer.layer = layers.TCPLayer(nextlayer.context)
        elif missing is None:
            # Too few bytes to tell. Scripts are asked before mitmproxy's own decision, which this holds off;
            # with more bytes it asks again.
            raise exceptions.AddonHalt

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        """A connection is relayed as bytes."""
        self._conversations[flow.id] = flow, Conversation()

    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        """Some bytes passed: one read, which may be a part of a message or several of them."""
        if flow.id not in self._conversations:
            return  # it began before this script was loaded
        _, conversation = self._conversations[flow.id]
        message = flow.messages[-1]
        now = datetime.fromtimestamp(message.timestamp, UTC)
        if message.from_client:
            conversation.from_client(message.content, now)
        else:
            self._pairs(flow, conversation.from_server(message.content, now))

    def tcp_end(self, flow: tcp.TCPFlow) -> None:
        """The relayed connection is over."""
        self._tcp_over(flow.id, None)

    def tcp_error(self, flow: tcp.TCPFlow) -> None:
        """The relayed connection failed."""
        self._tcp_over(flow.id, flow.error.msg if flow.error is not None else "unknown failure")

    def done(self) -> None:
        """The proxy ends: what was under way is recorded as far as it got."""
        for flow in list(self._unanswered.values()):
            self._flow(flow, _STOPPED)
        for identifier in list(self._conversations):
            self._tcp_over(identifier, _STOPPED)
        self._close()
        if self._failure:
            # mitmproxy prints its log later than this exit, and would end with 0.
            print(self._failure, file=sys.stderr, flush=True)
            sys.exit(ExitCode.UNREADABLE)

    def _flow(self, flow: http.HTTPFlow, error: str | None) -> None:
        self._unanswered.pop(flow.id, None)
        body = flow.request.raw_content
        if flow.websocket is not None or body is None:
            self._other += 1
            return
        started = flow.request.timestamp_end or flow.request.timestamp_start
        ended = flow.response.timestamp_end if flow.response is not None else None
        self._record(
            RawMessage(head=assemble.assemble_request_head(flow.request), body=body),
            _reply(flow.response),
            time=datetime.fromtimestamp(started, UTC),
            elapsed=ended - started if ended is not None else None,
            error=error,
            client=flow.client_conn,
            server=flow.server_conn,
            transport="http",
        )

    def _tcp_over(self, identifier: str, error: str | None) -> None:
        if identifier not in self._conversations:
            return  # mitmproxy closes connections after it has told scripts that it is done
        flow, conversation = self._conversations.pop(identifier)
        self._pairs(flow, conversation.end(datetime.now(UTC), error))
        self._other += not conversation.any

    def _pairs(self, flow: tcp.TCPFlow, pairs: list[Paired]) -> None:
        for pair in pairs:
            self._record(
                pair.request,
                pair.reply,
                time=pair.time,
                elapsed=pair.elapsed,
                error=pair.error,
                client=flow.client_conn,
                server=flow.server_conn,
                transport="tcp",
            )

    def _record(
        self,
        request: RawMessage,
        reply: RawMessage | None,
        *,
        time: datetime,
        elapsed: float | None,
        error: str | None,
        client: connection.Client,
        server: connection.Server,
        transport: str,
    ) -> None:
        if not recognise(http1.content(request) or b"", self._spec):
            self._other += 1
            return
        if self._writer is None:
            return
        address = _address(client.peername)
        exchange = Exchange(
            id=str(self._writer.count + 1),
            session="",
            time=time,
            elapsed=None if elapsed is None else round(elapsed, 6),
            client=address,
            server=_address(server.address),
            transport=transport,
            request=request,
            reply=reply,
            error=error,
        )
        if self._redactor is not None:
            exchange = self._redactor.exchange(exchange)
        account = decode(exchange, self._spec).account
        self._write(self._writer, msgspec.structs.replace(exchange, session=session(address, account)))

    def _write(self, writer: Writer, exchange: Exchange) -> None:
        try:
            writer.append(exchange)
        except QqlabError as error:
            self._failure = f"qqlab: {visible(str(error))}: the proxy stops, since nothing more can be recorded"
            self._close()
            ctx.master.shutdown()


def _reply(response: http.Response | None) -> RawMessage | None:
    if response is None:
        return None
    return RawMessage(head=assemble.assemble_response_head(response), body=response.raw_content or b"")


def _address(address: tuple[str, int] | None) -> str:
    """`host:port`, with an IPv6 host in brackets; empty where the connection never got that far."""
    if address is None:
        return ""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
