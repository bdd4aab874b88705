"""Codes that sources read differently: each side, and what the traffic says for it.

Law: traffic settles a dispute only where two readings cannot both be right because each has the other's value for
something else, and only one of the two values is in use. What a value means, no count of it can tell: that a value
occurs speaks for none of its readings where it has several, and against none of another value's.
"""

from collections.abc import Mapping

from qqlab.report import model
from qqlab.report.say import Say
from qqlab.spec import CodeTable, CodeValue, Reading

Versions = Mapping[int, Mapping[str, int]]


def sides(
    table: CodeTable, value: int, seen: Mapping[int, model.Evidence], versions: Versions, say: Say
) -> tuple[model.Side, ...]:
    """All readings of a value that sources dispute, with the traffic's word on each; `seen` is by value."""
    if value not in table.disputed:
        return ()
    known = table.by_value[value]
    return tuple(_side(table, known, reading, seen, versions, say) for reading in known.readings)


def is_settled(told: tuple[model.Side, ...]) -> bool:
    """Whether the traffic leaves but one of the readings."""
    return [side.stands for side in told].count("for") == 1 and len(told) == 1 + sum(
        side.stands == "against" for side in told
    )


def _side(
    table: CodeTable,
    known: CodeValue,
    reading: Reading,
    seen: Mapping[int, model.Evidence],
    versions: Versions,
    say: Say,
) -> model.Side:
    rival = _rival(table, known, reading)
    counts = {number: found.count for number, found in seen.items()}
    stands, text = _word(table, known, reading, counts, say)
    return model.Side(
        value=known.value,
        meaning=reading.meaning,
        source=reading.source,
        seen=seen.get(known.value, model.Evidence(count=0)),
        versions=dict(versions.get(known.value, {})),
        rival=rival,
        rival_seen=0 if rival is None else counts.get(rival, 0),
        stands=stands,
        text=text,
    )


def _rival(table: CodeTable, known: CodeValue, reading: Reading) -> int | None:
    """The value that cannot mean what its source says if this reading is right."""
    if reading.contradicts is not None:
        return reading.contradicts
    for other in table.values:
        for theirs in other.readings:
            if theirs.contradicts == known.value and (len(known.readings) == 1 or theirs.meaning == reading.meaning):
                return other.value
    return None


def _word(
    table: CodeTable, known: CodeValue, reading: Reading, counts: Mapping[int, int], say: Say
) -> tuple[model.Stand, str]:
    """What the traffic says for a reading, and why."""
    own, rival = counts.get(known.value, 0), _rival(table, known, reading)
    theirs = 0 if rival is None else counts.get(rival, 0)
    if rival is not None and own and theirs:
        return "open", say(
            "both occur: {value} ({times}) and {rival} ({others})",
            value=known.value,
            times=own,
            rival=rival,
            others=theirs,
        )
    if rival is not None and own and len(known.readings) == 1:
        return "for", say("{value} occurs ({times}), {rival} was never seen", value=known.value, times=own, rival=rival)
    if rival is not None and theirs and len(table.by_value[rival].readings) == 1:
        return "against", say(
            "{rival} occurs ({times}), {value} was never seen", value=known.value, times=theirs, rival=rival
        )
    if rival is not None and not own and not theirs:
        return "open", say("neither {value} nor {rival} was seen", value=known.value, rival=rival)
    return _by_the_others(table, known, reading, counts, say)


def _by_the_others(
    table: CodeTable, known: CodeValue, reading: Reading, counts: Mapping[int, int], say: Say
) -> tuple[model.Stand, str]:
    """Whether all other readings of the same value have fallen, since what they say has a value of its own."""
    own = counts.get(known.value, 0)
    if not own:
        return "open", say("{value} was never seen", value=known.value)
    others = [_rival(table, known, other) for other in known.readings if other is not reading]
    if others and all(rival is not None and counts.get(rival, 0) for rival in others):
        return "for", say("the other readings of {value} have a value of their own, which occurs", value=known.value)
    return "open", say("{value} occurs ({times}); what it means, traffic cannot tell", value=known.value, times=own)
