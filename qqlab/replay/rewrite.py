"""What a recorded request becomes: the few spans changed that must be, every other byte as it was.

Law: pure. What changes are the sequence number, passwords and answers to pictures put back, accounts and fields that
someone wants otherwise, the Host header (one of them), a target that names another host, and the framing that these
force. A request without a target stays without, a line stays a line. No other host is named in what is sent: what
would name one is not sent. What a change is shown by holds no secret.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from qqlab import http1, wire
from qqlab.codec import text as texts
from qqlab.codec import values
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay.changes import Changes, Setting
from qqlab.replay.lanes import line
from qqlab.replay.passwords import Passwords, put_back
from qqlab.replay.reading import Read, Said, items
from qqlab.replay.sequences import Account, Sequences
from qqlab.spec import Field, Spec

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Behind a method and nothing else, only this is surely no target: `HTTP/1.1.evil.example` might be taken for one.
_VERSION = re.compile(rb"HTTP/[0-9]+\.[0-9]+")
# The request line for a proxy names the server; sent on as it is, it would ask the target to go there.
_ABSOLUTE = re.compile(rb"\A(\s*" + _METHOD.pattern + rb"[ \t]+)[A-Za-z][A-Za-z0-9+.-]*://[^/?\s]*([^\s]*)")
# A server that takes a bare line for the first one of HTTP would go where it says.
_HTTP_LINE = re.compile(rb"(?:\A|[\r\n])[\s\0]*" + _METHOD.pattern + rb"[\s\0]")
# The line end before the header, its name, and the value with its continuation lines; a lone CR ends a line, too, for
# some servers.
# A name of several words is none, but for servers that look for one in it.
_NAME = rb"(?:\r?\n|\r)(?:[^\r\n:]*[ \t\v\f])?host(?:[ \t\v\f][^\r\n:]*)?:[ \t]*"
_HOST = re.compile(rb"(" + _NAME + rb")[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*", re.IGNORECASE)
_ENDS = re.compile(rb"[&\r\n]")
_OTHER_HOST = "the request line names another host"
# Clients of one recording have few heads between them.
_MOST_HEADS = 4096


class Example(msgspec.Struct, frozen=True):
    """One change: in which exchange, which field, from what (None: it was not there, or is secret) to what."""

    exchange: str
    field: str
    old: str | None
    new: str


class Refused(NamedTuple):
    """Why a request is not sent."""

    reason: str


class _Head(NamedTuple):
    """A head made ready for the target. `plain`: nothing but a Content-Length frames its body. `goes`: it names no
    other host. `other`: it is another one than was recorded."""

    head: bytes
    plain: bool
    goes: bool
    other: bool


class Template:
    """A request but for its number. `head` is that for the target, `times` how many were made."""

    __slots__ = ("_before", "_behind", "_head", "_numbers", "head", "times")

    def __init__(self, head: _Head, around: tuple[bytes, bytes], numbers: Account) -> None:
        self.head = head
        self.times = 0
        self._head = head.head
        self._before, self._behind = around
        self._numbers = numbers

    def request(self, number: str) -> RawMessage | None:
        """The request with a fresh number in place of a recorded one; None where that is longer."""
        fresh = self._numbers.fresh(number)
        if len(fresh) != len(number):
            return None
        self.times += 1
        return RawMessage(head=self._head, body=self._before + fresh.encode() + self._behind)


class Rewriting:
    """Rewrites the requests of one capture for one server, in their order.

    `lacking` are the accounts whose password would have been put back and is not known, `unread` those of whose picture
    the code is not. `counts` says how often something was changed, by kind, `examples` shows one of each, and `used`
    holds the settings and accounts that had an effect, `set_in` the names of the fields that were set, by exchange.
    `only_numbers`: nothing is put in place of values but fresh numbers, and secrets.
    """

    def __init__(
        self, host: str, spec: Spec, sequences: Sequences, passwords: Passwords, codes: Passwords, changes: Changes
    ) -> None:
        self._host = host
        self._spec = spec
        self._sequences = sequences
        self._passwords = passwords
        self._codes = codes
        self._accounts = dict(changes.accounts)
        self._settings = changes.settings
        self.only_numbers = not self._accounts and not self._settings
        self._heads: dict[bytes, _Head] = {}
        self.lacking: dict[str, None] = {}
        self.unread: dict[str, None] = {}
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, Example] = {}
        self.used: set[Setting | str] = set()
        self.set_in: dict[str, dict[str, None]] = {}

    def account(self, recorded: str | None) -> str | None:
        """The account that takes a recorded one's place."""
        return recorded if recorded is None else self._accounts.get(recorded, recorded)

    def request(self, exchange: Exchange, asked: Read, account: str | None, *, right: bool) -> RawMessage | Refused:
        """What to send for a request of a (recorded) account; `right`: its secret is known to be the account's."""
        message = exchange.request
        assert message is not None
        if line(exchange) is not None:
            if _HTTP_LINE.search(message.body):
                return Refused("the line might be taken for HTTP")
            values, extra = self._values(exchange, asked, account, right)
            body = wire.patch(message.body, values) if values else message.body
            return msgspec.structs.replace(message, body=appended(body, extra))
        head = self._head(message.head)
        if head is None:
            return Refused(_OTHER_HOST)
        values, extra = self._values(exchange, asked, account, right)
        if not head.head:
            return http1.request(appended(wire.patch(message.body, values), extra), self._host)
        if head.plain and not message.chunked:
            body = appended(wire.patch(message.body, values), extra)
            if len(body) == len(message.body):
                return RawMessage(head=head.head, body=body)
        return _patched_content(msgspec.structs.replace(message, head=head.head), values, extra)

    def template(self, exchange: Exchange, around: tuple[bytes, bytes], account: str | None) -> "Template | None":
        """What makes the same, for requests of HTTP in which only the plain number between these parts of the body is
        another one. None where more has to change than that, or nothing may be sent, or no example shows it yet."""
        message = exchange.request
        assert message is not None
        shown = self.only_numbers and "sequence" in self.examples
        if not shown or not message.head or exchange.transport == "lines":
            return None
        head = self._made_once(message.head)
        if not (head.goes and head.plain):
            return None
        return Template(head, around, self._sequences.of(account or ""))

    def took(self, templates: Iterable["Template"]) -> None:
        """These were used."""
        for template in templates:
            self.counts["sequence"] += template.times
            if template.head.other:
                self.counts["host"] += template.times

    def _head(self, head: bytes) -> _Head | None:
        """The head for the target; None where it still names another host."""
        made = self._made_once(head)
        if made.other:
            self.counts["host"] += 1
        return made if made.goes else None

    def _made_once(self, head: bytes) -> _Head:
        made = self._heads.get(head)
        if made is None:
            made = self._heads[head] = self._made(head)
        return made

    def _made(self, head: bytes) -> _Head:
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        addressed = _addressed(head, self._host)
        folded = addressed.lower()
        plain = b"transfer-encoding" not in folded and b"content-encoding" not in folded
        goes = not head or _names_no_host(addressed)
        return _Head(addressed, plain, goes, goes and addressed != head)

    def _values(
        self, exchange: Exchange, asked: Read, account: str | None, right: bool
    ) -> tuple[list[tuple[int, bytes]], list[bytes]]:
        """What is put in place of what was recorded, by the place of its pair, and the pairs that are added."""
        new: list[tuple[int, bytes]] = []
        self._fresh_sequence(exchange, asked, account, new)
        if right:
            self._password(asked, account, new)
        if self._accounts:
            self._named_accounts(exchange, asked, new)
        return (new, self._set(exchange, asked, new)) if self._settings else (new, [])

    def _fresh_sequence(
        self, exchange: Exchange, asked: Read, account: str | None, new: list[tuple[int, bytes]]
    ) -> None:
        field = asked.get(self._spec.roles.sequence)
        number = "" if field is None else field.text.strip()
        if field is not None and number.isascii() and number.isdigit():
            fresh = self._sequences.fresh(account or "", number)
            new.append((field.position, _core(field, number, fresh)))
            self._count("sequence", exchange, field.name, number, fresh)

    def _password(self, asked: Read, account: str | None, new: list[tuple[int, bytes]]) -> None:
        field = secret_of(asked)
        derived = None if field is None or field.spec is None else field.spec.derived
        goes = self.account(account)
        if field is None or derived is None or goes is None:
            return
        picture = derived == "verification"
        secret = (self._codes if picture else self._passwords)(goes)
        if secret is None:
            (self.unread if picture else self.lacking)[goes] = None
            return
        recorded = field.text.strip()
        new.append((field.position, _core(field, recorded, put_back(secret, derived, recorded))))
        self.counts["picture" if picture else "password"] += 1

    def _named_accounts(self, exchange: Exchange, asked: Read, new: list[tuple[int, bytes]]) -> None:
        for field, raw in other_accounts(asked, self._accounts, self._spec):
            new.append((field.position, raw))
            self.used.update(one for one in items(field, self._spec) if one in self._accounts)
            self._count("account", exchange, field.name, field.text, raw.decode("latin-1"))

    def _set(self, exchange: Exchange, asked: Read, new: list[tuple[int, bytes]]) -> list[bytes]:
        """Set the fields that someone wants otherwise: every one of that name, whatever else would stand there."""
        extra: list[bytes] = []
        command = (asked.name if asked.command is None else asked.command.name).upper()
        for setting in self._settings:
            if setting.command is not None and setting.command.upper() != command:
                continue
            known = self._spec.field(asked.command, "request", setting.field)
            name = setting.field if known is None else known.name
            value = one_value(values.write(setting.value, known, self._spec.wire))
            there = [field for field in asked.fields if field.name.upper() == name.upper()]
            for field in there:
                new[:] = [one for one in new if one[0] != field.position]
                new.append((field.position, value))
            if not there and setting.command is not None:
                extra.append(name.encode() + b"=" + value)
            if there or setting.command is not None:
                self.used.add(setting)
                self.set_in.setdefault(exchange.id, {})[name] = None
                secret = known is not None and known.secret
                old = there[0].text if there and not secret else None
                self._count("set", exchange, name, old, "" if secret else setting.value)
        return extra

    def _count(self, kind: str, exchange: Exchange, name: str, old: str | None, new: str) -> None:
        self.counts[kind] += 1
        if kind not in self.examples:
            self._show(kind, exchange, name, old, new)

    def _show(self, kind: str, exchange: Exchange, name: str, old: str | None, new: str) -> None:
        self.examples[kind] = Example(exchange.id, name, old, new)


