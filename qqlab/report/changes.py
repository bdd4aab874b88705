"""What is otherwise than it was: between two reports of traffic, or between two specs.

Law: pure. Like is compared with like: what was seen with what was seen, what is documented with what is documented. Of
a command that is new, or gone, its fields are not told one by one; of a message that was not seen at all on one side,
nothing is. What traffic does not show may just be rare: the sentence says among how many messages it was looked for.
A field's values are compared where they are constants or few, and no numbers by which things are known; other values,
and lengths, differ from day to day. What happened to one field of every command is one change, of no command.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeVar

import msgspec

from qqlab.report.build.basis import added
from qqlab.report.model import Change, CodePlace, CommandPart, DirectionPart, Evidence, FieldPart, Report
from qqlab.report.say import Say
from qqlab.spec import DIRECTIONS, CodeTable, CodeValue, Command, Direction, Field, Spec

_T = TypeVar("_T")
Kind = Literal["born", "gone", "changed"]
What = Literal["command", "field", "code"]

# What a spec says of a field, a command or a value that is no domain: who says so, and in which words.
_WORDS = frozenset(("name", "doc", "source", "readings", "request", "reply", "value", "values"))
# So many values of a code, or of a field, are told in one change.
_MOST = 20


class _Where(NamedTuple):
    """The thing that a change is about."""

    what: What
    command: str | None = None
    direction: Direction | None = None
    field: str | None = None
    table: str | None = None
    value: str | None = None

    def change(
        self,
        kind: Kind,
        text: str,
        evidence: Evidence | None = None,
        *,
        aspect: str = "",
        before: str | None = None,
        after: str | None = None,
    ) -> Change:
        return Change(
            kind=kind,
            what=self.what,
            command=self.command,
            direction=self.direction,
            field=self.field,
            table=self.table,
            value=self.value,
            aspect=aspect,
            before=before,
            after=after,
            text=text,
            evidence=evidence or Evidence(count=0),
        )


# -------------------------------------------------------------------------------------------------- traffic


def between_reports(old: Report, new: Report, say: Say) -> Iterator[Change]:
    """What traffic shows otherwise than older traffic did."""
    before = {command.name.upper(): command for command in old.commands if command.seen}
    after = {command.name.upper(): command for command in new.commands if command.seen}
    for key, command in after.items():
        if key not in before:
            text = say("in {exchanges}", exchanges=say.count(command.exchanges.count, "exchange"))
            yield _Where("command", command.name).change("born", text, command.exchanges)
    fields: list[Change] = []
    for key, command in before.items():
        if key not in after:
            exchanges = say.count(new.summary.exchanges, "exchange")
            yield _Where("command", command.name).change("gone", say("in none of {exchanges}", exchanges=exchanges))
        else:
            fields += _messages(command, after[key], say)
    for direction in DIRECTIONS:
        both = [key for key in before.keys() & after.keys() if _is_seen(before[key], after[key], direction)]
        yield from _gathered([change for change in fields if change.direction == direction], len(both), say)
    yield from _places(old, new, say)


def _is_seen(before: CommandPart, after: CommandPart, direction: Direction) -> bool:
    return min(before.directions[direction].messages, after.directions[direction].messages) > 0


def _gathered(changes: Iterable[Change], commands: int, say: Say) -> Iterator[Change]:
    """The changes of fields in one direction; what happened to a field of all commands is told once."""
    groups: dict[tuple[str, str | None, str, str | None, str | None], list[Change]] = {}
    for change in changes:
        key = change.kind, change.field, change.aspect, change.before, change.after
        groups.setdefault(key, []).append(change)
    for group in groups.values():
        first = group[0]
        if len(group) < max(2, commands):
            yield from group
        else:
            text = say("in each of {count} commands", count=commands)
            if first.kind == "changed":
                text = say("{change}, in each of {count} commands", change=first.text, count=commands)
            found = Evidence(count=0)
            for change in group:
                found = added(found, change.evidence)
            yield msgspec.structs.replace(first, command=None, text=text, evidence=found)


def _messages(old: CommandPart, new: CommandPart, say: Say) -> Iterator[Change]:
    for direction in DIRECTIONS:
        before, after = old.directions[direction], new.directions[direction]
        if _is_seen(old, new, direction):
            yield from _fields(new.name, direction, before, after, say)


def _fields(
    command: str, direction: Direction, before: DirectionPart, after: DirectionPart, say: Say
) -> Iterator[Change]:
    was = {field.name: field for field in before.fields if field.seen}
    now = {field.name: field for field in after.fields if field.seen}
    for name, field in now.items():
        if name not in was:
            count = say("in {count} of {messages}", count=field.seen, messages=say.count(field.of, "message"))
            yield _Where("field", command, direction, name).change("born", count, field.evidence)
    for name, field in was.items():
        where = _Where("field", command, direction, name)
        if name in now:
            yield from _domain(where, field, now[name], say)
        elif not after.more_fields or field.documented:  # else it may be among those that are only counted
            yield where.change("gone", say("in none of {messages}", messages=say.count(after.messages, "message")))


def _domain(where: _Where, old: FieldPart, new: FieldPart, say: Say) -> Iterator[Change]:
    """How the values of a field, or its presence, are otherwise."""
    if old.filled and new.filled and old.type_seen != new.type_seen:
        yield _changed(where, "type", old.type_seen or "", new.type_seen or "", new.evidence, say)
    was, now = old.presence_ok or old.presence, new.presence_ok or new.presence
    if was != now:
        yield _changed(where, "presence", was, now, new.evidence, say)
    if new.type != "digits" and old.codes is None and new.codes is None and "free" not in (old.shape, new.shape):
        before, after = [{value.text for value in field.values} for field in (old, new)]
        if before and after and not (after <= before):
            yield _changed(where, "values", _listed(before), _listed(after), new.evidence, say)


def _changed(where: _Where, aspect: str, before: str, after: str, evidence: Evidence | None, say: Say) -> Change:
    if aspect != "values":  # which are captured text
        before, after = _state(before, say), _state(after, say)
    name = {"type": say("type"), "presence": say("presence"), "values": say("values")}.get(aspect, aspect)
    text = say("{aspect}: {before}, now {after}", aspect=name, before=before or "-", after=after or "-")
    return where.change("changed", text, evidence, aspect=aspect, before=before, after=after)


def _state(word: str, say: Say) -> str:
    """What a thing is or was, where that is one of these words."""
    words = {
        "always": say("always"),
        "sometimes": say("sometimes"),
        "never": say("never"),
        "yes": say("yes"),
        "no": say("no"),
    }
    return words.get(word, word)


def _listed(values: Iterable[str]) -> str:
    told = sorted(values)
    return ", ".join(told[:_MOST]) + (", …" if len(told) > _MOST else "")


def _places(old: Report, new: Report, say: Say) -> Iterator[Change]:
    """Values of codes, place by place, where the place had values on both sides."""
    was = {_key(place): place for code in old.codes for place in code.places}
    for code in new.codes:
        for place in code.places:
            before = was.get(_key(place))
            if before is not None and before.of and place.of:
                yield from _values(code.table, before, place, say)


def _key(place: CodePlace) -> tuple[str, str, str, tuple[int, ...]]:
    """What tells a place from others in any language: its field, and which documented values it can have."""
    documented = (value.value for value in place.values if value.readings)
    return place.command, place.direction, place.field, tuple(documented) if place.when is not None else ()


def _values(table: str, old: CodePlace, new: CodePlace, say: Say) -> Iterator[Change]:
    was = {value.value for value in old.seen}
    now = {value.value: value.evidence for value in new.seen}
    for value in sorted(was | now.keys()):
        where = _Where("code", new.command, new.direction, new.field, table, str(value))
        if value not in was:
            count = now[value].count
            yield where.change("born", say("in {count} of {values}", count=count, values=_count(new, say)), now[value])
        elif value not in now:
            yield where.change("gone", say("in none of {values}", values=_count(new, say)))


def _count(place: CodePlace, say: Say) -> str:
    return say.count(place.of, "value")


# ---------------------------------------------------------------------------------------------------- specs


def between_specs(old: Spec, new: Spec, say: Say) -> Iterator[Change]:
    """What a spec documents otherwise than an older one did."""
    yield from _common(old, new, say)
    for where, before, after in _pairs(_commands(old), _commands(new)):
        if before is None or after is None:
            yield _documented(where, before is None, say)
            continue
        yield from _aspects(where, before, after, say)
        for direction in DIRECTIONS:
            yield from _documented_fields(
                where.command, direction, _own(old, before, direction), _own(new, after, direction), say
            )
    for where, was, now in _pairs(_code_values(old), _code_values(new)):
        if was is None or now is None:
            yield _documented(where, was is None, say)
            continue
        yield from _aspects(where, was, now, say)
        before_words, after_words = _meanings(was), _meanings(now)
        if before_words != after_words:
            yield _changed(where, "meaning", before_words, after_words, None, say)


def _commands(spec: Spec) -> dict[_Where, Command]:
    return {_Where("command", name): command for name, command in spec.commands.items()}


def _common(old: Spec, new: Spec, say: Say) -> Iterator[Change]:
    for direction in DIRECTIONS:
        before: tuple[Field, ...] = getattr(old.common, direction)
        after: tuple[Field, ...] = getattr(new.common, direction)
        yield from _documented_fields(None, direction, before, after, say)


def _own(spec: Spec, command: Command, direction: Direction) -> list[Field]:
    """The fields of a command that not every message has."""
    common: tuple[Field, ...] = getattr(spec.common, direction)
    return [field for field in command.fields(direction) if field not in common]


def _documented_fields(
    command: str | None, direction: Direction, old: Iterable[Field], new: Iterable[Field], say: Say
) -> Iterator[Change]:
    before, after = (
        {_Where("field", command, direction, field.name): field for field in fields} for fields in (old, new)
    )
    for where, was, now in _pairs(before, after):
        if was is None or now is None:
            yield _documented(where, was is None, say)
        else:
            yield from _aspects(where, was, now, say)


def _code_values(spec: Spec) -> dict[_Where, CodeValue]:
    tables: Mapping[str, CodeTable] = spec.codes
    return {
        _Where("code", table=name, value=str(value.value)): value
        for name, table in tables.items()
        for value in table.values
    }


def _pairs(old: Mapping[_Where, _T], new: Mapping[_Where, _T]) -> Iterator[tuple[_Where, _T | None, _T | None]]:
    """Everything that is on either side, in the newer order, then what is gone."""
    for where in [*new, *(where for where in old if where not in new)]:
        yield where, old.get(where), new.get(where)


def _documented(where: _Where, born: bool, say: Say) -> Change:
    return where.change("born" if born else "gone", say("documented now") if born else say("not documented any more"))


def _aspects(where: _Where, old: msgspec.Struct, new: msgspec.Struct, say: Say) -> Iterator[Change]:
    """Each thing that is said of both, but is another one; not the words in which it is said."""
    for one in msgspec.structs.fields(old):
        before, after = getattr(old, one.name), getattr(new, one.name)
        if one.name not in _WORDS and before != after:
            yield _changed(where, one.name, _words(before), _words(after), None, say)


def _words(said: object) -> str:
    """What a spec says, in one line."""
    if said is None or said in ((), {}):
        return ""
    if isinstance(said, bool):
        return "yes" if said else "no"
    plain = msgspec.to_builtins(said)
    if isinstance(plain, list) and all(isinstance(item, str | int) for item in plain):
        return ", ".join(map(str, plain))
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def _meanings(value: CodeValue) -> str:
    return " / ".join(reading.meaning for reading in value.readings)
