"""What a deviation does to the body of a reply: pairs in, pairs out, one function for each way of being wrong.

Law: pure and total: takes the pairs of any bytes. A change touches the pair that it is told, or the lists that belong
together, and nothing else; where there is nothing to change it gives back what it got.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from qqlab.codec import text, values
from qqlab.spec import Command, Rows, Spec
from qqlab.wire import Pair

INTEGER = re.compile(r"-?[0-9]{1,18}")


class Scene(NamedTuple):
    """What a change may look at: which field it is of, what it is to become, and whose reply it stands in."""

    field: str | None
    value: str | None
    command: Command
    spec: Spec


Change = Callable[[list[Pair], Scene], list[Pair]]


def place(pairs: Sequence[Pair], name: str | None) -> int | None:
    """Where the first pair of that name stands, or None."""
    wanted = (name or "").encode().upper()
    return next((index for index, pair in enumerate(pairs) if pair.key.upper() == wanted), None)


# -------------------------------------------------------------------------------------------------------- whole fields


def drop(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """Without the field."""
    index = place(pairs, scene.field)
    return pairs if index is None else pairs[:index] + pairs[index + 1 :]


def add(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """With a field at the end."""
    return [*pairs, Pair((scene.field or "").encode(), values.write(scene.value, None, scene.spec.wire))]


def double(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The field twice, side by side."""
    return _on_pair(pairs, scene, lambda pair: [pair, pair])


