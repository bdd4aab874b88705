"""One replay from the command line, step by step: planned, sent, compared, told, and kept.

Law: whatever stops it (a failure, Ctrl-C, a file that cannot be written), what the target said until then is not lost:
it is compared and told as far as it goes, and kept where that was asked for.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple, Protocol

import msgspec

from qqlab.capture import Capture, Header, header, source
from qqlab.capture.index import Index, index
from qqlab.cli.arguments import read_as_one
from qqlab.cli.console import counted, talk
from qqlab.cli.controls import Controls, Run, learned_rules, once_more
from qqlab.cli.judging import this_day
from qqlab.cli.outputs import Outputs, end
from qqlab.cli.pacing import summary, told_of
from qqlab.cli.passwords import ENVIRONMENT
from qqlab.cli.planning import say_plan
from qqlab.diff import Comparison, compare
from qqlab.diff.rules import Rules
from qqlab.errors import InputError, TargetError
from qqlab.exchange import Exchange
from qqlab.findings import Context, Seen, nobody_answered
from qqlab.net import loop
from qqlab.net.apart import Job, apart
from qqlab.net.judging import Found, Judging, compared
from qqlab.net.kept import Keeping
from qqlab.net.replay import Course, Sending, now, resolve
from qqlab.net.whole import Replay, carry_out
from qqlab.replay import Expectation, Options, Passwords, Plan, Target, plan, renamed
from qqlab.replay.apart import NotApart, why_whole
from qqlab.replay.dryrun import Again, in_vain
from qqlab.replay.effects import allowed_effects, check_any, hosts_of, recorded_hosts
from qqlab.replay.journal import Ordered, present
from qqlab.spec import Spec
from qqlab.visible import visible

_INTERRUPTED = "the replay was interrupted"
_ENDS = 20.0  # so many seconds may who sends need to let go of what it has kept
_EACH = 10  # so many exchanges between two steps of the bar


class Recording:
    """The captures that are replayed, read as one when that is first needed."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    @cached_property
    def capture(self) -> Capture:
        """All of it. Raises InputError."""
        return read_as_one(self.paths)

    @property
    def path(self) -> str:
        """What it is called where something is said of it."""
        return source.name(self.paths[0]) if len(self.paths) == 1 else self.capture.path


class Asked(NamedTuple):
    """All that a command line asks of a replay, read and checked.

    `options` are for the target; what may be asked of another server follows from `effects`, as `--allow-effects` says
    it. `hosts` are those outside this machine that may be contacted. `context` is what findings are told with, as far
    as it is known beforehand. `resend` sends again what may have been done before the replay broke off.
    """

    spec: Spec
    target: Target
    recording: Recording
    options: Options
    effects: str | None
    hosts: Sequence[str]
    passwords: Passwords
    codes: Passwords
    how: Sending
    workers: int
    controls: Controls
    rules: Rules | None
    outputs: Outputs
    context: Context
    output: Path | None
    force: bool
    resume: bool
    resend: bool

    @property
    def recorded(self) -> Capture:
        """What is replayed."""
        return self.recording.capture

    @property
    def aims(self) -> list[Target]:
        """All servers that are to be asked, the target first."""
        return [self.target] if self.controls.baseline is None else [self.target, self.controls.baseline]

    def plan(self, start: int, to: Target) -> Plan:
        """What would be sent to a server, with fresh numbers that follow on `start`."""
        options = self.options._replace(effects=allowed_effects(to, self.effects))
        return plan(
            self.recorded.exchanges,
            self.spec,
            host=str(to),
            passwords=self.passwords,
            codes=self.codes,
            start=start,
            options=options,
        )


def say_what_would_be_sent(asked: Asked, *, json: bool) -> None:
    """Print the plan, and contact nobody. Raises RefusedError for what would be refused."""
    controls, first = asked.controls, asked.plan(now(), asked.target)
    more = [Again(first, asked.target, controls.times)] if controls.times else []
    if controls.baseline is not None:
        more.append(Again(asked.plan(now(), controls.baseline), controls.baseline, 1))
    say_plan(
        first,
        asked.recorded.exchanges,
        asked.target,
        allowed=asked.hosts,
        json=json,
        lanes=asked.how.limits.lanes,
        speed=asked.how.speed,
        rate=asked.how.rate,
        more=more,
    )


