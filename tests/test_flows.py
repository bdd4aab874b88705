"""mitmproxy's flows as exchanges: one that was recorded and one read from a file say the same."""

import io
from datetime import UTC, datetime
from typing import TypeVar

from mitmproxy import connection, flow, http, tcp, websocket
from mitmproxy.io import FlowReader, FlowWriter

from qqlab.exchange import Exchange, RawMessage
from qqlab.proxy.flows import http_exchange, tcp_exchanges
from qqlab.spec import builtin

Made = TypeVar("Made", bound=flow.Flow)

ASK = b"VER=1.1&CMD=GetMsgEx&SEQ=2&UIN=10001"
SAY = b"VER=1.1&CMD=GETMSGEX&SEQ=2&UIN=10001&RES=0&MN=0"
START = 1_120_000_000.0


def ends() -> tuple[connection.Client, connection.Server]:
    client = connection.Client(peername=("10.0.0.7", 1234), sockname=("127.0.0.1", 8000), timestamp_start=START)
    return client, connection.Server(address=("::1", 8000))


def http_flow() -> http.HTTPFlow:
    made = http.HTTPFlow(*ends())
    made.request = http.Request(
        "", 0, b"POST", b"", b"", b"/", b"HTTP/1.1", http.Headers([(b"hOST", b"x")]), ASK, None, START, START + 1
    )
    made.response = http.Response(b"HTTP/1.0", 200, b"Fine", http.Headers(), SAY, None, START + 2, START + 2.5)
    return made


def tcp_flow(*messages: tuple[bool, bytes]) -> tcp.TCPFlow:
    made = tcp.TCPFlow(*ends())
    made.messages = [
        tcp.TCPMessage(from_client, data, START + second) for second, (from_client, data) in enumerate(messages)
    ]
    made.client_conn.timestamp_end = START + 10
    return made


def kept(made: Made) -> Made:
    """The flow, written to a file and read back."""
    file = io.BytesIO()
    FlowWriter(file).add(made)
    file.seek(0)
    (read,) = FlowReader(file).stream()
    assert isinstance(read, type(made))
    return read


def test_an_http_flow() -> None:
    expected = Exchange(
        id="",
        session="",
        time=datetime.fromtimestamp(START + 1, UTC),
        elapsed=1.5,
        client="10.0.0.7:1234",
        server="[::1]:8000",
        transport="http",
        request=RawMessage(head=b"POST / HTTP/1.1\r\nhOST: x\r\n\r\n", body=ASK),
        reply=RawMessage(head=b"HTTP/1.0 200 Fine\r\n\r\n", body=SAY),
        pairing="order",
    )
    assert http_exchange(http_flow()) == expected
    assert http_exchange(kept(http_flow())) == expected


def test_an_http_flow_without_its_bytes() -> None:
    streamed = http_flow()
    assert streamed.response is not None
    streamed.response.raw_content = None
    exchange = http_exchange(streamed)
    assert exchange is not None
    assert exchange.error == "the reply's body was streamed past the recorder"
    streamed.request.raw_content = None
    assert http_exchange(streamed) is None
    socket = http_flow()
    socket.websocket = websocket.WebSocketData()
    assert http_exchange(socket) is None


def test_a_relayed_connection_in_pieces() -> None:
    request = b"POST HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(ASK) + ASK
    reply = b"HTTP/1.0 200 OK\r\n\r\n" + SAY
    made = tcp_flow((True, request[:20]), (True, request[20:]), (False, reply[:30]), (False, reply[30:]))
    found, conversation = tcp_exchanges(kept(made), builtin())
    assert (conversation.any, conversation.ours) == (True, True)
    assert [(e.request and e.request.body, e.reply and e.reply.body, e.error) for e in found] == [(ASK, SAY, None)]
    assert found[0].time == datetime.fromtimestamp(START + 1, UTC)
    assert (found[0].client, found[0].server, found[0].transport) == ("10.0.0.7:1234", "[::1]:8000", "tcp")


def test_a_relayed_connection_that_failed() -> None:
    request = b"POST HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(ASK) + ASK
    made = tcp_flow((True, request))
    made.error = flow.Error("Connection reset")
    ((exchange,), _) = tcp_exchanges(made, builtin())
    assert (exchange.reply, exchange.error) == (None, "Connection reset")


def test_a_connection_without_a_message() -> None:
    found, conversation = tcp_exchanges(tcp_flow(), builtin())
    assert (found, conversation.any) == ([], False)
