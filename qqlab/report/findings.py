"""What stands out of a report: what speaks against the spec, what the spec does not know, what was never seen.

Law: pure; nothing is found here that the report does not say elsewhere in full. Each kind lists its first few
and counts the rest.
"""

from collections.abc import Iterable, Iterator, Sequence

from qqlab.exchange import TRANSCRIPT
from qqlab.profile import Profile
from qqlab.report.model import CapturePart, CodePart, CommandPart, Evidence, Finding, Findings, NotePart
from qqlab.spec import Spec

LISTED = 20


def remarks(profile: Profile, spec: Spec, captures: Sequence[CapturePart]) -> Iterator[str]:
    """Sentences that a reader must know before all else."""
    for capture in captures:
        if capture.torn is not None:
            yield capture.torn
    printed = sum(capture.transports.get(TRANSCRIPT, 0) for capture in captures)
    if printed:
        which = "This" if printed == profile.exchanges else f"Of {times(profile.exchanges, 'exchange')} {printed}"
        yield (
            f"{which} {'is' if which == 'This' or printed == 1 else 'are'} printed material (a transcript): no times, "
            "no heads; a missing reply means that none was printed."
        )
    if profile.exchanges == 0:
        yield "There is no exchange here: what follows is only what the spec says."
    elif profile.failed + profile.unanswered == profile.exchanges:
        yield "No exchange has a whole reply: nothing can be said of what the server does."
    if profile.commands and not any(name in spec.commands for name in profile.commands):
        yield f"No command of the spec {spec.name} was seen. Is this another protocol?"
    dropped = sum(tally.request.more + tally.reply.more for tally in profile.commands.values())
    if dropped:
        yield f"There are too many distinct undocumented field names to list: {dropped} more occurrences were counted."
    if profile.more_commands:
        yield f"There are too many undocumented commands to list: {profile.more_commands} more exchanges were counted."


def findings(
    commands: Sequence[CommandPart], codes: Sequence[CodePart], notes: Sequence[NotePart]
) -> Iterator[Findings]:
    """The kinds of findings that there are any of, in the order in which they matter."""
    kinds = (
        ("contradicted fields", "Contradicted by the traffic", True, _contradicted(commands)),
        ("undocumented commands", "Commands that the spec does not have", True, _unknown_commands(commands)),
        ("undocumented fields", "Fields that the spec does not have", True, _unknown_fields(commands)),
        ("foreign messages", "Messages that are not of the protocol", True, _foreign(commands)),
        ("undocumented codes", "Code values in no table", True, _unknown_codes(codes)),
        ("notes", "Errors and warnings", True, _loud_notes(notes)),
        ("disputed codes", "Code values that the sources disagree about", False, _disputed(codes)),
        ("codes never seen", "Code values never seen", False, _silent_codes(codes)),
        ("commands never seen", "Commands never seen", False, _silent_commands(commands)),
    )
    for kind, title, loud, found in kinds:
        every = list(found)
        if every:
            yield Findings(kind=kind, title=title, loud=loud, total=len(every), first=tuple(every[:LISTED]))


def _contradicted(commands: Iterable[CommandPart]) -> Iterator[Finding]:
    for command in commands:
        for direction, part in command.directions.items():
            for field in part.fields:
                for found in field.contradictions:
                    yield Finding(
                        title=f"{command.name} {direction} {field.name}",
                        text=found.text,
                        evidence=found.evidence,
                        target=("field", command.name, direction, field.name),
                    )


def _unknown_commands(commands: Iterable[CommandPart]) -> Iterator[Finding]:
    for command in commands:
        of_it = any(part.messages or part.empty for part in command.directions.values())
        if not command.documented and of_it:
            yield Finding(
                title=command.name or "(no command)",
                text=f"in {times(command.exchanges.count, 'exchange')}",
                evidence=command.exchanges,
                target=("command", command.name),
            )


def _unknown_fields(commands: Iterable[CommandPart]) -> Iterator[Finding]:
    for command in commands:
        for direction, part in command.directions.items():
            for field in part.fields:
                if not field.documented:
                    yield Finding(
                        title=f"{command.name or '(no command)'} {direction} {field.name}",
                        text=f"in {field.seen} of {times(field.of, 'message')}",
                        evidence=field.evidence,
                        target=("field", command.name, direction, field.name),
                    )


def _foreign(commands: Iterable[CommandPart]) -> Iterator[Finding]:
    for command in commands:
        for direction, part in command.directions.items():
            if part.foreign.count:
                yield Finding(
                    title=f"{command.name or '(no command)'} {direction}",
                    text=f"{times(part.foreign.count, 'message')} without any field that the spec knows",
                    evidence=part.foreign,
                    target=("command", command.name),
                )


def _unknown_codes(codes: Iterable[CodePart]) -> Iterator[Finding]:
    for code in codes:
        for value in code.values:
            if value.verdict == "undocumented":
                yield Finding(
                    title=f"{_table(code)} {value.value}",
                    text=times(value.evidence.count, "time"),
                    evidence=value.evidence,
                    target=("code", code.table, str(value.value)),
                )


def _loud_notes(notes: Iterable[NotePart]) -> Iterator[Finding]:
    for note in notes:
        if note.severity != "info" and note.code != "body.foreign":  # those have findings of their own
            yield Finding(
                title=note.code,
                text=f"{note.doc} (×{note.count})",
                evidence=note.exchanges,
                target=("note", note.code),
            )


def _disputed(codes: Iterable[CodePart]) -> Iterator[Finding]:
    for code in codes:
        for value in code.values:
            if value.disputed:
                readings = "; ".join(
                    f"{reading.meaning} ({', '.join(reading.source)})"
                    + ("" if reading.contradicts is None else f", against {reading.contradicts}")
                    for reading in value.readings
                )
                yield Finding(
                    title=f"{_table(code)} {value.value}",
                    text=f"{readings}: {'never seen' if value.evidence.count == 0 else _seen(value.evidence)}",
                    evidence=value.evidence,
                    target=("code", code.table, str(value.value)),
                )


def _silent_codes(codes: Iterable[CodePart]) -> Iterator[Finding]:
    """One line a table: all its values, or those that were not among the seen ones."""
    for code in codes:
        silent = [value for value in code.values if value.verdict == "never seen"]
        if silent:
            names = ", ".join(
                f"{value.value} {' / '.join(reading.meaning for reading in value.readings)}" for value in silent
            )
            yield Finding(
                title=_table(code),
                text=f"{names} ({len(silent)} of {len(code.values)})",
                evidence=Evidence(count=0),
                target=("code", code.table),
            )


def _silent_commands(commands: Iterable[CommandPart]) -> Iterator[Finding]:
    for command in commands:
        if not command.seen:
            yield Finding(
                title=command.name,
                text=f"{command.doc} Version {', '.join(command.versions)}.",
                evidence=Evidence(count=0),
                target=("command", command.name),
            )


def _table(code: CodePart) -> str:
    """A code table as readers of traffic know it: the fields that use it, and its name where that says more."""
    fields = ", ".join(code.fields)
    return code.table if code.table in code.fields or not fields else f"{fields} ({code.table})"


def _seen(evidence: Evidence) -> str:
    return f"seen {times(evidence.count, 'time')}"


def times(count: int, what: str) -> str:
    """A number of things in words."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
