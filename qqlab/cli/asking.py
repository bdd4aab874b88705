"""What `qqlab send` and `qqlab probe` share: their options, a request read from the command line, and what is kept.

Law: no secret is taken from a command line, where every user of the machine can read it; what is refused is not
repeated either.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from qqlab import wording
from qqlab.capture import header, save
from qqlab.errors import InputError, RefusedError, UsageError
from qqlab.exchange import RawMessage
from qqlab.net.caller import Caller
from qqlab.replay import Target, effects
from qqlab.replay.compose import Draft, Given, spelled
from qqlab.replay.reading import read
from qqlab.spec import Effect, Spec
from qqlab.visible import visible

_LONGEST_FILE = 1024 * 1024

CommandName = Annotated[str, typer.Argument(metavar="COMMAND", help="A command of the spec (qqlab spec show).")]
Fields = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FIELD=VALUE...", help="Fields of the request. UIN says who asks; any may be given, known or not."
    ),
]
Account = Annotated[
    str | None, typer.Option("--account", metavar="UIN", help="Who asks, where no field says it.", show_default=False)
]
KeptAs = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="CAPTURE", help="Keep what was said as a capture.")
]
FromFile = Annotated[
    list[str] | None,
    typer.Option("--from-file", metavar="FIELD=FILE", help="A field whose value stands in a file, such as a secret."),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="FIELD", help="Leave a field out that would be filled in or asked for."),
]
Escaped = Annotated[bool, typer.Option("--escaped", help="The values given are escaped already: send them as written.")]
Unknown = Annotated[bool, typer.Option("--unknown", help="Send a command that the spec does not know.")]
LinesOption = Annotated[
    bool, typer.Option("--lines", help="Speak bare lines (VER 1.4) over one long connection, not HTTP.")
]


def keep(caller: Caller, output: Path | None, note: str, known: Spec, *, force: bool) -> None:
    """Write what was said as a capture, where that is wanted and anything was."""
    if output is not None and caller.exchanges:
        head = header(known, redacted="secrets", created=datetime.now(UTC), note=note)
        save(output, head, caller.exchanges, known, force=force)


def check_command(command: str, known: Spec, *, unknown: bool) -> None:
    """Raise UsageError for a command that no client sends, unless it is wanted."""
    found = known.command(command)
    if unknown or (found is not None and found.effect != "push"):
        return
    if found is not None:
        raise UsageError(
            found.name, "is pushed by servers and asked for by no client", "--unknown sends it all the same"
        )
    names = ", ".join(c.name for c in known.commands.values() if c.effect != "push")
    raise UsageError(command, "the spec has no such command", f"known: {names}; --unknown sends it all the same")


def effect_of(draft: Draft, known: Spec) -> Effect:
    """What a request does to the server's memory, by the rule of a replay."""
    request = RawMessage(body=draft.body)
    return effects.effect_of(read(request, "request", known), request, known)


def check_effects(target: Target, wanted: Collection[Effect], allowed: str | None) -> None:
    """Raise RefusedError for what a host outside this machine may not be asked for, UsageError for a wrong option."""
    may = effects.allowed_effects(target, allowed)
    refused = [effect for effect in effects.EFFECTS if effect in wanted and effect not in may]
    if refused:
        more = [effect for effect in effects.EFFECTS if effect in refused or (effect in may and effect != "read")]
        what = f"is not on this machine, and this is no mere reading ({', '.join(refused)})"
        raise RefusedError(str(target), what, f"allow it: --allow-effects {','.join(more)}")


def read_fields(
    fields: Sequence[str], files: Sequence[str], account: str | None, command: str, known: Spec, *, escaped: bool
) -> list[Given]:
    """The fields of a command line. Raises UsageError for what is none, and for secrets; InputError for a file."""
    given = [_field(text, command, known, escaped) for text in fields]
    given += [_from_file(text, escaped) for text in files]
    role = known.roles.account
    if account is not None and any(spelled(one.name, known.command(command), known) == role for one in given):
        raise UsageError(f"--account {account}", f"{role} says who asks already", "give one of both")
    return given if account is None else [*given, Given(role, account)]


def _field(text: str, command: str, known: Spec, escaped: bool) -> Given:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(visible(text, 30), "is no FIELD=VALUE", "an empty value is FIELD=")
    if value:
        refuse_secret(name, command, known)
    return Given(name, value, escaped)


def refuse_secret(name: str, command: str, known: Spec) -> None:
    """Raise UsageError where a field of that name is a secret."""
    field = known.field(known.command(command), "request", name)
    derived = None if field is None else field.derived
    if field.secret if field is not None else name.upper() in wording.secret_names(known):
        own = f"--accounts FILE makes it of the account's {'verification' if derived == 'verification' else 'password'}"
        other = f"--from-file {name}=FILE reads it from a file"
        raise UsageError(name, "is a secret and stands on no command line", own if derived else other)


def _from_file(text: str, escaped: bool) -> Given:
    name, equals, path = text.partition("=")
    if not equals:
        raise UsageError(f"--from-file {text}", "is no FIELD=FILE")
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise InputError(path, getattr(error, "strerror", None) or str(error)) from error
    if len(content) > _LONGEST_FILE:
        raise InputError(path, "is longer than 1 MiB", "a value is short")
    # A text file ends with a line end, which is no part of what it says.
    value = content.removesuffix(b"\n").removesuffix(b"\r")
    return Given(name, value.decode("utf-8", "surrogateescape"), escaped)
