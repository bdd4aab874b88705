"""`qqlab generate`: a capture of any size that nobody recorded."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
import zstandard

from qqlab.cli.arguments import Force, finite
from qqlab.cli.console import counted, talk
from qqlab.errors import UsageError
from qqlab.files import check_replaceable, replacing
from qqlab.generate import Plan, generate, people, plan, written
from qqlab.generate.plan import START
from qqlab.visible import visible

_LEVEL = 3
_START = START.replace(tzinfo=None)


def generate_(
    exchanges: Annotated[
        int, typer.Option("-n", "--exchanges", metavar="N", min=1, help="How many exchanges.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="CAPTURE",
            help="The capture to write, compressed where it is named .zst; - is standard output.",
        ),
    ],
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Another number, another capture.")] = 1,
    accounts: Annotated[
        int | None,
        typer.Option(
            "--accounts",
            metavar="A",
            min=2,
            max=1_000_000,
            help="How many users there are; by default one for 1,000 exchanges, from 8 to 20,000.",
            show_default=False,
        ),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(
            "--days",
            metavar="D",
            min=0.01,
            callback=finite,
            help="Over how many days it goes, about; by default so many that each user comes twice a day.",
            show_default=False,
        ),
    ] = None,
    errors: Annotated[
        float,
        typer.Option(
            "--errors",
            metavar="SHARE",
            min=0,
            max=0.5,
            callback=finite,
            help="The share of exchanges in which something goes wrong, such as 0.02: no reply, half a reply, a wrong "
            "password, a request before the login, a number without account.",
        ),
    ] = 0.0,
    start: Annotated[
        datetime,
        typer.Option(
            "--start", metavar="TIME", help="When it begins (UTC).", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
        ),
    ] = _START,
    accounts_file: Annotated[
        Path | None,
        typer.Option(
            "--write-accounts",
            metavar="FILE",
            help="Write the accounts too, for `qqlab serve --accounts` and `qqlab replay --accounts`.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Make up a capture of any size: users, clients, friends and messages, as a recorder in front of the test server
    would have it.

    The same options and seed give the same bytes. Users log in over days, mostly in
    the evening, read their friends in pages, poll at the interval that the server announces, write to each other, add
    friends, change presence and log out, with six kinds of clients that speak VER 1.0 to 1.4. Nothing in it is
    anybody's. With --write-accounts it can be replayed, and without --errors nothing then differs.

    Example: qqlab generate -n 1000000 -o large.jsonl.zst

    Example: qqlab generate -n 5000 --errors 0.02 -o made-up.jsonl --write-accounts made-up.toml
    """
    wanted = plan(
        exchanges,
        accounts=accounts,
        days=days,
        seed=seed,
        errors=errors,
        start=start.replace(tzinfo=start.tzinfo or UTC),
    )
    _check(output, accounts_file, force)
    users = people(wanted)
    if accounts_file is not None:
        with replacing(accounts_file) as file:
            file.write(written(users))
    lines = generate(wanted, users)
    if str(output) == "-":
        sys.stdout.buffer.writelines(lines)
    else:
        with replacing(output) as file:
            _write(file, output, lines)
    talk.say(f"qqlab: {_told(wanted, output)}")


def _check(output: Path, accounts_file: Path | None, force: bool) -> None:
    """Raise now for what would fail once everything was made."""
    if str(output) != "-":
        check_replaceable(output, force)
    if accounts_file is not None:
        if str(accounts_file) == "-" or accounts_file.absolute() == output.absolute():
            raise UsageError(f"--write-accounts {accounts_file}", "is no file of its own", "name another file")
        check_replaceable(accounts_file, force)


def _write(file: BinaryIO, path: Path, lines: Iterable[bytes]) -> None:
    if path.suffix != ".zst":
        file.writelines(lines)
        return
    with zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).stream_writer(file, closefd=False) as packed:
        for line in lines:
            packed.write(line)


def _told(wanted: Plan, output: Path) -> str:
    where = "" if str(output) == "-" else f" in {visible(str(output))}"
    return f"{counted(wanted.exchanges, 'exchange')} of {counted(wanted.accounts, 'account')}{where}"
