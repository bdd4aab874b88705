"""Blank lines and comments of a TOML document that grows.

Law: looks only. tomlkit keeps what stands between two tables as the end of the first; whatever is put behind that one
would come after the comment that opens the next. Here it goes back to where a reader expects it: new tables follow
their neighbours after one blank line, and what opened the next section still does. The values are not touched.
"""

from itertools import pairwise
from typing import Any

from tomlkit.container import Container
from tomlkit.items import AoT, Comment, Table, Whitespace

from qqlab.visible import visible


def remark(table: Any, text: str) -> None:
    """A comment beside the first value of a table that was there before."""
    table["value"].comment(visible(text))


def settle(place: Any) -> None:
    """Put right what a table that was put in, or appended, has around it: called after each."""
    tables = list(place) if isinstance(place, AoT) else [one for one in place.values() if isinstance(one, Table | AoT)]
    for one, following in pairwise(tables):
        trail = _trail(_last(one))
        if trail is None:
            continue
        if not trail:
            _body(_last(one)).append((None, Whitespace("\n")))
        elif any(isinstance(item, Comment) for _, item in trail) and following is tables[-1]:
            _move(one, following)
    if tables and _trail(_last(tables[-1])) == []:
        _body(_last(tables[-1])).append((None, Whitespace("\n")))


def _move(one: Any, following: Any) -> None:
    """What opens the next section goes behind the table that was put before it."""
    trail = _trail(_last(one)) or []
    body = _body(_last(one))
    del body[len(body) - len(trail) :]
    body.append((None, Whitespace("\n")))
    _body(_last(following)).extend(trail)


def _last(item: Any) -> Any:
    """The table that stands last in a table, or in an array of them."""
    while True:
        if isinstance(item, AoT):
            item = item[-1]
            continue
        body = _body(item)
        inner = [one for _, one in body if not isinstance(one, Whitespace | Comment)]
        if not inner or not isinstance(inner[-1], Table | AoT):
            return item
        item = inner[-1]


def _body(table: Any) -> list[Any]:
    container: Container = table.value
    return container.body


def _trail(table: Any) -> list[Any] | None:
    """The blank lines and comments at the end of a table."""
    body = _body(table)
    count = 0
    for _, item in reversed(body):
        if not isinstance(item, Whitespace | Comment):
            break
        count += 1
    return body[len(body) - count :] if count else []
