"""What shows over several exchanges: what follows what, sessions, polling, presence, messages by kind."""

from collections.abc import Iterator

from qqlab.profile import CodeTally, PollingTally, Profile, SessionTally, bound, code_verdict
from qqlab.report import model
from qqlab.report.build.basis import Basis, evidence, messages, rounded
from qqlab.report.build.codes import count
from qqlab.report.build.invariants import invariants
from qqlab.spec import DIRECTIONS, Command, Direction, Field

# What is listed; the rest is counted.
TRANSITIONS = 200
SESSIONS = 10
STEPS = 60
POLLING = 50
SPANS = 200

# How far from the announced interval the median may lie, and be as announced.
TOLERANCE = 0.1


def behaviour(basis: Basis) -> model.Behaviour:
    """All that is told of the traffic as it goes on."""
    found = basis.profile.behaviour
    pairs, polling = transitions(basis.profile), sorted(found.polling, key=lambda tally: -tally.gaps.count)
    return model.Behaviour(
        transitions=pairs[:TRANSITIONS],
        more_transitions=found.more_transitions + sum(one.count for one in pairs[TRANSITIONS:]),
        sessions=tuple(_session(name, tally) for name, tally in list(found.sessions.items())[:SESSIONS]),
        session_count=found.about_sessions or found.followed,
        followed=found.followed,
        polling=tuple(_polling(tally) for tally in polling[:POLLING]),
        polling_count=len(polling) + found.more_polling,
        presence=tuple(_presence(basis)),
        presence_count=len(found.presence) + found.more_presence,
        account_count=found.about_accounts or found.watched,
        watched=found.watched,
        messages=tuple(_messages(basis)),
        invariants=tuple(invariants(basis)),
        untimed=found.untimed,
        clock_back=found.clock_back,
    )


def transitions(profile: Profile) -> tuple[model.Transition, ...]:
    """Which command came after which, the most frequent first."""
    pairs = [
        model.Transition(before=before, after=after, count=tally.count, gap=rounded(tally.gaps.percentile(0.5)))
        for before, follow in profile.behaviour.transitions.items()
        for after, tally in follow.items()
    ]
    return tuple(sorted(pairs, key=lambda one: (-one.count, one.before, one.after)))


def _session(name: str, tally: SessionTally) -> model.SessionPart:
    return model.SessionPart(
        id=name,
        account=tally.account,
        first=tally.first,
        last=tally.last,
        exchanges=tally.exchanges,
        steps=tuple(
            model.Step(exchange=step.exchange, time=step.time, command=step.command, status=step.status, way=step.way)
            for step in tally.steps[:STEPS]
        ),
    )


def _polling(tally: PollingTally) -> model.PollingPart:
    median, p95, longest = (rounded(tally.gaps.percentile(share)) or 0.0 for share in (0.5, 0.95, 1))
    return model.PollingPart(
        session=tally.session,
        command=tally.command,
        count=tally.gaps.count,
        median=median,
        p95=p95,
        max=longest,
        interval=tally.interval,
        limit=tally.limit,
        verdict=_kept(median, longest, tally.interval, tally.limit),
    )


def _kept(median: float, longest: float, interval: int | None, limit: int | None) -> model.PollingVerdict:
    """How the times between polls stand to what was announced."""
    if limit is not None and longest > limit:
        return "past the limit"
    if interval is None:
        return "not announced"
    if abs(median - interval) <= TOLERANCE * interval:
        return "as announced"
    return "faster" if median < interval else "slower"


def _presence(basis: Basis) -> Iterator[model.PresencePart]:
    for tally in basis.profile.behaviour.presence[:SPANS]:
        known = basis.spec.codes[tally.table].by_value.get(tally.state)
        yield model.PresencePart(
            account=tally.account,
            state=tally.state,
            meaning=None if known is None else known.name,
            since=tally.since,
            until=tally.until,
            exchange=tally.exchange,
        )


def _messages(basis: Basis) -> Iterator[model.MessageKind]:
    """Messages by what tells their kinds apart: the field on which the meaning of others hangs; and all pushes."""
    for command in basis.spec.commands.values():
        for direction in DIRECTIONS:
            hung = {case.field for field in command.fields(direction) for case in field.cases}
            for field in command.fields(direction):
                if field.name in hung and field.codes is not None:
                    yield from _kinds(command, direction, field, field.codes, basis)
        if command.effect == "push":
            seen = basis.profile.commands.get(command.name)
            yield model.MessageKind(
                command=command.name,
                direction="reply",
                field=None,
                value=None,
                meaning=None,
                evidence=evidence(None if seen is None else seen.exchanges),
                verdict=code_verdict(seen is not None, True, basis.profile.exchanges),
                bound=None if seen is not None else bound(basis.profile.exchanges),
            )


def _kinds(
    command: Command, direction: Direction, field: Field, codes: str, basis: Basis
) -> Iterator[model.MessageKind]:
    table = basis.spec.codes[codes]
    seen = messages(basis.profile.commands.get(command.name), direction).fields.get(field.name)
    tally = (None if seen is None else seen.codes.get(-1)) or CodeTally()
    for value in [*table.by_value, *sorted(tally.values.keys() - table.by_value.keys())]:
        known = table.by_value.get(value)
        yield model.MessageKind(
            command=command.name,
            direction=direction,
            field=field.name,
            value=value,
            meaning=None if known is None else known.name,
            evidence=evidence(tally.values.get(value)),
            verdict=code_verdict(value in tally.values, known is not None, count(tally)),
            bound=None if value in tally.values else bound(count(tally)),
        )
