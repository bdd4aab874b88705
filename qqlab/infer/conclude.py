"""Tallies to a draft of a spec.

Law: pure and deterministic; the only place where the claims of the other modules come together. Values are quoted in
one case only: small codes, and constants that several accounts share. Nothing personal or secret can reach the spec.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import NamedTuple

from qqlab.infer import effects, outcome, presence, tables, values
from qqlab.infer.draft import Draft, DraftCommand, DraftField, Why
from qqlab.infer.fold import Learned
from qqlab.infer.presence import Presence
from qqlab.infer.support import ALWAYS, VARIED, bound, cited, holds, times
from qqlab.infer.tally import CommandTally, FieldTally, MessageTally, Room
from qqlab.spec import (
    DIRECTIONS,
    CodeTable,
    CodeValue,
    Command,
    Direction,
    Field,
    Paging,
    Reading,
    Rows,
    Source,
    Version,
    Wire,
)

_COMMANDS = 3  # a field of every message stands in so many commands at least
_ROLES = {
    "version": "Version of the protocol",
    "command": "The command",
    "sequence": "Sequence number",
    "account": "Account of the user",
    "status": "Status",
}


class _Part(NamedTuple):
    """A field before its place in the spec is known."""

    name: str
    told: values.Told
    present: Presence
    echo: bool
    tally: FieldTally
    of: int
    why: Why


class _Codes(NamedTuple):
    """Where a table of codes is used: the command, empty for all of them, and what its values mean."""

    command: str
    direction: Direction
    field: str
    seen: Counter[int]
    first: dict[int, str]
    ok: dict[int, bool]


class Conclusion:
    """All that follows from what was learned. `commands` are in the order of their first exchange; `masked` are names,
    in upper case, of which it is known that their values must not be told."""

    def __init__(self, learned: Learned, source: str, masked: Collection[str] = ()) -> None:
        self.learned = learned
        self.source = (source,)
        self.masked = masked
        self.found = learned.found
        self.commands = learned.commands
        self.roles = {name: role for role, name in self._role_names()}
        self.common: dict[Direction, list[str]] = {d: self._common(d) for d in DIRECTIONS}
        self.ok = outcome.statuses(self.commands, self.common["reply"])
        self.uses: dict[tuple[str, Direction, str], _Codes] = {}
        self.limited = {name: effects.limits(own) | effects.cursors(own) for name, own in self.commands.items()}
        self.account_names: set[str] = set()
        self.account_names = {part.name for part in self._every_part() if part.told.account}
        self.parts = {(name, d): self._parts(name, own, d) for name, own in self.commands.items() for d in DIRECTIONS}
        self.shared: dict[Direction, list[_Part]] = {d: self._shared(d) for d in DIRECTIONS}
        self.tables = self._tables()

    def _role_names(self) -> Iterator[tuple[str, str]]:
        for role in ("version", "command", "sequence", "account", "status"):
            yield role, getattr(self.found, role)

    def good(self, status: str) -> bool:
        """Whether a status may mean that it worked."""
        return self.ok.get(status, True)

    # --------------------------------------------------------------------------------- fields of every message

    def _common(self, direction: Direction) -> list[str]:
        """The fields that stand in every message of a direction, or in every one of some versions; roles among them."""
        owns = [own.messages(direction) for own in self.commands.values() if own.messages(direction).messages]
        names = dict.fromkeys(name for own in owns for name in own.fields)
        wanted = ("version", "command", "sequence", "account") if direction == "request" else tuple(_ROLES)
        roles = {getattr(self.found, role) for role in wanted}
        found = [name for name in names if name in roles or self._is_everywhere(name, owns)]
        found += sorted(roles.difference(found))
        return _ordered([(names, count) for own in owns for names, count in _layouts(own)], found)

    def _is_everywhere(self, name: str, owns: list[MessageTally]) -> bool:
        told = [_by_version(own, name) for own in owns]
        versions = {version for sides in told for version, (there, _) in sides.items() if there}
        inside = [[sides[version] for version in versions if version in sides] for sides in told]
        inside = [sides for sides in inside if sides]
        always = all(holds(sum(t for t, _ in sides), sum(a for _, a in sides), 1) for sides in inside)
        return len(inside) >= _COMMANDS and always

    def _shared(self, direction: Direction) -> list[_Part]:
        return [self._shared_part(direction, name) for name in self.common[direction]]

    def _shared_part(self, direction: Direction, name: str) -> _Part:
        owns = [own.messages(direction) for own in self.commands.values()]
        of = sum(own.messages for own in owns)
        whole = FieldTally(Room())
        for own in owns:
            if name in own.fields:
                whole.take(own.fields[name])
        role = self.roles.get(name, "")
        if whole.seen.count == 0:
            why = (f"no such field was seen here: the format of specs asks for one that is the {role}",)
            return _Part(name, values.Told("text"), Presence(), False, whole, of, why)
        told = self._told(name, whole, self._known(role, direction, is_list=False, no_code=False))
        present = self._shared_presence(name, owns, whole, of)
        part = self._part("", direction, name, told, present, whole, of)
        if role == "status":
            return part._replace(told=told._replace(type="code" if told.codes else told.type))
        return part

    def _shared_presence(self, name: str, owns: list[MessageTally], whole: FieldTally, of: int) -> Presence:
        if holds(whole.seen.count, of - whole.seen.count, ALWAYS):
            return Presence(required=True, why=f"in {whole.seen.count} of {of}: {bound(of)}")
        sides = [_by_version(own, name) for own in owns]
        inside = dict.fromkeys(version for one in sides for version, (there, _) in one.items() if there)
        told = ", ".join(inside)
        return Presence(versions=tuple(v for v in inside if v), why=f"in every message of version {told}, in no others")

    # ----------------------------------------------------------------------------------------- fields of commands

    def _parts(self, name: str, own: CommandTally, direction: Direction) -> list[_Part]:
        messages = own.messages(direction)
        lists, counted = tables.beside(messages), tables.counts(messages)
        may_be = tables.may_be_beside(messages)
        found = [field for field in messages.fields if field not in self.common[direction]]
        parts = []
        for field in found:
            no_code = field in counted or (direction == "request" and field in self.limited[name])
            tally = messages.fields[field]
            known = self._known("", direction, is_list=field in lists, no_code=no_code)
            known = known._replace(namesake=field in self.account_names, may_be_list=field in may_be)
            told = self._told(field, tally, known)
            parts.append(self._own_part(name, direction, field, told, tally, messages))
        return parts

    def _every_part(self) -> Iterator[_Part]:
        for name, own in self.commands.items():
            for direction in DIRECTIONS:
                yield from self._parts(name, own, direction)

    def _told(self, name: str, tally: FieldTally, known: values.Known) -> values.Told:
        """What values tell; of masked ones, what tells none of them."""
        told = values.tell(tally, known)
        return values.hidden(told) if name.upper() in self.masked else told

    def _own_part(
        self, name: str, direction: Direction, field: str, told: values.Told, tally: FieldTally, own: MessageTally
    ) -> _Part:
        good = self.good if direction == "reply" else _any
        present = presence.present(own, field, good, (*self.found.names, field))
        return self._part(name, direction, field, told, present, tally, own.messages)

    def _known(self, role: str, direction: Direction, *, is_list: bool, no_code: bool) -> values.Known:
        return values.Known(self.learned.accounts, is_list, no_code, role, direction)

    def _part(
        self,
        command: str,
        direction: Direction,
        name: str,
        told: values.Told,
        present: Presence,
        tally: FieldTally,
        of: int,
    ) -> _Part:
        why = [*told.why, present.why, present.doubt]
        echo, reason = self._echo(name, direction, tally)
        why.append(reason)
        if told.codes:
            counted = tally.part_values if told.list else tally.whole_values
            seen = Counter({int(text): count for text, count in counted.texts()})
            first = {int(text): counted.first[text] for text, _ in counted.texts()}
            self.uses[command, direction, name] = _Codes(command, direction, name, seen, first, {})
        return _Part(name, told, present, echo, tally, of, tuple(one for one in (*why, *told.doubts) if one))

    def _echo(self, name: str, direction: Direction, tally: FieldTally) -> tuple[bool, str]:
        """Whether replies repeat the request's field; the command may be written in another case."""
        bad = tally.broken + (0 if name == self.found.command else tally.cased)
        if direction == "request" or not holds(tally.held - tally.cased, 0, 1) or tally.held < bad:
            return name == self.found.command and direction == "reply" and tally.held > bad, ""
        if name == self.found.command:
            return True, f"repeats the request's in {tally.held}, but for case; {bad} times another command answers"
        if not holds(tally.held, bad, ALWAYS):
            return False, ""
        if len(tally.repeated) < VARIED:
            return False, f"under-sampled: equal to the request's in {tally.held}, but always the same value"
        return True, f"repeats the request's in {tally.held} of {tally.held + bad}, of several values"

    # -------------------------------------------------------------------------------------------- rows and pages

    def _tables(self) -> dict[str, list[tuple[Direction, tables.Table]]]:
        found: dict[str, list[tuple[Direction, tables.Table]]] = {}
        for name, own in self.commands.items():
            for direction in DIRECTIONS:
                parts = {part.name: part for part in self.parts[name, direction]}
                order = self._order(own.messages(direction), list(parts))
                lists = [field for field in order if parts[field].told.list]
                made = tables.tables(own.messages(direction), lists, {one: _can_be_key(parts[one]) for one in lists})
                found.setdefault(name, []).extend((direction, table) for table in made)
        return found

    def _order(self, own: MessageTally, names: list[str]) -> list[str]:
        return _ordered(_layouts(own), names)

    # ------------------------------------------------------------------------------------------------- the draft

    def draft(self, name: str, title: str, described: Source) -> Draft:
        """The draft of a spec of that name; `described` is the source that the traffic is."""
        self._judge()
        names = self._table_names()
        commands = tuple(self._command(one, names) for one in self.commands if one in self.commands)
        return Draft(
            name=name,
            title=title,
            remarks=tuple(self._remarks()),
            sources={self.source[0]: described},
            versions=dict(self._versions()),
            roles=(self.found.roles(self.learned.spelled), tuple(self._role_reasons())),
            wire=self._wire(),
            request=tuple(self._field("", "request", part, names) for part in self.shared["request"]),
            reply=tuple(self._field("", "reply", part, names) for part in self.shared["reply"]),
            codes=self._code_tables(names),
            commands=commands,
        )

    def _judge(self) -> None:
        """Tell success from failure: by the status, and by codes on which other fields hang."""
        for (command, direction, field), used in self.uses.items():
            if field == self.found.status and direction == "reply":
                used.ok.update({int(text): ok for text, ok in self.ok.items() if text.isdigit()})
            elif direction == "reply" and command and self._decides(command, field):
                used.ok.update(outcome.judged(self.commands[command], field, list(used.seen), self.good))

    def _decides(self, command: str, field: str) -> bool:
        parts = self.parts[command, "reply"]
        echoed = any(part.name == field and part.echo for part in parts)
        return not echoed and any(part.present.beside == field for part in parts)

    def _table_names(self) -> dict[tuple[str, Direction, str], str]:
        """A name for the table of each code: the field's where all its uses have much in common, else longer ones."""
        names: dict[tuple[str, Direction, str], str] = {}
        groups: dict[str, list[tuple[str, set[int], dict[int, bool]]]] = {}
        for key, used in self.uses.items():
            command, direction, field = key
            known = groups.setdefault(field, [])
            of_it = set(used.seen)
            name = next((one for one, seen, ok in known if _alike(seen, of_it) and ok == used.ok), None)
            if name is None:
                name = self.learned.spelled(field)
                taken = set(names.values())
                if name in taken:
                    name = f"{self._spelled(command) if command else 'every'}_{name}"
                if name in taken:
                    name = f"{name}_{direction}"
                known.append((name, of_it, used.ok))
            else:
                next(seen for one, seen, _ in known if one == name).update(of_it)
            names[key] = name
        return names

    def _code_tables(self, names: dict[tuple[str, Direction, str], str]) -> dict[str, tuple[CodeTable, Why]]:
        tables_: dict[str, tuple[CodeTable, Why]] = {}
        for name in dict.fromkeys(names.values()):
            uses = [self.uses[key] for key, table in names.items() if table == name]
            seen = sum((used.seen for used in uses), Counter[int]())
            ok = {value: good for used in uses for value, good in used.ok.items()}
            where = ", ".join(f"{self._spelled(u.command) or 'every'} {u.direction}" for u in uses)
            first = {value: label for used in reversed(uses) for value, label in used.first.items()}
            made = tuple(self._code(value, seen[value], first[value], ok.get(value)) for value in sorted(seen))
            doc = f"Values of {self.learned.spelled(uses[0].field)} ({where}); traffic does not say what they mean."
            tables_[name] = CodeTable(doc=doc, values=made), ()
        return tables_

    def _code(self, value: int, count: int, first: str, ok: bool | None) -> CodeValue:
        meaning = {True: "it worked", False: "it did not work", None: "meaning unknown"}[ok]
        reading = Reading(meaning=f"{meaning}; seen {times(count)}, first in {first}", source=self.source)
        return CodeValue(value=value, ok=ok, readings=(reading,))

    # ------------------------------------------------------------------------------------------------ its parts

    def _field(
        self, command: str, direction: Direction, part: _Part, names: dict[tuple[str, Direction, str], str]
    ) -> DraftField:
        told, present = part.told, part.present
        codes = names.get((command, direction, part.name))
        field = Field(
            name=self.learned.spelled(part.name),
            type="code" if codes is not None else "int" if told.type == "code" else told.type,
            doc=self._doc(part),
            source=self.source,
            required=present.required and not present.versions,
            when={self.learned.spelled(present.beside): present.values} if present.beside else {},
            list=told.list,
            layers=2 if told.layers == 2 else 1,
            codes=codes,
            constants=told.constants,
            echo=part.echo,
            secret=told.secret,
            personal=told.personal,
            account=told.account,
            fresh=told.fresh,
            versions=tuple(version for version in present.versions if version in self._known_versions()),
        )
        return DraftField(field, part.why)

    def _doc(self, part: _Part) -> str:
        """What a field is, as far as traffic can say, and where it was seen."""
        role = self.roles.get(part.name)
        what = f"{_ROLES[role]}. " if role else ""
        if part.tally.seen.count == 0:
            return f"{what}Not seen."
        told = part.told
        seen = part.tally.parts if told.list else part.tally.whole
        looks = "list of " if told.list else ""
        if told.type == "int" and seen.count and not told.personal:
            looks += seen.span
        else:
            looks += {"digits": "identifiers", "version": "versions", "code": "codes"}.get(told.type, told.type)
        where = f"in {part.tally.seen.count} of {part.of} messages: {cited(part.tally.seen)}"
        return f"{what}{looks[:1].upper()}{looks[1:]}; {where}."

    def _known_versions(self) -> list[str]:
        """The versions that requests said, and replies, in order of appearance."""
        said = Counter[str]()
        for own in self.commands.values():
            said.update(own.versions)
            field = own.reply.fields.get(self.found.version)
            if field is not None:
                said.update(dict(field.whole_values.texts()))
        return [version for version in said if version][:20]

    def _versions(self) -> Iterator[tuple[str, tuple[Version, Why]]]:
        for version in self._known_versions():
            count = sum(own.versions[version] for own in self.commands.values())
            yield version, (Version(doc=f"In {count} requests.", source=self.source), ())

    def _role_reasons(self) -> Iterator[str]:
        for role, name in self._role_names():
            why = self.found.why.get(role, "no field was found that plays this role; the format asks for one")
            yield f"{role}: {self.learned.spelled(name)}: {why}"

    def _wire(self) -> tuple[Wire, Why]:
        mark = self.learned.separator
        charsets = [one for one, _ in self.learned.charsets.most_common() if one != "raw"] or ["utf-8"]
        escaped = [one for one in ("%", "&", "\r", "\n") if self.learned.escaped[one] or one in "%&"]
        wire = Wire(
            charsets=tuple(charsets),
            list_separator=mark.mark,
            pair_escapes=tuple(escaped),
            list_escapes=("%", mark.mark) if mark.mark != "%" else ("%",),
        )
        return wire, (f"separator: {mark.why or 'under-sampled, no list was seen'}",)

    def _command(self, name: str, names: dict[tuple[str, Direction, str], str]) -> DraftCommand:
        own = self.commands[name]
        told = self._effect(name, own)
        pages = effects.pages(own)
        command = Command(
            doc=f"Asked for {own.asked} times, unasked {own.unasked}: {cited(own.exchanges)}.",
            effect=told.effect,
            source=self.source,
            versions=tuple(version for version in self._known_versions() if own.versions[version]),
            reply_name=own.replies.most_common(1)[0][0] if own.replies else None,
            key=self._push_key(name) if told.effect == "push" else None,
        )
        return DraftCommand(
            name=self._spelled(name),
            command=command,
            why=(f"{told.effect}: {told.why}", *self._open(name, own)),
            request=self._fields(name, own, "request", names),
            reply=self._fields(name, own, "reply", names),
            rows=tuple(self._rows(number, *one) for number, one in enumerate(self.tables[name], 1)),
            paging=None if pages is None else self._paging(name, pages),
        )

    def _open(self, name: str, own: CommandTally) -> Iterator[str]:
        """The lists of which it is open whether they are rows."""
        for direction in DIRECTIONS:
            lists = [part.name for part in self.parts[name, direction] if part.told.list]
            open_ = tables.undecided(own.messages(direction), lists)
            if open_:
                named = ", ".join(map(self.learned.spelled, open_))
                yield f"under-sampled: {named} of the {direction} may be columns of one table"

    def _fields(
        self, name: str, own: CommandTally, direction: Direction, names: dict[tuple[str, Direction, str], str]
    ) -> tuple[DraftField, ...]:
        parts = {part.name: part for part in self.parts[name, direction]}
        order = self._order(own.messages(direction), list(parts))
        return tuple(self._field(name, direction, parts[field], names) for field in order)

    def _effect(self, name: str, own: CommandTally) -> effects.Told:
        reply = self.parts[name, "reply"]
        parts = ((other, part) for other in self.commands for part in self.parts[other, "request"])
        secret = {other for other, part in parts if part.told.secret}
        leads_in = any(other != name and other in secret for other in own.answers)
        rich = effects.is_rich(
            [part.name for part in reply if not part.echo], [part.name for part in reply if part.told.list]
        )
        judges = any(used.ok for key, used in self.uses.items() if key[:2] == (name, "reply"))
        return effects.effect(own, name, secret, leads_in, rich and not judges, self.good)

    def _push_key(self, name: str) -> str | None:
        accounts = [part.name for part in self.parts[name, "reply"] if part.told.account]
        return self.learned.spelled(accounts[0]) if accounts else None

    def _rows(self, number: int, direction: Direction, table: tables.Table) -> tuple[Rows, Why]:
        spelled = self.learned.spelled
        rows = Rows(
            name="row" if number == 1 else f"row{number}",
            doc="Items with the same index.",
            columns=tuple(map(spelled, table.columns)),
            source=self.source,
            key=None if table.key is None else spelled(table.key),
            count=None if table.counted is None else spelled(table.counted),
            ordered=table.key is None,
            direction=direction,
        )
        return rows, table.why

    def _paging(self, name: str, pages: effects.Pages) -> tuple[Paging, Why]:
        spelled = self.learned.spelled
        paging = Paging(
            limit=spelled(pages.limit),
            cursor=spelled(pages.cursor),
            complete=spelled(pages.complete),
            doc="Ask again with the last item received until all is there.",
            source=self.source,
            done=pages.done,
        )
        return paging, (pages.why,)

    def _spelled(self, command: str) -> str:
        """A command's name as requests spell it, or replies where there are only those."""
        if command == "":
            return ""
        own = self.commands[command]
        names = own.names or own.replies
        return names.most_common(1)[0][0] if names else command

    def _remarks(self) -> Iterator[str]:
        learned = self.learned
        yield f"Made from {learned.exchanges} exchanges by qqlab spec infer: what stands here, traffic showed."
        yield "Comments give the evidence of each claim; where too little was seen for one, they say under-sampled."
        yield "What people write is marked personal with care rather than knowledge. Meanings are for you to write."
        if learned.foreign:
            yield f"{learned.foreign} messages are of no such protocol and were passed over."
        dropped = learned.more_commands + sum(o.request.more + o.reply.more for o in self.commands.values())
        if dropped:
            yield f"There are too many names to keep: {dropped} occurrences were passed over."
        if self.found.missing:
            yield f"No field was found for: {', '.join(sorted(self.found.missing))}."


