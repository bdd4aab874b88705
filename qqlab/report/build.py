"""A profile and a spec to what the report says of them.

Law: pure, total and deterministic: the same captures and spec give the same report, at any time and on any
machine. Files are named without their directories. What is seen and what is documented stands in the spec's
order, what is seen only after it, in order of appearance.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TypeVar

import msgspec

from qqlab import profile as profiles
from qqlab.capture import Capture
from qqlab.codec import describe
from qqlab.exchange import Exchange
from qqlab.profile import (
    VERDICTS,
    CodeTally,
    CommandTally,
    FieldTally,
    MessageTally,
    Profile,
    clip,
    code_verdict,
    field_verdict,
    is_proven,
)
from qqlab.report import findings, model
from qqlab.spec import DIRECTIONS, CodeTable, Command, Direction, Field, Lang, Spec
from qqlab.visible import visible

# Names (clients, accounts, ...) that a report lists; the others are counted.
LISTED = 20

_Part = TypeVar("_Part", bound=model.Part)


def build(captures: Sequence[Capture], spec: Spec, lang: Lang = "en") -> model.Report:
    """Make the report of some captures, held against a spec, in a language; the spec's texts are in its own."""
    names = _names(captures)
    profile = profiles.profile(_cited(captures, names), spec)
    commands = tuple(_commands(profile, spec))
    codes = tuple(_codes(profile, spec))
    notes = tuple(_notes(profile))
    parts = tuple(_capture(capture, name) for capture, name in zip(captures, names, strict=True))
    summary = _summary(profile, commands, parts)
    return model.Report(
        qqlab_report=model.FORMAT,
        lang=lang,
        spec=_spec(spec),
        captures=parts,
        remarks=tuple(findings.remarks(profile, spec, parts)),
        summary=summary,
        findings=tuple(findings.findings(commands, codes, notes)),
        coverage=_coverage(profile, spec, codes),
        commands=commands,
        codes=codes,
        notes=notes,
    )


def _names(captures: Sequence[Capture]) -> list[str]:
    """A distinct name for each capture; the second of the same name is `NAME#2`."""
    names: list[str] = []
    for capture in captures:
        # A file's name may hold bytes that are no text, which no JSON can carry.
        name = plain = clip(visible(capture.name))
        number = 2
        while name in names:
            name, number = f"{plain}#{number}", number + 1
        names.append(name)
    return names


def _cited(captures: Sequence[Capture], names: Sequence[str]) -> Iterator[tuple[str, Exchange]]:
    """The exchanges with the ids by which the report cites them."""
    for capture, name in zip(captures, names, strict=True):
        for exchange in capture.exchanges:
            yield f"{name}:{exchange.id}" if len(captures) > 1 else exchange.id, exchange


def _spec(spec: Spec) -> model.SpecPart:
    sources = (
        model.Source(id=name, title=source.title, trust=source.trust, primary=source.primary)
        for name, source in spec.sources.items()
    )
    return model.SpecPart(
        name=spec.name,
        title=spec.title,
        version_field=spec.roles.version,
        sources=tuple(sources),
        roles=_same(spec.roles, model.RolePart),
        wire=_same(spec.wire, model.WirePart),
    )


def _same(told: object, kind: type[_Part]) -> _Part:
    """What the spec says, as a part of the report that has the same names."""
    return msgspec.convert(told, kind, from_attributes=True)


def _capture(capture: Capture, name: str) -> model.CapturePart:
    file = visible(PurePath(capture.path).name)
    transports: dict[str, int] = {}
    for exchange in capture.exchanges:
        transport = clip(exchange.transport)
        if transport in transports or len(transports) < LISTED:
            transports[transport] = transports.get(transport, 0) + 1
    times = [_aware(exchange.time) for exchange in capture.exchanges if exchange.time is not None]
    return model.CapturePart(
        name=name,
        file=clip(file),
        exchanges=len(capture.exchanges),
        first=min(times, default=None),
        last=max(times, default=None),
        transports=transports,
        redacted=capture.header.redacted,
        spec=clip(capture.header.spec),
        tool=clip(capture.header.tool),
        note=clip(capture.header.note, 500),
        torn=None if capture.torn is None else clip(visible(capture.torn).replace(visible(capture.path), file), 500),
    )


def _aware(time: datetime) -> datetime:
    """The time as one that can be compared: without an offset it is taken for UTC."""
    return time if time.utcoffset() is not None else time.replace(tzinfo=UTC)


