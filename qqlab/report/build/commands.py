"""Commands: what each does, its messages in both directions, and how it stands among the others."""

from collections.abc import Iterator

from qqlab.profile import CommandTally, Evidence, Histogram, MessageTally, bound, code_verdict
from qqlab.report import model
from qqlab.report.build.basis import Basis, evidence, listed, messages, rounded, same
from qqlab.report.build.examples import examples
from qqlab.report.build.fields import in_order
from qqlab.spec import DIRECTIONS, Command, Direction, Field, Spec

# Commands before and after one that are listed.
NEIGHBOURS = 10


def commands(basis: Basis, transitions: tuple[model.Transition, ...]) -> Iterator[model.CommandPart]:
    """All commands, those of the spec first."""
    profile, spec = basis.profile, basis.spec
    for name, command in spec.commands.items():
        yield _command(name, command, profile.commands.get(name), transitions, basis)
    for key, tally in profile.commands.items():
        if key not in spec.commands:
            yield _command(tally.name, None, tally, transitions, basis)


def _command(
    name: str,
    command: Command | None,
    tally: CommandTally | None,
    transitions: tuple[model.Transition, ...],
    basis: Basis,
) -> model.CommandPart:
    directions: dict[Direction, model.DirectionPart] = {}
    for direction in DIRECTIONS:
        found = messages(tally, direction)
        directions[direction] = _direction(_expected(command, direction, found, basis.spec), found, basis)
    counted = tally or CommandTally(name=name, at=0, exchanges=Evidence(), request=MessageTally(), reply=MessageTally())
    return model.CommandPart(
        name=name,
        documented=command is not None,
        seen=tally is not None,
        verdict=code_verdict(tally is not None, command is not None, basis.profile.exchanges),
        doc="" if command is None else command.doc,
        effect=None if command is None else command.effect,
        versions=() if command is None else command.versions,
        source=() if command is None else command.source,
        exchanges=evidence(counted.exchanges),
        failed=counted.failed,
        unanswered=counted.unanswered,
        unasked=counted.unasked,
        directions=directions,
        bound=None if tally is not None else bound(basis.profile.exchanges),
        preceded=tuple(one for one in transitions if one.after == name)[:NEIGHBOURS] if tally is not None else (),
        followed=tuple(one for one in transitions if one.before == name)[:NEIGHBOURS] if tally is not None else (),
        latency=_latency(counted.latency),
        statuses=tuple(_statuses(counted, basis.spec)),
        errors=listed(counted.errors),
        examples=tuple(examples(counted, basis)),
        reply_name=None if command is None else command.reply_name,
        rows=() if command is None else tuple(same(rows, model.RowsPart) for rows in command.rows),
        paging=None if command is None or command.paging is None else same(command.paging, model.PagingPart),
    )


def _expected(command: Command | None, direction: Direction, tally: MessageTally, spec: Spec) -> tuple[Field, ...]:
    """The documented fields; none for messages that nobody sends or that the spec does not have."""
    if tally.messages == 0 and (command is None or (command.effect == "push" and direction == "request")):
        return ()
    common: tuple[Field, ...] = getattr(spec.common, direction)
    return common if command is None else command.fields(direction)


def _direction(documented: tuple[Field, ...], tally: MessageTally, basis: Basis) -> model.DirectionPart:
    return model.DirectionPart(
        messages=tally.messages,
        empty=tally.empty,
        foreign=evidence(tally.foreign),
        fields=in_order(documented, tally, basis),
        more_fields=tally.more,
    )


def _latency(times: Histogram) -> model.Latency | None:
    p50, p95, p99, longest = (rounded(times.percentile(share)) for share in (0.5, 0.95, 0.99, 1))
    if p50 is None or p95 is None or p99 is None or longest is None:
        return None
    return model.Latency(count=times.count, p50=p50, p95=p95, p99=p99, max=longest)


def _statuses(tally: CommandTally, spec: Spec) -> Iterator[model.StatusCount]:
    """The statuses of the replies, the most frequent first."""
    field = spec.field(None, "reply", spec.roles.status)
    table = None if field is None or field.codes is None else spec.codes[field.codes]
    for value, count in sorted(tally.statuses.items(), key=lambda item: (-item[1], item[0])):
        known = None if table is None else table.by_value.get(value)
        yield model.StatusCount(
            value=value,
            meaning=None if known is None else known.name,
            ok=None if known is None else known.ok,
            count=count,
        )
    if tally.stateless:
        yield model.StatusCount(value=None, meaning=None, ok=None, count=tally.stateless)
