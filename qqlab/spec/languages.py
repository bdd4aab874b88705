"""The texts of a spec in another language: an overlay beside the spec file, `NAME.zh.toml` for `NAME.toml`.

Law: an overlay replaces texts and nothing else, so a spec means the same in every language. It is the tree of the spec
with only its texts (`doc`, `title`, `trust`, `topic`, `meaning`); an item of a list that has a name or a value is a key
(`reply.RES.doc`), one that has neither stands at its place in a list. What an overlay leaves out stays in English; what
it has and the spec has not is a mistake. Pure: works on documents as TOML gives them.
"""

from collections.abc import Iterator
from typing import Any, Literal, get_args

from qqlab.spec.mistake import Mistake, quoted

Lang = Literal["en", "zh"]
LANGS: tuple[Lang, ...] = get_args(Lang)

# The language of spec files themselves.
OWN: Lang = "en"

# The version of the overlay's shape.
FORMAT = 1

# No spec is as deep: what lies deeper in an overlay is not looked at, it is in no spec.
_DEEPEST = 20

# What is text in a spec, wherever it stands.
TEXTS = ("doc", "title", "trust", "topic", "meaning")
_Path = tuple[str | int, ...]


def find_mistakes(document: dict[str, Any], overlay: dict[str, Any]) -> Iterator[Mistake]:
    """All that an overlay has wrong about the spec that it translates, which has no mistake itself."""
    if "format" not in overlay:
        yield Mistake("$.format", f"is missing; this is {FORMAT}")
    elif overlay["format"] != FORMAT or isinstance(overlay["format"], bool):
        yield Mistake("$.format", f"is {overlay['format']!r}; known: {FORMAT}")
    known = dict(texts(document))
    inner = {path[:length] for path in known for length in range(len(path))}
    for path, value in _leaves({name: item for name, item in overlay.items() if name != "format"}):
        yield from _wrong(path, value, known, inner)


def overlaid(document: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """The document with the texts of an overlay without mistakes."""
    made: dict[str, Any] = _replaced(document, dict(_leaves(overlay)), ())
    return made


def untranslated(document: dict[str, Any], overlay: dict[str, Any]) -> list[str]:
    """The paths of the texts that an overlay leaves out."""
    told = dict(_leaves(overlay))
    return [shown(path) for path, _ in texts(document) if path not in told]


def _wrong(path: _Path, value: Any, known: dict[_Path, str], inner: set[_Path]) -> Iterator[Mistake]:
    if path in known:
        if not isinstance(value, str):
            yield Mistake(shown(path), "expected a text")
        elif not value.strip():
            yield Mistake(shown(path), "is empty; leave it out to keep the spec's own text")
        return
    depth = next(length for length in range(len(path), -1, -1) if path[:length] in inner or path[:length] in known)
    if path[:depth] in known:
        yield Mistake(shown(path[:depth]), "expected a text, not a table or a list")
    elif depth == len(path):
        if value not in ({}, []):  # which translate nothing
            yield Mistake(shown(path), "expected a table or a list of texts")
    else:
        beside = dict.fromkeys(str(other[depth]) for other in known if other[:depth] == path[:depth])
        yield Mistake(shown(path[: depth + 1]), f"the spec has no text here; known beside it: {', '.join(beside)}")


def texts(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, str]]:
    """Every text of a document, by path."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in TEXTS and isinstance(item, str):
                yield (*path, name), item
            else:
                yield from texts(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, (*path, _called(item, index)))


def _called(item: Any, index: int) -> str | int:
    """What an item of a list is called in a path: by its name or its value, else by its place."""
    names = (item.get("name"), item.get("value")) if isinstance(item, dict) else ()
    return next((str(name) for name in names if name is not None), index)


def _leaves(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    """Whatever holds nothing more, by path."""
    if not value or len(path) == _DEEPEST or not isinstance(value, dict | list):
        yield path, value
        return
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(item, (*path, name))


def _replaced(value: Any, texts: dict[_Path, Any], path: _Path) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(item, texts, (*path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, texts, (*path, _called(item, index))) for index, item in enumerate(value)]
    return texts.get(path, value) if path and path[-1] in TEXTS else value


def shown(path: _Path) -> str:
    """A path as a mistake names it."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{quoted(part)}" for part in path)
