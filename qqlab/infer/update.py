"""A known spec brought up to what traffic shows: undocumented commands, fields, codes and versions added, and disputes
about codes settled where traffic decides.

Law: pure; text in, text out. What the file has, its order and its comments, stay as they are: only what is new is put
in, under a source that names the capture, and where a dispute is settled, the readings concerned are changed. A
proposal is a spec that can be read. What traffic cannot decide is said, not guessed.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
import tomlkit
from tomlkit.items import AoT, Array, Item, Table

from qqlab import spec as specs
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.infer import blank
from qqlab.infer.conclude import Conclusion
from qqlab.infer.draft import Draft, DraftCommand, DraftField
from qqlab.infer.fold import Learned
from qqlab.infer.message import see
from qqlab.infer.roles import given
from qqlab.infer.separator import Separator
from qqlab.infer.support import ALWAYS, times
from qqlab.infer.write import code_lines, command_lines, key_text, plain, value_text
from qqlab.profile import Evidence, Fold, Profile
from qqlab.spec import DIRECTIONS, CodeTable, Direction, Field, Source, Spec, Version
from qqlab.visible import visible

_SOURCE = "traffic"


class Proposal(NamedTuple):
    """The new text of a spec file, one sentence about each change, and one about each dispute that stays."""

    text: str
    changes: tuple[str, ...]
    undecided: tuple[str, ...]


def propose(text: str, where: str, exchanges: Iterable[tuple[str, Exchange]], title: str) -> Proposal:
    """What exchanges, each given with the id by which it is cited, add to the spec file of this text. `where` stands in
    errors, `title` says what the traffic is.

    Raises InputError where the text is no spec, and where no exchange is of a protocol that could be held against it.
    """
    spec = specs.parse(text, where)
    fold = Fold(spec)
    learned = Learned(given(spec.roles), Separator(spec.wire.list_separator, "the spec says so"))
    for at, (label, exchange) in enumerate(exchanges):
        fold.add(at, label, exchange)
        learned.add(see(label, exchange))
    profile = fold.part().profile()
    if not any(profile.commands):
        raise InputError(title, f"holds no message with a command ({spec.roles.command}) to learn from")
    name = _free(_SOURCE, spec.sources)
    described = Source(title=title, trust=f"{learned.exchanges} exchanges, read by a program and by nobody yet")
    draft = Conclusion(learned, name, _names(spec, secret=False)).draft(spec.name, spec.title, described)
    return _Update(text, spec, profile, draft, name).proposal(where)


class _Update:
    """One proposal being made: the document, and what was changed so far."""

    def __init__(self, text: str, spec: Spec, profile: Profile, draft: Draft, source: str) -> None:
        self.before = text
        self.document: Any = tomlkit.parse(text)
        self.spec = spec
        self.profile = profile
        self.draft = draft
        self.source = source
        self.drafted = {command.name.upper(): command for command in draft.commands}
        self.masked, self.secret = _names(spec, secret=False), _names(spec, secret=True)
        self.tables: dict[str, str] = {}
        self.shared: set[tuple[Direction, str]] = set()
        self.changes: list[str] = []
        self.undecided: list[str] = []

    def proposal(self, where: str) -> Proposal:
        """All of it."""
        self._versions()
        self._codes()
        self._fields()
        self._commands()
        self._disputes()
        if not self.changes:
            return Proposal(self.before, (), tuple(self.undecided))
        self._add("sources", self.source, _table(self.draft.sources[self.source]))
        made = self._even(tomlkit.dumps(self.document))
        specs.parse(made, where)
        return Proposal(made, tuple(self.changes), tuple(self.undecided))

    def _even(self, made: str) -> str:
        """The same without a second blank line, where the file had none and it means the same."""
        even = made.replace("\n\n\n", "\n\n")
        keeps = "\n\n\n" not in self.before and tomllib.loads(even) == tomllib.loads(made)
        return even if keeps else made

    def _add(self, section: str, name: str, made: Table) -> None:
        """A table of its own at the end of a section."""
        key, _ = tomlkit.key_value(f"{key_text(name)} = 0")  # written as all else that is new
        self.document[section].append(key, made)
        blank.settle(self.document[section])

    # --------------------------------------------------------------------------------------- what is missing

    def _versions(self) -> None:
        for name, count in self._unknown_versions().items():
            version = Version(doc=f"Seen {times(count)}.", source=(self.source,))
            self._add("versions", name, _table(version))
            self.changes.append(f"version {name} is new, seen {times(count)}")

    def _unknown_versions(self) -> dict[str, int]:
        """The versions that the spec does not know; only what looks like one."""
        seen = Counter({name: n for name, n in self.profile.versions.counts.items() if name not in self.spec.versions})
        return {name: count for name, count in seen.items() if all(part.isdecimal() for part in name.split("."))}

    def _codes(self) -> None:
        """Values that stand in no table, each once for its table."""
        added: dict[tuple[str, int], Evidence] = {}
        for table, value, evidence in self._code_values():
            if value not in self.spec.codes[table].by_value:
                added.setdefault((table, value), evidence)
        for (table, value), evidence in sorted(added.items()):
            meaning = f"meaning unknown; seen {times(evidence.count)}, first in {evidence.ids[0]}"
            made = tomlkit.table()
            made.add("value", value)
            made.add("readings", _item([{"meaning": meaning, "source": [self.source]}]))
            _append(self.document["codes"][table], "values", made)
            self.changes.append(f"code {table} has the value {value}, seen {times(evidence.count)}")

    def _code_values(self) -> Iterator[tuple[str, int, Evidence]]:
        """Every value that was seen of every code, with the table that it should stand in."""
        for name, tally in self.profile.commands.items():
            command = self.spec.command(name)
            for direction in DIRECTIONS:
                messages = tally.request if direction == "request" else tally.reply
                for field_name, seen in messages.fields.items():
                    field = self.spec.field(command, direction, field_name)
                    for index, codes in sorted(seen.codes.items()) if field is not None else ():
                        assert field is not None
                        table = field.codes if index < 0 else field.cases[index].codes
                        yield from ((table, value, at) for value, at in codes.values.items() if table is not None)

    def _fields(self) -> None:
        """Undocumented fields of commands that the spec has."""
        for name, tally in self.profile.commands.items():
            if name not in self.spec.commands:
                continue
            for direction in DIRECTIONS:
                messages = tally.request if direction == "request" else tally.reply
                written: set[str] = set()  # names compare without case, and one of them is enough
                for field in messages.fields:
                    command = self.spec.commands[name]
                    known = self.spec.field(command, direction, field) is not None or field.upper() in written
                    if not known and not field.startswith("("):
                        written.add(field.upper())
                        self._field(name, direction, field, messages.fields[field].seen)

    def _field(self, command: str, direction: Direction, name: str, seen: Evidence) -> None:
        if (direction, name.upper()) in self.shared:
            return
        common = self._drafted(self.draft.request if direction == "request" else self.draft.reply, name)
        if common is not None and self._is_nowhere(direction, name):
            self.shared.add((direction, name.upper()))
            self._put(self.document["common"], direction, self._as_seen(common), ())
            self.changes.append(f"field {common.field.name} of every {direction} is new")
            return
        drafted = self.drafted.get(command.upper())
        own = common or (None if drafted is None else self._drafted(drafted.fields(direction), name))
        if own is None and self._is_of_a_new_command(direction, name):
            return  # the reply of a command that the spec did not know counted as another's
        if own is None:
            doc = f"In {times(seen.count)}, first in {seen.ids[0]}."
            own = DraftField(Field(name=name, type="text", doc=doc, source=(self.source,)), ())
        order = () if drafted is None else tuple(one.field.name.upper() for one in drafted.fields(direction))
        self._put(self.document["commands"][command], direction, self._as_seen(own), order)
        self.changes.append(f"field {own.field.name} of {command} {direction} is new, seen {times(seen.count)}")

    def _is_of_a_new_command(self, direction: Direction, name: str) -> bool:
        new = (one for one in self.draft.commands if self.spec.command(one.name) is None)
        return any(self._drafted(one.fields(direction), name) is not None for one in new)

    def _as_seen(self, drafted: DraftField) -> DraftField:
        """A new field of what the spec has already: only of the versions that were seen, where it has others."""
        seen = {version for one in self.draft.commands for version in one.command.versions}
        known = {*self.spec.versions, *self._unknown_versions()}
        if not seen & known or seen >= known or drafted.field.versions:
            return drafted
        versions = tuple(version for version in self.draft.versions if version in seen & known)
        return drafted._replace(
            field=msgspec.structs.replace(drafted.field, required=False, when={}, versions=versions)
        )

    def _drafted(self, fields: Iterable[DraftField], name: str) -> DraftField | None:
        return next((one for one in fields if one.field.name.upper() == name.upper()), None)

    def _is_nowhere(self, direction: Direction, name: str) -> bool:
        """Whether no command has a field of its own by this name, so that all may have it."""
        return not any(d == direction and f.name.upper() == name.upper() for _, d, f in self.spec.every_field())

    def _put(self, place: Any, direction: Direction, drafted: DraftField, order: tuple[str, ...]) -> None:
        """A field behind the one that stands before it in messages, or at the end."""
        made = _table(self._careful(drafted.field), drafted.why)
        fields = place.get(direction, ())
        names = [str(one["name"]).upper() for one in fields]
        name = drafted.field.name.upper()
        before = order[: order.index(name)] if name in order else ()
        first = 0 if name in order and set(order) & set(names) else len(names)
        at = max((names.index(one) + 1 for one in before if one in names), default=first)
        _append(place, direction, made, at)

    def _careful(self, field: Field) -> Field:
        """A field whose table of codes is in the document; secret or personal where others of its name are."""
        codes = None if field.codes is None else self._table_for(field)
        secret = field.secret or field.name.upper() in self.secret
        personal = not secret and (field.personal or field.name.upper() in self.masked)
        return msgspec.structs.replace(field, codes=codes, secret=secret, personal=personal)

    def _table_for(self, field: Field) -> str:
        """A table that holds a field's values: one that a field of this name has, or a new one."""
        assert field.codes is not None
        table = self.draft.codes[field.codes][0]
        if field.codes not in self.tables:
            known = next(self._fitting(field.name, table), None)
            self.tables[field.codes] = known or self._new_table(field.codes, table)
        return self.tables[field.codes]

    def _fitting(self, name: str, table: CodeTable) -> Iterator[str]:
        for _, _, field in self.spec.every_field():
            if field.name.upper() != name.upper() or field.codes is None:
                continue
            if table.by_value.keys() <= self.spec.codes[field.codes].by_value.keys():
                yield field.codes

    def _new_table(self, wanted: str, table: CodeTable) -> str:
        name = _free(wanted, self.document["codes"])
        self._add("codes", name, _parsed("codes", code_lines(name, table)))
        self.changes.append(f"code table {name} is new, {len(table.values)} values")
        return name

    def _commands(self) -> None:
        """Commands that the spec does not have, with all that was learned of them."""
        for name in self.profile.commands:
            drafted = self.drafted.get(name.upper())
            if name and self.spec.command(name) is None and drafted is not None:
                self._add("commands", drafted.name, self._command(drafted))
                self.changes.append(f"command {drafted.name} is new, {drafted.command.effect}")

    def _command(self, drafted: DraftCommand) -> Table:
        known = {*self.spec.versions, *self._unknown_versions()}
        versions = tuple(version for version in drafted.command.versions if version in known)
        whole = drafted._replace(
            command=msgspec.structs.replace(drafted.command, versions=versions),
            request=self._every(drafted, "request"),
            reply=self._every(drafted, "reply"),
        )
        return _parsed("commands", command_lines(whole))

    def _every(self, drafted: DraftCommand, direction: Direction) -> tuple[DraftField, ...]:
        """The fields of a new command: its own, and those of all messages that it has and the spec has not."""
        known = {field.name.upper() for field in getattr(self.spec.common, direction)}
        wanted = self._seen(drafted.name, direction) - known - {n for d, n in self.shared if d == direction}
        shared = self.draft.request if direction == "request" else self.draft.reply
        fields = (*(one for one in shared if one.field.name.upper() in wanted), *drafted.fields(direction))
        return tuple(one._replace(field=self._careful(one.field)) for one in fields)

    def _seen(self, command: str, direction: Direction) -> set[str]:
        tally = self.profile.commands[command.upper()]
        return {name.upper() for name in (tally.request if direction == "request" else tally.reply).fields}

    # ------------------------------------------------------------------------------------------------ disputes

    def _disputes(self) -> None:
        """Readings that exclude another value are settled where one of both was seen and the other never."""
        seen: Counter[tuple[str, int]] = Counter()
        for used, value, evidence in self._code_values():
            seen[used, value] += evidence.count
        for name, table in self.spec.codes.items():
            for one, other in sorted(_excluding(table)):
                self._settle(name, one, other, seen[name, one], seen[name, other])
            for known in table.values:
                if len(known.readings) > 1 and seen[name, known.value]:
                    told = " / ".join(reading.meaning for reading in known.readings)
                    many = times(seen[name, known.value])
                    self.undecided.append(f"{name} {known.value} ({told}): seen {many}; meanings are not seen")

    def _settle(self, table: str, one: int, other: int, seen: int, of_other: int) -> None:
        if min(seen, of_other) > 0:
            self.undecided.append(f"{table} {one} against {other}: both were seen ({seen} and {of_other} times)")
            return
        if max(seen, of_other) < ALWAYS:
            self.undecided.append(f"{table} {one} against {other}: under-sampled ({seen} and {of_other} times)")
            return
        right, wrong = (one, other) if seen else (other, one)
        many = max(seen, of_other)
        for value in self.document["codes"][table]["values"]:
            if value["value"] in (one, other):
                self._without_dispute(value, (one, other), right)
                if value["value"] == wrong:
                    blank.remark(value, f"never seen, while {right} came {times(many)}")
        self.changes.append(f"dispute {table} {right} against {wrong} is settled: seen {times(many)} against never")

    def _without_dispute(self, value: Any, pair: tuple[int, int], right: int) -> None:
        """Take the contradiction out of a value's readings; what is right gains the traffic as a source."""
        for number, reading in enumerate(value["readings"]):
            plain_ = reading.unwrap()
            if plain_.pop("contradicts", None) in pair:
                if value["value"] == right:
                    plain_["source"].append(self.source)
                value["readings"][number] = _item(plain_)


