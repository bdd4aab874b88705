"""`qqlab replay`: a capture's requests go to a server again, and its replies are compared with the recorded ones."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from qqlab import spec as specs
from qqlab.cli.arguments import (
    TIMEOUT,
    AllowEffects,
    AllowHost,
    CaptureFiles,
    Force,
    SpecOption,
    TargetUrl,
    Timeout,
    check_output,
    read_spec,
)
from qqlab.cli.clustered import carry_out_on_cluster
from qqlab.cli.controls import BaselineUrl, Control, SaveRules, read_controls
from qqlab.cli.judging import RuleFiles, read_rules, this_day
from qqlab.cli.outputs import Equivalent, FailOn, JsonReport, Outputs, Reports, ShowSuppressed, refuse_sources
from qqlab.cli.pacing import RETRIES, Cluster, LoginBudget, Retries, Workers, sending
from qqlab.cli.passwords import AccountsFile, read_passwords
from qqlab.cli.planning import (
    DryRun,
    Lanes,
    MapAccount,
    MaxGap,
    NoCorrelate,
    Only,
    Pin,
    Rate,
    Set,
    Speed,
    again,
    read_options,
)
from qqlab.cli.replaying import Asked, Recording, carry_out_and_tell, say_what_would_be_sent
from qqlab.errors import UsageError
from qqlab.findings import Context
from qqlab.replay import parse_target


def replay(
    captures: CaptureFiles,
    target: TargetUrl,
    accounts: AccountsFile = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="CAPTURE", help="Keep what was replayed as a capture.")
    ] = None,
    allow_host: AllowHost = None,
    allow_effects: AllowEffects = None,
    dry_run: DryRun = False,
    settings: Set = None,
    map_account: MapAccount = None,
    pin: Pin = None,
    no_correlate: NoCorrelate = False,
    only: Only = None,
    lanes: Lanes = None,
    speed: Speed = "max",
    max_gap: MaxGap = None,
    rate: Rate = None,
    timeout: Timeout = TIMEOUT,
    retries: Retries = RETRIES,
    login_budget: LoginBudget = 1,
    workers: Workers = 1,
    cluster: Cluster = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the interrupted replay that is kept at -o.")
    ] = False,
    resend_unknown: Annotated[
        bool,
        typer.Option(
            "--resend-unknown", help="With --resume: send again what was sent, and of which nothing is known, too."
        ),
    ] = False,
    report: Reports = None,
    json: JsonReport = False,
    fail_on: FailOn = "warning",
    equivalent: Equivalent = False,
    rules: RuleFiles = None,
    control: Control = 0,
    baseline: BaselineUrl = None,
    save_rules: SaveRules = None,
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

    What differs by itself is no difference: --control 2 replays twice more, writing to the server again, and ignores
    what differs between replays; --save-rules keeps that for --rules.

    Exit code 0: no differences; 1: differences; 3: nothing could be compared, or what became of something that was sent
    is not known; 4: the target is down; 5: refused.

    Example: qqlab replay recorded.jsonl --target 127.0.0.1:8000 -o replayed.jsonl
    """
    known = read_spec(spec)
    aim = parse_target(target)
    how = sending(timeout=timeout, lanes=lanes, speed=speed, rate=rate, retries=retries, login_budget=login_budget)
    if resume and output is None:
        raise UsageError("--resume", "goes on with what was kept", "name it: -o CAPTURE")
    if resend_unknown and not resume:
        raise UsageError("--resend-unknown", "goes with a replay that broke off", "add --resume")
    if not dry_run:
        check_output(output, force or resume, "a replay")
    controls = read_controls(control, baseline, save_rules, force=force)
    ignoring = read_rules(rules, this_day(), known)
    outputs = Outputs(report, json=json, force=force, beside=(*captures, output, save_rules))
    refuse_sources("-o", output, captures, (accounts, spec, *(rules or ())))
    refuse_sources("--save-rules", save_rules, captures, (accounts, spec, output))
    wishes = read_options(
        aim,
        known,
        settings=settings,
        accounts=map_account,
        pins=pin,
        no_correlate=no_correlate,
        only=only,
        allow_effects=allow_effects,
        max_gap=max_gap,
    )
    recording = Recording(captures)
    if (workers == 1 and cluster is None) or dry_run:
        recording.capture  # noqa: B018  # what cannot be read is said before passwords are asked for
    context = Context(
        spec=known,
        spec_text=specs.text(spec),
        spec_file=specs.BUILTIN if spec is None else str(spec),
        expected=recording.path,
        actual="" if output is None else str(output),
        target=str(aim),
        time=datetime.now(UTC),
        command=(
            *_command(captures, target, spec),
            *again(
                passwords=accounts,
                hosts=allow_host,
                effects=allow_effects,
                timeout=timeout,
                settings=settings,
                accounts=map_account,
                pins=pin,
                no_correlate=no_correlate,
            ),
        ),
        fail_on=fail_on,
        equivalent=equivalent,
        suppressed=show_suppressed,
    )
    passwords, codes = read_passwords(accounts)
    asked = Asked(
        spec=known,
        target=aim,
        recording=recording,
        options=wishes,
        effects=allow_effects,
        hosts=allow_host or (),
        passwords=passwords,
        codes=codes,
        how=how,
        workers=workers,
        controls=controls,
        rules=ignoring,
        outputs=outputs,
        context=context,
        output=output,
        force=force,
        resume=resume,
        resend=resend_unknown,
    )
    if cluster is not None and not dry_run:
        carry_out_on_cluster(asked, cluster, accounts, spec)
    elif dry_run:
        say_what_would_be_sent(asked, json=json)
    else:
        carry_out_and_tell(asked)


def _command(captures: Sequence[Path], target: str, spec: Path | None) -> tuple[str, ...]:
    """The command line that does the same again, but for what it keeps."""
    options = () if spec is None else ("--spec", str(spec))
    return ("qqlab", "replay", *map(str, captures), "--target", target, *options)
