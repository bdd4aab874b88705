"""Secret and personal values become pseudonyms before anything is stored.

Law: which fields are secret or personal the spec says, and the policy which of them are replaced; where it is unclear
what a field is, its name decides: rather one too many. A pseudonym is keyed, has the length and the form of what it
replaces (`qqlab.pseudonyms`), and is written with the same escapes, so that every other byte stays, and pairing,
replay, comparison and report work as before. Codes of a table are left, and so are the fields that the spec gives a
role (the account, the sequence). A value that was replaced is hunted in the whole exchange, and a secret of at least
`LONG` bytes in all later ones, in every writing that `qqlab.hunt` knows and cut off at an end; credentials in a head
are secrets too. A body that cannot be read, because its content coding cannot be undone, is left out, and the
exchange's error says so; so is one with more values than can be replaced while a client waits.
"""

import contextlib
import math
import os
import re
import secrets
import stat
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from ahocorasick_rs import BytesAhoCorasick, MatchKind

from qqlab import http1, wire
from qqlab.codec import Message, case_of, decode_message
from qqlab.codec import text as texts
from qqlab.errors import InputError, RefusedError
from qqlab.exchange import Exchange, RawMessage
from qqlab.hunt import LONGEST, Hunt, readings, rewritten
from qqlab.pseudonyms import BYTES, Masks, Pseudonyms
from qqlab.spec import Command, Direction, Field, Spec

Policy = Literal["secrets", "all", "none"]
"""What is replaced: secret fields, secret and personal ones, or nothing."""

# Shorter values are replaced in their own field only: elsewhere the same letters mean something else.
SHORT = 6
LONG = 16
# So many values are hunted; a message that holds more of them is hostile, and they are replaced in their fields.
MOST_IN_EXCHANGE = 16
MOST_KNOWN = 256
_RECENT = 16
_MOST_CLEAN = 256
_LONGEST_CLEAN = 1024
# To replace so many values, or look at so many fields, takes about a second; a message with more would hold up a proxy.
MOST_VALUES = 20_000
_CODED = "its content coding cannot be undone to look for secrets"

_SHORTEST_KEY = 16
_LONGEST_KEY = 64 * 1024

_UNIT = re.compile(rb"%[0-9A-Fa-f]{2}|.", re.DOTALL)
_NAME = re.compile(rb"[A-Za-z0-9_]+")
_WORDS = frozenset(bytes([one]) for one in b"abcdefghijklmnopqrstuvwxyz0123456789_")
_MARK = re.compile(rb"[=%:]")
_BLANKS = " \t\r\n+"

# What frames a message, and must not be taken for something else.
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"content-encoding", b"connection"))
_CREDENTIALS = re.compile(
    rb"(?im)^((?:proxy-)?authorization|(?:set-)?cookie)([ \t]*:[ \t]*)([^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)"
)
_COOKIE = re.compile(rb"([^=;\s]+=)([^;]*)")
_LAST_CHUNK = re.compile(rb"(?m)^0+[ \t]*(?:;[^\n]*)?\r?\n")
_CHUNK_EXTENSION = re.compile(rb"(?m)^([0-9A-Fa-f]+[ \t]*;)([^\r\n]+)")
_SCHEME = re.compile(rb"([^\s]+)(\s+)(.+)", re.DOTALL)
_QUOTED = re.compile(rb"(?i)((?:authorization|cookie)[^A-Za-z0-9\r\n]{1,6})([^\r\n]+)")
_LOGIN_OF_URL = re.compile(rb"(://[^/@\s:]*:)([^/@\s]+)(?=@)")
_IN_HEADS = (b"authorization", b"cookie", b"content-encoding")


