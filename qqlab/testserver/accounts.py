"""The made-up users of the test server: a TOML file, read into frozen types.

Law: a file is accepted whole or refused with the path of its first mistake (`$.accounts[2].friends[0]`). Profiles
are checked against the spec, so that an account cannot make the server say what the spec does not know. Passwords
stand in the file as plain text: such a file is for test accounts only. The sample in the package documents the form.
"""

import tomllib
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from qqlab import spec as specs
from qqlab.errors import InputError
from qqlab.spec import Spec

Policy = Literal["anyone", "approval", "nobody"]
Uin = Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,17}$")]
Code = Annotated[str, msgspec.Meta(pattern="^[A-Z0-9]{1,12}$")]
Avatar = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[int, msgspec.Meta(ge=1)]

_SAMPLE = "accounts.toml"
_PROFILE_COMMAND = "GetInfo"
# What the account itself says, or the request: no matter of the profile table.
_NOT_PROFILE = frozenset(("UN", "NK", "FC", "LV"))


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A TOML table: unknown keys are refused."""


class Account(_Table, frozen=True):
    """One user. `policy` says who may add him, `friends` whom he has on his list (a list is its owner's alone).

    `profile` holds fields of GetInfo's reply under the spec's names. `verification` is the code that a picture asks for
    at a login of VER 1.4, None where none is asked for. After loading, `policy`, `avatar` and
    `profile` are filled in from the file's defaults.
    """

    uin: Uin
    password: str
    nickname: str
    avatar: Avatar = 0
    policy: Policy = "approval"
    friends: tuple[Uin, ...] = ()
    profile: dict[str, str | int] = {}
    verification: Code | None = None


class Defaults(_Table, frozen=True):
    """What holds for every account that says nothing else; profiles are merged field by field."""

    avatar: Avatar = 0
    policy: Policy = "approval"
    profile: dict[str, str | int] = {}


class Accounts(_Table, frozen=True):
    """All users of a server, and what it tells them.

    `poll_seconds` is what a login reply says in HI, `silence_seconds` in LI: the silence after which a user is
    offline. `refusal` is the reason of a refused login (RA).
    """

    accounts: tuple[Account, ...]
    poll_seconds: Seconds = 60
    silence_seconds: Seconds = 300
    refusal: str = "登录失败"
    defaults: Defaults = Defaults()

    @cached_property
    def by_uin(self) -> dict[str, Account]:
        """The accounts by number."""
        return {account.uin: account for account in self.accounts}

    def password(self, uin: str) -> str | None:
        """The password of an account as plain text, or None where there is no such account."""
        account = self.by_uin.get(uin)
        return None if account is None else account.password

    def verification(self, uin: str) -> str | None:
        """The code that an account's picture shows, or None where there is no such account or picture."""
        account = self.by_uin.get(uin)
        return None if account is None else account.verification


def load(path: Path, spec: Spec | None = None) -> Accounts:
    """Read an accounts file. Raises InputError that names the file and its first mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"is not UTF-8 at byte {error.start}", "accounts are a TOML file") from error
    return parse(text, str(path), spec)


def sample(spec: Spec | None = None) -> Accounts:
    """The made-up accounts that come with the package."""
    text = resources.files("qqlab.testserver").joinpath(_SAMPLE).read_text(encoding="utf-8")
    return parse(text, f"qqlab/testserver/{_SAMPLE}", spec)


def parse(text: str, where: str, spec: Spec | None = None) -> Accounts:
    """Make accounts of TOML text; `where` stands in errors. Raises InputError with the first mistake."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(where, f"is not TOML: {error}") from error
    try:
        accounts = msgspec.convert(document, Accounts)
    except msgspec.ValidationError as error:
        raise InputError(where, _told(error), "the sample shows the form: qqlab/testserver/accounts.toml") from error
    mistake = _mistake(accounts, spec or specs.builtin())
    if mistake is not None:
        raise InputError(where, mistake)
    return _resolve(accounts, document)


def _told(error: msgspec.ValidationError) -> str:
    """A mistake of shape, its path first; msgspec says it last."""
    what, _, path = str(error).partition(" - at `")
    return f"{path.rstrip('`') or '$'}: {what[:1].lower()}{what[1:]}"


def _mistake(accounts: Accounts, spec: Spec) -> str | None:
    """The first mistake in a document of the right shape, or None."""
    if not accounts.accounts:
        return "$.accounts: is empty"
    mistake = _profile_mistake(accounts.defaults.profile, spec)
    if mistake is not None:
        return f"$.defaults.profile{mistake}"
    seen: set[str] = set()
    for index, account in enumerate(accounts.accounts):
        path = f"$.accounts[{index}]"
        if account.uin in seen:
            return f"{path}.uin: {account.uin} stands there twice"
        seen.add(account.uin)
        for number, friend in enumerate(account.friends):
            if friend not in accounts.by_uin:
                return f"{path}.friends[{number}]: there is no account {friend}"
        mistake = _profile_mistake(account.profile, spec)
        if mistake is not None:
            return f"{path}.profile{mistake}"
    return None


def _profile_mistake(profile: dict[str, str | int], spec: Spec) -> str | None:
    fields = {field.name: field for field in profile_fields(spec)}
    for name, value in profile.items():
        field = fields.get(name)
        if field is None:
            return f".{name}: no such field; known: {', '.join(fields)}"
        number = field.type in ("int", "code")
        if number != isinstance(value, int):
            return f".{name}: expected a {'number' if number else 'text'}, not {value!r}"
        if field.type == "digits" and value != "" and not (str(value).isascii() and str(value).isdigit()):
            return f".{name}: expected digits, not {value!r}"
        if field.type == "code" and spec.code(field, value) is None:
            return f".{name}: {value} is not in table {field.codes}"
    return None


def profile_fields(spec: Spec) -> tuple[specs.Field, ...]:
    """The fields of GetInfo's reply that a profile may hold, in the server's order."""
    command = spec.command(_PROFILE_COMMAND)
    if command is None:
        return ()
    return tuple(f for f in command.reply if f not in spec.common.reply and f.name not in _NOT_PROFILE)


def _resolve(accounts: Accounts, document: dict[str, list[dict[str, object]]]) -> Accounts:
    """Fill in the defaults where an account's table in the document is silent."""
    defaults = accounts.defaults
    resolved = tuple(
        msgspec.structs.replace(
            account,
            avatar=account.avatar if "avatar" in table else defaults.avatar,
            policy=account.policy if "policy" in table else defaults.policy,
            profile={**defaults.profile, **account.profile},
        )
        for account, table in zip(accounts.accounts, document["accounts"], strict=True)
    )
    return msgspec.structs.replace(accounts, accounts=resolved)
