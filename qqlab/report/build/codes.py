"""Code tables: each value over all places, and a table for each place where the spec uses one.

Law: documented values stand in the spec's order, others by number. A masked field shows no value that is not
documented.
"""

from collections.abc import Iterator, Mapping, Sequence, Set

from qqlab.profile import CodeTally, bound, code_verdict
from qqlab.report import model
from qqlab.report.build.basis import Basis, added, condition, evidence, messages
from qqlab.report.build.disputes import is_settled, sides
from qqlab.report.say import Say
from qqlab.spec import DIRECTIONS, CodeTable, Command, Direction, Field


def codes(basis: Basis) -> Iterator[model.CodePart]:
    """All code tables of the spec."""
    tables: dict[str, list[model.CodePlace]] = {name: [] for name in basis.spec.codes}
    versions: dict[str, list[CodeTally]] = {name: [] for name in basis.spec.codes}
    for used, place, tally in _places(basis):
        tables[used].append(place)
        versions[used].append(tally)
    for name, table in basis.spec.codes.items():
        yield _code(name, table, tables[name], _versions(versions[name]), basis.say)


def _places(basis: Basis) -> Iterator[tuple[str, model.CodePlace, CodeTally]]:
    for command in basis.spec.commands.values():
        seen = basis.profile.commands.get(command.name)
        for direction in DIRECTIONS:
            for field in command.fields(direction):
                found = messages(seen, direction).fields.get(field.name)
                cases = [(case.codes, index) for index, case in enumerate(field.cases)]
                for table, index in [(field.codes, -1), *cases]:
                    if table is not None:
                        tally = (None if found is None else found.codes.get(index)) or CodeTally()
                        known = basis.spec.codes[table]
                        yield table, _place(command, direction, field, index, known, tally, basis.say), tally


def _place(
    command: Command, direction: Direction, field: Field, index: int, table: CodeTable, tally: CodeTally, say: Say
) -> model.CodePlace:
    case = field.cases[index] if index >= 0 else None
    return model.CodePlace(
        command=command.name,
        direction=direction,
        field=field.name,
        when=None if case is None else condition(case.field, case.values, say),
        seen=tuple(
            model.PlaceValue(
                value=value,
                verdict=code_verdict(seen=True, documented=value in table.by_value),
                evidence=evidence(tally.values[value]),
            )
            for value in _in_order(tally.values.keys(), table)
        ),
        never_seen=tuple(value for value in table.by_value if value not in tally.values),
        more=tally.more,
        masked=field.secret or field.personal,
        of=count(tally),
        values=values(table, tally, say),
    )


def count(tally: CodeTally) -> int:
    """How many values were counted."""
    return sum(found.count for found in tally.values.values()) + tally.more


def values(table: CodeTable, tally: CodeTally, say: Say) -> tuple[model.CodeValuePart, ...]:
    """The values of one place."""
    seen = {value: evidence(found) for value, found in tally.values.items()}
    return _values(table, seen, tally.versions, count(tally), say)


def _values(
    table: CodeTable,
    seen: Mapping[int, model.Evidence],
    versions: Mapping[int, Mapping[str, int]],
    of: int,
    say: Say,
) -> tuple[model.CodeValuePart, ...]:
    found = []
    for value in _in_order(table.by_value.keys() | seen.keys(), table):
        told = sides(table, value, seen, versions, say)
        known = value in table.by_value
        found.append(
            model.CodeValuePart(
                value=value,
                ok=table.by_value[value].ok if known else None,
                readings=readings(table, value),
                disputed=bool(told),
                verdict=code_verdict(value in seen, known, of, disputed=bool(told) and not is_settled(told)),
                evidence=seen.get(value, model.Evidence(count=0)),
                bound=None if value in seen else bound(of),
                sides=told,
            )
        )
    return tuple(found)


def _code(
    name: str,
    table: CodeTable,
    places: Sequence[model.CodePlace],
    versions: Mapping[int, Mapping[str, int]],
    say: Say,
) -> model.CodePart:
    seen: dict[int, model.Evidence] = {}
    for place in places:
        for at in place.seen:
            seen[at.value] = added(seen.get(at.value), at.evidence)
    return model.CodePart(
        table=name,
        fields=tuple(dict.fromkeys(place.field for place in places)),
        doc=table.doc,
        seen=sum(found.count for found in seen.values()),
        values=_values(table, seen, versions, sum(place.of for place in places), say),
        places=tuple(places),
    )


def _versions(tallies: Sequence[CodeTally]) -> dict[int, dict[str, int]]:
    """How often each value was seen in each version, over several places."""
    total: dict[int, dict[str, int]] = {}
    for tally in tallies:
        for value, versions in tally.versions.items():
            counts = total.setdefault(value, {})
            for version, times in versions.items():
                counts[version] = counts.get(version, 0) + times
    return total


def _in_order(values: Set[int], table: CodeTable) -> list[int]:
    """Documented values as the spec has them, then the others by number."""
    return [*(value for value in table.by_value if value in values), *sorted(values - table.by_value.keys())]


def readings(table: CodeTable, value: int) -> tuple[model.ReadingPart, ...]:
    """What sources take a value to mean."""
    known = table.by_value.get(value)
    return tuple(
        model.ReadingPart(meaning=reading.meaning, source=reading.source, contradicts=reading.contradicts)
        for reading in (known.readings if known is not None else ())
    )
