"""Rules that tie parts of the traffic together, found to hold or to be broken.

Law: the rules are those that the spec says; one that was never tried is not listed. Order: what a reply repeats, how it
is spelled, the order of fields, counts, columns, constants, pages, sequence numbers.
"""

from collections.abc import Iterable, Iterator

from qqlab.profile import Evidence, FieldTally, Held
from qqlab.report import model
from qqlab.report.build.basis import Basis, added, evidence, messages
from qqlab.spec import DIRECTIONS, Command, Direction


def invariants(basis: Basis) -> Iterator[model.InvariantPart]:
    """All rules that were tried."""
    for rule in _all(basis):
        if rule.held or rule.broken or rule.unchecked:
            yield rule


def _all(basis: Basis) -> Iterator[model.InvariantPart]:
    yield from _echoes(basis)
    yield _spelling(basis)
    yield from _orders(basis)
    for command in basis.spec.commands.values():
        yield from _rows(command, basis)
    for command in basis.spec.commands.values():
        yield from _constants(command, basis)
    for command in basis.spec.commands.values():
        yield from _pages(command, basis)
    title = basis.say("{field} is another one than in the request before it", field=basis.spec.roles.sequence)
    yield _rule("sequence", title, [basis.profile.behaviour.numbers])


def _rule(name: str, title: str, tried: Iterable[Held], target: tuple[str, ...] = ()) -> model.InvariantPart:
    """One rule, of all the places where it was tried."""
    held = unchecked = 0
    broken: model.Evidence | None = None
    for one in tried:
        held += one.held
        unchecked += one.unchecked
        broken = added(broken, evidence(one.broken))
    found = broken or model.Evidence(count=0)
    return model.InvariantPart(
        id=name, title=title, held=held, broken=found.count, unchecked=unchecked, evidence=found, target=target
    )


def _first(tried: dict[str, Held]) -> str | None:
    """The first command that broke a rule."""
    return next((command for command, one in tried.items() if one.broken.count), None)


def _echoes(basis: Basis) -> Iterator[model.InvariantPart]:
    names = dict.fromkeys(field.name for _, direction, field in basis.spec.every_field() if field.echo)
    for name in names:
        tried = {
            command.name: _repeated(found)
            for command in basis.profile.commands.values()
            if (found := command.reply.fields.get(name)) is not None
        }
        first = _first(tried)
        target = () if first is None else ("field", first, "reply", name)
        title = basis.say("a reply repeats {field} of its request", field=name)
        yield _rule(f"echo.{name}", title, tried.values(), target)


def _repeated(found: FieldTally) -> Held:
    broken = next((one.evidence for code, one in found.contradictions.items() if code.startswith("echo.")), Evidence())
    return Held(held=found.echo.held, unchecked=found.echo.unchecked, broken=broken)


def _spelling(basis: Basis) -> model.InvariantPart:
    title = basis.say("a reply spells {field} as the spec says", field=basis.spec.roles.command)
    return _everywhere("spelling", title, {name: one.reply.spelled for name, one in basis.profile.commands.items()})


def _orders(basis: Basis) -> Iterator[model.InvariantPart]:
    commands = basis.profile.commands.items()
    title = basis.say("the fields of a request stand in the spec's order")
    yield _everywhere("order.request", title, {name: one.request.ordered for name, one in commands})
    title = basis.say("the fields of a reply stand in the spec's order")
    yield _everywhere("order.reply", title, {name: one.reply.ordered for name, one in commands})


def _everywhere(name: str, title: str, tried: dict[str, Held]) -> model.InvariantPart:
    """A rule of all commands; it leads to the first that broke it."""
    first = _first(tried)
    return _rule(name, title, tried.values(), () if first is None else ("command", first))


def _rows(command: Command, basis: Basis) -> Iterator[model.InvariantPart]:
    for rows in command.rows:
        tally = messages(basis.profile.commands.get(command.name), rows.direction)
        where = f"{command.name}.{rows.name}"
        if rows.count is not None and rows.name in tally.counted:
            title = basis.say("{command}: {field} is the number of rows", command=command.name, field=rows.count)
            target = ("field", command.name, rows.direction, rows.count)
            yield _rule(f"count.{where}", title, [tally.counted[rows.name]], target)
        if len(rows.columns) > 1 and rows.name in tally.even:
            title = basis.say(
                "{command}: {columns} are lists of one length",
                command=command.name,
                columns=basis.say.several(rows.columns),
            )
            yield _rule(f"columns.{where}", title, [tally.even[rows.name]], ("command", command.name))


def _constants(command: Command, basis: Basis) -> Iterator[model.InvariantPart]:
    for direction in DIRECTIONS:
        tally = messages(basis.profile.commands.get(command.name), direction)
        for field in command.fields(direction):
            found = tally.fields.get(field.name)
            if field.constants and found is not None:
                title = basis.say(
                    "{command}: {field} is {values}",
                    command=command.name,
                    field=field.name,
                    values=basis.say.translated(" or ").join(field.constants),
                )
                yield _constant(command.name, direction, field.name, title, found)


def _constant(command: str, direction: Direction, field: str, title: str, found: FieldTally) -> model.InvariantPart:
    wrong = found.contradictions.get("value.constant")
    broken = Evidence() if wrong is None else wrong.evidence
    held = Held(held=max(0, found.filled.count - broken.count), broken=broken)
    return _rule(f"constant.{command}.{direction}.{field}", title, [held], ("field", command, direction, field))


def _pages(command: Command, basis: Basis) -> Iterator[model.InvariantPart]:
    paging, behaviour = command.paging, basis.profile.behaviour
    if paging is None:
        return
    title = basis.say(
        "{command}: a list that was begun is asked for until {field} = {value}",
        command=command.name,
        field=paging.complete,
        value=paging.done,
    )
    target = ("field", command.name, "reply", paging.complete)
    yield _rule(f"pages.{command.name}", title, [behaviour.pages.get(command.name, Held())], target)
    title = basis.say(
        "{command}: the next page is asked for with the last row's key in {field}",
        command=command.name,
        field=paging.cursor,
    )
    target = ("field", command.name, "request", paging.cursor)
    yield _rule(f"cursor.{command.name}", title, [behaviour.cursors.get(command.name, Held())], target)
