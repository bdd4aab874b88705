"""Where in a spec file each fact stands: paths into the TOML document, and the line of each.

Law: for text that is TOML already (`qqlab.spec.file` has read it), in whatever way it is written: tables, arrays of
tables, dotted keys, inline tables, strings of several lines. A scanner of its own, since readers of TOML keep no lines;
it yields the very paths that they do. Pure.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from qqlab.spec.model import Direction, Spec

Path = tuple[str | int, ...]

# In this order: three quotes begin no empty string. A string of several lines may end in up to two quotes of its own.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'", re.DOTALL
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]+")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")


class Places:
    """The lines of a spec file, from 1. A field that is not in the file has its command's."""

    def __init__(self, text: str) -> None:
        """`text` is that of a spec file that can be read."""
        self._lines = lines(text)
        self._document = tomllib.loads(text)

    def field(self, command: str, direction: Direction, name: str) -> int:
        """The line that names a field: the command's own, else one that every message has."""
        own, common = ("commands", self._command(command), direction), ("common", direction)
        return self._named(own, "name", name) or self._named(common, "name", name) or self.command(command)

    def command(self, name: str) -> int:
        """The line where a command begins; the first one for a command that the file has not."""
        return self._lines.get(("commands", self._command(name)), 1)

    def code(self, table: str, value: object) -> int | None:
        """The line of a code's value; None where the table has no such value."""
        return self._named(("codes", table, "values"), "value", value)

    def value(self, spec: Spec, command: str, direction: Direction, name: str, value: object) -> int:
        """The line of a code's value where the field has a table with it, else that of the field."""
        known = spec.field(spec.command(command), direction, name)
        line = None if known is None or known.codes is None else self.code(known.codes, value)
        return line or self.field(command, direction, name)

    def _command(self, name: str) -> str:
        """The command as the file spells it."""
        return next((known for known in self._document.get("commands", {}) if known.upper() == name.upper()), name)

    def _named(self, path: Path, key: str, wanted: object) -> int | None:
        """The line of the item of a list whose `key` is `wanted`, names compared without case."""
        for index, item in enumerate(_at(self._document, path) or ()):
            if _folded(item.get(key)) == _folded(wanted):
                return self._lines.get((*path, index, key))
        return None


def _folded(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _at(document: Any, path: Path) -> Any:
    for part in path:
        document = document.get(part) if isinstance(document, dict) else None
    return document


def lines(text: str) -> dict[Path, int]:
    """The line of each path of a TOML document, from 1: of its key, or where a list's item begins; the first of
    several that mention it."""
    return dict(_Scanner(text).found())


class _Scanner:
    """One pass over a document. `at` is where it is."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.breaks = [match.start() for match in re.finditer("\n", self.text)]
        self.seen: dict[Path, int] = {}
        self.items: dict[Path, int] = {}  # how many tables each array of tables has so far

    def found(self) -> Iterator[tuple[Path, int]]:
        """All paths."""
        here: Path = ()
        while self._next() is not None:
            here = self._header() if self._is("[") else self._pair(here)
        yield from self.seen.items()

    def _line(self) -> int:
        return bisect_right(self.breaks, self.at - 1) + 1 if self.at else 1

    def _note(self, path: Path) -> None:
        self.seen.setdefault(path, self._line())

    def _is(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def _next(self) -> str | None:
        """The next character that is neither blank nor comment; None at the end."""
        gap = _GAP.match(self.text, self.at)
        self.at = self.at if gap is None else gap.end()
        return self.text[self.at] if self.at < len(self.text) else None

    def _blanks(self) -> None:
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        self.at = len(self.text) if match is None else match.end()  # a text that is no TOML ends here
        return "" if match is None else match[0]

    def _key(self, here: Path) -> Path:
        """A key, dotted or not, as the path that it makes from `here`; tables on its way are noted."""
        while True:
            self._blanks()
            start = self.at
            part = self._take(_STRING if self.text[self.at : self.at + 1] in ('"', "'") else _BARE)
            here = (*here, _unquoted(part))
            self.at, end = start, self.at
            self._note(here)
            self.at = end
            self._blanks()
            if not self._is("."):
                return here
            self.at += 1
            here = self._within(here)

    def _within(self, path: Path) -> Path:
        """The path of a table; of an array of tables the last one."""
        return (*path, self.items[path] - 1) if path in self.items else path

    def _header(self) -> Path:
        """`[table]`, or `[[item]]`."""
        start, many = self.at, self._is("[[")
        self.at += 2 if many else 1
        path = self._key(())
        end, self.at = self.at, start
        if many:
            self.items[path] = self.items.get(path, 0) + 1
        path = self._within(path)
        self._note(path)
        self.at = end + (2 if many else 1)
        return path

    def _pair(self, here: Path) -> Path:
        path = self._key(here)
        self.at += 1  # the equals sign
        self._value(path)
        return here

    def _value(self, path: Path) -> None:
        self._next()
        if self._is("["):
            self._array(path)
        elif self._is("{"):
            self._inline(path)
        elif self._is('"') or self._is("'"):
            self._take(_STRING)
        else:
            self._take(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self._next() not in ("]", None):
            if self._is(","):
                self.at += 1
                continue
            self._note((*path, index))
            self._value((*path, index))
            index += 1
        self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        while self._next() not in ("}", None):
            if self._is(","):
                self.at += 1
            else:
                self._pair(path)
        self.at += 1


def _unquoted(key: str) -> str:
    """A key without its quotes and escapes."""
    return next(iter(tomllib.loads(f"{key} = 0"))) if key[:1] in ('"', "'") else key
