"""mitmproxy's flow files, read and written with mitmproxy's own reader and writer.

Law: an exchange that an HTTP flow gives back byte for byte is one; any other (no target, bare line feeds, chunks,
bare lines, a push) is a TCP flow of its own, byte for byte too. A mark in the flow's metadata keeps what flows have no
place for. Memory is bounded: whole flows are cut off the file some hundred at a time, and read in other processes
where the file is long and there are processors, since mitmproxy's reader is what takes the time.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import msgspec
from mitmproxy import connection, flow, http, tcp
from mitmproxy.exceptions import FlowReadException
from mitmproxy.io import FlowReader, FlowWriter
from mitmproxy.net.http.http1 import read_request_head, read_response_head

from qqlab.capture import Redacted
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.formats import mark as marks
from qqlab.formats import workers
from qqlab.formats.mark import Found
from qqlab.formats.tally import Tally
from qqlab.proxy.flows import failure, http_exchange, tcp_exchanges
from qqlab.spec import Spec

# Flows are handed on by so many bytes; a flow of more than `MAX_FLOW` is passed over.
CHUNK = 512 * 1024
MAX_FLOW = 64 * 1024 * 1024

_PREFIX = 13  # the longest length prefix that mitmproxy reads, with its colon
_NO_REPLY = "the flow was saved before its reply"


class _Batch(msgspec.Struct, frozen=True):
    """What some flows gave; `wrong` is why the flow behind the first `whole` cannot be read."""

    found: list[tuple[Exchange, Redacted | None]]
    counts: list[tuple[str, str, int]]
    whole: int
    wrong: str | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Batch)


def read(
    file: BinaryIO, where: str, wanted: Callable[[Found], bool], spec: Spec, tally: Tally, *, partial: bool
) -> Iterator[Found]:
    """The exchanges of a flow file that are `wanted`; what else there is gets counted.

    Raises InputError where the file is damaged or cut off: with `partial` that is counted, and ends it.
    """
    frames = _Frames(file, tally)
    number = 0

    def batch(chunk: bytes) -> bytes:
        return _encoder.encode(_batch(chunk, wanted, spec))

    for packed in workers.mapped(batch, frames):
        made = _decoder.decode(packed)
        yield from (Found(exchange, redacted) for exchange, redacted in made.found)
        for count in made.counts:
            tally.add(*count)
        number += made.whole
        if made.wrong is not None:
            return _stop(where, number, made.wrong, tally, partial)
    if frames.wrong is not None:
        return _stop(where, number, frames.wrong, tally, partial)


def _stop(where: str, number: int, wrong: str, tally: Tally, partial: bool) -> None:
    if not partial:
        hint = f"--partial imports the {number} flows before it" if number else "is it a flow file of mitmproxy?"
        raise InputError(f"{where}, flow {number + 1}", wrong, hint)
    tally.add("flow", f"before the one that {wrong}: the rest of {where} is left out", number)


class _Frames:
    """A flow file cut at the ends of flows; `wrong` is why it could not be cut further."""

    def __init__(self, file: BinaryIO, tally: Tally) -> None:
        self.wrong: str | None = None
        self._file = file
        self._tally = tally

    def __iter__(self) -> Iterator[bytes]:
        buffer = b""
        while self.wrong is None and (data := self._file.read(CHUNK)):
            buffer += data
            whole = self._whole(buffer)
            if whole:
                yield buffer[:whole]
            buffer = self._completed(buffer[whole:])
        if buffer and self.wrong is None:
            self.wrong = "is cut off"

    def _whole(self, buffer: bytes) -> int:
        """How many of these bytes are whole flows."""
        at = 0
        while (end := self._end(buffer, at)) is not None and end <= len(buffer):
            at = end
        return at

    def _end(self, buffer: bytes, at: int) -> int | None:
        """Where the flow that begins there ends; None where that is not known."""
        colon = buffer.find(b":", at, at + _PREFIX)
        length = buffer[at : at + _PREFIX] if colon < 0 else buffer[at:colon]
        if (length and not length.isdigit()) or (colon < 0 and len(length) == _PREFIX) or colon == at:
            self.wrong = "does not begin with its length"
        return None if colon < 0 or self.wrong is not None else colon + 1 + int(length) + 1

    def _completed(self, buffer: bytes) -> bytes:
        """The beginning of a flow with so much more that it may be whole; nothing of one that is too large."""
        end = self._end(buffer, 0) if buffer else None
        if end is None or end <= len(buffer) + CHUNK:
            return buffer
        if end <= MAX_FLOW:
            return buffer + self._file.read(end - len(buffer))
        last = self._last_of(end - len(buffer))
        if not last:
            self.wrong = "is cut off"
        elif last != b"}":
            self.wrong = "is damaged"
        else:
            self._tally.add("flow", f"of more than {MAX_FLOW} bytes: passed over")
        return b""

    def _last_of(self, size: int) -> bytes:
        """The last of so many bytes, which are passed over; nothing where there are not so many."""
        if self._file.seekable():
            self._file.seek(size - 1, io.SEEK_CUR)
            return self._file.read(1)
        last = b""
        while size and (data := self._file.read(min(size, CHUNK))):
            size, last = size - len(data), data[-1:]
        return b"" if size else last


def _batch(chunk: bytes, wanted: Callable[[Found], bool], spec: Spec) -> _Batch:
    tally = Tally()
    found: list[tuple[Exchange, Redacted | None]] = []
    whole, wrong = 0, None
    try:
        for one in FlowReader(io.BytesIO(chunk)).stream():
            found.extend(each[:2] for each in _found(one, spec, tally) if _taken(each, wanted, tally))
            whole += 1
    except FlowReadException as error:
        wrong = f"is damaged: {error}"
    except Exception as error:  # mitmproxy's reader fails in many ways on a flow that is none
        wrong = f"is damaged: {type(error).__name__}: {error}"
    return _Batch(found, tally.counts(), whole, wrong)


def _taken(found: Found, wanted: Callable[[Found], bool], tally: Tally) -> bool:
    if wanted(found):
        return True
    tally.add("exchange", "of another kind: left out")
    return False


def _found(one: flow.Flow, spec: Spec, tally: Tally) -> Iterable[Found]:
    label = one.metadata.get(marks.NAME)
    mark = marks.read(label) if isinstance(label, str | bytes) else None
    if mark is not None:
        shown = shown_by(one)
        restored = None if shown is None else marks.restored(mark, shown)
        if restored is not None:
            return (restored,)
        tally.add("flow", "changed since qqlab wrote them: taken as they are now")
    return _foreign(one, spec, tally)


def _foreign(one: flow.Flow, spec: Spec, tally: Tally) -> list[Found]:
    if isinstance(one, tcp.TCPFlow):
        exchanges, conversation = tcp_exchanges(one, spec)
        return [Found(exchange, ours=conversation.ours) for exchange in exchanges]
    if not isinstance(one, http.HTTPFlow):
        tally.add("flow", "of neither HTTP nor TCP: left out")
        return []
    error = failure(one) or (_NO_REPLY if one.response is None else None)
    exchange = http_exchange(one, error)
    if exchange is None:
        tally.add("flow", "without its request's body, or of a web socket: left out")
        return []
    return [Found(exchange)]


def shown_by(one: flow.Flow) -> Exchange | None:
    """The messages as a flow of an export shows them: those of an HTTP flow, or all bytes of each side."""
    if isinstance(one, http.HTTPFlow):
        return http_exchange(one)
    if not isinstance(one, tcp.TCPFlow):
        return None
    sides = [
        [message.content for message in one.messages if message.from_client is from_client]
        for from_client in (True, False)
    ]
    request, reply = (RawMessage(body=b"".join(side)) if side else None for side in sides)
    return Exchange(id="", session="", request=request, reply=reply)


def write(file: BinaryIO, exchanges: Iterable[Exchange], redacted: Redacted, tally: Tally) -> None:
    """A flow file of the exchanges; what mitmproxy shows otherwise than it was is counted."""
    writer = FlowWriter(file)
    for exchange in exchanges:
        _count(exchange, tally)
        writer.add(to_flow(exchange, redacted))


def _count(exchange: Exchange, tally: Tally) -> None:
    messages = [message for message in (exchange.request, exchange.reply) if message is not None]
    if any(message.cut is not None for message in messages):
        tally.add("exchange", "with a cut body: mitmproxy shows what there is of it")
    if exchange.time is None:
        tally.add("exchange", "without a time: mitmproxy shows 1970")
    elif exchange.time != marks.shown_time(exchange):
        tally.add("exchange", "with a time out of reach: mitmproxy shows 1970")
    if exchange.request is None:
        tally.add("exchange", "without a request: a TCP flow to mitmproxy")
    elif exchange.transport != "http":
        tally.add("exchange", f"of transport {exchange.transport}: TCP flows to mitmproxy")


def to_flow(exchange: Exchange, redacted: Redacted) -> flow.Flow:
    """The exchange as a flow, with a mark that restores all of it."""
    made: flow.Flow = _http_flow(exchange) or _tcp_flow(exchange)
    if exchange.error is not None:
        made.error = flow.Error(exchange.error, _moment(exchange))
    shown = shown_by(made)
    if shown is not None:
        made.metadata[marks.NAME] = msgspec.json.encode(marks.mark(exchange, shown, redacted)).decode()
    return made


def _http_flow(exchange: Exchange) -> http.HTTPFlow | None:
    """An HTTP flow that gives back the very bytes; None where none can."""
    request, reply = exchange.request, exchange.reply
    if request is None or exchange.transport != "http":
        return None
    made = http.HTTPFlow(*_ends(exchange))
    started = made.timestamp_created = _moment(exchange)
    try:
        made.request = read_request_head(_lines(request))
        made.response = None if reply is None else read_response_head(_lines(reply))
    except (ValueError, IndexError):
        return None
    made.request.raw_content = request.body
    made.request.timestamp_start = made.request.timestamp_end = started
    if not made.request.host and made.server_conn.address is not None:
        made.request.data.host, made.request.data.port = made.server_conn.address[:2]
    made.request.data.scheme = made.request.data.scheme or b"http"
    if reply is not None and made.response is not None:
        made.response.raw_content = reply.body
        made.response.timestamp_start = made.response.timestamp_end = started + marks.shown_elapsed(exchange)
    return made if _same(made, exchange) else None


def _lines(message: RawMessage) -> list[bytes]:
    return message.head.removesuffix(b"\r\n\r\n").split(b"\r\n")


def _same(made: http.HTTPFlow, exchange: Exchange) -> bool:
    shown = http_exchange(made)
    pairs = [] if shown is None else [(exchange.request, shown.request), (exchange.reply, shown.reply)]
    return bool(pairs) and all(
        (wanted is None and seen is None)
        or (
            wanted is not None
            and seen is not None
            and not wanted.chunked
            and (wanted.head, wanted.body, wanted.end) == (seen.head, seen.body, seen.end)
        )
        for wanted, seen in pairs
    )


def _tcp_flow(exchange: Exchange) -> tcp.TCPFlow:
    made = tcp.TCPFlow(*_ends(exchange))
    started = made.timestamp_created = _moment(exchange)
    ended = started + marks.shown_elapsed(exchange)
    made.messages = [
        tcp.TCPMessage(from_client, message.head + message.body + message.end, moment)
        for from_client, message, moment in ((True, exchange.request, started), (False, exchange.reply, ended))
        if message is not None
    ]
    return made


def _moment(exchange: Exchange) -> float:
    return marks.shown_time(exchange).timestamp()


def _ends(exchange: Exchange) -> tuple[connection.Client, connection.Server]:
    started = _moment(exchange)
    peer = _endpoint(exchange.client) or ("", 0)
    client = connection.Client(peername=peer, sockname=("", 0), timestamp_start=started)
    return client, connection.Server(address=_endpoint(exchange.server))


def _endpoint(address: str) -> tuple[str, int] | None:
    """Host and port of `host:port` or `[host]:port`; None where it is neither."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal() and len(port) <= 5):
        return None
    return host.removeprefix("[").removesuffix("]"), int(port)