def _summary(
    profile: Profile, commands: Iterable[model.CommandPart], captures: Iterable[model.CapturePart]
) -> model.Summary:
    fields = [
        field
        for command in commands
        if command.seen
        for direction in command.directions.values()
        for field in direction.fields
    ]
    times = [time for capture in captures for time in (capture.first, capture.last) if time is not None]
    return model.Summary(
        exchanges=profile.exchanges,
        requests=profile.requests,
        replies=profile.replies,
        failed=profile.failed,
        unanswered=profile.unanswered,
        unasked=profile.unasked,
        foreign=profile.foreign,
        first=min(times, default=None),
        last=max(times, default=None),
        sessions=_listed(profile.sessions),
        clients=_listed(profile.clients),
        servers=_listed(profile.servers),
        accounts=_listed(profile.accounts),
        versions=_listed(profile.versions),
        errors=_listed(profile.errors),
        verdicts={verdict: sum(field.verdict == verdict for field in fields) for verdict in VERDICTS},
        unproven=sum(not field.proven for field in fields),
    )


def _listed(names: profiles.Names) -> model.Names:
    first = [model.Name(name=name, count=count) for name, count in names.counts.items()]
    return model.Names(distinct=len(first), complete=names.more == 0, first=tuple(first[:LISTED]))


def _evidence(evidence: profiles.Evidence | None) -> model.Evidence:
    if evidence is None:
        return model.Evidence(count=0)
    return model.Evidence(count=evidence.count, exchanges=tuple(evidence.ids), more=evidence.more)


# ---------------------------------------------------------------------------------------------------- commands


def _commands(profile: Profile, spec: Spec) -> Iterator[model.CommandPart]:
    for name, command in spec.commands.items():
        yield _command(name, command, profile.commands.get(name), spec)
    for key, tally in profile.commands.items():
        if key not in spec.commands:
            yield _command(tally.name, None, tally, spec)


def _command(name: str, command: Command | None, tally: CommandTally | None, spec: Spec) -> model.CommandPart:
    directions: dict[Direction, model.DirectionPart] = {}
    for direction in DIRECTIONS:
        messages = MessageTally() if tally is None else _messages(tally, direction)
        directions[direction] = _direction(_expected(command, direction, messages, spec), messages, spec)
    return model.CommandPart(
        name=name,
        documented=command is not None,
        seen=tally is not None,
        verdict=code_verdict(tally is not None, command is not None),
        doc="" if command is None else command.doc,
        effect=None if command is None else command.effect,
        versions=() if command is None else command.versions,
        source=() if command is None else command.source,
        exchanges=_evidence(None if tally is None else tally.exchanges),
        failed=0 if tally is None else tally.failed,
        unanswered=0 if tally is None else tally.unanswered,
        unasked=0 if tally is None else tally.unasked,
        directions=directions,
        reply_name=None if command is None else command.reply_name,
        rows=() if command is None else tuple(_same(rows, model.RowsPart) for rows in command.rows),
        paging=None if command is None or command.paging is None else _same(command.paging, model.PagingPart),
    )


def _expected(command: Command | None, direction: Direction, tally: MessageTally, spec: Spec) -> tuple[Field, ...]:
    """The documented fields; none for messages that nobody sends or that the spec does not have."""
    if tally.messages == 0 and (command is None or (command.effect == "push" and direction == "request")):
        return ()
    common: tuple[Field, ...] = getattr(spec.common, direction)
    return common if command is None else command.fields(direction)


def _messages(tally: CommandTally, direction: Direction) -> MessageTally:
    return tally.request if direction == "request" else tally.reply


def _direction(documented: Iterable[Field], tally: MessageTally, spec: Spec) -> model.DirectionPart:
    known = {field.name: field for field in documented}
    fields = [_field(field, tally.fields.get(name), tally.messages, spec) for name, field in known.items()]
    fields += [_undocumented(name, field, tally.messages) for name, field in tally.fields.items() if name not in known]
    return model.DirectionPart(
        messages=tally.messages,
        empty=tally.empty,
        foreign=_evidence(tally.foreign),
        fields=tuple(fields),
        more_fields=tally.more,
    )


def _field(field: Field, tally: FieldTally | None, of: int, spec: Spec) -> model.FieldPart:
    verdict = field_verdict(tally, documented=True)
    return model.FieldPart(
        name=field.name,
        documented=True,
        verdict=verdict,
        doc=field.doc,
        type=field.type,
        common=any(field in fields for fields in (spec.common.request, spec.common.reply)),
        list=field.list,
        required=field.required,
        when=_condition(field),
        echo=field.echo,
        codes=field.codes,
        constants=field.constants,
        versions=field.versions,
        source=field.source,
        masked=field.secret or field.personal,
        seen=0 if tally is None else tally.seen.count,
        of=of,
        filled=0 if tally is None else tally.filled.count,
        examples=() if tally is None else _examples(tally, field, spec),
        more_examples=tally is not None and tally.examples.more,
        contradictions=() if tally is None else _contradictions(tally, of),
        evidence=_evidence(None if tally is None else tally.filled if tally.filled.count else tally.seen),
        repetition=_repetition(field, tally),
        proven=verdict != "confirmed" or tally is None or is_proven(tally, field.echo),
        layers=field.layers,
        derived=field.derived,
        cases=tuple(_same(case, model.CasePart) for case in field.cases),
    )


