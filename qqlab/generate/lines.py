"""Exchanges as lines of a capture, many times faster than to decode each and encode it.

Law: a line is to the byte what `qqlab.capture` makes of the same exchange. Most messages differ from one that was
written before in nothing but their sequence number and account, of which nothing else of a line depends but lengths:
such a message is decoded once, with others in their place, and cut there. What that cannot be done with is decoded
anew. At most `_MOST` messages are remembered.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

from qqlab import http1, wire
from qqlab.capture.file import encode_line
from qqlab.codec import Message, Value, decode_message, derive, values
from qqlab.codec.text import unescape
from qqlab.exchange import Exchange, RawMessage
from qqlab.generate.clients import Kind
from qqlab.generate.life import Values
from qqlab.pseudonyms import Pseudonyms
from qqlab.spec import Command, Field, Spec
from qqlab.testserver.state import Reply, State

_MOST = 8192
# A sequence number and an account that stand for others; no text holds them.
_SEQUENCE, _ACCOUNT = "70310492655318", "80192837465564"
_encode = msgspec.json.encode
_Key = TypeVar("_Key")


class Places(NamedTuple):
    """Who asked whom, when: what a line says beside its messages. `time` is in ISO form without the Z."""

    session: bytes
    client: bytes
    time: bytes
    elapsed: bytes


class _Cut(NamedTuple):
    """A message cut at its sequence number and its account: its body as JSON text without quotes, and the body's length
    without them; what is decoded of it, its rows and its notes as JSON without the outer brackets."""

    body: tuple[bytes, bytes, bytes]
    length: int
    decoded: tuple[bytes, bytes, bytes]
    rows: bytes
    notes: bytes
    status: bytes


class Lines:
    """Writes exchanges of clients with a server's state machine. `secret` values become pseudonyms of the key."""

    def __init__(self, spec: Spec, state: State, key: bytes) -> None:
        self._spec = spec
        self._state = state
        self._pseudonyms = Pseudonyms(key)
        self._requests: dict[tuple[str, str, Values], _Cut | None] = {}
        self._replies: dict[tuple[str, object, tuple[tuple[str, Value], ...]], _Cut | None] = {}
        self._heads: dict[tuple[str, int], bytes] = {}
        self._around: dict[tuple[str, str], tuple[bytes, bytes]] = {}

    def line(self, kind: Kind, command: Command, said: Values, reply: Reply, places: Places) -> bytes:
        """The line of an exchange without its id, which comes before it."""
        request = self._request(kind, command, said)
        answer = self._reply(reply)
        if request is None or answer is None or reply.command is not command:
            return self.slow(kind, command, said, reply, places)
        sequence, account = reply.sequence.encode(), reply.account.encode()
        more = len(sequence) + len(account)
        request_body, request_decoded = request.body, request.decoded
        reply_body, reply_decoded = answer.body, answer.decoded
        between, version = self._names(kind, command)
        return b"".join(
            (
                b'","session":"',
                places.session,
                b'","time":"',
                places.time,
                b'Z","elapsed":',
                places.elapsed,
                b',"client":"',
                places.client,
                between,
                self._head(kind, request.length + more),
                request_body[0],
                sequence,
                request_body[1],
                account,
                request_body[2],
                b'"},"reply":{"head":"',
                self._reply_head(kind.keeps, answer.length + more),
                reply_body[0],
                sequence,
                reply_body[1],
                account,
                reply_body[2],
                version,
                account,
                b'","sequence":"',
                sequence,
                b'","status":',
                answer.status,
                b',"request":{',
                request_decoded[0],
                sequence,
                request_decoded[1],
                account,
                request_decoded[2],
                b'},"reply":{',
                reply_decoded[0],
                sequence,
                reply_decoded[1],
                account,
                reply_decoded[2],
                b'},"rows":{',
                request.rows or answer.rows,
                b'},"notes":[',
                request.notes,
                b"," if request.notes and answer.notes else b"",
                answer.notes,
                b"]}}\n",
            )
        )

    def slow(
        self,
        kind: Kind,
        command: Command,
        said: Values,
        reply: Reply,
        places: Places,
        *,
        error: str | None = None,
        kept: int | None = None,
    ) -> bytes:
        """The same in the ordinary way, for a reply of which so many bytes came (None: all of them)."""
        asked = self._request_body(kind, command, said, reply.sequence, reply.account)
        body = self._reply_body(reply)
        whole = http1.reply(body, keep_alive=kind.keeps)
        answer = whole if kept is None else msgspec.structs.replace(whole, body=body[:kept]) if kept else None
        exchange = Exchange(
            id="",
            session=places.session.decode(),
            time=msgspec.convert(f"{places.time.decode()}Z", type=datetime),
            elapsed=float(places.elapsed),
            client=places.client.decode(),
            server=kind.server,
            transport=kind.transport,
            request=RawMessage(head=(kind.head % len(asked)).encode(), body=asked),
            reply=answer,
            error=error,
            pairing="order" if answer is not None else "",
        )
        return encode_line(exchange, self._spec).removeprefix(b'{"id":"')

    def heard(self, kind: Kind, command: Command, said: Values) -> Values:
        """What a server reads of what a client says: a plus may be read as a blank, or a blank that was sent as a plus
        as that, and the whole message decides."""
        doubtful = [name for name, value in said if isinstance(value, str) and _is_doubtful(kind, value)]
        if not doubtful:
            return said
        body = self._request_body(kind, command, said, _SEQUENCE, _ACCOUNT)
        message = decode_message(body, "request", self._spec)
        return tuple((name, message.value(name) if name in doubtful else value) for name, value in said)

    def reply_length(self, reply: Reply) -> int:
        """How many bytes a reply's body has."""
        return len(self._reply_body(reply))

    # ----------------------------------------------------------------------------------------------------- messages

    def _request(self, kind: Kind, command: Command, said: Values) -> _Cut | None:
        key = kind.name, command.name, said
        found = self._requests.get(key, _UNKNOWN)
        if isinstance(found, _Unknown):
            body = self._request_body(kind, command, said, _SEQUENCE, _ACCOUNT)
            found = _cut(body, decode_message(body, "request", self._spec), self._spec)
            _remember(self._requests, key, found)
        return found

    def _reply(self, reply: Reply) -> _Cut | None:
        key = reply.command.name, reply.status, tuple(reply.values.items())
        found = self._replies.get(key, _UNKNOWN)
        if isinstance(found, _Unknown):
            body = self._reply_body(reply._replace(sequence=_SEQUENCE, account=_ACCOUNT))
            found = _cut(body, decode_message(body, "reply", self._spec), self._spec)
            _remember(self._replies, key, found)
        return found

    def _request_body(self, kind: Kind, command: Command, said: Values, sequence: str, account: str) -> bytes:
        roles = self._spec.roles
        named: Values = (
            (roles.version, kind.version_of(command.name)),
            (roles.command, command.name),
            (roles.sequence, sequence),
            (roles.account, account),
            *said,
        )
        return wire.join([wire.Pair(name.encode(), self._value(kind, command, name, value)) for name, value in named])

    def _value(self, kind: Kind, command: Command, name: str, value: Value) -> bytes:
        """A value as that client writes it; a password as the pseudonym of what is derived from it."""
        field = self._spec.field(command, "request", name)
        if field is not None and field.secret and isinstance(value, str) and value:
            value = self._secret(field, value, kind)
        raw = values.write(value, field, self._spec.wire)
        if kind.escapes == "raw":
            return raw
        return (quote_plus if kind.escapes == "form" else quote)(unescape(raw)).encode()

    def _secret(self, field: Field, value: str, kind: Kind) -> str:
        hashed = derive(field.derived, value) if field.derived else value
        return self._pseudonyms.secret(hashed.upper() if field.derived and kind.is_mobile else hashed)

    def _reply_body(self, reply: Reply) -> bytes:
        secrets = self._secret_values(reply)
        return self._state.written(reply._replace(values={**reply.values, **secrets}) if secrets else reply)

    def _secret_values(self, reply: Reply) -> Mapping[str, Value]:
        """The secret values of a reply as their pseudonyms."""
        return {
            field.name: self._pseudonyms.secret(value)
            for field in reply.command.reply
            if field.secret and isinstance(value := reply.values.get(field.name), str) and value
        }

    # -------------------------------------------------------------------------------------------------------- heads

    def _names(self, kind: Kind, command: Command) -> tuple[bytes, bytes]:
        """What a line of that client and command always says behind the client, and behind the reply's body."""
        key = kind.name, command.name
        found = self._around.get(key)
        if found is None:
            found = self._around[key] = (
                f'","server":"{kind.server}","transport":"{kind.transport}","request":{{"head":"'.encode(),
                b'"},"error":null,"pairing":"order","decoded":{"command":%b,"version":%b,"account":"'
                % (_encode(command.name), _encode(kind.version_of(command.name))),
            )
        return found

    def _head(self, kind: Kind, length: int) -> bytes:
        key = kind.name, length
        found = self._heads.get(key)
        if found is None:
            found = _text(kind.head % length) + b'","body":"'
            self._heads[key] = found
        return found

    def _reply_head(self, keeps: bool, length: int) -> bytes:
        key = "kept" if keeps else "closed", length
        found = self._heads.get(key)
        if found is None:
            found = _text(http1.reply(bytes(length), keep_alive=keeps).head.decode()) + b'","body":"'
            self._heads[key] = found
        return found


