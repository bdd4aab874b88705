"""How well an inferred spec does: what it claims, against what a spec that is known to be true says.

Law: pure. A claim is one fact. Of a command: that it exists, what it does, how its reply is spelled, which fields of
the reply follow on each other (the order of requests is the client's), how it is paged. Of a field: that it exists in
that direction, its type's class, that it is a list, must be there (always, under a condition, or need not), repeats the
request's, is a constant, a code, a secret, an account, made anew each time, of some versions only. Of a code's value:
that it means success or failure. Of lists: that they are rows, their key, their count. And each role's field. Meanings,
and whether text is personal, are people's judgements and no claims.

Only what occurred counts. Recall is the share of the true spec's claims that the inferred one makes too; every claim
of the inferred one that the true one does not make, or makes otherwise, is false. What no traffic could tell is named,
with its reason, and counts neither way.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from qqlab.infer.fold import Learned
from qqlab.infer.support import CODES
from qqlab.infer.tally import CommandTally, FieldTally, MessageTally
from qqlab.spec import DIRECTIONS, Command, Direction, Field, Spec

# Why some claims count neither way.
UNTOLD = {
    "empty": "the field never had a value, so there is none to see a type, a list or a secret in",
    "text": "the spec calls it text, and all values seen are numbers or hex: text holds those too",
    "few": "a number with few values and a code look the same; only who knows what they mean can tell",
    "one value": "one value was seen: a code, a constant and a number that rests look the same",
    "one outcome": "one value of the code was seen, so success and failure cannot be told apart",
    "never absent": "the claim asks for the field more strictly than the spec, and no message lacks it where it does",
    "rests": "the spec knows a value that is made anew, and the server that was recorded made it once",
    "effect": "no traffic shows that a command is harmless when its reply says nothing",
}

_CLASSES = {"int": "number", "digits": "number", "code": "number", "text": "text", "hex": "hex", "version": "version"}


class Claim(NamedTuple):
    """One fact: its kind, and what it is about."""

    kind: str
    command: str
    direction: str = ""
    field: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in self if part)


class Score(NamedTuple):
    """The outcome. `recalled` of `told` true claims are made; `missed` are not, `false` are made and not true.
    `untold` counts what counts neither way by its reason, a key of `UNTOLD`."""

    told: int
    recalled: int
    missed: tuple[str, ...]
    false: tuple[str, ...]
    untold: dict[str, int]
    kinds: dict[str, tuple[int, int]]

    @property
    def recall(self) -> float:
        """The share of true claims that are made."""
        return self.recalled / self.told if self.told else 1.0

    @property
    def precision(self) -> float:
        """The share of claims made that are true."""
        made = self.recalled + len(self.false)
        return self.recalled / made if made else 1.0


def score(inferred: Spec, truth: Spec, learned: Learned) -> Score:
    """Hold an inferred spec against a true one, on the traffic from which it was inferred."""
    true, made = dict(claims(truth, learned)), dict(claims(inferred, learned))
    untold: Counter[str] = Counter()
    kinds: dict[str, list[int]] = {}
    missed: list[str] = []
    false: list[str] = []
    for claim in dict.fromkeys((*true, *made)):
        said, claimed = true.get(claim), _meant(made.get(claim), true.get(claim), claim, learned)
        if said != claimed and (reason := _untold(claim, said, claimed, truth, learned)) is not None:
            untold[reason] += 1
            continue
        if said is not None:
            kind = kinds.setdefault(claim.kind, [0, 0])
            kind[0] += said == claimed
            kind[1] += 1
        if said is not None and said != claimed:
            missed.append(f"{claim}: {said!r}" + (f", not {claimed!r}" if claimed is not None else ""))
        if claimed is not None and said != claimed:
            false.append(f"{claim}: {claimed!r}" + (f", not {said!r}" if said is not None else ""))
    told = sum(all_ for _, all_ in kinds.values())
    right = sum(good for good, _ in kinds.values())
    return Score(told, right, tuple(missed), tuple(false), dict(untold), {k: (g, a) for k, (g, a) in kinds.items()})


def _meant(claimed: object, said: object, claim: Claim, learned: Learned) -> object:
    """A claim, or None where it abstains: that a field need not be there is claimed only where one message lacked it,
    and says nothing of a condition."""
    if not isinstance(claimed, Presence) or not isinstance(said, Presence) or claimed.required:
        return claimed
    own = learned.commands[claim.command].messages(claim.direction)
    never_absent = own.fields[claim.field].seen.count == own.messages
    return None if said.required and (never_absent or said.when) else claimed


# ------------------------------------------------------------------------------------------------- what a spec says


def claims(spec: Spec, learned: Learned) -> Iterator[tuple[Claim, object]]:
    """What a spec says of what occurred, each with the value that it says."""
    for role in ("version", "command", "sequence", "account", "status"):
        yield Claim("role", "", "", role), getattr(spec.roles, role).upper()
    yield Claim("separator", ""), spec.wire.list_separator
    for name in learned.commands:
        command = spec.command(name)
        if command is not None:
            yield Claim("command", name), True
            yield from _of_command(name, command, spec, learned)


def _of_command(name: str, command: Command, spec: Spec, learned: Learned) -> Iterator[tuple[Claim, object]]:
    own = learned.commands[name]
    if command.effect != "write":
        yield Claim("effect", name), command.effect
    if own.replies:
        yield Claim("spelling", name), command.reply_name or command.name
    yield from ((Claim("order", name, "reply", f"{one} before {other}"), True) for one, other in _order(command, own))
    if command.paging is not None:
        paging = command.paging
        yield Claim("paging", name), (paging.limit, paging.cursor, paging.complete, paging.done)
    for direction in DIRECTIONS:
        seen = own.messages(direction).fields
        known = [field for field in command.fields(direction) if field.name.upper() in seen]
        for field in known:
            yield from _of_field(name, direction, field, spec, seen[field.name.upper()])
    for rows in command.rows:
        columns = tuple(sorted(rows.columns))
        seen = own.messages(rows.direction).fields
        if all(column.upper() in seen for column in columns):
            yield Claim("rows", name, rows.direction, " ".join(columns)), True
            yield Claim("key", name, rows.direction, " ".join(columns)), rows.key
            if rows.count is not None:
                yield Claim("count", name, rows.direction, " ".join(columns)), rows.count


def _order(command: Command, own: CommandTally) -> Iterator[tuple[str, str]]:
    """The neighbours in each reply, in the order that the spec has for them."""
    places = {field.name.upper(): place for place, field in enumerate(command.reply)}
    for layout in own.reply.layouts:
        yield from pairwise(sorted((name for name in layout if name in places), key=lambda name: places[name]))


def _of_field(
    name: str, direction: Direction, field: Field, spec: Spec, tally: FieldTally
) -> Iterator[tuple[Claim, object]]:
    of = (name, direction, field.name.upper())
    yield Claim("field", *of), True
    yield Claim("type", *of), _CLASSES[field.type]
    yield Claim("presence", *of), _presence(field)
    flags = ("list", "echo", "secret", "account", "fresh")
    yield from ((Claim(flag, *of), True) for flag in flags if getattr(field, flag))
    if field.constants:
        values = tally.part_values if field.list else tally.whole_values
        seen = tuple(sorted(one for one in field.constants if one in values.counts))
        yield Claim("constant", *of), seen
    if field.versions:
        yield Claim("versions", *of), tuple(sorted(field.versions))
    if field.codes is not None:
        yield Claim("code", *of), True
        for value in spec.codes[field.codes].values:
            if value.ok is not None and str(value.value) in tally.whole_values.counts:
                yield Claim("ok", name, direction, f"{field.name.upper()}={value.value}"), value.ok


class Presence(NamedTuple):
    """Whether a field must be there, and which fields beside it then have which values."""

    required: bool
    when: tuple[tuple[str, tuple[int, ...]], ...] = ()


def _presence(field: Field) -> Presence:
    when = tuple((name.upper(), tuple(sorted(values))) for name, values in sorted(field.when.items()))
    return Presence(True, when) if field.required else Presence(False)


# -------------------------------------------------------------------------------------- what no traffic could tell


def _untold(claim: Claim, said: object, claimed: object, truth: Spec, learned: Learned) -> str | None:
    """Why a difference counts neither way, as a key of `UNTOLD`; None where it counts."""
    if claim.kind in ("role", "separator", "command", "spelling", "paging", "order", "rows", "key", "count"):
        return None
    own = learned.commands[claim.command]
    if claim.kind == "effect":
        silent = not any(name not in learned.found.names for name in own.reply.fields)
        return "effect" if silent and claimed is None else None
    direction: Direction = "request" if claim.direction == "request" else "reply"
    name = claim.field.partition("=")[0]
    field = truth.field(truth.command(claim.command), direction, name)
    tally = own.messages(direction).fields.get(name)
    if field is None or tally is None:
        return None
    reason = _of_value(claim, said, field, tally)
    return reason or _of_presence(claim, said, claimed, own.messages(direction), truth)


def _of_value(claim: Claim, said: object, field: Field, tally: FieldTally) -> str | None:
    """What hangs on the values that were seen."""
    whole, values = (tally.parts, tally.part_values) if field.list else (tally.whole, tally.whole_values)
    kind = claim.kind
    if whole.count == 0 and kind in ("type", "list", "secret", "code", "constant", "account", "fresh"):
        return "empty"
    one = len(values.counts) == 1 and not values.more
    if kind == "ok" and one:
        return "one outcome"
    if kind in ("constant", "code") and one:
        return "one value"
    small = whole.numbers == whole.count and len(values.counts) <= CODES and not values.more
    if kind == "code" and said is None and small:
        return "few"
    plain = whole.count in (whole.numbers, whole.hexes)
    if kind == "type" and field.type == "text" and plain:
        return "text"
    if kind == "fresh" and said is not None and values.repeated > 0:
        return "rests"
    return None


def _of_presence(claim: Claim, said: object, claimed: object, own: MessageTally, truth: Spec) -> str | None:
    """A claim that a field must be there, more strictly than the spec has it, and no message seen speaks against."""
    if not isinstance(said, Presence) or not isinstance(claimed, Presence) or not claimed.required:
        return None
    if said.required and not said.when:
        return None
    table = next((field.codes for field in truth.common.reply if field.name == truth.roles.status), None)
    bad = {str(one.value) for one in truth.codes[table].values if one.ok is False} if table else set[str]()
    has = {number for names, number in own.layouts.items() if claim.field in names}
    beside, values = claimed.when[0] if claimed.when else ("", ())
    lacking = sum(
        count
        for (status, name, value, number), count in own.conditions.items()
        if status not in bad and number not in has and name == beside and (not beside or int(value) in values)
    )
    return None if lacking else "never absent"