def bare(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The field's name alone, without `=`."""
    return _on_pair(pairs, scene, lambda pair: [Pair(pair.key, None)])


def spelling(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The field's name in the other case."""
    return _on_pair(pairs, scene, lambda pair: [Pair(pair.key.swapcase(), pair.value)])


def move(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The field behind all others."""
    index = place(pairs, scene.field)
    return pairs if index is None else [*pairs[:index], *pairs[index + 1 :], pairs[index]]


def reorder(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The last two fields in each other's place."""
    return [*pairs[:-2], *reversed(pairs[-2:])]


def replace(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """Some text in place of all the fields."""
    return [Pair((scene.value or "").encode(), None)]


# -------------------------------------------------------------------------------------------------------------- values


def put(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """Another value; of a list, another first item."""
    return _put(pairs, scene, 0)


def cell(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """Another last item of a list."""
    return _put(pairs, scene, -1)


def _put(pairs: list[Pair], scene: Scene, which: int) -> list[Pair]:
    name, new = scene.field or "", scene.value or ""
    index, field = place(pairs, name), scene.command.field("reply", name)
    if index is None or field is None:
        return pairs
    if not field.list:
        return _with(pairs, index, values.write(new, field, scene.spec.wire))
    items = _items(pairs[index], scene)
    if items:
        items[which] = values.write((new,), field, scene.spec.wire).removesuffix(_separator(scene))
    return _with(pairs, index, _list(items, scene)) if items else pairs


def echo(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """Something else than the request said: the next number, or the text backwards."""
    return _on_value(pairs, scene, lambda raw: b"%d" % (int(raw) + 1) if _is_number(raw) else raw[::-1])


def case(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The command's name in the other case."""
    return _on_value(pairs, scene._replace(field=scene.spec.roles.command), bytes.swapcase)


def charset(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The same text in the last charset of the spec."""
    return _on_value(pairs, scene, lambda raw: _recoded(raw, scene.spec.wire.charsets))


def escape(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The same value with every byte as `%xx`; the separators of a list stay."""
    return _on_items(pairs, scene, lambda raw: b"".join(b"%%%02x" % byte for byte in text.unescape(raw, False)))


def blank(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """A blank behind the value, or behind every item."""
    return _on_items(pairs, scene, lambda raw: raw + b" ")


def zero(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """A zero before a number, or before every item."""
    return _on_items(pairs, scene, lambda raw: b"0" + raw if _is_number(raw) else raw)


# ---------------------------------------------------------------------------------------------------- lists and tables


def list_end(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """No separator behind the last item, or one where there is none."""
    end = _separator(scene)
    return _on_value(pairs, scene, lambda raw: raw.removesuffix(end) if raw.endswith(end) else raw + end)


def list_drop(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """One list without its last item."""
    return _on_list(pairs, scene, lambda items: items[:-1])


def list_add(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """One list with its last item twice."""
    return _on_list(pairs, scene, lambda items: items + items[-1:])


def list_order(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """One list with its last item first."""
    return _on_list(pairs, scene, lambda items: items[-1:] + items[:-1])


def count(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """One row more in the count."""
    for rows in scene.command.rows:
        index = place(pairs, rows.count) if rows.count is not None else None
        if index is not None:
            raw = pairs[index].value or b""
            pairs = _with(pairs, index, b"%d" % ((int(raw) if _is_number(raw) else 0) + 1))
    return pairs


def row_drop(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """Without the last row."""
    return _on_rows(pairs, scene, lambda items: items[:-1])


def row_add(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The last row twice."""
    return _on_rows(pairs, scene, lambda items: items + items[-1:])


def row_order(pairs: list[Pair], scene: Scene) -> list[Pair]:
    """The rows backwards."""
    return _on_rows(pairs, scene, lambda items: items[::-1])


def _on_rows(pairs: list[Pair], scene: Scene, change: Callable[[list[bytes]], list[bytes]]) -> list[Pair]:
    """Change all columns of each table alike, and the count with them."""
    for rows in scene.command.rows:
        pairs = _on_table(pairs, scene, rows, change)
    return pairs


def _on_table(pairs: list[Pair], scene: Scene, rows: Rows, change: Callable[[list[bytes]], list[bytes]]) -> list[Pair]:
    length = 0
    for column in rows.columns:
        index = place(pairs, column)
        if index is not None:
            items = change(_items(pairs[index], scene))
            length = max(length, len(items))
            pairs = _with(pairs, index, _list(items, scene))
    index = place(pairs, rows.count) if rows.count is not None else None
    return pairs if index is None else _with(pairs, index, str(length).encode())


# ------------------------------------------------------------------------------------------------------- one pair of it


def _on_pair(pairs: list[Pair], scene: Scene, change: Callable[[Pair], list[Pair]]) -> list[Pair]:
    index = place(pairs, scene.field)
    return pairs if index is None else [*pairs[:index], *change(pairs[index]), *pairs[index + 1 :]]


def _on_value(pairs: list[Pair], scene: Scene, change: Callable[[bytes], bytes]) -> list[Pair]:
    """Change a value that is there."""
    return _on_pair(pairs, scene, lambda pair: [Pair(pair.key, change(pair.value) if pair.value else pair.value)])


def _on_list(pairs: list[Pair], scene: Scene, change: Callable[[list[bytes]], list[bytes]]) -> list[Pair]:
    return _on_pair(pairs, scene, lambda pair: [Pair(pair.key, _list(change(_items(pair, scene)), scene))])


def _on_items(pairs: list[Pair], scene: Scene, change: Callable[[bytes], bytes]) -> list[Pair]:
    """Change a value, or each item of one that is a list."""
    field = scene.command.field("reply", scene.field or "")
    if field is None or not field.list:
        return _on_value(pairs, scene, change)
    return _on_list(pairs, scene, lambda items: [change(item) for item in items])


def _with(pairs: Sequence[Pair], index: int, value: bytes) -> list[Pair]:
    return [*pairs[:index], Pair(pairs[index].key, value), *pairs[index + 1 :]]


def _items(pair: Pair, scene: Scene) -> list[bytes]:
    """The raw items of a list; a separator within an item is escaped, so none stands there raw."""
    return (pair.value or b"").split(_separator(scene))[:-1]


def _list(items: Iterable[bytes], scene: Scene) -> bytes:
    return b"".join(item + _separator(scene) for item in items)


def _separator(scene: Scene) -> bytes:
    return scene.spec.wire.list_separator.encode()


def _is_number(raw: bytes) -> bool:
    return INTEGER.fullmatch(raw.decode("latin-1")) is not None


def _recoded(raw: bytes, charsets: Sequence[str]) -> bytes:
    """The same characters as the last charset writes them, where the first one reads them and the last has them."""
    try:
        return raw.decode(charsets[0]).encode(charsets[-1])
    except UnicodeError:
        return raw
