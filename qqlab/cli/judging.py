"""What a comparison is to leave out: the options of it, and the files of rules that they name."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from qqlab.cli.console import talk
from qqlab.diff.rules import IgnoreRule, Rules, dump, parse
from qqlab.errors import InputError
from qqlab.files import check_replaceable, replacing
from qqlab.spec import Spec
from qqlab.visible import visible

RuleFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--rules",
        metavar="FILE",
        help="Ignore what the rules in this file say, and count it. May be repeated.",
        show_default=False,
    ),
]


def read_rules(paths: Sequence[Path] | None, today: date, known: Spec) -> Rules | None:
    """The rules of all these files, None where none is named. Says which have expired, or name no command.
    Raises InputError for what cannot be read or is no good file of rules."""
    if paths is None:
        return None
    rules = Rules()
    for path in paths:
        rules += _read(path)
    for rule in rules.expired(today):
        talk.say(f"qqlab: {visible(rule.name, 60)} expired on {rule.expires}, and is not applied")
    for rule in rules.rules:
        if rule.command is not None and known.command(rule.command) is None:
            talk.say(f"qqlab: {visible(rule.name, 60)}: the spec has no command {visible(rule.command, 40)}")
    return rules


def this_day() -> date:
    """Today, which decides whether a rule has expired."""
    return datetime.now(UTC).date()


def check_rules_file(path: Path | None, *, force: bool) -> None:
    """Raise InputError now for what would fail once there are rules to save."""
    if path is not None:
        check_replaceable(path, force)


def write_rules(path: Path, rules: Iterable[IgnoreRule], note: str) -> None:
    """Write a file of rules in one step. Raises InputError."""
    with replacing(path, mode=0o644) as file:
        file.write(dump(rules, note).encode())


def _read(path: Path) -> Rules:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        what = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", "") or str(error)
        raise InputError(str(path), what, "rules are a TOML file") from error
    return parse(text, str(path))
