"""One request made from what is known of its command: its fields in the spec's order, with their values written.

Law: pure. What a caller gives is sent as given, whether it makes sense or not: fields of no known name come last, a
doubled one is doubled. What he does not give is filled in only where one thing alone can be meant: the roles' fields, a
secret made from the account's password, a value that the spec knows no other of. Where that leaves a required field
open, an error names it. A draft knows which of its parts are secret, so that nothing that is shown need hold them.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from qqlab import spec as specs
from qqlab import wire
from qqlab.codec import Decoded, derive, encode_message
from qqlab.errors import UsageError
from qqlab.replay.passwords import Passwords, no_passwords
from qqlab.spec import Command, Spec

# What could be taken for the end of a pair or a line is no name, nor what no UTF-8 can say.
_NAME = re.compile("[^&=\r\n\ud800-\udfff]+")
_LOWEST = 10**8


class Given(NamedTuple):
    """A field as a caller names it. `text` is its value before it is escaped; `escaped` says that it is so already."""

    name: str
    text: str
    escaped: bool = False


class Part(NamedTuple):
    """One pair of a request. `field` is the spec's name of it, or the given one; `secret` that its value is one."""

    field: str
    pair: wire.Pair
    secret: bool = False


class Draft(NamedTuple):
    """A request that could be sent."""

    command: Command | None
    version: str
    account: str
    parts: tuple[Part, ...]

    @property
    def body(self) -> bytes:
        """The request's body."""
        return wire.join(part.pair for part in self.parts)

    def numbered(self, sequence: str, spec: Spec) -> "Draft":
        """The same request with another sequence number, wherever it has one."""
        role = spec.roles.sequence
        return self._replace(
            parts=tuple(
                part._replace(pair=part.pair._replace(value=sequence.encode()))
                if part.field == role and part.pair.value is not None
                else part
                for part in self.parts
            )
        )


class Ways(NamedTuple):
    """How to fill in what was not given: the sequence number, where passwords and the codes of pictures are known, the
    names of fields to leave out, whether a version of the newest clients is wanted, what stands in fields that would
    else be lacking."""

    sequence: str
    passwords: Passwords = no_passwords
    codes: Passwords = no_passwords
    without: Collection[str] = ()
    newest: bool = False
    otherwise: Mapping[str, str] = {}


def compose(command: str, given: Sequence[Given], spec: Spec, ways: Ways) -> Draft:
    """A request of that command. Raises UsageError for what is lacking, or cannot be a field."""
    known = spec.command(command)
    return _Composing(command if known is None else known.name, known, given, spec, ways).draft()


def log_in(account: str, version: str, spec: Spec, ways: Ways) -> Draft:
    """The request by which an account logs in, in that version where there is a login in it. Raises UsageError."""
    return _by_secret({"md5-hex", "MD5-HEX"}, account, version, spec, ways)


def read_picture(account: str, version: str, spec: Spec, ways: Ways) -> Draft:
    """The request that tells what an account's picture shows. Raises UsageError where nobody knows."""
    return _by_secret({"verification"}, account, version, spec, ways)


def wants_picture_read(decoded: Decoded) -> bool:
    """Whether the reply came with a picture to be read, in place of what was asked."""
    command = None if decoded.reply is None else decoded.reply.command
    return command is not None and command is not decoded.spec and _takes(command, {"verification"})


def _by_secret(derivations: Collection[str], account: str, version: str, spec: Spec, ways: Ways) -> Draft:
    commands = [command for command in spec.commands.values() if _takes(command, derivations)]
    of_version = [command for command in commands if version in command.versions]
    if not commands:
        raise UsageError(spec.name, "the spec has no command to log in with", "see: qqlab spec show")
    said = [Given(spec.roles.version, version)] if of_version else []
    return compose((of_version or commands)[0].name, [*said, Given(spec.roles.account, account)], spec, ways)


def _takes(command: Command, derivations: Collection[str]) -> bool:
    return any(field.derived in derivations for field in command.request)


def spelled(name: str, command: Command | None, spec: Spec) -> str:
    """A field's name as the spec spells it, or as it was given where the spec has no such field."""
    field = spec.field(command, "request", name)
    return name if field is None else field.name


def written(given: Given, command: Command | None, spec: Spec) -> Part:
    """A field as it is sent. Raises UsageError where what is escaped already would end the pair, or the line."""
    field = spec.field(command, "request", given.name)
    name = given.name if field is None else field.name
    secret = field is not None and field.secret and bool(given.text)
    if not given.escaped:
        body = encode_message([(name, _value(given.text, field, spec))], "request", spec, command)
        return Part(name, wire.split(body)[0], secret)
    raw = given.text.encode("utf-8", "surrogateescape")
    if any(end in raw for end in b"&\r\n"):
        raise UsageError(name, "a value that is escaped already holds neither & nor a line end", "write %26, %0d%0a")
    return Part(name, wire.Pair(name.encode(), raw), secret)