def other_accounts(message: Read, accounts: Mapping[str, str], spec: Spec) -> Iterator[tuple[Said, bytes]]:
    """The fields of a message that name one of these accounts, alone or in a list, and their bytes with the others."""
    separator = spec.wire.list_separator.encode()
    for field in message.fields:
        if is_account(field.spec, spec):
            raw = separator.join([_other(part, accounts) for part in field.raw.split(separator)])
            if raw != field.raw:
                yield field, raw


def _other(part: bytes, accounts: Mapping[str, str]) -> bytes:
    core = texts.unescape(part).strip().decode("latin-1")
    other = accounts.get(core)
    return part if other is None else _replaced(part, core.encode(), other.encode())


def is_account(field: Field | None, spec: Spec) -> bool:
    """Whether a field names accounts: one of the same type as the field that says who asks, and no number or secret."""
    if field is None or field.secret or field.name == spec.roles.sequence:
        return False
    role = spec.field(None, "request", spec.roles.account)
    return field.name == spec.roles.account or (role is not None and field.type == role.type)


def secret_of(asked: Read) -> Said | None:
    """The request's field that is made from the account's password, None where there is none or it is empty."""
    for field in asked.fields:
        if field.spec is not None and field.spec.derived is not None and field.text.strip():
            return field
    return None