class _Unknown:
    """What was not asked for before."""


_UNKNOWN = _Unknown()


def _remember(known: "dict[_Key, _Cut | None]", key: "_Key", found: _Cut | None) -> None:
    if len(known) >= _MOST:
        known.clear()
    known[key] = found


def _cut(body: bytes, message: Message, spec: Spec) -> _Cut | None:
    """A message with `_SEQUENCE` and `_ACCOUNT`, cut there; None where they do not stand there once each, in order."""
    whole = _text(body.decode("utf-8"))
    body_parts, decoded = _parts(whole), _parts(_encode(message.values())[1:-1])
    if body_parts is None or decoded is None:
        return None
    rows = {table.spec.name: [row.cells for row in table.rows] for table in message.tables}
    notes = _encode(message.notes)[1:-1]
    rest = _encode(rows)[1:-1]
    if _SEQUENCE.encode() in notes or _ACCOUNT.encode() in rest + notes:
        return None
    length = len(body) - len(_SEQUENCE) - len(_ACCOUNT)
    return _Cut(body_parts, length, decoded, rest, notes, _encode(message.value(spec.roles.status)))


def _parts(text: bytes) -> tuple[bytes, bytes, bytes] | None:
    before, *rest = text.split(_SEQUENCE.encode())
    if len(rest) != 1:
        return None
    between, *after = rest[0].split(_ACCOUNT.encode())
    return (before, between, after[0]) if len(after) == 1 else None


def _is_doubtful(kind: Kind, value: str) -> bool:
    return "+" in value or (kind.escapes == "form" and " " in value)


def _text(text: str) -> bytes:
    """A text as JSON, without its quotes."""
    return _encode(text)[1:-1]
