"""`qqlab replay`: a capture's requests go to a server again, and its replies are compared with the recorded ones."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from qqlab import spec as specs
from qqlab.capture import Capture, header
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
    read_as_one,
    read_spec,
)
from qqlab.cli.console import counted, talk
from qqlab.cli.controls import BaselineUrl, Control, Run, SaveRules, learned_rules, once_more, read_controls
from qqlab.cli.judging import RuleFiles, read_rules, this_day
from qqlab.cli.outputs import Equivalent, FailOn, JsonReport, Outputs, Reports, ShowSuppressed, end, refuse_sources
from qqlab.cli.pacing import RETRIES, LoginBudget, Retries, Workers, sending, summary, told_of
from qqlab.cli.passwords import ENVIRONMENT, AccountsFile, read_passwords
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
    say_plan,
)
from qqlab.diff import compare
from qqlab.errors import InputError, TargetError, UsageError
from qqlab.exchange import Exchange
from qqlab.findings import Context, nobody_answered
from qqlab.net import loop
from qqlab.net.judging import Judging
from qqlab.net.kept import Keeping
from qqlab.net.replay import Course, now, resolve
from qqlab.net.whole import Replay, carry_out
from qqlab.replay import Expectation, Plan, Target, parse_target, plan, renamed
from qqlab.replay.dryrun import Again, in_vain
from qqlab.replay.effects import allowed_effects, check_any, recorded_hosts
from qqlab.visible import visible

_INTERRUPTED = "the replay was interrupted"
_EACH = 10  # so many exchanges between two steps of the bar


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
    if not dry_run:
        check_output(output, force or resume, "a replay")
    controls = read_controls(control, baseline, save_rules, force=force)
    today = this_day()
    ignoring = read_rules(rules, today, known)
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
    recorded = read_as_one(captures)
    passwords, codes = read_passwords(accounts)

    def planned_from(start: int, to: Target = aim) -> Plan:
        options = wishes._replace(effects=allowed_effects(to, allow_effects))
        return plan(
            recorded.exchanges, known, host=str(to), passwords=passwords, codes=codes, start=start, options=options
        )

    if dry_run:
        at_first = planned_from(now())
        more = [Again(at_first, aim, controls.times)] if controls.times else []
        if controls.baseline is not None:
            more.append(Again(planned_from(now(), controls.baseline), controls.baseline, 1))
        say_plan(
            at_first,
            recorded.exchanges,
            aim,
            allowed=allow_host or [],
            json=json,
            lanes=lanes,
            speed=how.speed,
            rate=how.rate,
            more=more,
        )
        return
    hosts = recorded_hosts(recorded.exchanges)
    aims = [aim] if controls.baseline is None else [aim, controls.baseline]
    addresses = {to: loop.run(resolve(to, allow_host or [], hosts)) for to in aims}
    seen = outputs.witness(known)
    with _kept_at(output, seen.wants_anything or controls.wanted) as path:
        keeping = None
        if path is not None:
            keeping = Keeping(path, recorded.exchanges, str(aim), resume=resume, force=force, options=wishes)
        start = now() if keeping is None or keeping.before.start is None else keeping.before.start
        planned = planned_from(start)
        for to in aims:
            planned_for = planned if to == aim else planned_from(start, to)
            check_any(to, planned_for.refused, len(planned_for.steps))
        _warn(recorded, planned)
        mapped = wishes.changes.accounts
        expected = [renamed(one, mapped, known) for one in recorded.exchanges] if mapped else recorded.exchanges
        expectation = Expectation(planned, known)
        judging = None
        if not (seen.wants_anything or controls.wanted):
            judging = Judging(expected, known, mapped=bool(mapped), expectation=expectation)
        job = Replay(
            spec=known,
            server=str(aim),
            addresses=addresses[aim],
            how=how,
            taken={exchange.id for exchange in recorded.exchanges},
            start=start,
            workers=workers,
            keeping=keeping,
            judging=judging,
            resend=resend_unknown,
            recorded_clean=recorded.header.redacted != "none",
        )
        refused: dict[Target, set[str]] = {to: set() for to in aims}
        failed: dict[Target, set[str]] = {to: set() for to in aims}
        starts = count(start + len(recorded.exchanges), len(recorded.exchanges))

        def again_at(baseline: Target | None) -> Run:
            to, begin = baseline or aim, next(starts)
            control = job._replace(server=str(to), addresses=addresses[to], start=begin)
            control = control._replace(refused=tuple(refused[to]), failed=tuple(failed[to]))
            run = once_more(planned_from(begin, to), control, recorded.exchanges)
            refused[to].update(run.refused)
            failed[to].update(run.failed)
            return run

        whole = False
        unknown: frozenset[str] = frozenset()
        try:
            interrupted: KeyboardInterrupt | None = None
            try:
                with _told(len(recorded.exchanges), resumable=output is not None) as told:
                    course = carry_out(planned, job, told)
            except KeyboardInterrupt as error:
                interrupted = error
                course = _so_far(planned, recorded.exchanges, judging, keeping)
                if not course.sent:
                    raise
            refused[aim].update(course.refused)
            failed[aim].update(course.failed)
            if judging is not None:
                comparison = judging.comparison(course.skipped, ignoring, today)
            else:
                assert keeping is not None
                otherwise = {one.id: one for one in keeping.exchanges(planned) if expectation.concerns(one.id)}
                expected = [expectation.of(one, otherwise.get(one.id, one)) for one in expected]
                if controls.wanted and interrupted is None:
                    first = Run(tuple(keeping.exchanges(planned)), course.skipped, course.down)
                    ignoring = learned_rules(controls, expected, first, again_at, known, today, ignoring)
                comparison = compare(
                    expected,
                    keeping.exchanges(planned),
                    known,
                    skipped=course.skipped,
                    rules=ignoring,
                    today=today,
                    witness=seen,
                )
            context = Context(
                spec=known,
                spec_text=specs.text(spec),
                spec_file=specs.BUILTIN if spec is None else str(spec),
                expected=str(recorded.path),
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
                course=told_of(course),
                cases=seen.cases,
                sides=seen.sides,
                fail_on=fail_on,
                equivalent=equivalent,
                suppressed=show_suppressed,
            )
            # Where nobody was there at all, the one line at the end says it.
            outputs.tell(comparison, context, silent=course.down is not None and nobody_answered(comparison))
            if interrupted is not None:
                raise interrupted
            for account in course.refused:
                if account not in (*planned.lacking, *planned.unread):
                    talk.say(f"qqlab: {_refused(account)}")
            _say_course(course, asked=how.speed is not None or how.rate is not None)
            whole = course.down is None
        finally:
            # Whatever stops this, what the target said is not lost with it.
            if keeping is not None and output is not None:
                note = f"replay of {recorded.path} to {aim}"
                head = header(known, redacted="secrets", created=datetime.now(UTC), note=note)
                unknown = keeping.finish(planned, head, whole=whole)
    if course.down is not None:
        hint = "is the server running?" + ("" if output is None else " then go on: --resume")
        raise TargetError(str(aim), course.down, hint)
    if unknown:
        assert output is not None
        unsure = _unsure(output, len(unknown))
        if not any(context.fails(finding) for finding in comparison.findings):
            raise unsure
        talk.say(f"qqlab: {unsure}")
    end(comparison, recorded.path, context)


@contextmanager
def _kept_at(output: Path | None, wanted: bool) -> Iterator[Path | None]:
    """Where the replay is kept: at the path that was named, or for a while only, if the exchanges are `wanted`."""
    if output is not None or not wanted:
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="qqlab-") as folder:
        yield Path(folder) / "replayed.jsonl"


def _so_far(planned: Plan, exchanges: Sequence[Exchange], judging: Judging | None, keeping: Keeping | None) -> Course:
    """How a replay went that was broken off. What other processes judged is lost with them, unless it was kept."""
    if judging is not None:
        left = judging.left
    else:
        assert keeping is not None
        done = {one.id for one in keeping.exchanges(planned)}
        left = [one.id for one in exchanges if one.id not in done]
    skipped = {identifier: planned.skipped.get(identifier, _INTERRUPTED) for identifier in left}
    return Course.interrupted(skipped, len(exchanges) - len(left))


def _say_course(course: Course, *, asked: bool) -> None:
    """Say how it went: to who watches, and to who asked for a pace or for more words."""
    if asked or talk.verbose or sys.stderr.isatty():
        for line in summary(course):
            talk.say(f"qqlab: {line}")


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


def _unsure(output: Path, unknown: int) -> InputError:
    what = f"what became of {counted(unknown, 'exchange')} when the replay broke off is not known"
    return InputError(
        str(output), what, "send what is unknown again: --resume --resend-unknown; or begin anew: --force"
    )


@contextmanager
def _told(total: int, *, resumable: bool) -> Iterator[Callable[[int, Exchange | None], None]]:
    """What to do with exchanges of a replay once they are over: count them, and show now and then how many are. Says
    how far it came where that is interrupted."""
    done = 0
    with talk.bar() as bar:
        task = bar.add_task("", total=total)

        def told(more: int, exchange: Exchange | None) -> None:
            nonlocal done
            done += more
            if not bar.disable and (done % _EACH == 0 or done == total):
                bar.update(task, completed=done)
            if talk.verbose and exchange is not None:
                talk.detail(f"qqlab: exchange {visible(exchange.id, 20)}: {visible(exchange.error or 'replied')}")

        try:
            yield told
        except KeyboardInterrupt:
            resume = " (go on: --resume)" if resumable and done else ""
            talk.say(f"qqlab: interrupted after {done} of {total} exchanges{resume}")
            raise


def _warn(recorded: Capture, planned: Plan) -> None:
    for line in in_vain(planned):
        talk.say(f"qqlab: {line}")
    if recorded.header.redacted == "none":
        return  # what was recorded is the password's own hash, and went out as it was
    for account in planned.lacking:
        shown = visible(account, 30)
        talk.say(
            f"qqlab: no password is known for account {shown}: its login goes out with a pseudonym "
            f"(give one: --accounts FILE, or {ENVIRONMENT}{shown})"
        )
    for account in planned.unread:
        shown = visible(account, 30)
        talk.say(
            f"qqlab: account {shown} is asked to read a picture, and what it shows is not known: a pseudonym goes out "
            "(give it as its `verification`: --accounts FILE)"
        )
