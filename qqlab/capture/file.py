"""The capture file: JSON lines, a header with the format's version first, then one exchange a line.

Law: never lose a recording quietly. A line is written whole; a file is replaced atomically and never overwritten
unasked; damage is named by its line. Only a torn last line, which a crash leaves, is skipped, and that is said.
Older versions are brought up to this one step by step on reading, a newer one is refused by name. Files are created
readable by their owner alone.

A long recording may be rotated: `mine.jsonl` is then the segment being written, and `mine.0001.jsonl.zst`,
`mine.0002.jsonl.zst` and so on are those before it, finished and compressed with zstd (`zstd -dc` shows them). Each
is a capture of its own with a header; all share the header's `recording`. Who names `mine.jsonl` reads all of them in
order; who names a segment reads that one. A segment that is not there is said.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec

import qqlab
from qqlab.capture.record import Record, record
from qqlab.codec import Decoded, decode
from qqlab.errors import InputError
from qqlab.exchange import Cut, Exchange, Pairing, RawMessage
from qqlab.spec import Spec

FORMAT = 2

Redacted = Literal["secrets", "all", "none"]

_MOST = 10**15
# What clients say again and again is held once: less memory, and who looks it up need not read it again.
_LONGEST_USUAL = 1024
_DAMAGE = (msgspec.DecodeError, UnicodeError, RecursionError)
_OPENS, _CLOSES = b"{}"
_HINT = "a capture begins with a header line holding qqlab_capture"


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A capture file's first line.

    `qqlab_capture` is the format's version. `created` is when recording began, None for material whose time is
    unknown. `tool` wrote the file, by the spec named `spec`. `redacted` tells what is pseudonyms: the values of secret
    fields (`secrets`), of personal ones too (`all`), or nothing (`none`). `recording` is a random name that the
    segments of one recording share, empty where there is only this file. `segment` counts those, from 1; `before` is
    the highest number that is an id in the segments before this one. `note` is free text, such as where imported
    material comes from.
    """

    qqlab_capture: int
    tool: str
    spec: str
    redacted: Redacted
    created: datetime | None = None
    recording: str = ""
    segment: int = 1
    before: int = 0
    note: str = ""


class _Raw(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A message in the file: text where the bytes are UTF-8, base64 otherwise."""

    head: str | None = None
    head_base64: bytes | None = None
    body: str | None = None
    body_base64: bytes | None = None
    end: str = ""
    chunked: bool = False
    cut: Cut | None = None


class _Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is written of an exchange. Loading makes the exchange at once, and passes over `decoded` and keys that this
    version does not know."""

    id: str
    session: str
    time: datetime | None = None
    elapsed: float | None = None
    client: str = ""
    server: str = ""
    transport: str = "http"
    request: _Raw | None = None
    reply: _Raw | None = None
    error: str | None = None
    pairing: Pairing = ""


class WrittenLine(_Line, frozen=True, kw_only=True):
    """What is written: all of that, and what is decoded of it."""

    decoded: Record


class _Kept(_Line, frozen=True, kw_only=True):
    """A line with what is decoded of it as it stands there."""

    decoded: msgspec.Raw


class _Stored(msgspec.Struct, frozen=True, gc=False):
    """Of a line, what is decoded of it."""

    decoded: msgspec.Raw = msgspec.Raw()


_header_decoder = msgspec.json.Decoder(dict[str, Any])
# Exchanges at once, but for their messages: to make each out of something else would take half of the time again.
_exchange: Any = Exchange
_line_decoder: msgspec.json.Decoder[Exchange] = msgspec.json.Decoder(_exchange[_Raw])
_stored_decoder = msgspec.json.Decoder(_Stored)
_put = msgspec.structs.force_setattr  # while nobody else has the exchange
_encoder = msgspec.json.Encoder()


def header(spec: Spec, *, redacted: Redacted, created: datetime | None = None, note: str = "") -> Header:
    """The header of a capture that this version of qqlab writes."""
    return Header(
        qqlab_capture=FORMAT,
        tool=f"qqlab {qqlab.__version__}",
        spec=spec.name,
        redacted=redacted,
        created=created,
        note=note,
    )


def encode_header(head: Header) -> bytes:
    """A header as the first line of a file."""
    return _encoder.encode(head) + b"\n"


def parse_header(line: bytes, where: str) -> tuple[Header, int]:
    """The header in a file's first line, brought up to this version, and the version it was written in.

    Raises InputError where it is none, is damaged, or is of a newer version.
    """
    try:
        found = _header_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{where}:1", "is no qqlab capture", _HINT) from error
    version = found.get("qqlab_capture")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{where}:1", "is no qqlab capture", _HINT)
    if version > FORMAT:
        raise InputError(
            where, f"has capture format {version}, and this qqlab reads up to {FORMAT}", "use a newer qqlab"
        )
    for old in range(version, FORMAT):
        found = _STEPS[old](found)
    try:
        head = msgspec.convert(found, Header)
        if not (1 <= head.segment <= _MOST and 0 <= head.before <= _MOST):
            raise msgspec.ValidationError("there is no such segment")
        return head, version
    except msgspec.ValidationError as error:
        raise InputError(f"{where}:1", f"the header is damaged: {error}") from error


def _from_1(found: dict[str, Any]) -> dict[str, Any]:
    """Format 1 knew neither segments nor `all`; its lines are those of format 2 without some optional keys."""
    return found | {"qqlab_capture": 2}


_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}