def _repetition(field: Field, tally: FieldTally | None) -> model.Repetition | None:
    if not field.echo:
        return None
    counts = profiles.EchoTally() if tally is None else tally.echo
    return model.Repetition(held=counts.held, broken=counts.broken, unchecked=counts.unchecked)


def _condition(field: Field) -> str | None:
    conditions = (f"{name} = {' or '.join(map(str, values))}" for name, values in field.when.items())
    return " and ".join(conditions) or None


def _undocumented(name: str, tally: FieldTally, of: int) -> model.FieldPart:
    return model.FieldPart(
        name=name,
        documented=False,
        verdict="undocumented",
        doc="",
        type=None,
        common=False,
        list=False,
        required=False,
        when=None,
        echo=False,
        codes=None,
        constants=(),
        versions=(),
        source=(),
        masked=tally.masked,
        seen=tally.seen.count,
        of=of,
        filled=tally.filled.count,
        examples=tuple(model.ExamplePart(text=text, length=length) for text, length in tally.examples.first),
        more_examples=tally.examples.more,
        contradictions=(),
        evidence=_evidence(tally.seen),
        repetition=None,
        proven=True,
    )


def _examples(tally: FieldTally, field: Field, spec: Spec) -> tuple[model.ExamplePart, ...]:
    meanings = {} if field.codes is None else {str(v.value): v.name for v in spec.codes[field.codes].values}
    return tuple(
        model.ExamplePart(text=text, length=length, meaning=None if text is None else meanings.get(text))
        for text, length in tally.examples.first
    )


def _contradictions(tally: FieldTally, of: int) -> tuple[model.ContradictionPart, ...]:
    return tuple(
        model.ContradictionPart(code=code, text=_told(code, found, of), evidence=_evidence(found.evidence))
        for code, found in tally.contradictions.items()
    )


def _told(code: str, found: profiles.Contradiction, of: int) -> str:
    if code == "field.missing":
        return f"required, but absent in {found.evidence.count} of {findings.times(of, 'message')}"
    return found.text or describe(code)


# ---------------------------------------------------------------------------------------------------- coverage


def _coverage(profile: Profile, spec: Spec, codes: Iterable[model.CodePart]) -> model.Coverage:
    fields = list(spec.every_field())
    documented = [value for code in codes for value in code.values if value.readings]
    return model.Coverage(
        commands=model.Ratio(
            seen=sum(name in profile.commands for name in spec.commands), documented=len(spec.commands)
        ),
        fields=model.Ratio(
            seen=sum(
                any(tally.filled.count for tally in _tallies(profile, command, direction, field))
                for command, direction, field in fields
            ),
            documented=len(fields),
        ),
        codes=model.Ratio(seen=sum(value.verdict == "confirmed" for value in documented), documented=len(documented)),
        versions=tuple(_version(profile, spec, version) for version in spec.versions),
    )


def _version(profile: Profile, spec: Spec, version: str) -> model.VersionCoverage:
    commands = {name: command for name, command in spec.commands.items() if version in command.versions}
    missing = tuple(name for name, command in commands.items() if not _spoken(profile, command, version))
    filled = [
        [tally.versions[version] for tally in _tallies(profile, command, direction, field) if version in tally.versions]
        for command, direction, field in spec.every_field()
        if (command is None or command.name in commands) and (not field.versions or version in field.versions)
    ]
    return model.VersionCoverage(
        version=version,
        doc=spec.versions[version].doc,
        source=spec.versions[version].source,
        exchanges=profile.versions.counts.get(version, 0),
        commands=model.Ratio(seen=len(commands) - len(missing), documented=len(commands)),
        missing=missing,
        fields=model.Ratio(seen=sum(any(values) for values in filled), documented=len(filled)),
        only_empty=sum(bool(values) and not any(values) for values in filled),
    )


def _spoken(profile: Profile, command: Command, version: str) -> bool:
    """Whether a command was seen in that version; a push counts in any, since replies do not tell theirs."""
    tally = profile.commands.get(command.name)
    return tally is not None and (command.effect == "push" or version in tally.versions)


def _tallies(profile: Profile, command: Command | None, direction: Direction, field: Field) -> Iterator[FieldTally]:
    """What was seen of a field: of a common one (whose command is None) in any command."""
    for name, tally in profile.commands.items():
        if command is None or name == command.name:
            found = _messages(tally, direction).fields.get(field.name)
            if found is not None:
                yield found