def _value(text: str, field: specs.Field | None, spec: Spec) -> str | tuple[str, ...]:
    if field is None or not field.list:
        return text
    items = text.split(spec.wire.list_separator)
    return tuple(items[:-1] if items[-1] == "" else items)


class _Composing:
    """What is known of one request while its parts are found."""

    def __init__(self, name: str, command: Command | None, given: Sequence[Given], spec: Spec, ways: Ways) -> None:
        self.name = name
        self.command = command
        self.spec = spec
        self.ways = ways
        self.otherwise = {spelled(field, command, spec): text for field, text in ways.otherwise.items()}
        self.without = {spelled(field, command, spec) for field in ways.without}
        self.given: dict[str, list[Given]] = {}
        for one in given:
            self.given.setdefault(spelled(one.name, command, spec), []).append(one)
        self.version = self._said(spec.roles.version) or self._usual_version()
        self.account = self._said(spec.roles.account) or ""
        self.lacking: list[specs.Field] = []

    def draft(self) -> Draft:
        self._check_names()
        known = self.spec.layout(self.command, "request").by_name.values()
        parts = [part for field in known for part in self._parts(field)]
        names = {field.name for field in known}
        others = (one for name, many in self.given.items() if name not in names for one in many)
        parts += [written(one, self.command, self.spec) for one in others]
        if self.lacking:
            raise UsageError(self.name, *self._told())
        return Draft(self.command, self.version, self.account, tuple(parts))

    def _check_names(self) -> None:
        both = self.without & self.given.keys()
        if both:
            raise UsageError(self.name, f"{', '.join(sorted(both))} is given and left out at once", "do one of both")
        for name in self.given:
            if not _NAME.fullmatch(name):
                raise UsageError(repr(name), "is no field's name", "a field is given as FIELD=VALUE")
        said = self._said(self.spec.roles.command)
        if said is not None and said.upper() != self.name.upper():
            raise UsageError(f"{self.spec.roles.command}={said}", f"the command is {self.name}", "name it once")

    def _said(self, role: str) -> str | None:
        """The value that was given for a field that has one."""
        given = self.given.get(role)
        return given[0].text if given else None

    def _usual_version(self) -> str:
        """The version that the primary source describes, or the newest that the command has where it has not that."""
        versions = tuple(self.spec.versions) if self.command is None else self.command.versions
        primary = {name for name, source in self.spec.sources.items() if source.primary}
        described = (v for v in versions if v in self.spec.versions and primary & set(self.spec.versions[v].source))
        newest = versions[-1] if versions else next(reversed(self.spec.versions), "")
        return newest if self.ways.newest else next(described, newest)

    def _parts(self, field: specs.Field) -> Iterable[Part]:
        given = self.given.get(field.name)
        if given is not None:
            return [written(one, self.command, self.spec) for one in given]
        if field.name in self.without:
            return []
        text = self._filled(field)
        if text is None and field.required:
            text = self.otherwise.get(field.name)
        if text is not None:
            return [written(Given(field.name, text), self.command, self.spec)]
        if field.required and not field.when and self._has(field):
            self.lacking.append(field)
        return []

    def _has(self, field: specs.Field) -> bool:
        return not field.versions or self.version in field.versions

    def _filled(self, field: specs.Field) -> str | None:
        """What can only be meant by a field that was not given, None where that is unknown or it is not needed."""
        roles = self.spec.roles
        by_role = {roles.version: self.version, roles.command: self.name, roles.sequence: self.ways.sequence}
        if field.name in by_role:
            return by_role[field.name]
        if not field.required or field.when or not self._has(field):
            return None
        if field.derived is not None:
            secret = (self.ways.codes if field.derived == "verification" else self.ways.passwords)(self.account)
            return None if secret is None else derive(field.derived, secret)
        if field.secret:
            return None
        if field.constants:
            return field.constants[0]
        values = () if field.codes is None else self.spec.codes[field.codes].values
        return str(values[0].value) if len(values) == 1 else None

    def _told(self) -> tuple[str, str]:
        """What is lacking, and how to give it."""
        lacking = [field for field in self.lacking if field.derived is None]
        if not lacking:
            kind = "code" if self.lacking[0].derived == "verification" else "password"
            whom = f"for account {self.account}" if self.account else f"without {self.spec.roles.account}"
            return f"no {kind} is known {whom}", "give it in a file: --accounts FILE"
        named = "; ".join(f"{field.name} ({field.doc.rstrip('.')})" for field in lacking)
        how = ", ".join(f"--from-file {f.name}=FILE" if f.secret else f"{f.name}=VALUE" for f in lacking)
        return f"needs {named}", f"give {how}, or leave one out on purpose: --without {lacking[0].name}"


def numbers(start: int) -> Iterator[str]:
    """Sequence numbers of nine digits that follow on `start`, such as the milliseconds of a clock: two that begin at
    different times have none in common for days."""
    return (str(_LOWEST + (start + asked) % (9 * _LOWEST)) for asked in count())
