"""One field of one command and direction: what is documented, what was seen, and the verdict.

Law: of masked values nothing is told but how long they are and how many differ.
"""

from collections.abc import Iterable

from qqlab import profile as profiles
from qqlab.codec import describe
from qqlab.profile import CodeTally, FieldTally, MessageTally, Values, bound, field_verdict, is_proven
from qqlab.report import model
from qqlab.report.build.basis import Basis, condition, evidence, same
from qqlab.report.build.codes import values as code_values
from qqlab.report.retold import retold
from qqlab.report.say import Say
from qqlab.spec import Field

# A field has few values if it has at most so many, each of them seen so many times in the mean.
ENUM = 16
ENUM_TIMES = 3
# So many values must have been seen to say that a field can have any.
FREE = 10


def field_part(
    name: str, known: Field | None, tally: FieldTally | None, all_of: MessageTally, basis: Basis
) -> model.FieldPart:
    """What is told of a field; `known` is None where the spec has none such, `tally` where no message had it."""
    of, table = all_of.messages, _table(known, tally, basis)
    disputed = any(value.verdict == "disputed" for value in table)
    verdict = field_verdict(tally, known is not None, of, disputed=disputed)
    said = known or Field(name=name, type="text", doc="", source=())
    values = Values() if tally is None else tally.values
    seen, shape = 0 if tally is None else tally.seen.count, shape_of(values)
    return model.FieldPart(
        name=name,
        documented=known is not None,
        verdict=verdict,
        doc=said.doc,
        type=None if known is None else known.type,
        common=any(known in fields for fields in (basis.spec.common.request, basis.spec.common.reply)),
        list=said.list,
        required=said.required,
        when=_when(said, basis.say),
        echo=said.echo,
        codes=said.codes,
        constants=said.constants,
        versions=said.versions,
        source=said.source,
        masked=values.masked if known is None else known.secret or known.personal,
        seen=seen,
        of=of,
        filled=0 if tally is None else tally.filled.count,
        examples=_examples(values, said, basis),
        more_examples=values.examples.more,
        contradictions=() if tally is None or known is None else _contradictions(tally, of, basis.say),
        evidence=evidence(None if tally is None else tally.filled if tally.filled.count and known else tally.seen),
        repetition=_repetition(said, tally),
        proven=verdict != "confirmed" or tally is None or is_proven(tally, said.echo),
        position=None if tally is None else tally.position,
        presence=_presence(seen, of),
        presence_ok=None if tally is None or not all_of.ok else _presence(tally.ok, all_of.ok),
        seen_ok=0 if tally is None else tally.ok,
        of_ok=all_of.ok,
        shape=shape,
        distinct=values.distinct,
        distinct_complete=values.complete,
        distinct_about=values.about,
        low=values.low,
        high=values.high,
        shortest=values.shortest or 0,
        longest=values.longest,
        type_seen=_type(values, said),
        values=_counts(values, said, basis) if shape in ("constant", "enum") else (),
        bound=None if seen else bound(of),
        readings=tuple(side for value in table for side in value.sides),
        layers=said.layers,
        derived=said.derived,
        cases=tuple(same(case, model.CasePart) for case in said.cases),
        announces=said.announces,
    )


def _table(known: Field | None, tally: FieldTally | None, basis: Basis) -> tuple[model.CodeValuePart, ...]:
    """The values of the field's own code table, as seen in this place."""
    if known is None or known.codes is None:
        return ()
    seen = None if tally is None else tally.codes.get(-1)
    return code_values(basis.spec.codes[known.codes], seen or CodeTally(), basis.say)


def _presence(seen: int, of: int) -> model.Presence:
    return "never" if not seen else "always" if seen >= of else "sometimes"


def _when(field: Field, say: Say) -> str | None:
    conditions = (condition(name, values, say) for name, values in field.when.items())
    return say.translated(" and ").join(conditions) or None


def _repetition(field: Field, tally: FieldTally | None) -> model.Repetition | None:
    if not field.echo:
        return None
    counts = profiles.EchoTally() if tally is None else tally.echo
    return model.Repetition(held=counts.held, broken=counts.broken, unchecked=counts.unchecked)


def _meanings(field: Field, basis: Basis) -> dict[str, str]:
    """What values mean, by how they are written."""
    if field.codes is None:
        return {}
    return {str(value.value): value.name for value in basis.spec.codes[field.codes].values}


def _examples(values: Values, field: Field, basis: Basis) -> tuple[model.ExamplePart, ...]:
    meanings = _meanings(field, basis)
    return tuple(
        model.ExamplePart(text=text, length=length, meaning=None if text is None else meanings.get(text))
        for text, length in values.examples.first
    )


def _type(values: Values, field: Field) -> str | None:
    """The documented type where all values are of it and it says something, else the narrowest."""
    return field.type if field.type != "text" and values.is_all(field.type) else values.narrowest


def shape_of(values: Values) -> model.Shape | None:
    """Whether all values are one, few, or any; None where there are too few to tell."""
    if values.total < 2:
        return None
    if values.complete and values.distinct == 1:
        return "constant"
    if values.complete and values.distinct <= ENUM and values.total >= ENUM_TIMES * values.distinct:
        return "enum"
    return "free" if values.total >= FREE else None


def _counts(values: Values, field: Field, basis: Basis) -> tuple[model.ValueCount, ...]:
    """The values with their counts, the most frequent first."""
    meanings = _meanings(field, basis)
    texts = [(str(value), count) for value, count in values.counts.items()]
    return tuple(
        model.ValueCount(text=text, count=count, meaning=meanings.get(text))
        for text, count in sorted(texts, key=lambda pair: (-pair[1], pair[0]))
    )


def _contradictions(tally: FieldTally, of: int, say: Say) -> tuple[model.ContradictionPart, ...]:
    return tuple(
        model.ContradictionPart(code=code, text=_told(code, found, of, say), evidence=evidence(found.evidence))
        for code, found in tally.contradictions.items()
    )


def _told(code: str, found: profiles.Contradiction, of: int, say: Say) -> str:
    if code == "field.missing":
        return say(
            "required, but absent in {count} of {messages}",
            count=found.evidence.count,
            messages=say.count(of, "message"),
        )
    return retold(code, found.text, say) if found.text else say.translated(describe(code))


def in_order(documented: Iterable[Field], tally: MessageTally, basis: Basis) -> tuple[model.FieldPart, ...]:
    """The documented fields in the spec's order, then those that were seen only."""
    known = {field.name: field for field in documented}
    names = [*known, *(name for name in tally.fields if name not in known)]
    return tuple(field_part(name, known.get(name), tally.fields.get(name), tally, basis) for name in names)