def read_key(path: Path) -> bytes:
    """The key in a file: all its bytes.

    Raises InputError where there is none, or it is shorter than 16 bytes or longer than 64 KiB, RefusedError where
    others than its owner may read it.
    """
    make = f"make one: (umask 077; head -c 32 /dev/urandom > {path})"
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(_LONGEST_KEY + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise InputError(str(path), f"the key cannot be read: {error.strerror or error}", make) from error
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise InputError(str(path), f"is no key: a key has at least {_SHORTEST_KEY} bytes, at most 64 KiB", make)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RefusedError(str(path), "the key may be read by others than its owner", f"chmod 600 {path}")
    return key


class Redactor:
    """Replaces values by pseudonyms of one key; make one for each capture, and give it the exchanges in order.

    Without a key a random one is made, and forgotten with the redactor. With `masks` every value becomes asterisks,
    which are for looking at: nothing pairs or replays by them. `replaced` counts the values replaced so far by the
    name of their field or header, `elsewhere` the messages and errors in which one was found outside of these.
    """

    def __init__(
        self, spec: Spec, *, policy: Policy = "secrets", key: bytes | None = None, masks: bool = False
    ) -> None:
        self._spec = spec
        self._policy = policy
        self._pseudonyms = Masks() if masks else Pseudonyms(secrets.token_bytes(32) if key is None else key)
        self._spared = {name.upper().encode() for name in msgspec.structs.astuple(spec.roles)}
        self._names = _names(spec, policy)
        self._gate = BytesAhoCorasick(
            [*(name.lower() for name in self._names), *_IN_HEADS], matchkind=MatchKind.LeftmostLongest
        )
        # `NAME=value` inside of something else: a head, another field's text, a body that is no list of pairs.
        names = b"|".join(_any_writing(name) for name in sorted(self._names, key=len, reverse=True)) or b"(?!)"
        self._assigned = re.compile(
            rb"(?<![A-Za-z0-9_%])(" + names + rb")(=|%(?:25)*3[dD]|[\"']\s*:\s*[\"']?)([^&;\s\"'<>,]+)"
        )
        escapes = "|".join(f"%{ord(one):02x}" for one in spec.wire.list_escapes)
        self._item_units = re.compile(f"(?i:{escapes})|.", re.DOTALL) if escapes else re.compile(".", re.DOTALL)
        self._known = _Known()
        self.replaced: Counter[str] = Counter()
        self.elsewhere = 0

    def pseudonym(self, value: str) -> str:
        """The pseudonym of a secret; the case of hex digits does not matter for which one it is."""
        return self._pseudonyms.secret(value)

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange without these values; the same object where it holds none."""
        if self._policy == "none" or not self._may_hold(exchange):
            return exchange
        found = _Found()
        asked = self._command(exchange.request, None)
        parts = (
            self._opened(exchange.request, "request", asked, found),
            self._opened(exchange.reply, "reply", self._command(exchange.reply, asked), found),
        )
        told = self._quoted((exchange.error or "").encode("utf-8", "surrogateescape"), found)
        hunts = self._hunts(found)
        request, reply = (None if part is None else self._closed(part, hunts) for part in parts)
        problems = (part.told for part in parts if part is not None and part.problem)
        error = "; ".join([*filter(None, [self._hunted_text(exchange.error or "", told, hunts)]), *problems]) or None
        self._known.learn(found.secrets)
        if (request, reply, error) == (exchange.request, exchange.reply, exchange.error):
            return exchange
        return msgspec.structs.replace(exchange, request=request, reply=reply, error=error)

    def know(self, requests: Iterable[RawMessage]) -> None:
        """Hunt the secrets of these requests in all exchanges from now on, however many they are."""
        found, counted = _Found(), self.replaced.copy()
        for request in requests:
            self._opened(request, "request", self._command(request, None), found)
        self.replaced = counted
        self._known.keep(found.secrets)

    def text(self, text: str) -> str:
        """Free text that may quote a message, such as a line of a log or of a traceback, without what would be replaced
        there and without all secrets that are known."""
        data = text.encode("utf-8", "surrogateescape")
        if data in self._known.clean:
            return text
        forms = readings(data)
        if not (self._known.stand_in(forms) or self._names_one(forms) or b"@" in data):
            self._known.keep_clean([data])
            return text
        found = _Found()
        told = self._quoted(data, found)
        return self._hunted_text(text, told, self._hunts(found))

    def _quoted(self, data: bytes, found: "_Found") -> bytes:
        """Text that may quote a message, with what it says of secrets replaced."""
        found.left = math.inf  # it is short
        return self._head(_QUOTED.sub(lambda match: match[1] + self._token(match[2], "", found), data), found)

    def _hunted_text(self, text: str, told: bytes, hunts: "_Hunts") -> str:
        """What is left of a text of which `told` was made; the same text where nothing had to be replaced."""
        new = self._hunted(told, hunts)
        return text if new == text.encode("utf-8", "surrogateescape") else new.decode("utf-8", "backslashreplace")

    def _may_hold(self, exchange: Exchange) -> bool:
        """Whether there can be anything to replace: what most exchanges are asked, and all that is asked of them."""
        messages = [message for message in (exchange.request, exchange.reply) if message is not None]
        if any(message.chunked for message in messages):
            return True
        error = (exchange.error or "").encode("utf-8", "surrogateescape")
        # A client says the same head each time.
        heads = [message.head for message in messages if message.head not in self._known.clean]
        forms = readings(b"\0".join((*heads, *(message.body for message in messages), error)))
        if (
            self._known.stand_in(forms)
            or self._names_one(forms)
            or (b"@" in forms[0] and any(_LOGIN_OF_URL.search(text) for text in (*heads, error)))
        ):
            return True
        self._known.keep_clean(heads)
        return False

    def _names_one(self, forms: list[bytes]) -> bool:
        """Whether the name of a field to replace stands there as a word, or that of a header to look into."""
        for text in forms:
            for _, start, end in self._gate.find_matches_as_indexes(text):
                if text[start - 1 : start] not in _WORDS and text[end : end + 1] not in _WORDS:
                    return True
        return False

    def _command(self, message: RawMessage | None, fallback: Command | None) -> Command | None:
        """The command that a message names, or else the one it answers."""
        wanted = self._spec.roles.command.encode().upper()
        body = None if message is None else http1.content(message)
        for key, value in wire.split((body or b"")[:4096]):
            if key.upper() == wanted and value is not None:
                return self._spec.command(unquote_to_bytes(value).decode("latin-1").strip()) or fallback
        return fallback

    def _opened(
        self, message: RawMessage | None, direction: Direction, command: Command | None, found: "_Found"
    ) -> "_Opened | None":
        """The message with the values of its fields replaced."""
        if message is None:
            return None
        found.left = math.inf  # a head is never so long
        head = self._head(message.head, found)
        content = http1.content(message)
        if content is None:
            return _Opened(
                message, direction, command, head, problem="its content coding cannot be undone to look for secrets"
            )
        try:
            new = self._body(content, _Reading(self._spec, content, direction, command), found)
        except _TooManyError:
            return _Opened(message, direction, command, head, problem=f"it holds more than {MOST_VALUES} values")
        return _Opened(message, direction, command, head, content, new)

    def _body(self, content: bytes, reading: "_Reading", found: "_Found") -> bytes:
        if content.count(b"&") > MOST_VALUES:
            raise _TooManyError
        if not self._names_one(readings(content)):
            return content
        found.left = MOST_VALUES
        return wire.join([self._pair(pair, reading, found) for pair in wire.split(content)])

    def _closed(self, part: "_Opened", hunts: "_Hunts") -> RawMessage:
        """The message with what was found hunted in it, and framed as it then must be."""
        head = self._hunted_head(part.head, hunts)
        if part.content is None or part.new is None:
            return RawMessage(head=head, end=part.message.end)
        framed = _framed(part.message, head, part.content, self._hunted_body(part, part.new, hunts))
        return _unchecked(part.message, self._hunted_trailers(framed, hunts) if framed.chunked else framed)

    def _hunted_trailers(self, message: RawMessage, hunts: "_Hunts") -> RawMessage:
        """What follows a chunk's size and the last chunk is no content, but may say as much as a head."""
        last = max((match.end() for match in _LAST_CHUNK.finditer(message.body)), default=len(message.body))
        chunks, trailers = message.body[:last], self._hunted_head(message.body[last:], hunts)
        if b";" in chunks and hunts.find(chunks):
            chunks = _CHUNK_EXTENSION.sub(lambda match: match[1] + self._hunted(match[2], hunts), chunks)
        return msgspec.structs.replace(message, body=chunks + trailers)

    def _head(self, head: bytes, found: "_Found") -> bytes:
        if not head:
            return head
        folded = head.lower()
        if b"authorization" in folded or b"cookie" in folded:
            head = _CREDENTIALS.sub(lambda match: self._credentials(match, found), head)
        if b"@" in head:
            head = _LOGIN_OF_URL.sub(lambda match: match[1] + self._secret(match[2], "URL", found), head)
        return self._assignments(head, found)

    def _credentials(self, match: "re.Match[bytes]", found: "_Found") -> bytes:
        """A header that shows who asks: all but the scheme, or the names of cookies, is secret."""
        start, value, name = match[1] + match[2], match[3], match[1].decode("latin-1").title()
        if name.endswith("Cookie") and b"=" in value:
            most = 1 if name.startswith("Set") else 0
            return start + _COOKIE.sub(lambda one: one[1] + self._token(one[2], name, found), value, count=most)
        named = _SCHEME.fullmatch(value)
        if named is None:
            return start + self._token(value, name, found)
        digits = named[3].rstrip().rstrip(b"=")
        with contextlib.suppress(ValueError):
            password = b64decode(digits + b"=" * (-len(digits) % 4), validate=True).partition(b":")[2]
            self._secret(password.replace(b"%", b"%25"), name, found)
        return start + named[1] + named[2] + self._token(named[3], name, found)

    def _token(self, raw: bytes, name: str, found: "_Found") -> bytes:
        """A credential: its form is kept, which may be base64."""
        new = _rewritten(raw, self._spec, self._pseudonyms.personal)
        if raw.strip():
            found.add(found.secrets, raw.strip(), new.strip())
            self.replaced[name] += 1
        return new

    def _pair(self, pair: wire.Pair, reading: "_Reading", found: "_Found") -> wire.Pair:
        if pair.value is None:
            return wire.Pair(self._assignments(pair.key, found), None)
        field = self._field(pair.key, reading)
        if field is None:
            return wire.Pair(pair.key, self._assignments(pair.value, found))
        if field.secret:
            return wire.Pair(pair.key, self._secret(pair.value, field.name, found, plus=reading.plus))
        return wire.Pair(pair.key, self._personal(pair.value, field, found, reading))

    def _field(self, key: bytes, reading: "_Reading") -> Field | None:
        """The field to replace that this key names, None where it names none: what the spec says of it in this
        place, or else what it says of the name."""
        words = _NAME.findall(unquote_to_bytes(key)) if not key.isalnum() else (key,)
        field = self._names.get(words[-1].upper()) if words else None
        if field is None:
            return None
        known = self._spec.field(reading.command, reading.direction, field.name)
        return field if known is None else known if self._is_replaced(known) else None

    def _is_replaced(self, field: Field) -> bool:
        return field.secret or (self._policy == "all" and field.personal and field.codes is None)

    def _secret(self, raw: bytes, name: str, found: "_Found", *, plus: bool = False) -> bytes:
        """The raw value with its core (what remains without blanks and line ends) replaced."""

        def change(text: str, charset: str) -> str:
            core = text.strip(_BLANKS) or text.strip()
            if not core:
                return text
            pseudonym = self._pseudonyms.secret(core, charset)
            self.replaced[name] += 1
            found.add(found.secrets, core.encode(charset), pseudonym.encode(charset))
            return text.replace(core, pseudonym, 1)

        return _rewritten(raw, self._spec, change, plus)

    def _personal(self, raw: bytes, field: Field, found: "_Found", reading: "_Reading") -> bytes:
        """The raw value with each of its items replaced, but for those that are codes."""

        def change(text: str, charset: str) -> str:
            separator = self._spec.wire.list_separator
            items = text.split(separator) if field.list else [text]
            return separator.join(item(part, place, charset) for place, part in enumerate(items))

        def item(text: str, place: int, charset: str) -> str:
            core = text.strip()
            if not core.strip(_BLANKS) or reading.is_code(field, place, text):
                return text
            # The same text has the same pseudonym, also where it went through no list.
            layered = field.list or field.layers == 2
            inner = texts.unescape_item(core, self._spec.wire) if layered else core
            pseudonym = self._pseudonyms.personal(inner, charset)
            self.replaced[field.name] += 1
            found.add(found.personal, inner.encode(charset), pseudonym.encode(charset))
            return text.replace(core, self._escaped_alike(core, pseudonym) if layered else pseudonym, 1)

        return _rewritten(raw, self._spec, change, reading.plus)

    def _escaped_alike(self, item: str, pseudonym: str) -> str:
        """A pseudonym in the place of an item's text, with the list's escapes where they stood: their characters are
        none that a pseudonym changes."""
        return "".join(
            unit if len(unit) > 1 else one for unit, one in zip(self._item_units.findall(item), pseudonym, strict=True)
        )

    def _assignments(self, data: bytes, found: "_Found") -> bytes:
        if _MARK.search(data) is None or not self._names_one(readings(data)):
            return data
        return self._assigned.sub(lambda match: match[1] + match[2] + self._assigned_value(match, found), data)

    def _assigned_value(self, match: "re.Match[bytes]", found: "_Found") -> bytes:
        field = self._names[unquote_to_bytes(match[1]).upper()]
        if field.secret:
            return self._secret(match[3], field.name, found)
        return self._personal(match[3], field, found, _Reading(self._spec, b"", "request", None))

    def _hunts(self, found: "_Found") -> "_Hunts":
        new = dict(islice(found.secrets.items(), MOST_IN_EXCHANGE))
        personal = dict(islice(found.personal.items(), MOST_IN_EXCHANGE))
        return _Hunts(
            (*([] if all(map(self._known.holds, new)) else [Hunt(new)]), *self._known.hunts),
            (Hunt(personal, codes=False),) if personal else (),
        )

    def _hunted(self, data: bytes, hunts: "_Hunts", *, text: bool = True) -> bytes:
        """The data without what is hunted; personal values only where it is `text`."""
        new = data
        for hunt in (*hunts.everywhere, *(hunts.in_text if text else ())):
            new = hunt.replace(new)
        self.elsewhere += new != data
        return new

    def _hunted_head(self, head: bytes, hunts: "_Hunts") -> bytes:
        if not head or not hunts.find(head):
            return head
        return b"\n".join(
            line if line.partition(b":")[0].strip().lower() in _FRAMING else self._hunted(line, hunts)
            for line in head.split(b"\n")
        )

    def _hunted_body(self, part: "_Opened", body: bytes, hunts: "_Hunts") -> bytes:
        if not hunts.find(body):
            return body
        return wire.join(
            pair if pair.key.upper() in self._spared else self._hunted_pair(pair, part, hunts)
            for pair in wire.split(body)
        )

    def _hunted_pair(self, pair: wire.Pair, part: "_Opened", hunts: "_Hunts") -> wire.Pair:
        known = self._spec.field(part.command, part.direction, pair.key.decode("latin-1"))
        is_text = known is None or known.type == "text"
        return wire.Pair(
            self._hunted(pair.key, hunts, text=is_text),
            None if pair.value is None else self._hunted(pair.value, hunts, text=is_text),
        )


class _TooManyError(Exception):
    """A message holds more values than can be replaced in the time that there is."""


class _Found:
    """What was replaced in an exchange, with its pseudonyms, as far as it is long enough to be hunted."""

    def __init__(self) -> None:
        self.secrets: dict[bytes, bytes] = {}
        self.personal: dict[bytes, bytes] = {}
        self.left: float = math.inf

    def add(self, to: dict[bytes, bytes], value: bytes, pseudonym: bytes) -> None:
        """Count a value, and keep it for the hunt. Raises _TooManyError where none is `left`."""
        self.left -= 1
        if self.left < 0:
            raise _TooManyError
        if len(value) >= SHORT:
            to[value[:LONGEST]] = pseudonym[:LONGEST]


class _Opened(NamedTuple):
    """A message in work: its content as it was and as it will be, None where there is a `problem` with it."""

    message: RawMessage
    direction: Direction
    command: Command | None
    head: bytes
    content: bytes | None = None
    new: bytes | None = None
    problem: str = ""

    @property
    def told(self) -> str:
        """What has to be left out, and why."""
        return f"the {self.direction}'s body is left out: {self.problem}"


class _Hunts(NamedTuple):
    """What is hunted everywhere, and what only in text: elsewhere a telephone number may be another number."""

    everywhere: tuple[Hunt, ...]
    in_text: tuple[Hunt, ...]

    def find(self, data: bytes) -> bool:
        """Whether anything of it may stand there."""
        return any(hunt.finds(data) for hunt in (*self.everywhere, *self.in_text))


class _Known:
    """The secrets of all exchanges so far. New ones are few, and hunted apart until they are many: to make a hunt takes
    longer than most hunts. The oldest are forgotten, but for those that are known for good. `clean` holds heads and
    lines of a log in which none of them stands, nor anything else to replace."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.clean: set[bytes] = set()
        self._recent: dict[bytes, bytes] = {}
        self._old: tuple[Hunt, ...] = ()
        self._kept: dict[bytes, bytes] = {}
        self._for_good: tuple[Hunt, ...] = ()
        self.hunts: tuple[Hunt, ...] = ()

    def stand_in(self, texts: list[bytes]) -> bool:
        """Whether any of them may stand in data with these readings."""
        return any(hunt.stands_in(texts) for hunt in self.hunts)

    def keep_clean(self, texts: list[bytes]) -> None:
        """Remember what holds nothing to replace, as long as no other secret is known."""
        if len(self.clean) >= _MOST_CLEAN:
            self.clean.clear()
        self.clean.update([text for text in texts if len(text) <= _LONGEST_CLEAN])

    def holds(self, value: bytes) -> bool:
        """Whether that is one of them."""
        return value in self.values or value in self._kept

    def keep(self, found: Mapping[bytes, bytes]) -> None:
        """Know these for good."""
        self.clean.clear()
        self._kept |= {one: instead for one, instead in found.items() if len(one) >= LONG}
        self._for_good = (Hunt(self._kept),) if self._kept else ()
        self._hunt()

    def learn(self, found: Mapping[bytes, bytes]) -> None:
        new = {one: instead for one, instead in found.items() if len(one) >= LONG and not self.holds(one)}
        if not new:
            return
        self.clean.clear()
        self.values |= new
        for oldest in list(islice(self.values, max(0, len(self.values) - MOST_KNOWN))):
            del self.values[oldest]
        self._recent |= new
        if len(self._recent) > _RECENT:
            self._recent, self._old = {}, (Hunt(self.values),)
        self._hunt()

    def _hunt(self) -> None:
        self.hunts = (*self._for_good, *self._old, *((Hunt(self._recent),) if self._recent else ()))


class _Reading:
    """One body, with its values in the light of those beside them."""

    def __init__(self, spec: Spec, content: bytes, direction: Direction, command: Command | None) -> None:
        self.command = command
        self.direction = direction
        self._spec = spec
        self._content = content

    @cached_property
    def plus(self) -> bool:
        """Whether a plus means a blank."""
        return b"+" in self._content and texts.plus_is_blank(self._content)

    @cached_property
    def _message(self) -> Message:
        return decode_message(self._content, self.direction, self._spec, self.command)

    def is_code(self, field: Field, place: int, text: str) -> bool:
        """Whether an item is a code, by the values beside it: the number in a message from the system."""
        if not field.cases or not text.strip().isdecimal():
            return False
        table = next((table for table in self._message.tables if field.name in table.spec.columns), None)
        if table is None or not field.list:
            beside = {name: value for name, value in self._message.values().items() if not isinstance(value, tuple)}
        else:
            beside = table.rows[place].cells if place < len(table.rows) else {}
        case = case_of(field, beside)
        return case is not None and case.codes is not None


def _names(spec: Spec, policy: Policy) -> dict[bytes, Field]:
    """The fields to replace by name, in capitals; of several with one name a secret one."""
    wanted = [f for _, _, f in spec.every_field() if f.secret or (policy == "all" and f.personal and f.codes is None)]
    return {field.name.upper().encode(): field for field in sorted(wanted, key=lambda field: field.secret)}


def _rewritten(raw: bytes, spec: Spec, change: Callable[[str, str], str], plus: bool = False) -> bytes:
    """A raw value whose text is changed, character by character, and written with the same escapes."""
    data = texts.unescape(raw, plus)
    text, charset = texts.decode(data, spec.wire.charsets)
    if charset == texts.RAW or text.encode(charset) != data:
        text, charset = data.decode(BYTES), BYTES
    new = change(text, charset).encode(charset)
    if new == data:
        return raw
    if data is raw:
        return new
    written = zip(_UNIT.findall(raw), data, new, strict=True)
    return b"".join(unit if one == other else rewritten(unit, bytes([other])) for unit, one, other in written)


def _framed(message: RawMessage, head: bytes, content: bytes, new: bytes) -> RawMessage:
    """The message with another content; what its head says of it is kept right."""
    changed = msgspec.structs.replace(message, head=head)
    return changed if new == content else http1.with_content(changed, new)


def _unchecked(before: RawMessage, after: RawMessage) -> RawMessage:
    """The message without the checksum of a whole of which a part was replaced: it would let one try out by what."""
    if after.cut is None or after.body == before.body:
        return after
    return msgspec.structs.replace(after, cut=msgspec.structs.replace(after.cut, sha256=""))


def _any_writing(name: bytes) -> bytes:
    """A pattern that matches a name in either case, each character plain or percent-encoded."""
    return b"".join(_any_character(byte) for byte in name)


def _any_character(byte: int) -> bytes:
    cases = sorted({bytes([byte]).lower(), bytes([byte]).upper()})
    return b"(?:" + b"|".join([*map(re.escape, cases), *(b"%%(?i:%02x)" % one[0] for one in cases)]) + b")"
