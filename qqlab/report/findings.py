"""What stands out of a report: what speaks against the spec, what the spec does not know, what was never seen.

Law: pure; nothing is found here that the report does not say elsewhere in full. Each kind lists its first few
and counts the rest. The ten that matter most come by kind, in the order of the kinds; of one kind those that occurred
most, and no more than three as long as others are left.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from qqlab.exchange import TRANSCRIPT
from qqlab.profile import Profile
from qqlab.report import units
from qqlab.report.model import (
    Behaviour,
    CapturePart,
    CodePart,
    CommandPart,
    Evidence,
    FieldPart,
    Finding,
    Findings,
    NotePart,
)
from qqlab.report.retold import lacking
from qqlab.report.say import Say
from qqlab.spec import Direction, Spec

LISTED = 20
TOP = 10
TOP_OF_A_KIND = 3
# A value must have come so often to look like a constant.
CONSTANT = 20
# So often must a session have asked again to say how often it does.
POLLS = 3
# Notes that are told of the field, the command, or the exchange that they are about; `echo` stands for all of them.
_TOLD = frozenset(
    [
        "value.type",
        "value.constant",
        "code.unknown",
        "list.count",
        "list.length",
        "echo",
        "field.missing",
        "field.undocumented",
        "command.unknown",
        "exchange.error",
    ]
)


def remarks(profile: Profile, spec: Spec, captures: Sequence[CapturePart], say: Say) -> Iterator[str]:
    """Sentences that a reader must know before all else."""
    for capture in captures:
        if capture.torn is not None:
            yield lacking(capture.torn, say)
    printed = sum(capture.transports.get(TRANSCRIPT, 0) for capture in captures)
    if printed:
        yield _printed(printed, profile.exchanges, say)
    if profile.exchanges == 0:
        yield say("There is no exchange here: what follows is only what the spec says.")
    elif profile.failed == profile.exchanges:
        yield say("Every exchange broke off: nothing can be said of what the server does.")
    elif profile.failed + profile.unanswered == profile.exchanges:
        yield say("No exchange has a whole reply: nothing can be said of what the server does.")
    if profile.commands and not any(name in spec.commands for name in profile.commands):
        yield say("No command of the spec {spec} was seen. Is this another protocol?", spec=spec.name)
    elif len(profile.commands) == 1 and profile.exchanges > 1:
        yield say("All exchanges are of one command: nothing can be said of the others.")
    yield from _versions(profile, spec, say)
    yield from _times(profile, say)
    yield from _bounds(profile, say)


def _printed(printed: int, of: int, say: Say) -> str:
    if printed == of:
        return say(
            "This is printed material (a transcript): no times, no heads; a missing reply means that none was printed."
        )
    return say(
        "Of {exchanges} {count} is printed material (a transcript): no times, no heads; a missing reply means that "
        "none was printed."
        if printed == 1
        else "Of {exchanges} {count} are printed material (a transcript): no times, no heads; a missing reply means "
        "that none was printed.",
        exchanges=say.count(of, "exchange"),
        count=printed,
    )


def _versions(profile: Profile, spec: Spec, say: Say) -> Iterator[str]:
    """That nobody spoke a version that the spec knows."""
    spoken = profile.versions.counts
    if spoken and not any(version in spec.versions for version in spoken):
        yield say(
            "No exchange is of a version that the spec knows: {field} is {versions}.",
            field=spec.roles.version,
            versions=say.several(list(spoken)[:3]),
        )


def _times(profile: Profile, say: Say) -> Iterator[str]:
    """That times cannot be trusted, or are not there."""
    behaviour = profile.behaviour
    if behaviour.clock_back:
        yield say(
            "The clock went backwards {times}: no duration was made of that.",
            times=say.count(behaviour.clock_back, "time"),
        )
    if behaviour.untimed and behaviour.untimed == profile.exchanges:
        yield say("No exchange has a time: nothing can be said of intervals.")


def _bounds(profile: Profile, say: Say) -> Iterator[str]:
    """What was too much to list."""
    dropped = sum(tally.request.more + tally.reply.more for tally in profile.commands.values())
    if dropped:
        yield say(
            "There are too many distinct undocumented field names to list: {count:,} more occurrences were counted.",
            count=dropped,
        )
    if profile.more_commands:
        yield say(
            "There are too many undocumented commands to list: {count:,} more exchanges were counted.",
            count=profile.more_commands,
        )


def findings(
    commands: Sequence[CommandPart],
    codes: Sequence[CodePart],
    notes: Sequence[NotePart],
    behaviour: Behaviour,
    say: Say,
) -> Iterator[Findings]:
    """The kinds of findings that there are any of, in the order in which they matter."""
    kinds = (
        ("contradicted fields", say("Contradicted by the traffic"), True, _contradicted(commands, say)),
        ("undocumented commands", say("Commands that the spec does not have"), True, _unknown_commands(commands, say)),
        ("undocumented fields", say("Fields that the spec does not have"), True, _unknown_fields(commands, say)),
        ("foreign messages", say("Messages that are not of the protocol"), True, _foreign(commands, say)),
        ("undocumented codes", say("Code values in no table"), True, _unknown_codes(codes, say)),
        ("failures", say("Commands that failed"), True, _failing(commands, say)),
        ("notes", say("Errors and warnings"), True, _loud_notes(notes, say)),
        ("broken rules", say("Rules that were broken"), False, _broken(behaviour, say)),
        ("disputed codes", say("Code values that the sources disagree about"), False, _disputed(codes, say)),
        ("polling", say("Polling that is not as announced"), False, _polling(behaviour, say)),
        ("free constants", say("Fields that seem to be constants"), False, _constants(commands, say)),
        ("codes never seen", say("Code values never seen"), False, _silent_codes(codes, say)),
        ("commands never seen", say("Commands never seen"), False, _silent_commands(commands, say)),
    )
    for kind, title, loud, found in kinds:
        every = list(found)
        if every:
            yield Findings(kind=kind, title=title, loud=loud, total=len(every), first=tuple(every[:LISTED]))


def top(kinds: Iterable[Findings]) -> tuple[Finding, ...]:
    """The findings that matter most. What another finding tells already is none of them."""
    ranked: list[Finding] = []
    told: set[tuple[str, ...]] = set()
    for kind in kinds:
        for finding in sorted(kind.first, key=lambda finding: -finding.evidence.count):
            if finding.target not in told and not _is_told(finding):
                ranked.append(finding)
        told |= {finding.target for finding in kind.first}
    taken: Counter[str] = Counter()
    first: list[Finding] = []
    rest: list[Finding] = []
    for finding in ranked:
        taken[finding.kind] += 1
        (first if taken[finding.kind] <= TOP_OF_A_KIND else rest).append(finding)
    chosen = [*first, *rest][:TOP]
    return tuple(finding for finding in ranked if finding in chosen)


def _is_told(finding: Finding) -> bool:
    """Whether it is a note that other findings tell of, each in its place."""
    return finding.kind == "notes" and (finding.title in _TOLD or finding.title.startswith("echo."))


def _contradicted(commands: Iterable[CommandPart], say: Say) -> Iterator[Finding]:
    for command, direction, field in _fields(commands):
        for found in field.contradictions:
            yield Finding(
                title=_place(command, direction, field, say),
                text=found.text,
                evidence=found.evidence,
                target=("field", command.name, direction, field.name),
                kind="contradicted fields",
            )


def _unknown_commands(commands: Iterable[CommandPart], say: Say) -> Iterator[Finding]:
    for command in commands:
        of_it = any(part.messages or part.empty for part in command.directions.values())
        if not command.documented and of_it:
            yield Finding(
                title=_name(command, say),
                text=say("in {exchanges}", exchanges=say.count(command.exchanges.count, "exchange")),
                evidence=command.exchanges,
                target=("command", command.name),
                kind="undocumented commands",
            )


def _unknown_fields(commands: Iterable[CommandPart], say: Say) -> Iterator[Finding]:
    for command, direction, field in _fields(commands):
        if not field.documented:
            yield Finding(
                title=_place(command, direction, field, say),
                text=say("in {count} of {messages}", count=field.seen, messages=say.count(field.of, "message")),
                evidence=field.evidence,
                target=("field", command.name, direction, field.name),
                kind="undocumented fields",
            )


def _foreign(commands: Iterable[CommandPart], say: Say) -> Iterator[Finding]:
    for command in commands:
        for direction, part in command.directions.items():
            if part.foreign.count:
                yield Finding(
                    title=f"{_name(command, say)} {_way(direction, say)}",
                    text=say(
                        "{messages} without any field that the spec knows",
                        messages=say.count(part.foreign.count, "message"),
                    ),
                    evidence=part.foreign,
                    target=("command", command.name),
                    kind="foreign messages",
                )


def _unknown_codes(codes: Iterable[CodePart], say: Say) -> Iterator[Finding]:
    for code in codes:
        for value in code.values:
            if value.verdict == "undocumented":
                yield Finding(
                    title=f"{_table(code)} {value.value}",
                    text=say.count(value.evidence.count, "time"),
                    evidence=value.evidence,
                    target=("code", code.table, str(value.value)),
                    kind="undocumented codes",
                )


def _failing(commands: Iterable[CommandPart], say: Say) -> Iterator[Finding]:
    """Commands of which some exchange broke off."""
    for command in commands:
        if command.failed:
            example = next((one for one in command.examples if one.error is not None), None)
            first = command.errors.first[0].name if command.errors.first else ""
            yield Finding(
                title=_name(command, say),
                text=say(
                    "{count} of {exchanges} broke off: {error}",
                    count=command.failed,
                    exchanges=say.count(command.exchanges.count, "exchange"),
                    error=first,
                ),
                evidence=Evidence(count=command.failed, exchanges=() if example is None else (example.exchange,)),
                target=("command", command.name),
                kind="failures",
            )


def _loud_notes(notes: Iterable[NotePart], say: Say) -> Iterator[Finding]:
    for note in notes:
        if note.severity != "info" and note.code != "body.foreign":  # those have findings of their own
            yield Finding(
                title=note.code,
                text=say("{doc} (×{count})", doc=note.doc, count=note.count),
                evidence=note.exchanges,
                target=("note", note.code),
                kind="notes",
            )


def _broken(behaviour: Behaviour, say: Say) -> Iterator[Finding]:
    for rule in behaviour.invariants:
        if rule.broken:
            yield Finding(
                title=rule.title,
                text=say(
                    "not so in {count} of {times}",
                    count=rule.broken,
                    times=say.count(rule.held + rule.broken, "time"),
                ),
                evidence=rule.evidence,
                target=rule.target or ("rule", rule.id),
                kind="broken rules",
            )


def _polling(behaviour: Behaviour, say: Say) -> Iterator[Finding]:
    for one in behaviour.polling:
        if one.verdict in ("slower", "faster", "past the limit") and one.count >= POLLS:
            yield Finding(
                title=f"{one.command} {one.session}",
                text=say(
                    "every {median} (at most {most} between two), announced: {interval} s, limit {limit} s",
                    median=units.seconds(one.median),
                    most=units.seconds(one.max),
                    interval="?" if one.interval is None else one.interval,
                    limit="?" if one.limit is None else one.limit,
                ),
                evidence=Evidence(count=one.count),
                target=("behaviour",),
                kind="polling",
            )


def _disputed(codes: Iterable[CodePart], say: Say) -> Iterator[Finding]:
    for code in codes:
        for value in code.values:
            if value.disputed:
                readings = say.translated("; ").join(
                    say("{meaning} ({sources})", meaning=reading.meaning, sources=say.several(reading.source))
                    + ("" if reading.contradicts is None else say(", against {value}", value=reading.contradicts))
                    for reading in value.readings
                )
                seen = (
                    say("never seen")
                    if value.evidence.count == 0
                    else say("seen {times}", times=say.count(value.evidence.count, "time"))
                )
                told = [side.text for side in value.sides if side.stands != "open"]
                yield Finding(
                    title=f"{_table(code)} {value.value}",
                    text=say.translated("; ").join(
                        [say("{name}: {what}", name=readings, what=seen), *dict.fromkeys(told)]
                    ),
                    evidence=value.evidence,
                    target=("code", code.table, str(value.value)),
                    kind="disputed codes",
                )


def _constants(commands: Iterable[CommandPart], say: Say) -> Iterator[Finding]:
    """Documented fields that had the same value all the time, which the spec does not say."""
    for command, direction, field in _fields(commands):
        one = field.values[0] if field.shape == "constant" and len(field.values) == 1 else None
        if one is not None and one.count >= CONSTANT and not (field.common or field.constants or field.codes):
            yield Finding(
                title=_place(command, direction, field, say),
                text=say("always {value}, {times}", value=one.text, times=say.count(one.count, "time")),
                evidence=field.evidence,
                target=("field", command.name, direction, field.name),
                kind="free constants",
            )


def _silent_codes(codes: Iterable[CodePart], say: Say) -> Iterator[Finding]:
    """One line a table: all its values, or those that were not among the seen ones."""
    for code in codes:
        silent = [value for value in code.values if value.readings and not value.evidence.count]
        if silent:
            names = say.several(
                f"{value.value} {' / '.join(reading.meaning for reading in value.readings)}" for value in silent
            )
            yield Finding(
                title=_table(code),
                text=say("{names} ({count} of {whole})", names=names, count=len(silent), whole=len(code.values)),
                evidence=Evidence(count=0),
                target=("code", code.table),
                kind="codes never seen",
            )


def _silent_commands(commands: Iterable[CommandPart], say: Say) -> Iterator[Finding]:
    for command in commands:
        if not command.seen:
            yield Finding(
                title=command.name,
                text=say("{doc} Version {versions}.", doc=command.doc, versions=say.several(command.versions)),
                evidence=Evidence(count=0),
                target=("command", command.name),
                kind="commands never seen",
            )


def _fields(commands: Iterable[CommandPart]) -> Iterator[tuple[CommandPart, Direction, FieldPart]]:
    for command in commands:
        for direction, part in command.directions.items():
            for field in part.fields:
                yield command, direction, field


def _place(command: CommandPart, direction: Direction, field: FieldPart, say: Say) -> str:
    return f"{_name(command, say)} {_way(direction, say)} {field.name}"


def _name(command: CommandPart, say: Say) -> str:
    return command.name or say("(no command)")


def _way(direction: Direction, say: Say) -> str:
    return say("request") if direction == "request" else say("reply")


def _table(code: CodePart) -> str:
    """A code table as readers of traffic know it: the fields that use it, and its name where that says more."""
    fields = ", ".join(code.fields)
    return code.table if code.table in code.fields or not fields else f"{fields} ({code.table})"