def carry_out_and_tell(asked: Asked) -> None:
    """Replay, compare, tell. Leaves with the exit code that fits, and raises what says why there is nothing to tell."""
    (_told_apart(asked) or _told_as_one(asked)).end(asked)


def _told_as_one(asked: Asked) -> "Told":
    """The same, read and planned by this process."""
    hosts = recorded_hosts(asked.recorded.exchanges)
    addresses = {to: loop.run(resolve(to, asked.hosts, hosts)) for to in asked.aims}
    seen = asked.outputs.witness(asked.spec)
    wanted = seen.wants_anything or asked.controls.wanted
    # What several processes judge is gone with them where they are interrupted; what they kept can be judged again.
    with _kept_at(asked.output, wanted or asked.workers > 1) as path:
        keeping = None
        if path is not None:
            exchanges, server = asked.recorded.exchanges, str(asked.target)
            keeping = Keeping(path, exchanges, server, resume=asked.resume, force=asked.force, options=asked.options)
        return _Replaying(asked, addresses, keeping, seen, judge_at_once=not wanted).run()


def _told_apart(asked: Asked) -> "Told | None":
    """The same, by several processes that read and plan their own lanes; None where that cannot be."""
    why = "one process sends it" if asked.workers == 1 else _why_as_one(asked)
    found = index(asked.recording.paths[0]) if why is None else None
    if found is not None:
        try:
            with _kept_at(asked.output, True) as path:
                assert path is not None
                return _apart(asked, found, path)
        except NotApart as error:
            why = str(error)
    if asked.workers > 1:
        talk.detail(f"qqlab: one process reads and plans all of it: {why or 'it is not one plain file'}")
    return None


def _why_as_one(asked: Asked) -> str | None:
    """Why what is asked for needs all of a recording in one place, None where it does not."""
    if asked.resume:
        return "it goes on with what was kept"
    if asked.controls.wanted or asked.outputs.witness(asked.spec).wants_anything:
        return "reports and controls show both sides"
    if len(asked.recording.paths) > 1 or str(asked.recording.paths[0]) == "-":
        return "it is not one plain file"
    return why_whole(asked.options)


def _apart(asked: Asked, found: Index, path: Path) -> "Told":
    """Raises NotApart before anything is sent."""
    job = Job(
        spec=asked.spec,
        host=str(asked.target),
        passwords=asked.passwords,
        codes=asked.codes,
        start=now(),
        options=asked.options._replace(effects=allowed_effects(asked.target, asked.effects)),
        how=asked.how,
        recorded_clean=found.header.redacted != "none",
    )
    broken: Exception | KeyboardInterrupt | None = None
    with apart(found, job, asked.workers) as parts:
        addresses = loop.run(resolve(asked.target, asked.hosts, hosts_of(parts.servers)))
        keeping = kept_before(asked, parts.fingerprint, path)
        whole = parts.plan()
        check_any(asked.target, whole.plan.refused, sum(whole.loads))
        warn(found.header, whole.plan)
        try:
            with shown(found.count, asked) as over:
                sent = parts.send(addresses, keeping, lambda more: over(more, None))
        except (Exception, KeyboardInterrupt) as error:
            broken = error
    if broken is not None:
        return broken_off(asked, broken, path)
    return all_told(asked, whole.plan, sent, keeping)


def kept_before(asked: Asked, mark: str, path: Path | None = None) -> Keeping:
    """Where the capture of that fingerprint is kept, and what was kept already. Raises InputError."""
    output = path or asked.output
    assert output is not None
    return Keeping(output, mark, str(asked.target), resume=asked.resume, force=asked.force, options=asked.options)


def broken_off(asked: Asked, error: Exception | KeyboardInterrupt, path: Path | None = None) -> "Told":
    """Tell what others have kept until then. Raises the error that broke it off."""

    def broken() -> Course:
        raise error

    output = path or asked.output
    if output is None or not present(output):
        raise error
    return _held_against(asked, output, broken, judge_at_once=True)


