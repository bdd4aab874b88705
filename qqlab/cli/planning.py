"""What `qqlab replay` can be told about its plan: what is sent, to whom it may be, at which pace; and `--dry-run`.

Law: nothing here contacts anyone, not even a resolver.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from qqlab.cli.arguments import TIMEOUT, finite
from qqlab.cli.console import print_json
from qqlab.exchange import Exchange
from qqlab.replay import Options, Plan, Target, check_name
from qqlab.replay.changes import Changes, read_accounts, read_field, read_settings
from qqlab.replay.dryrun import Again, lines, outline
from qqlab.replay.effects import allowed_effects, check_any, check_recorded, recorded_hosts
from qqlab.spec import Spec

_PLAN = "What is sent"
_PACE = "Pace"

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and contact nobody.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="CMD.FIELD=VALUE",
        help="Set a field in all requests of a command, added where it is not there; * for any command that has it.",
        rich_help_panel=_PLAN,
    ),
]
MapAccount = Annotated[
    list[str] | None,
    typer.Option(
        "--map-account",
        metavar="A=B",
        help="Account B takes the place of A, by its own password.",
        rich_help_panel=_PLAN,
    ),
]
Pin = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        metavar="CMD.FIELD",
        help="Keep what was recorded here, though a reply before it had said it.",
        rich_help_panel=_PLAN,
    ),
]
NoCorrelate = Annotated[
    bool,
    typer.Option(
        "--no-correlate",
        help="Keep all values as recorded: carry none over from replies.",
        rich_help_panel=_PLAN,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="ID",
        help="Send this exchange with what it needs alone: logins, replies, and what had changed the server before.",
        rich_help_panel=_PLAN,
    ),
]
Lanes = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        metavar="N",
        min=1,
        help="The most clients under way at once; by default as many as when recorded.",
        show_default=False,
        rich_help_panel=_PACE,
    ),
]
Speed = Annotated[
    str,
    typer.Option(
        "--speed",
        metavar="max|FACTOR",
        help="1 is as recorded, 2 twice as fast; max does not wait.",
        rich_help_panel=_PACE,
    ),
]
Rate = Annotated[
    str | None,
    typer.Option(
        "--rate",
        metavar="N/s",
        help="At most so many requests a second.",
        show_default=False,
        rich_help_panel=_PACE,
    ),
]
MaxGap = Annotated[
    float | None,
    typer.Option(
        "--max-gap",
        metavar="SECONDS",
        min=0,
        callback=finite,
        help="Shorten silences of the recording to this.",
        show_default=False,
        rich_help_panel=_PACE,
    ),
]


def read_options(
    target: Target,
    spec: Spec,
    *,
    settings: Sequence[str] | None,
    accounts: Sequence[str] | None,
    pins: Sequence[str] | None,
    no_correlate: bool,
    only: Sequence[str] | None,
    allow_effects: str | None,
    max_gap: float | None = None,
) -> Options:
    """How a replay against a target is to differ from the recording. Raises UsageError."""
    return Options(
        changes=Changes(read_settings(settings or (), spec), read_accounts(accounts or ())),
        pins=tuple(read_field("--pin", text) for text in pins or ()),
        correlate=not no_correlate,
        only=tuple(only or ()),
        max_gap=max_gap,
        effects=allowed_effects(target, allow_effects),
    )


def again(
    *,
    passwords: Path | None,
    hosts: Sequence[str] | None,
    effects: str | None,
    timeout: float,
    settings: Sequence[str] | None,
    accounts: Sequence[str] | None,
    pins: Sequence[str] | None,
    no_correlate: bool,
) -> tuple[str, ...]:
    """The options of a command line that makes the same requests again, where they may be made, and waits as long."""
    one_each = (("--accounts", passwords), ("--allow-effects", effects))
    single = [part for option, value in one_each if value is not None for part in (option, str(value))]
    single += [] if timeout == TIMEOUT else ["--timeout", f"{timeout:g}"]
    named = (("--allow-host", hosts), ("--set", settings), ("--map-account", accounts), ("--pin", pins))
    given = (part for option, values in named for value in values or () for part in (option, value))
    return (*single, *given, *(("--no-correlate",) if no_correlate else ()))


def say_plan(
    planned: Plan,
    exchanges: Sequence[Exchange],
    target: Target,
    *,
    allowed: Sequence[str] = (),
    json: bool,
    lanes: int | None = None,
    speed: float | None = None,
    rate: float | None = None,
    more: Sequence[Again] = (),
) -> None:
    """Print what would be done, and refuse what would be refused then: raises RefusedError."""
    made = outline(planned, target, lanes=lanes, speed=speed, rate=rate, more=more)
    if json:
        print_json(made)
    else:
        for line in lines(made):
            print(line)
    hosts = recorded_hosts(exchanges)
    for one in (Again(planned, target, 1), *more):
        check_name(one.target, allowed)
        check_recorded(one.target, one.target.host, hosts, allowed)
        check_any(one.target, one.planned.refused, len(one.planned.steps))
