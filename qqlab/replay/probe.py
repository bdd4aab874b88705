"""What a probe sends: one request, and variations of it that differ in one thing each.

Law: pure. A variation changes one thing alone: the value of a field, its absence, its number, its place, or the case of
its letters; every other byte is the baseline's, but for the sequence number, which is fresh in each unless it is what
is varied. How a variation is called holds no secret.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from qqlab.errors import UsageError
from qqlab.replay.compose import Draft, Given, Part, written
from qqlab.spec import Spec

Kind = Literal["vary", "omit", "double", "empty", "reorder", "case"]
KINDS: tuple[Kind, ...] = ("omit", "double", "empty", "reorder", "case")
"""Those that need no values, in the order in which they are tried."""

_RANGE = re.compile(r"(-?[0-9]{1,18})\.\.(-?[0-9]{1,18})", re.ASCII)
_LONGEST_ID = 40
_CASES = {"lower": bytes.lower, "upper": bytes.upper}
_COMMA = re.compile(r"(?<!\\),")


class Variation(NamedTuple):
    """A request that differs from the baseline in one thing. `what` says in words in which; `fresh` tells whether a
    fresh sequence number goes into it."""

    id: str
    what: str
    draft: Draft
    fresh: bool


def parse_vary(text: str, most: int) -> tuple[str, tuple[str, ...]]:
    """Read `FIELD=v1,v2` or `FIELD=0..5`, or both mixed; `\\,` is a comma within a value.

    Raises UsageError for anything else, and for more than `most` values.
    """
    name, equals, listed = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--vary {text}", "is no FIELD=VALUES", "for example --vary LV=0..5 or --vary UN=10001,10002")
    values: dict[str, None] = {}
    for word in _COMMA.split(listed):
        values.update(dict.fromkeys(_expanded(word, name, most)))
        if len(values) > most:
            raise UsageError(f"--vary {name}", f"has more than {most} values", "--most allows more")
    return name, tuple(values)


def _expanded(word: str, name: str, most: int) -> Sequence[str]:
    """The values that one word of a list stands for; as many digits as the range begins with."""
    limits = _RANGE.fullmatch(word)
    if limits is None:
        return [word.replace("\\,", ",")]
    low, high = int(limits[1]), int(limits[2])
    if high < low:
        raise UsageError(f"--vary {name}={word}", "ends before it begins", f"{high}..{low} is that range upwards")
    width = len(limits[1]) if limits[1].startswith("0") and limits[1] != "0" else 0
    return [str(value).zfill(width) for value in range(low, min(high, low + most) + 1)]


def variations(
    baseline: Draft,
    spec: Spec,
    *,
    kinds: Collection[Kind],
    vary: Mapping[str, Sequence[str]],
    fields: Collection[str] = (),
    escaped: bool = False,
) -> tuple[Variation, ...]:
    """All variations of a request of these kinds, and the values to vary of each field; those that would send the
    same bytes as the baseline or another one are left out. `fields` are those that are changed, empty for all."""
    made = _Varying(baseline, spec, frozenset(fields))
    found = list(made.values(vary, escaped))
    found += [variation for kind in KINDS if kind in kinds for variation in made.of(kind)]
    seen = {baseline.body}
    names: dict[str, int] = {}
    kept = []
    for variation in found:
        if variation.draft.body not in seen:
            seen.add(variation.draft.body)
            names[variation.id] = number = names.get(variation.id, 0) + 1
            kept.append(variation if number == 1 else variation._replace(id=f"{variation.id}-{number}"))
    return tuple(kept)


class _Varying:
    """Makes the variations of one baseline."""

    def __init__(self, baseline: Draft, spec: Spec, fields: frozenset[str]) -> None:
        self.baseline = baseline
        self.parts = baseline.parts
        self.sequence = spec.roles.sequence
        self.spec = spec
        self.changed = [(at, part) for at, part in enumerate(self.parts) if not fields or part.field in fields]

    def values(self, vary: Mapping[str, Sequence[str]], escaped: bool) -> Iterator[Variation]:
        """The values of each field, one after the other."""
        for name, texts in vary.items():
            for text in texts:
                part = written(Given(name, text, escaped), self.baseline.command, self.spec)
                what = f"{part.field}={text}"
                yield self._variation(f"vary-{what[:_LONGEST_ID]}", what, part, self._with(part), fresh=False)

    def of(self, kind: Kind) -> Iterator[Variation]:
        """The variations of one kind."""
        match kind:
            case "omit":
                for at, part in self.changed:
                    yield self._variation(f"omit-{part.field}", f"no {part.field}", part, self._spliced(at))
            case "double":
                for at, part in self.changed:
                    doubled = self._spliced(at, part, part)
                    yield self._variation(f"double-{part.field}", f"{part.field} twice", part, doubled)
            case "empty":
                for at, part in self.changed:
                    parts = self._spliced(at, part._replace(pair=part.pair._replace(value=b"")))
                    yield self._variation(f"empty-{part.field}", f"{part.field} empty", part, parts, fresh=False)
            case "reorder":
                yield from self._orders()
            case "case":
                for at, part in self.changed:
                    yield from self._cases(at, part)
            case "vary":
                pass

    def _orders(self) -> Iterator[Variation]:
        """Each field first, then each last, then all in reverse."""
        for at, part in self.changed:
            yield self._variation(f"first-{part.field}", f"{part.field} first", part, (part, *self._spliced(at)))
        for at, part in self.changed:
            yield self._variation(f"last-{part.field}", f"{part.field} last", part, (*self._spliced(at), part))
        yield Variation("reverse", "all in reverse order", self.baseline._replace(parts=self.parts[::-1]), fresh=True)

    def _cases(self, at: int, part: Part) -> Iterator[Variation]:
        """The name in small letters and in capitals, then the value so."""
        key, value = part.pair
        for how, turned in _CASES.items():
            named = self._spliced(at, part._replace(pair=part.pair._replace(key=turned(key))))
            yield self._variation(f"{how}-name-{part.field}", f"name of {part.field} in {how} case", part, named)
        for how, turned in _CASES.items() if value is not None else ():
            valued = self._spliced(at, part._replace(pair=part.pair._replace(value=turned(value or b""))))
            yield self._variation(f"{how}-value-{part.field}", f"value of {part.field} in {how} case", part, valued)

    def _with(self, part: Part) -> tuple[Part, ...]:
        """The parts with this one in place of the first of its field, or where the spec has that field."""
        places = [at for at, one in enumerate(self.parts) if one.field == part.field]
        if places:
            return self._spliced(places[0], part)
        order = self.spec.layout(self.baseline.command, "request").order
        place = order.get(part.field, len(order))
        behind = [at for at, one in enumerate(self.parts) if order.get(one.field, len(order)) > place]
        at = behind[0] if behind else len(self.parts)
        return (*self.parts[:at], part, *self.parts[at:])

    def _spliced(self, at: int, *parts: Part) -> tuple[Part, ...]:
        """The parts with these in place of the one there."""
        return (*self.parts[:at], *parts, *self.parts[at + 1 :])

    def _variation(
        self, identifier: str, what: str, part: Part, parts: tuple[Part, ...], *, fresh: bool = True
    ) -> Variation:
        fresh = fresh or part.field != self.sequence
        return Variation(identifier, what, self.baseline._replace(parts=parts), fresh)
