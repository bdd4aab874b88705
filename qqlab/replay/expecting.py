"""What a replayed exchange is held against: the recorded one, as it would be if it had been asked for like that.

Law: pure; byte for byte but for what the replay asked for otherwise on purpose. Other accounts are named wherever a
field names accounts by the spec, alone or in a list, in requests and in replies. What was set, or carried over from
another reply, is in the request as it was sent, and in a reply that repeats it. So none of it is taken for a difference
that the server made.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from qqlab import http1, wire
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay.plan import Plan
from qqlab.replay.reading import Read, Said, read
from qqlab.replay.rewrite import appended, other_accounts
from qqlab.spec import Spec


class Expectation:
    """What the exchanges of a plan are held against, as far as it asked for them otherwise."""

    def __init__(self, planned: Plan, spec: Spec) -> None:
        self._spec = spec
        self._changed = {
            step.recorded.id: frozenset((*step.changed, *(hole.name for hole in step.holes)))
            for step in planned.steps
            if step.changed or step.holes
        }

    def concerns(self, identifier: str) -> bool:
        """Whether the exchange of that id was asked for otherwise."""
        return identifier in self._changed

    def of(self, recorded: Exchange, replayed: Exchange) -> Exchange:
        """The recorded exchange (with other accounts `renamed` before) as the replayed one asked for it."""
        names = self._changed.get(recorded.id)
        if names is None or replayed.request is None:
            return recorded
        return _asked_like(recorded, replayed.request, names, self._spec)


def renamed(exchange: Exchange, accounts: Mapping[str, str], spec: Spec) -> Exchange:
    """The exchange with each account of `accounts` replaced by the other one; the same object where it has none."""
    asked, said = _read(exchange, spec)
    request = _patched(exchange.request, other_accounts(asked, accounts, spec))
    reply = _patched(exchange.reply, other_accounts(said, accounts, spec))
    if request is exchange.request and reply is exchange.reply:
        return exchange
    return msgspec.structs.replace(exchange, request=request, reply=reply)


def _asked_like(exchange: Exchange, request: RawMessage, names: Collection[str], spec: Spec) -> Exchange:
    """The exchange with these fields of its request as they are in another one, and a reply that repeats them."""
    asked, said = _read(exchange, spec)
    fields = [field for field in read(request, "request", spec).fields if field.name in names]
    new, repeated = [], {}
    for field in asked.fields:
        if field.name in names:
            other = next((one for one in fields if one.name == field.name), None)
            if other is not None:
                fields.remove(other)
                new.append((field, other.raw))
                repeated[field.name, field.text] = other.raw
    keys = wire.split(_content(request))
    extra = [keys[field.position].key + b"=" + field.raw for field in fields]
    again = ((field, repeated[field.name, field.text]) for field in said.fields if (field.name, field.text) in repeated)
    return msgspec.structs.replace(
        exchange,
        request=_patched(exchange.request, new, extra),
        reply=_patched(exchange.reply, again),
    )


def _read(exchange: Exchange, spec: Spec) -> tuple[Read, Read]:
    nothing = RawMessage()
    asked = read(exchange.request or nothing, "request", spec)
    return asked, read(exchange.reply or nothing, "reply", spec, asked.command)


def _content(message: RawMessage) -> bytes:
    content = http1.content(message)
    return message.body if content is None else content


def _patched(
    message: RawMessage | None, fields: Iterable[tuple[Said, bytes]], extra: Collection[bytes] = ()
) -> RawMessage | None:
    new = [(field.position, raw) for field, raw in fields if field.raw != raw]
    if message is None or not (new or extra):
        return message
    return http1.with_content(message, appended(wire.patch(_content(message), new), tuple(extra)))