def _held_against(asked: Asked, output: Path, carry: Callable[[], Course], *, judge_at_once: bool) -> "Told":
    """Tell what others have kept, by looking at both sides again."""
    seen, exchanges = asked.outputs.witness(asked.spec), asked.recorded.exchanges
    keeping = _let_go(
        partial(Keeping, output, exchanges, str(asked.target), resume=True, force=asked.force, options=asked.options)
    )
    addresses: dict[Target, list[tuple[str, int]]] = {asked.target: []}
    wanted = seen.wants_anything
    replaying = _Replaying(
        asked, addresses, keeping, seen, judge_at_once=judge_at_once and not wanted, warns=False, elsewhere=True
    )
    return replaying.run(carry)


def _let_go(kept: Callable[[], Keeping]) -> Keeping:
    """What others have kept, once they have let go of it. Raises InputError."""
    end = monotonic() + _ENDS
    while True:
        try:
            return kept()
        except InputError as error:
            if not isinstance(error.__cause__, BlockingIOError) or monotonic() > end:
                raise
        sleep(0.1)


class _Sent(Protocol):
    """What others have sent, kept and judged."""

    @property
    def course(self) -> Course:
        """How it went."""

    @property
    def found(self) -> list[Found]:
        """What came of it."""

    @property
    def kept(self) -> list[Ordered]:
        """Where it is kept."""


def all_told(asked: Asked, planned: Plan, sent: _Sent, keeping: Keeping) -> "Told":
    """Compare, tell and keep what others have sent."""
    whole, course = False, sent.course
    if asked.outputs.witness(asked.spec).wants_anything:
        return _held_against(asked, keeping.output, lambda: course, judge_at_once=False)
    unknown: frozenset[str] = frozenset()
    try:
        comparison = compared(sent.found, asked.spec, course.skipped, asked.rules, this_day())
        context = _context(asked, course)
        _tell(asked, comparison, context, course)
        _say_how_it_went(asked, planned, course)
        whole = course.down is None
    finally:
        if asked.output is not None:
            unknown = keeping.finish_parts(sent.kept, _header(asked), whole=whole)
    return Told(course, comparison, context, len(unknown))


def _context(asked: Asked, course: Course, seen: Seen | None = None) -> Context:
    """What findings are told with."""
    context = msgspec.structs.replace(asked.context, time=datetime.now(UTC), course=told_of(course))
    return context if seen is None else msgspec.structs.replace(context, cases=seen.cases, sides=seen.sides)


def _tell(asked: Asked, comparison: Comparison, context: Context, course: Course) -> None:
    # Where nobody was there at all, the one line at the end says it.
    asked.outputs.tell(comparison, context, silent=course.down is not None and nobody_answered(comparison))


def _header(asked: Asked) -> Header:
    note = f"replay of {asked.recording.path} to {asked.target}"
    return header(asked.spec, redacted="secrets", created=datetime.now(UTC), note=note)


def _say_how_it_went(asked: Asked, planned: Plan, course: Course) -> None:
    """Say which accounts were refused; and the rest to who watches, or asked for a pace or for more words."""
    for account in course.refused:
        if account not in (*planned.lacking, *planned.unread):
            talk.say(f"qqlab: {_refused(account)}")
    how = asked.how
    if how.speed is not None or how.rate is not None or talk.verbose or sys.stderr.isatty():
        for line in summary(course):
            talk.say(f"qqlab: {line}")


class Told(NamedTuple):
    """A replay that is over and was told: its comparison, and how many exchanges nothing is known of."""

    course: Course
    comparison: Comparison
    context: Context
    unknown: int

    def end(self, asked: Asked) -> None:
        """Leave with the exit code that fits. Raises TargetError, InputError."""
        if self.course.down is not None:
            hint = "is the server running?" + ("" if asked.output is None else f" then {_go_on(asked.outputs)}")
            raise TargetError(str(asked.target), self.course.down, hint)
        if self.unknown:
            assert asked.output is not None
            unsure = _unsure(asked.output, self.unknown)
            if not any(self.context.fails(finding) for finding in self.comparison.findings):
                raise unsure
            talk.say(f"qqlab: {unsure}")
        end(self.comparison, asked.recording.path, self.context)


