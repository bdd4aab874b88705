"""Secret values become pseudonyms before anything is stored.

Law: which fields are secret the spec says; where it is unclear what a field is, its name decides: rather one too
many. A pseudonym is keyed (HMAC-SHA256 with a random key that is never stored), has the length and the alphabet of
what it replaces, and is the same for the same value as long as the key lives, so that pairing, replay and comparison
still work. A secret that was found is hunted in the whole exchange, and one of at least `LONG` bytes in all later
ones: in either case, percent-encoded or not, and cut off at an end. Fields that the spec gives a role (the account,
the sequence) are spared the hunt. A body that cannot be read, because its content coding cannot be undone, is left
out, and the exchange's error says so.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import unquote_to_bytes

import msgspec

from qqlab import http1, wire
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Command, Direction, Spec

# Shorter values are replaced in their own field only: elsewhere the same letters mean something else.
SHORT = 6
LONG = 16
# So many secrets are hunted; a message that holds more of them is hostile, and they are replaced in their fields.
MOST_IN_EXCHANGE = 16
MOST_KNOWN = 256

# The smallest alphabet that holds a value is the one its pseudonym is drawn from.
_ALPHABETS = (
    string.digits,
    "0123456789abcdef",
    "0123456789ABCDEF",
    string.ascii_lowercase + string.digits,
    string.ascii_uppercase + string.digits,
    string.ascii_letters + string.digits,
)
_HEX = frozenset(_ALPHABETS[1])
_HEX_BYTES = frozenset(_ALPHABETS[1].encode())
_NAME = re.compile(rb"[A-Za-z0-9_]+")


class Redactor:
    """Replaces secrets by pseudonyms of one key; make one for each capture, and give it the exchanges in order."""

    def __init__(self, spec: Spec, key: bytes | None = None) -> None:
        self._spec = spec
        self._key = secrets.token_bytes(32) if key is None else key
        self._names = {field.name.upper().encode() for _, _, field in spec.every_field() if field.secret}
        self._spared = {name.upper().encode() for name in msgspec.structs.astuple(spec.roles)}
        self._known: dict[bytes, bytes] = {}
        self._hunt = _Hunt({})
        # `NAME=value` inside of something else: a head, another field's text, a body that is no list of pairs.
        names = b"|".join(_any_writing(name) for name in sorted(self._names)) or b"(?!)"
        self._assigned = re.compile(rb"(?<![A-Za-z0-9_%])((?:" + names + rb")(?:=|%3[dD]|\"\s*:\s*\"))([^&;\s\"'<>,]+)")

    def pseudonym(self, value: str) -> str:
        """The pseudonym of a value; the case of hex digits does not matter for which one it is."""
        alphabet = next((a for a in _ALPHABETS if set(value) <= set(a)), _ALPHABETS[-1])
        stream = self._stream(value.lower() if set(value.lower()) <= _HEX else value)
        return "".join(alphabet[next(stream) % len(alphabet)] for _ in value)

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange without its secrets; the same object where it holds none."""
        found: dict[bytes, bytes] = {}
        asked = self._command(exchange.request, None)
        request, problem = self._message(exchange.request, "request", asked, found)
        reply, other = self._message(exchange.reply, "reply", self._command(exchange.reply, asked), found)
        hunt = _Hunt(dict(islice(found.items(), MOST_IN_EXCHANGE)) | self._known) if found else self._hunt
        request, reply = self._hunted(request, hunt), self._hunted(reply, hunt)
        error = "; ".join(filter(None, (exchange.error, problem, other))) or None
        if error is not None:
            error = hunt.replace(error.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        self._remember(found)
        if (request, reply, error) == (exchange.request, exchange.reply, exchange.error):
            return exchange
        return msgspec.structs.replace(exchange, request=request, reply=reply, error=error)

    def _stream(self, value: str) -> Iterator[int]:
        block = 0
        while True:
            yield from hmac.digest(self._key, f"{block}:{value}".encode("utf-8", "surrogateescape"), hashlib.sha256)
            block += 1

    def _remember(self, found: dict[bytes, bytes]) -> None:
        new = {s: pseudonym for s, pseudonym in found.items() if len(s) >= LONG and s not in self._known}
        if not new:
            return
        self._known |= new
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._hunt = _Hunt(self._known)

    def _command(self, message: RawMessage | None, fallback: Command | None) -> Command | None:
        """The command that a message names, or else the one it answers."""
        wanted = self._spec.roles.command.encode().upper()
        body = None if message is None else http1.content(message)
        for key, value in wire.split((body or b"")[:4096]):
            if key.upper() == wanted and value is not None:
                return self._spec.command(unquote_to_bytes(value).decode("latin-1").strip()) or fallback
        return fallback

    def _message(
        self, message: RawMessage | None, direction: Direction, command: Command | None, found: dict[bytes, bytes]
    ) -> tuple[RawMessage | None, str | None]:
        """The message with its secret fields replaced, and what had to be left out of it."""
        if message is None:
            return None, None
        head = self._assignments(message.head, found)
        content = http1.content(message)
        if content is None:
            left_out = f"the {direction}'s body is left out: its content coding cannot be undone to look for secrets"
            return RawMessage(head=head), left_out
        body = wire.join(self._pair(pair, direction, command, found) for pair in wire.split(content))
        if body == content:
            return msgspec.structs.replace(message, head=head), None
        if content != message.body:
            head = http1.without_header(head, "Content-Encoding")
        return _reframed(head, body, message), None

    def _pair(
        self, pair: wire.Pair, direction: Direction, command: Command | None, found: dict[bytes, bytes]
    ) -> wire.Pair:
        if pair.value is None:
            return wire.Pair(self._assignments(pair.key, found), None)
        names = _NAME.findall(unquote_to_bytes(pair.key))
        if names and self._is_secret(names[-1].upper(), direction, command):
            return wire.Pair(pair.key, self._replaced(pair.value, found))
        return wire.Pair(pair.key, self._assignments(pair.value, found))

    def _is_secret(self, name: bytes, direction: Direction, command: Command | None) -> bool:
        if name not in self._names:
            return False
        known = self._spec.field(command, direction, name.decode("ascii"))
        return True if known is None else known.secret

    def _replaced(self, raw: bytes, found: dict[bytes, bytes]) -> bytes:
        """The raw value with its core (what remains without blanks and line ends) replaced."""
        core = raw.strip(b" \t\r\n")
        if not core:
            return raw
        secret = unquote_to_bytes(core)
        pseudonym = self.pseudonym(secret.decode("utf-8", "surrogateescape")).encode()
        if len(secret) >= SHORT:
            found[secret] = pseudonym
        return raw.replace(core, pseudonym, 1)

    def _assignments(self, data: bytes, found: dict[bytes, bytes]) -> bytes:
        return self._assigned.sub(lambda match: match[1] + self._replaced(match[2], found), data)

    def _hunted(self, message: RawMessage | None, hunt: "_Hunt") -> RawMessage | None:
        if message is None:
            return None
        head = hunt.replace(message.head)
        if not hunt.finds(message.body):
            return message if head == message.head else msgspec.structs.replace(message, head=head)
        pairs = wire.split(message.body)
        body = wire.join(pair if pair.key.upper() in self._spared else _hunted_pair(pair, hunt) for pair in pairs)
        return _reframed(head, body, message)


def _hunted_pair(pair: wire.Pair, hunt: "_Hunt") -> wire.Pair:
    return wire.Pair(hunt.replace(pair.key), None if pair.value is None else hunt.replace(pair.value))


class _Hunt:
    """Looks for known secrets in bytes, whatever their case and escapes."""

    def __init__(self, known: dict[bytes, bytes]) -> None:
        self._known = {
            secret.lower(): pseudonym.lower() if set(secret.lower()) <= _HEX_BYTES else pseudonym
            for secret, pseudonym in known.items()
        }
        self._beginnings = [(secret[:SHORT].replace(b"+", b" "), secret) for secret in self._known]

    def finds(self, data: bytes) -> bool:
        """Whether any of them, or the beginning of one, may stand there."""
        return next(self._present(data), None) is not None

    def replace(self, data: bytes) -> bytes:
        """The data with each of them replaced, the longest first, and one that is cut off at the end too."""
        present = sorted(self._present(data), key=len, reverse=True)
        if not present:
            return data
        pattern = re.compile(b"|".join(b"(" + _any_writing(secret) + b")" for secret in present))
        replaced = pattern.sub(lambda match: _cased(self._known[present[(match.lastindex or 1) - 1]], match[0]), data)
        return self._without_beginning(replaced, present)

    def _present(self, data: bytes) -> Iterator[bytes]:
        folded = unquote_to_bytes(data).replace(b"+", b" ").lower() if data else b""
        return (secret for beginning, secret in self._beginnings if beginning in folded)

    def _without_beginning(self, data: bytes, present: Iterable[bytes]) -> bytes:
        folded = data.lower()
        for secret in present:
            for length in range(len(secret) - 1, SHORT, -1):
                if folded.endswith(secret[:length]):
                    return data[:-length] + _cased(self._known[secret][:length], data[-length:])
        return data


def _any_writing(text: bytes) -> bytes:
    """A pattern that matches these bytes in either case, each plain or percent-encoded."""
    return b"".join(_any_character(byte) for byte in text)


def _any_character(byte: int) -> bytes:
    either = {bytes([byte]).lower(), bytes([byte]).upper()} | ({b" ", b"+"} if byte in b" +" else set())
    plain = b"|".join(re.escape(one) for one in sorted(either))
    codes = b"|".join(b"".join(_either(digit) for digit in one.hex()) for one in sorted(either))
    return b"(?:" + plain + b"|%(?:" + codes + b"))"


def _either(digit: str) -> bytes:
    return digit.encode() if digit.isdigit() else f"[{digit}{digit.upper()}]".encode()


def _cased(pseudonym: bytes, like: bytes) -> bytes:
    """A pseudonym in capitals where it replaces capitals."""
    return pseudonym.upper() if like.isupper() and not pseudonym.isupper() and b"%" not in like else pseudonym


def _reframed(head: bytes, body: bytes, original: RawMessage) -> RawMessage:
    """A message with another body; a length that its head states is kept right."""
    if len(body) != len(original.body) and http1.parse_head(head).get("content-length") is not None:
        head = http1.with_header(head, "Content-Length", str(len(body)))
    return RawMessage(head=head, body=body)
