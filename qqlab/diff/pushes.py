"""Which pushes of two captures belong together: nobody asked for them, so no id and no sequence number tells.

Law: pushes to one account, of one command, with one value of its key (as the spec names it) are aligned by what they
say, in order; where they stand between the replies means nothing. Pure, total, and bounded as rows are.
"""

from collections.abc import Iterable

from qqlab.codec import Decoded, Value, decode
from qqlab.diff.rows import aligned
from qqlab.exchange import Exchange
from qqlab.spec import Spec

_Key = tuple[str | None, str, str | None]
_Content = tuple[tuple[str, Value], ...]


def is_push(exchange: Exchange) -> bool:
    """Whether nobody asked for a reply, on a connection where that is nothing odd."""
    return exchange.transport == "lines" and exchange.request is None and exchange.reply is not None


def pair_pushes(
    expected: Iterable[Exchange], actual: Iterable[Exchange], spec: Spec
) -> list[tuple[Exchange | None, Exchange | None]]:
    """Each push with its counterpart, or with None where it has none."""
    groups: dict[_Key, tuple[list[Exchange], list[Exchange]]] = {}
    for side, exchanges in enumerate((expected, actual)):
        for exchange in exchanges:
            groups.setdefault(_key(decode(exchange, spec)), ([], []))[side].append(exchange)
    return [pair for left, right in groups.values() for pair in _aligned(left, right, spec)]


def _aligned(
    left: list[Exchange], right: list[Exchange], spec: Spec
) -> Iterable[tuple[Exchange | None, Exchange | None]]:
    contents = [[_content(decode(exchange, spec), spec) for exchange in side] for side in (left, right)]
    for i, j in aligned(*contents):
        yield (None if i is None else left[i], None if j is None else right[j])


def _key(decoded: Decoded) -> _Key:
    key = None if decoded.spec is None or decoded.reply is None else decoded.spec.key
    value = decoded.reply.text(key) if decoded.reply is not None and key is not None else None
    return decoded.account, decoded.command.upper(), value


def _content(decoded: Decoded, spec: Spec) -> _Content:
    """What a push says; its number is the server's own."""
    fields = () if decoded.reply is None else decoded.reply.fields
    secret = {field.name for field in fields if field.spec is not None and field.spec.secret}
    return tuple((f.name, f.value) for f in fields if f.name != spec.roles.sequence and f.name not in secret)