class _Replaying:
    """A replay under way. Exchanges are judged at once, each as it is over, or else read again from where they are
    kept: by reports that show them, and by controls."""

    def __init__(
        self,
        asked: Asked,
        addresses: dict[Target, list[tuple[str, int]]],
        keeping: Keeping | None,
        seen: Seen,
        *,
        judge_at_once: bool,
        warns: bool = True,
        elsewhere: bool = False,
    ) -> None:
        """`elsewhere`: others send it."""
        recorded = asked.recorded
        self.asked = asked
        self.addresses = addresses
        self.keeping = keeping
        self.seen = seen
        self._elsewhere = elsewhere
        self.today = this_day()
        start = now() if keeping is None or keeping.before.start is None else keeping.before.start
        self.planned = asked.plan(start, asked.target)
        for to in asked.aims:
            planned = self.planned if to == asked.target else asked.plan(start, to)
            check_any(to, planned.refused, len(planned.steps))
        if warns:
            warn(recorded.header, self.planned)
        mapped = asked.options.changes.accounts
        self.expected: Sequence[Exchange] = recorded.exchanges
        if mapped:
            self.expected = [renamed(one, mapped, asked.spec) for one in recorded.exchanges]
        self.expectation = Expectation(self.planned, asked.spec)
        self.judging = None
        if judge_at_once:
            self.judging = Judging(self.expected, asked.spec, mapped=bool(mapped), expectation=self.expectation)
        self.job = Replay(
            spec=asked.spec,
            server=str(asked.target),
            addresses=addresses[asked.target],
            how=asked.how,
            taken={exchange.id for exchange in recorded.exchanges},
            start=start,
            workers=asked.workers,
            keeping=keeping,
            judging=self.judging,
            resend=asked.resend,
            recorded_clean=recorded.header.redacted != "none",
        )
        # Accounts that a server refused or failed are left alone there by what follows.
        self._refused: dict[Target, set[str]] = {to: set() for to in asked.aims}
        self._failed: dict[Target, set[str]] = {to: set() for to in asked.aims}
        self._starts = count(start + len(recorded.exchanges), len(recorded.exchanges))

    def run(self, carry: Callable[[], Course] | None = None) -> Told:
        """Send, compare, tell, and keep; `carry` sends otherwise. Raises KeyboardInterrupt once what there is has been
        told."""
        asked, whole = self.asked, False
        unknown: frozenset[str] = frozenset()
        try:
            course, interrupted = self._carried_out(carry or self._carry)
            comparison = self._compared(course, learn=interrupted is None)
            context = _context(asked, course, self.seen)
            _tell(asked, comparison, context, course)
            if interrupted is not None:
                raise interrupted
            _say_how_it_went(asked, self.planned, course)
            whole = course.down is None
        finally:
            # Whatever stops this, what the target said is not lost with it.
            if self.keeping is not None and asked.output is not None:
                unknown = self.keeping.finish(self.planned, _header(asked), whole=whole)
        return Told(course, comparison, context, len(unknown))

    def _carry(self) -> Course:
        asked = self.asked
        with shown(len(asked.recorded.exchanges), asked) as over:
            return carry_out(self.planned, self.job, over)

    def _carried_out(self, carry: Callable[[], Course]) -> tuple[Course, KeyboardInterrupt | None]:
        """How it went, and what broke it off. Raises KeyboardInterrupt where nothing was sent until then."""
        try:
            course = carry()
        except KeyboardInterrupt as error:
            self._judge_kept()
            course = self._so_far()
            if not course.sent:
                raise
            return course, error
        self._learn(self.asked.target, course)
        return course, None

    def _compared(self, course: Course, *, learn: bool) -> Comparison:
        """The recording and the replay held against each other; `learn` first from controls, where they are wanted."""
        asked = self.asked
        if self.judging is not None:
            return self.judging.comparison(course.skipped, asked.rules, self.today)
        assert self.keeping is not None
        return compare(
            self._as_wished(self.keeping),
            self.keeping.exchanges(self.planned),
            asked.spec,
            skipped=course.skipped,
            rules=self._rules(self.keeping, course) if learn else asked.rules,
            today=self.today,
            witness=self.seen,
        )

    def _judge_kept(self) -> None:
        """Judge what was kept, where the processes that judged it are gone and have not said how."""
        if self.judging is None or self.keeping is None or not (self.asked.workers > 1 or self._elsewhere):
            return
        left, kept = set(self.judging.left), list(self.keeping.exchanges(self.planned))
        for exchange in kept:
            if exchange.id in left:
                self.judging.add(exchange)
        self.judging.all_pushes([one for one in kept if one.id not in self.job.taken])

    def _so_far(self) -> Course:
        """How a replay went that was broken off."""
        exchanges = self.asked.recorded.exchanges
        if self.judging is not None:
            left = self.judging.left
        else:
            assert self.keeping is not None
            done = {one.id for one in self.keeping.exchanges(self.planned)}
            left = [one.id for one in exchanges if one.id not in done]
        skipped = {identifier: self.planned.skipped.get(identifier, _INTERRUPTED) for identifier in left}
        return Course.interrupted(skipped, len(exchanges) - len(left))

    def _as_wished(self, keeping: Keeping) -> list[Exchange]:
        """The recording as this replay is to have it: with what was asked otherwise on purpose."""
        kept = keeping.exchanges(self.planned)
        otherwise = {one.id: one for one in kept if self.expectation.concerns(one.id)}
        self.expected = [self.expectation.of(one, otherwise.get(one.id, one)) for one in self.expected]
        return self.expected

    def _rules(self, keeping: Keeping, course: Course) -> Rules | None:
        """The rules that are given, and those that controls teach."""
        asked = self.asked
        if not asked.controls.wanted:
            return asked.rules
        first = Run(tuple(keeping.exchanges(self.planned)), course.skipped, course.down)
        return learned_rules(asked.controls, self.expected, first, self._again, asked.spec, self.today, asked.rules)

    def _again(self, baseline: Target | None) -> Run:
        """Replay once more, against a second server or (None) the target."""
        to, start = baseline or self.asked.target, next(self._starts)
        control = self.job._replace(
            server=str(to),
            addresses=self.addresses[to],
            start=start,
            refused=tuple(self._refused[to]),
            failed=tuple(self._failed[to]),
        )
        run = once_more(self.asked.plan(start, to), control, self.asked.recorded.exchanges)
        self._learn(to, run)
        return run

    def _learn(self, to: Target, over: Course | Run) -> None:
        self._refused[to].update(over.refused)
        self._failed[to].update(over.failed)