# ------------------------------------------------------------------------------------------------------- codes


def _codes(profile: Profile, spec: Spec) -> Iterator[model.CodePart]:
    places: dict[str, list[model.CodePlace]] = {name: [] for name in spec.codes}
    for used, place in _places(profile, spec):
        places[used].append(place)
    for name, table in spec.codes.items():
        yield _code(name, table, places[name])


def _places(profile: Profile, spec: Spec) -> Iterator[tuple[str, model.CodePlace]]:
    for command in spec.commands.values():
        tally = profile.commands.get(command.name)
        for direction in DIRECTIONS:
            for field in command.fields(direction):
                seen = None if tally is None else _messages(tally, direction).fields.get(field.name)
                cases = [(case.codes, index) for index, case in enumerate(field.cases)]
                for table, index in [(field.codes, -1), *cases]:
                    if table is not None:
                        codes = None if seen is None else seen.codes.get(index)
                        yield table, _place(command, direction, field, index, spec.codes[table], codes or CodeTally())


def _place(
    command: Command, direction: Direction, field: Field, index: int, table: CodeTable, tally: CodeTally
) -> model.CodePlace:
    case = field.cases[index] if index >= 0 else None
    return model.CodePlace(
        command=command.name,
        direction=direction,
        field=field.name,
        when=None if case is None else f"{case.field} = {' or '.join(map(str, case.values))}",
        seen=tuple(
            model.PlaceValue(
                value=value,
                verdict=code_verdict(seen=True, documented=value in table.by_value),
                evidence=_evidence(tally.values[value]),
            )
            for value in _in_order(tally.values.keys(), table)
        ),
        never_seen=tuple(value for value in table.by_value if value not in tally.values),
        more=tally.more,
        masked=field.secret or field.personal,
    )


def _code(name: str, table: CodeTable, places: Sequence[model.CodePlace]) -> model.CodePart:
    seen: dict[int, model.Evidence] = {}
    for place in places:
        for at in place.seen:
            seen[at.value] = _added(seen.get(at.value), at.evidence)
    values = [
        model.CodeValuePart(
            value=value,
            ok=table.by_value[value].ok if value in table.by_value else None,
            readings=_readings(table, value),
            disputed=_is_disputed(table, value),
            verdict=code_verdict(value in seen, value in table.by_value),
            evidence=seen.get(value, model.Evidence(count=0)),
        )
        for value in _in_order(table.by_value.keys() | seen.keys(), table)
    ]
    return model.CodePart(
        table=name,
        fields=tuple(dict.fromkeys(place.field for place in places)),
        doc=table.doc,
        seen=sum(evidence.count for evidence in seen.values()),
        values=tuple(values),
        places=tuple(places),
    )


def _in_order(values: Set[int], table: CodeTable) -> list[int]:
    """Documented values as the spec has them, then the others by number."""
    return [*(value for value in table.by_value if value in values), *sorted(values - table.by_value.keys())]


def _added(one: model.Evidence | None, other: model.Evidence) -> model.Evidence:
    if one is None:
        return other
    exchanges = tuple(dict.fromkeys(one.exchanges + other.exchanges))
    more = one.more or other.more or len(exchanges) > profiles.KEPT
    return model.Evidence(count=one.count + other.count, exchanges=exchanges[: profiles.KEPT], more=more)


def _readings(table: CodeTable, value: int) -> tuple[model.ReadingPart, ...]:
    known = table.by_value.get(value)
    return tuple(
        model.ReadingPart(meaning=reading.meaning, source=reading.source, contradicts=reading.contradicts)
        for reading in (known.readings if known is not None else ())
    )


def _is_disputed(table: CodeTable, value: int) -> bool:
    """Whether sources disagree about a value: they read it differently, or one reading excludes another value."""
    readings = _readings(table, value)
    excluded = {reading.contradicts for known in table.values for reading in known.readings}
    return len(readings) > 1 or value in excluded or any(reading.contradicts is not None for reading in readings)


# ------------------------------------------------------------------------------------------------------- notes


def _notes(profile: Profile) -> Iterator[model.NotePart]:
    """The notes, errors first, then warnings, then the rest; by code within each."""
    order = ("error", "warning", "info")
    for code, tally in sorted(profile.notes.items(), key=lambda item: (order.index(item[1].severity), item[0])):
        yield model.NotePart(
            code=code,
            severity=tally.severity,
            doc=describe(code),
            count=tally.count,
            exchanges=_evidence(tally.exchanges),
            examples=tuple(
                model.NoteExamplePart(where=example.where, text=example.text, exchange=example.exchange)
                for example in tally.examples
            ),
            more=tally.more,
        )
