"""`qqlab replay`: a capture's requests go to a server again, and its replies are compared with the recorded ones."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from qqlab import spec as specs
from qqlab.capture import Capture, header, save
from qqlab.cli.arguments import CaptureFiles, Force, SpecOption, read_as_one, read_spec, refuse_stdout
from qqlab.cli.asking import AllowEffects
from qqlab.cli.console import talk
from qqlab.cli.outputs import Equivalent, FailOn, JsonReport, Outputs, Reports, ShowSuppressed, end
from qqlab.cli.passwords import ENVIRONMENT, AccountsFile, read_passwords
from qqlab.cli.planning import (
    DryRun,
    MapAccount,
    NoCorrelate,
    Only,
    Pin,
    Set,
    again,
    read_options,
    say_plan,
)
from qqlab.diff import compare
from qqlab.errors import TargetError
from qqlab.exchange import Exchange
from qqlab.files import check_writable, refuse_existing
from qqlab.findings import Context
from qqlab.net.replay import Replayed, now
from qqlab.net.replay import replay as run
from qqlab.replay import parse_target, plan, renamed, turned_away
from qqlab.visible import visible


def replay(
    captures: CaptureFiles,
    target: Annotated[str, typer.Option("--target", metavar="URL", help="http://HOST:PORT or HOST:PORT.")],
    accounts: AccountsFile = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="CAPTURE", help="Keep what was replayed as a capture.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="HOST", help="This host may be contacted though it is not this machine."),
    ] = None,
    allow_effects: AllowEffects = None,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.05, help="For each exchange.")] = 5.0,
    dry_run: DryRun = False,
    settings: Set = None,
    map_account: MapAccount = None,
    pin: Pin = None,
    no_correlate: NoCorrelate = False,
    only: Only = None,
    report: Reports = None,
    json: JsonReport = False,
    fail_on: FailOn = "warning",
    equivalent: Equivalent = False,
    show_suppressed: ShowSuppressed = False,
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Send a capture's requests to a server and compare its replies with the recorded ones.

    Sequence numbers are made fresh. Passwords, which a capture does not hold, are put back where they were right:
    from the accounts file, or from the environment variable QQLAB_PASSWORD_<account>; what verification pictures show
    comes from the accounts file. Bare lines go over one long connection for each that was recorded, and what is pushed
    there is compared as well. Values that a reply made up and a later request used (tokens, the last of a page) are
    carried over from the new replies. --dry-run says all this beforehand. Only servers on this machine are contacted,
    unless --allow-host names others; these are only read from, unless --allow-effects says more. A replay that is
    interrupted keeps what it has got.

    Exit code 0: no differences; 1: differences; 3: nothing could be compared; 4: the target is down; 5: refused.

    Example: qqlab replay recorded.jsonl --target 127.0.0.1:8000 -o replayed.jsonl
    """
    known = read_spec(spec)
    aim = parse_target(target)
    if output is not None and not dry_run:
        _check_output(output, force)
    outputs = Outputs(report, json=json, force=force, beside=(*captures, output))
    wishes = read_options(
        aim,
        known,
        settings=settings,
        accounts=map_account,
        pins=pin,
        no_correlate=no_correlate,
        only=only,
        allow_effects=allow_effects,
    )
    recorded = read_as_one(captures)
    passwords, codes = read_passwords(accounts)
    if dry_run:
        planned = plan(
            recorded.exchanges, known, host=str(aim), passwords=passwords, codes=codes, start=now(), options=wishes
        )
        say_plan(planned, recorded.exchanges, aim, allowed=allow_host or [], json=json)
        return
    expected = [renamed(exchange, wishes.changes.accounts, known) for exchange in recorded.exchanges]
    over: list[Exchange] = []
    try:
        with _told(len(recorded.exchanges), over) as told:
            replayed = asyncio.run(
                run(
                    recorded.exchanges,
                    aim,
                    spec=known,
                    passwords=passwords,
                    codes=codes,
                    allowed=allow_host or [],
                    timeout=timeout,
                    told=told,
                    options=wishes,
                )
            )
        _warn(recorded, replayed)
        seen = outputs.witness(known)
        comparison = compare(expected, replayed.exchanges, known, skipped=replayed.skipped, witness=seen)
        context = Context(
            spec=known,
            spec_text=specs.text(spec),
            spec_file=specs.BUILTIN if spec is None else str(spec),
            expected=str(recorded.path),
            actual="" if output is None else str(output),
            time=datetime.now(UTC),
            target=str(aim),
            command=(
                *_command(captures, target, spec),
                *again(settings=settings, accounts=map_account, pins=pin, no_correlate=no_correlate),
            ),
            cases=seen.cases,
            sides=seen.sides,
            fail_on=fail_on,
            equivalent=equivalent,
            suppressed=show_suppressed,
        )
        outputs.tell(comparison, context)
        for account in turned_away(expected, replayed.exchanges, known):
            if account not in (*replayed.lacking, *replayed.unread):
                talk.say(f"qqlab: {_refused(account)}")
    except KeyboardInterrupt:
        talk.say(f"qqlab: interrupted after {len(over)} of {len(recorded.exchanges)} exchanges")
        raise
    finally:
        # Whatever stops this, what the target said is not lost with it.
        if output is not None and over:
            note = f"replay of {recorded.path} to {aim}"
            head = header(known, redacted="secrets", created=datetime.now(UTC), note=note)
            save(output, head, over, known, force=force)
    if replayed.down is not None:
        raise TargetError(str(aim), replayed.down, "is the server running?")
    end(comparison, recorded.path, context)


def _command(captures: Sequence[Path], target: str, spec: Path | None) -> tuple[str, ...]:
    """The command line that does the same again, but for what it keeps."""
    options = () if spec is None else ("--spec", str(spec))
    return ("qqlab", "replay", *map(str, captures), "--target", target, *options)


def _refused(account: str) -> str:
    shown = visible(account, 30)
    return (
        f"account {shown} was logged in when this was recorded, and is refused now: is its password right? "
        f"(--accounts FILE, or {ENVIRONMENT}{shown}; without them that of the built-in sample is taken)"
    )


def _check_output(path: Path, force: bool) -> None:
    """Raise InputError now for what would fail after the replay, UsageError for standard output."""
    refuse_stdout(path, "a replay")
    if not force:
        refuse_existing(path)
    check_writable(path)


@contextmanager
def _told(total: int, over: list[Exchange]) -> Iterator[Callable[[Exchange], None]]:
    """What to do with each exchange of a replay once it is over: collect it, and show that it is done."""
    with talk.bar() as bar:
        task = bar.add_task("", total=total)

        def told(exchange: Exchange) -> None:
            over.append(exchange)
            bar.advance(task)
            talk.detail(f"qqlab: exchange {visible(exchange.id, 20)}: {visible(exchange.error or 'replied')}")

        yield told


def _warn(recorded: Capture, replayed: Replayed) -> None:
    if recorded.header.redacted == "none":
        return  # what was recorded is the password's own hash, and went out as it was
    for account in replayed.lacking:
        shown = visible(account, 30)
        talk.say(
            f"qqlab: no password is known for account {shown}: its login goes out with a pseudonym "
            f"(give one: --accounts FILE, or {ENVIRONMENT}{shown})"
        )
    for account in replayed.unread:
        shown = visible(account, 30)
        talk.say(
            f"qqlab: account {shown} is asked to read a picture, and what it shows is not known: a pseudonym goes out "
            "(give it as its `verification`: --accounts FILE)"
        )