@contextmanager
def _kept_at(output: Path | None, wanted: bool) -> Iterator[Path | None]:
    """Where the replay is kept: at the path that was named, or for a while only, if that is `wanted`."""
    if output is not None or not wanted:
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="qqlab-") as folder:
        yield Path(folder) / "replayed.jsonl"


@contextmanager
def shown(total: int, asked: Asked) -> Iterator[Callable[[int, Exchange | None], None]]:
    """What to do with exchanges of a replay once they are over: count them, and show now and then how many are. Says
    how far it came where that is interrupted, and what to do then."""
    go_on, done = "" if asked.output is None else _go_on(asked.outputs), 0
    with talk.bar() as bar:
        task = bar.add_task("", total=total)

        def step(more: int, exchange: Exchange | None) -> None:
            nonlocal done
            done += more
            if not bar.disable and (done % _EACH == 0 or done == total):
                bar.update(task, completed=done)
            if talk.verbose and exchange is not None:
                talk.detail(f"qqlab: exchange {visible(exchange.id, 20)}: {visible(exchange.error or 'replied')}")

        try:
            yield step
        except KeyboardInterrupt:
            hint = f" ({go_on})" if go_on and done else ""
            talk.say(f"qqlab: interrupted after {done} of {total} exchanges{hint}")
            raise


def _go_on(outputs: Outputs) -> str:
    """How to go on with a replay that broke off, whose reports stand already."""
    return "go on: --resume" + (", with --force to replace the reports" if outputs.has_files else "")


def warn(recorded: Header, planned: Plan) -> None:
    """Say what most likely is not meant: options for nothing, logins whose password is not known."""
    for line in in_vain(planned):
        talk.say(f"qqlab: {line}")
    if recorded.redacted == "none":
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
