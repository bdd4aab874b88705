"""What someone wants otherwise than it was recorded: fields of requests, and accounts.

Law: pure. `--set CMD.FIELD=VALUE` sets the field in every request of the command: in place where it stands, however
often, and as the last field where it does not. With `*` for the command it is set where it stands, and nothing is
added, since commands have different fields. What would make another command of a request, or the request of another
account, is refused, and so is a secret: it does not belong on a command line.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from qqlab import wording
from qqlab.errors import UsageError
from qqlab.spec import Spec
from qqlab.visible import visible


class Setting(NamedTuple):
    """A field that someone wants otherwise: of one command's requests, or of all where `command` is None."""

    command: str | None
    field: str
    value: str

    def __str__(self) -> str:
        return f"--set {self.command or '*'}.{self.field}={self.value}"


class Changes(NamedTuple):
    """What someone wants otherwise than it was recorded: fields, and accounts by the recorded one."""

    settings: tuple[Setting, ...] = ()
    accounts: Mapping[str, str] = {}


def read_settings(texts: Sequence[str], spec: Spec) -> tuple[Setting, ...]:
    """Read `CMD.FIELD=VALUE`; of two for one field the later counts. Raises UsageError."""
    settings = [_setting(text, spec) for text in texts]
    return tuple({((one.command or "").upper(), one.field.upper()): one for one in settings}.values())


def _setting(text: str, spec: Spec) -> Setting:
    where, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {visible(where, 40)}", "is no CMD.FIELD=VALUE", "for example --set Login.ST=10")
    command, field = read_field("--set", where)
    roles = spec.roles
    known = spec.field(None if command is None else spec.command(command), "request", field)
    name = field if known is None else known.name
    if name == roles.command:
        raise UsageError(f"--set {where}", "would make another command of it", "send one: qqlab send")
    if name == roles.account:
        raise UsageError(f"--set {where}", "would make it another account's", "--map-account A=B")
    if known.secret if known is not None else name.upper() in wording.secret_names(spec):
        raise UsageError(f"--set {where}", "is a secret and stands on no command line", "passwords: --accounts FILE")
    return Setting(command, name, value)


def read_field(option: str, text: str) -> tuple[str | None, str]:
    """Read `CMD.FIELD`, or `*.FIELD` for any command (None). Raises UsageError."""
    command, dot, field = text.partition(".")
    if not dot or not command or not field or "&" in field or not field.isprintable():
        where = f"{option} {visible(text, 40)}"
        raise UsageError(where, "is no CMD.FIELD", "for example List.UN, or *.UN for any command")
    return None if command == "*" else command, field


def check_commands(option: str, fields: Iterable[tuple[str | None, str]], spec: Spec, seen: Collection[str]) -> None:
    """Raise UsageError for a field of a command that neither the spec knows nor the capture has; `seen` in capitals."""
    for command, field in fields:
        if command is not None and spec.command(command) is None and command.upper() not in seen:
            where = f"{option} {visible(command, 30)}.{visible(field, 30)}"
            raise UsageError(where, "there is no such command", f"known: {', '.join(sorted(spec.commands))}")


def strange(settings: Iterable[Setting], spec: Spec) -> tuple[Setting, ...]:
    """Those of these settings whose field the spec does not have in requests of their command."""
    commands = ((one, None if one.command is None else spec.command(one.command)) for one in settings)
    return tuple(one for one, known in commands if known and spec.field(known, "request", one.field) is None)


def read_accounts(texts: Sequence[str]) -> dict[str, str]:
    """Read `A=B`: account B takes the place of A. Raises UsageError."""
    accounts: dict[str, str] = {}
    for text in texts:
        one, equals, other = (part.strip() for part in text.partition("="))
        if not equals or not (one + other).isascii() or not (one.isdecimal() and other.isdecimal()):
            what = "is no A=B of two account numbers"
            raise UsageError(f"--map-account {visible(text, 40)}", what, "for example --map-account 10001=20001")
        if accounts.get(one, other) != other:
            raise UsageError(f"--map-account {one}", "stands for two others", "name one")
        accounts[one] = other
    return accounts


def check_accounts(accounts: Mapping[str, str], asking: Collection[str]) -> None:
    """Raise UsageError where two accounts that ask would become one: their requests would get into each other's way."""
    became: dict[str, str] = {}
    for account in asking:
        other = accounts.get(account, account)
        if other in became:
            what = f"{became[other]} and {account} would both be {other}"
            raise UsageError("--map-account", what, "map the other one as well")
        became[other] = account
