"""Secret values become pseudonyms before anything is stored.

Law: which fields are secret the spec says. A pseudonym is keyed (HMAC-SHA256 with a random key that is never
stored), has the length and the alphabet of what it replaces, and is the same for the same value as long as the
key lives, so that pairing, replay and comparison still work. A secret that was found is replaced wherever it
stands verbatim in the exchange. Where it is unclear what a field is, its name decides: rather one too many.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterator

import msgspec

from qqlab import http1, wire
from qqlab.codec import text as texts
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Command, Direction, Spec

# The smallest alphabet that holds a value is the one its pseudonym is drawn from.
_ALPHABETS = (
    string.digits,
    "0123456789abcdef",
    "0123456789ABCDEF",
    string.ascii_lowercase + string.digits,
    string.ascii_uppercase + string.digits,
    string.ascii_letters + string.digits,
)
# Shorter values are replaced in their own field only: elsewhere the same letters mean something else.
_HUNTED = 6


class Redactor:
    """Replaces secrets by pseudonyms of one key; make one for each capture."""

    def __init__(self, spec: Spec, key: bytes | None = None) -> None:
        self._spec = spec
        self._key = secrets.token_bytes(32) if key is None else key
        self._names = {field.name.upper() for _, _, field in spec.every_field() if field.secret}
        names = "|".join(re.escape(name) for name in sorted(self._names)) or "(?!)"
        self._in_head = re.compile(rf"(?i)(?<![A-Za-z0-9])(?:{names})=([^&;\s]+)".encode())

    def pseudonym(self, value: str) -> str:
        """The pseudonym of a value; the case of hex digits does not matter for which one it is."""
        alphabet = next((a for a in _ALPHABETS if set(value) <= set(a)), _ALPHABETS[-1])
        folded = value.lower() if set(value.lower()) <= set(_ALPHABETS[1]) else value
        stream = self._stream(folded)
        return "".join(alphabet[next(stream) % len(alphabet)] for _ in value)

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange without its secrets."""
        command = self._command(exchange)
        request = self._opened(exchange.request)
        reply = self._opened(exchange.reply)
        found: dict[bytes, bytes] = {}
        request = self._fields(request, "request", command, found)
        reply = self._fields(reply, "reply", command, found)
        error = exchange.error
        for secret, pseudonym in found.items():
            request, reply = _replace(request, secret, pseudonym), _replace(reply, secret, pseudonym)
            if error is not None:
                error = error.replace(secret.decode("utf-8", "replace"), pseudonym.decode())
        return msgspec.structs.replace(exchange, request=request, reply=reply, error=error)

    def _stream(self, value: str) -> Iterator[int]:
        block = 0
        while True:
            yield from hmac.digest(self._key, f"{block}:{value}".encode("utf-8", "surrogateescape"), hashlib.sha256)
            block += 1

    def _command(self, exchange: Exchange) -> Command | None:
        wanted = self._spec.roles.command.encode().upper()
        for message in (exchange.request, exchange.reply):
            for key, value in wire.split(message.body if message else b""):
                if key.upper() == wanted and value is not None:
                    return self._spec.command(value.decode("latin-1").strip())
        return None

    def _opened(self, message: RawMessage | None) -> RawMessage | None:
        """The message with its content coding undone if it has one: a secret must not hide behind it."""
        if message is None or (opened := http1.content(message)) is None or opened == message.body:
            return message
        plain = msgspec.structs.replace(message, head=http1.without_header(message.head, "Content-Encoding"))
        return http1.with_body(plain, opened)

    def _fields(
        self, message: RawMessage | None, direction: Direction, command: Command | None, found: dict[bytes, bytes]
    ) -> RawMessage | None:
        if message is None:
            return None
        patches = []
        for position, (key, value) in enumerate(wire.split(message.body)):
            if value and self._is_secret(key, direction, command):
                patches.append((position, self._replaced(value, found)))
        for match in self._in_head.finditer(message.head):
            self._replaced(match[1], found)
        return http1.with_body(message, wire.patch(message.body, patches)) if patches else message

    def _is_secret(self, key: bytes, direction: Direction, command: Command | None) -> bool:
        name = texts.unescape(key).decode("latin-1").strip().upper()
        if name not in self._names:
            return False
        known = self._spec.field(command, direction, name)
        return True if known is None else known.secret

    def _replaced(self, raw: bytes, found: dict[bytes, bytes]) -> bytes:
        """The raw value with its core (what remains without blanks and line ends) replaced."""
        core = raw.strip(b" \t\r\n")
        pseudonym = self.pseudonym(texts.unescape(core).decode("utf-8", "surrogateescape")).encode()
        if len(core) >= _HUNTED:
            found[core] = pseudonym
        return raw.replace(core, pseudonym) if core else raw


def _replace(message: RawMessage | None, secret: bytes, pseudonym: bytes) -> RawMessage | None:
    if message is None or (secret not in message.body and secret not in message.head):
        return message
    body = message.body.replace(secret, pseudonym)
    return http1.with_body(msgspec.structs.replace(message, head=message.head.replace(secret, pseudonym)), body)