def _any(status: str) -> bool:
    return True


def _layouts(own: MessageTally) -> list[tuple[tuple[str, ...], int]]:
    return [(names, own.layout_counts[number]) for names, number in own.layouts.items()]


def _by_version(own: MessageTally, name: str) -> dict[str, tuple[int, int]]:
    """For each version asked in: how many messages have a field, and how many not."""
    has = {number for names, number in own.layouts.items() if name in names}
    there, absent = Counter[str](), Counter[str]()
    for (_, beside, version, number), count in own.conditions.items():
        if beside == "":
            (there if number in has else absent)[version] += count
    return {version: (there[version], absent[version]) for version in there | absent}


def _ordered(layouts: Iterable[tuple[tuple[str, ...], int]], names: list[str]) -> list[str]:
    """Names in the order in which messages have them; where messages differ, as most of them do."""
    wanted = set(names)
    before: Counter[tuple[str, str]] = Counter()
    places: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for layout, count in layouts:
        kept = [name for name in layout if name in wanted]
        for place, name in enumerate(kept):
            places[name] += place * count
            times[name] += count
        for pair in pairwise(kept):
            before[pair] += count
    graph: dict[str, set[str]] = {name: set() for name in names}
    for (one, other), count in before.items():
        if count > before[other, one]:
            graph[other].add(one)

    def mean(name: str) -> tuple[float, str]:
        return places[name] / max(1, times[name]), name

    return _sorted(graph, mean)


def _sorted(graph: dict[str, set[str]], mean: Callable[[str], tuple[float, str]]) -> list[str]:
    """The graph's order, ties by mean place; by mean place alone where orders contradict each other."""
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError:
        return sorted(graph, key=mean)
    order: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted({*ready, *sorter.get_ready()}, key=mean)
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return order


def _can_be_key(part: _Part) -> int:
    """How well a column names a row."""
    told = part.told
    if told.codes or told.constants or told.type == "text":
        return 3 if told.account else 0
    return {"digits": 2, "hex": 2, "int": 1}.get(told.type, 0) + 2 * told.account


def _alike(seen: set[int], other: set[int]) -> bool:
    """Whether one table could hold both: each value of the one is the other's, too."""
    return len(seen & other) == min(len(seen), len(other)) > 1


def drafted(learned: Learned, name: str, source: str, described: Source) -> Draft:
    """The draft of a spec of that name from what was learned, all under one source."""
    title = f"{name}, inferred from traffic"
    return Conclusion(learned, source).draft(name, title, described)