def _names(spec: Spec, *, secret: bool) -> frozenset[str]:
    """The names of secret fields, or of all masked ones, in upper case."""
    every = (field for _, _, field in spec.every_field())
    return frozenset(field.name.upper() for field in every if field.secret or (field.personal and not secret))


def _excluding(table: CodeTable) -> set[tuple[int, int]]:
    """The pairs of values of which sources say that one of them cannot be."""
    return {
        (min(value.value, reading.contradicts), max(value.value, reading.contradicts))
        for value in table.values
        for reading in value.readings
        if reading.contradicts is not None
    }


def _free(wanted: str, taken: Iterable[str]) -> str:
    """A name that nothing has yet."""
    names = set(taken)
    return next(name for number in range(1, len(names) + 2) if (name := _numbered(wanted, number)) not in names)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _append(place: Any, name: str, made: Table, at: int | None = None) -> None:
    """One more table of an array of tables, which may not be there yet, or be written as a list of inline tables."""
    known: Item | None = place.get(name)
    if known is None:
        known = tomlkit.aot()
        place.append(name, known)
        known = place[name]
    if isinstance(known, AoT):
        known.insert(len(known) if at is None else at, made)
        blank.settle(known)
    elif isinstance(known, Array):
        known.insert(len(known) if at is None else at, _item(made.unwrap()))


def _table(struct: msgspec.Struct, why: Iterable[str] = ()) -> Table:
    """A table of the spec, with its reasons as comments."""
    made = tomlkit.table()
    for line in why:
        made.add(tomlkit.comment(visible(line)))
    for name, value in plain(struct).items():
        made.add(name, _item(value))
    return made


def _parsed(section: str, lines: Iterable[str]) -> Table:
    """The one table of a section, whatever its name is."""
    document: Any = tomlkit.parse("\n".join(lines) + "\n")
    (made,) = document[section].values()
    assert isinstance(made, Table)
    return made


def _item(value: Any) -> Any:
    """A value as spec files write it."""
    return tomlkit.value(value_text(value))
