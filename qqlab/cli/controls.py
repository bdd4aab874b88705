"""Controls: the same replay again, to learn what differs by itself before anybody takes it for a difference.

Law: a control is a replay like the first, by the same rules of who may be sent what; it writes to the server again.
What is learned from it says `qqlab.diff.noise`; what of that bears on the findings at hand is said, and nothing is
ignored that is not counted.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from qqlab.cli.console import counted, talk
from qqlab.cli.judging import check_rules_file, write_rules
from qqlab.diff.noise import Kind, Learned, Observed, learn, learn_from_baseline, observe, rules_of
from qqlab.diff.rules import Rules
from qqlab.errors import UsageError
from qqlab.exchange import Exchange
from qqlab.net.kept import Keeping
from qqlab.net.whole import Replay, carry_out
from qqlab.replay import Plan, Target, parse_target
from qqlab.spec import Spec
from qqlab.visible import visible

_PANEL = "What is no difference"
_MOST_SAID = 10
_WHY = {
    "once": "changed in the first control alone, as what a replay leaves behind on the server does",
    "often": "differs from the recording more often than between replays",
    "whole": "concerns a whole reply: a server that answers now and then is no noise",
    "other": "is another constant there than here",
}

Control = Annotated[
    int,
    typer.Option(
        "--control",
        metavar="N",
        min=0,
        help="Replay N more times, and ignore what differs between replays. Each writes to the server again; 2 or more "
        "tell what a replay leaves behind there from noise.",
        rich_help_panel=_PANEL,
    ),
]
BaselineUrl = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="URL",
        help="Replay against this server, too, which is known to be right, and ignore what differs there as well. "
        "Start both afresh.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
SaveRules = Annotated[
    Path | None,
    typer.Option(
        "--save-rules",
        metavar="FILE",
        help="Write what --control or --baseline taught as a file of rules, to review and to give to --rules.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


class Run(NamedTuple):
    """One replay that is over: its exchanges, and by id why others were not sent. `down` says why the server was given
    up, None where it was not; `refused` and `failed` are those of its course."""

    exchanges: Sequence[Exchange]
    skipped: Mapping[str, str]
    down: str | None = None
    refused: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def once_more(planned: Plan, replay: Replay, recorded: Sequence[Exchange]) -> Run:
    """Carry a replay out that is kept for this process alone."""
    with tempfile.TemporaryDirectory(prefix="qqlab-") as folder:
        keeping = Keeping(Path(folder) / "control.jsonl", recorded, replay.server, resume=False, force=False)
        control = replay._replace(keeping=keeping, judging=None, resend=False)
        course = carry_out(planned, control, lambda more, exchange: None)
        return Run(tuple(keeping.exchanges(planned)), course.skipped, course.down, course.refused, course.failed)


class Controls(NamedTuple):
    """How often to replay again, against which second server, and where to write what is learned."""

    times: int
    baseline: Target | None
    save: Path | None

    @property
    def wanted(self) -> bool:
        """Whether there is anything to do after the replay."""
        return self.times > 0 or self.baseline is not None


def read_controls(count: int, baseline: str | None, save: Path | None, *, force: bool) -> Controls:
    """The controls that a command line asks for. Raises UsageError, InputError for a file that cannot be written."""
    if save is not None and not count and baseline is None:
        raise UsageError("--save-rules", "there is nothing to learn from", "add --control 2, or --baseline URL")
    check_rules_file(save, force=force)
    return Controls(count, None if baseline is None else parse_target(baseline), save)


def learned_rules(
    controls: Controls,
    expected: Sequence[Exchange],
    first: Run,
    again: Callable[[Target | None], Run],
    known: Spec,
    today: date,
    given: Rules | None,
) -> Rules | None:
    """The rules that are given and those that controls teach. `again` replays once more, against the target (None) or
    another server. Saves what was learned where that is wanted."""
    if not controls.wanted or first.down is not None:
        return given
    recorded = observe(expected, first.exchanges, known, first.skipped)
    learned: list[tuple[str, Learned]] = []
    if controls.times:
        learned += (("between replays", one) for one in learn(recorded, _controls(controls.times, first, again, known)))
    if controls.baseline is not None:
        observed = _baseline(controls.baseline, expected, again, known)
        learned += (("on the baseline server, too,", one) for one in learn_from_baseline(recorded, observed))
    for line in _told([one for _, one in learned], recorded):
        talk.say(f"qqlab: {line}")
    rules = _distinct(learned, today)
    if controls.save is not None:
        kept = [rule for rule in rules.rules if given is None or not given.covers(rule)]
        note = f"Learned on {today} from {_source(controls)}."
        write_rules(controls.save, kept, note)
        talk.say(f"qqlab: wrote {counted(len(kept), 'rule')} to {visible(str(controls.save))}")
    bearing = [r for r in rules.rules if Kind(r.command or "", r.direction, r.field, r.rule or "") in recorded.seen]
    return (given or Rules()) + Rules(tuple(bearing))


def _controls(count: int, first: Run, again: Callable[[Target | None], Run], known: Spec) -> list[Observed]:
    """Each control held against the run before it; none after one in which the target went down."""
    observed = []
    before = first
    for number in range(1, count + 1):
        run = again(None)
        if run.down is not None:
            talk.say(f"qqlab: control {number} teaches nothing: {visible(run.down)}")
            break
        observed.append(observe(before.exchanges, run.exchanges, known, {**before.skipped, **run.skipped}))
        before = run
    return observed


def _baseline(
    target: Target, expected: Sequence[Exchange], again: Callable[[Target | None], Run], known: Spec
) -> Observed:
    run = again(target)
    if run.down is not None:
        talk.say(f"qqlab: the baseline {target} teaches nothing: {visible(run.down)}")
        return Observed({}, {}, {})
    return observe(expected, run.exchanges, known, run.skipped)


def _distinct(learned: Iterable[tuple[str, Learned]], today: date) -> Rules:
    """The rules of all that is noise, each kind once."""
    rules = Rules()
    for source, one in learned:
        more = rules_of([one], today, source)
        rules = rules + more if all(not rules.covers(rule) for rule in more.rules) else rules
    return rules


def _told(learned: Sequence[Learned], recorded: Observed) -> Iterator[str]:
    """What controls teach of the findings at hand, in lines."""
    noise = {one.kind for one in learned if one.verdict == "noise"}
    bearing = noise & recorded.seen.keys()
    if noise:
        come = "comes by itself" if len(noise) == 1 else "come by themselves"
        kinds = f"{counted(len(noise), 'kind')} of differences that {come}"
        yield f"ignored: {kinds}, as controls show; {len(bearing)} of them in this replay"
    else:
        yield "controls had no findings of their own"
    others = [one for one in learned if one.verdict != "noise" and one.kind in recorded.seen]
    for one in others[:_MOST_SAID]:
        words = " ".join(visible(word, 30) for word in one.kind if word)
        yield f"no noise: {words} {_WHY[one.verdict]} ({one.share.seen} of {one.share.of})"
    if len(others) > _MOST_SAID:
        yield f"no noise: {len(others) - _MOST_SAID} more kinds"


def _source(controls: Controls) -> str:
    sources = [counted(controls.times, "control")] if controls.times else []
    sources += [] if controls.baseline is None else [f"the baseline {controls.baseline}"]
    return " and ".join(sources)