def one_value(raw: bytes) -> bytes:
    """A value that stays one, whatever the spec escapes: it ends no pair and no line."""
    return _ENDS.sub(lambda match: b"%%%02x" % ord(match[0]), raw)


def patched(message: RawMessage, values: Sequence[tuple[int, bytes]]) -> RawMessage:
    """A request with these pairs patched, whatever carries it: as a line, or with the framing that HTTP then needs."""
    if not message.head:
        return msgspec.structs.replace(message, body=wire.patch(message.body, values))
    return _patched_content(message, values, ())


def _core(field: Said, old: str, new: str) -> bytes:
    """The new bytes of a value: its core is another, and blanks or a line end that the wire has beside it stay."""
    return _replaced(field.raw, old.encode(), new.encode())


def _replaced(raw: bytes, old: bytes, new: bytes) -> bytes:
    # In what is escaped the same letters may stand for something else: `%310001` is 10001, and holds it.
    return raw.replace(old, new, 1) if raw.find(b"%") < 0 and old in raw else new


def appended(body: bytes, extra: Sequence[bytes]) -> bytes:
    """A body with pairs added: behind the last one, before what ends the body."""
    if not extra:
        return body
    core = body.rstrip(b"\r\n")
    end = body[len(core) :]
    open_ = b"" if not core or core.endswith(b"&") else b"&"
    return core + open_ + b"&".join(extra) + (b"&" if core.endswith(b"&") else b"") + end


def _addressed(head: bytes, host: str) -> bytes:
    """The head for another host: one Host header, where it has any, and no host in the request line."""
    head = _ABSOLUTE.sub(lambda line: line[1] + (line[2] if line[2].startswith(b"/") else b"/" + line[2]), head)
    first = _HOST.search(head)
    if first is None:
        return head
    return head[: first.end(1)] + host.encode() + _HOST.sub(b"", head[first.end() :])


def _names_no_host(head: bytes) -> bool:
    """Whether the target in the request line is absent, a path or `*`; servers pass over what stands before it."""
    method, *rest = head.lstrip().partition(b"\n")[0].split() or [b""]
    absent = not rest or (len(rest) == 1 and _VERSION.fullmatch(rest[0]) is not None)
    return _METHOD.fullmatch(method) is not None and (absent or rest[0] == b"*" or rest[0].startswith(b"/"))


def _patched_content(message: RawMessage, new: Sequence[tuple[int, bytes]], extra: Sequence[bytes]) -> RawMessage:
    """The message with these pairs of its content patched, and others added, as it can be sent."""
    content = http1.content(message) if new or extra else None
    if content is not None:
        message = http1.with_content(message, appended(wire.patch(content, new), extra))
    if message.chunked:
        return message
    body = message.body if content is not None else appended(wire.patch(message.body, new), extra)
    return http1.with_body(message, body)