def encode_line(exchange: Exchange, spec: Spec, decoded: Decoded | None = None) -> bytes:
    """An exchange as its line of the file; `decoded` is what `decode` says of it, for who has it already."""
    return (
        _encoder.encode(
            WrittenLine(
                id=exchange.id,
                session=exchange.session,
                time=exchange.time,
                elapsed=exchange.elapsed,
                client=exchange.client,
                server=exchange.server,
                transport=exchange.transport,
                request=_pack(exchange.request),
                reply=_pack(exchange.reply),
                error=exchange.error,
                pairing=exchange.pairing,
                decoded=record(decoded or decode(exchange, spec)),
            )
        )
        + b"\n"
    )


def _pack(message: RawMessage | None) -> _Raw | None:
    if message is None:
        return None
    head, head_base64 = _pack_bytes(message.head)
    body, body_base64 = _pack_bytes(message.body)
    return _Raw(
        head=head,
        head_base64=head_base64,
        body=body,
        body_base64=body_base64,
        end=message.end.decode("ascii"),
        chunked=message.chunked,
        cut=message.cut,
    )


def _pack_bytes(data: bytes) -> tuple[str | None, bytes | None]:
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError:
        return None, data


def _unpack(raw: Any) -> RawMessage:
    head, body = raw.head, raw.body
    if head is None or body is None or raw.end or raw.chunked or raw.cut is not None:
        return RawMessage(
            head=_unpack_bytes(head, raw.head_base64) if head is None else _encoded(head),
            body=_unpack_bytes(body, raw.body_base64) if body is None else body.encode(),
            end=raw.end.encode("ascii"),
            chunked=raw.chunked,
            cut=raw.cut,
        )
    return RawMessage(head=_usual_head(head) if len(head) <= _LONGEST_USUAL else head.encode(), body=body.encode())


def _encoded(head: str) -> bytes:
    """The bytes of a head: the same object for the same head, as far as is remembered."""
    return _usual_head(head) if len(head) <= _LONGEST_USUAL else head.encode()


@lru_cache(1024)
def _usual_head(head: str) -> bytes:
    return head.encode()


def _unpack_bytes(text: str | None, data: bytes | None) -> bytes:
    if text is not None:
        return text.encode("utf-8")
    if data is None:
        raise msgspec.ValidationError("a message needs its head and its body, as text or in base64")
    return data


def parse_lines(lines: bytes) -> list[Exchange] | None:
    """The exchanges in whole lines, one in each; None where not each has just one, or it is damaged."""
    number = _count(lines)
    try:
        found = _line_decoder.decode_lines(lines) if number else []
        if len(found) == number:
            return _loaded(found) if number else None
    except _DAMAGE:
        pass
    return None


def _count(lines: bytes) -> int:
    """How many lines there are, where each stands between braces, else 0. Where each does, no value goes over several
    lines: behind a brace that closes none can go on with one that opens. So if there are as many values as lines, each
    has one."""
    number, find, last = 0, lines.find, len(lines) - 1
    at = find(b"\n")
    if lines[:1] != b"{":
        return 0
    while at >= 0:
        if lines[at - 1] != _CLOSES or (at != last and lines[at + 1] != _OPENS):
            return 0
        number += 1
        at = find(b"\n", at + 1)
    return number


def _loaded(found: list[Exchange]) -> list[Exchange]:
    """The exchanges as they are when their messages are bytes."""
    for exchange in found:
        if exchange.request is not None:
            _put(exchange, "request", _unpack(exchange.request))
        if exchange.reply is not None:
            _put(exchange, "reply", _unpack(exchange.reply))
    return found


def held_once(exchange: Exchange) -> Exchange:
    """The exchange, whose names are the same objects as the same names of others, as far as is remembered."""
    names = exchange.session, exchange.server, exchange.transport
    if sum(map(len, names)) <= _LONGEST_USUAL:
        for name, text in zip(("session", "server", "transport"), _once(*names), strict=True):
            _put(exchange, name, text)
    return exchange


@lru_cache(1024)
def _once(session: str, server: str, transport: str) -> tuple[str, str, str]:
    """The same objects for the same names, as far as is remembered."""
    return session, server, transport


def parse_line(line: bytes, where: str, number: int | None = None) -> Exchange:
    """The exchange in a line, which is that of this number where `where` is only a file. Raises InputError where it is
    damaged."""
    try:
        return _loaded([_line_decoder.decode(line)])[0]
    except _DAMAGE as error:
        place = where if number is None else f"{where}:{number}"
        raise InputError(place, f"the line is damaged: {error}", "qqlab verify --repair keeps the rest") from error


def parse_kept(line: bytes, where: str) -> tuple[Exchange, bytes]:
    """The exchange in a line, and its `decoded` part as it is written there, empty where there is none. Raises
    InputError where the line is damaged."""
    exchange = parse_line(line, where)
    return exchange, bytes(_stored_decoder.decode(line).decoded)


def kept_line(exchange: Exchange, decoded: bytes) -> bytes:
    """An exchange as its line, without the end, with this `decoded` part: what `parse_kept` reads, as far as this
    version writes lines like that one."""
    return _encoder.encode(
        _Kept(
            id=exchange.id,
            session=exchange.session,
            time=exchange.time,
            elapsed=exchange.elapsed,
            client=exchange.client,
            server=exchange.server,
            transport=exchange.transport,
            request=_pack(exchange.request),
            reply=_pack(exchange.reply),
            error=exchange.error,
            pairing=exchange.pairing,
            decoded=msgspec.Raw(decoded),
        )
    )
