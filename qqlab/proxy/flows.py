"""mitmproxy's flows as exchanges.

Law: pure. A flow says all that is needed, so one that was just recorded and one read from a file give the same
exchanges. They have no id and no session yet (see `qqlab.capture.session`), and whether they are of the protocol is
for the caller to ask. A flow that holds no exchange gives none.
"""

from datetime import UTC, datetime

from mitmproxy import connection, http, tcp
from mitmproxy.net.http.http1 import assemble

from qqlab.conversation import Conversation, Paired, Transport
from qqlab.exchange import Exchange, RawMessage, address
from qqlab.spec import Spec

_STREAMED = "the reply's body was streamed past the recorder"
_UNKNOWN = "unknown failure"


def http_exchange(flow: http.HTTPFlow, error: str | None = None) -> Exchange | None:
    """The exchange of an HTTP flow; `error` is why it is over without a whole reply. None for a web socket, and where
    the request's body was never kept."""
    # To ask a flow's messages for their parts takes longer than to ask for what holds these.
    asked = flow.request.data
    if flow.websocket is not None or asked.content is None:
        return None
    said = None if flow.response is None else flow.response.data
    if error is None and said is not None and said.content is None:
        error = _STREAMED
    started = asked.timestamp_end or asked.timestamp_start
    ended = None if said is None else said.timestamp_end
    return Exchange(
        id="",
        session="",
        time=datetime.fromtimestamp(started, UTC),
        elapsed=None if ended is None else round(ended - started, 6),
        client=peer(flow.client_conn.peername),
        server=peer(flow.server_conn.address),
        transport="http",
        request=RawMessage(head=assemble.assemble_request_head(flow.request), body=asked.content),
        reply=_reply(flow.response),
        error=error,
        pairing="" if said is None else "order",
    )


def tcp_exchange(flow: tcp.TCPFlow, pair: Paired, transport: Transport) -> Exchange:
    """The exchange of one pair of messages on a relayed connection."""
    return Exchange(
        id="",
        session="",
        time=pair.time,
        elapsed=_seconds(pair.elapsed),
        client=peer(flow.client_conn.peername),
        server=peer(flow.server_conn.address),
        transport=transport,
        request=pair.request,
        reply=pair.reply,
        error=pair.error,
        pairing=pair.pairing,
    )


def tcp_message(conversation: Conversation, message: tcp.TCPMessage) -> list[Paired]:
    """The pairs that one read of a relayed connection completes."""
    feed = conversation.from_client if message.from_client else conversation.from_server
    return feed(message.content, datetime.fromtimestamp(message.timestamp, UTC))


def tcp_exchanges(flow: tcp.TCPFlow, spec: Spec) -> tuple[list[Exchange], Conversation]:
    """All exchanges of a connection that is over, and the conversation that found them."""
    conversation = Conversation(spec)
    pairs = [pair for message in flow.messages for pair in tcp_message(conversation, message)]
    pairs += conversation.end(_ended(flow), failure(flow))
    return [tcp_exchange(flow, pair, conversation.transport) for pair in pairs], conversation


def failure(flow: http.HTTPFlow | tcp.TCPFlow) -> str | None:
    """Why a flow failed; None where it did not."""
    return None if flow.error is None else flow.error.msg or _UNKNOWN


def peer(known: tuple[str, int] | None) -> str:
    """An address of mitmproxy's as an exchange names it; empty where the connection never got that far."""
    return "" if known is None else address(known[0], known[1])


def _reply(response: http.Response | None) -> RawMessage | None:
    if response is None:
        return None
    return RawMessage(head=assemble.assemble_response_head(response), body=response.raw_content or b"")


def _seconds(elapsed: float | None) -> float | None:
    return None if elapsed is None else round(elapsed, 6)


def _ended(flow: tcp.TCPFlow) -> datetime:
    """When a connection was over, as far as the flow knows."""
    client: connection.Client = flow.client_conn
    last = flow.messages[-1].timestamp if flow.messages else flow.timestamp_created
    return datetime.fromtimestamp(max(client.timestamp_end or 0, last), UTC)
