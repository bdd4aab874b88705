"""Names of a spec as other formats allow them.

Law: what comes out is letters, digits and `_` only, whatever went in, and distinct for distinct names: no name of a
spec reaches another format's syntax.
"""

import re
from collections.abc import Iterable

_OTHER = re.compile(r"[^A-Za-z0-9_]+")
_LETTER = re.compile(r"[A-Za-z]")


def distinct(names: Iterable[str], *, fold: bool = False, taken: Iterable[str] = ()) -> dict[str, str]:
    """Each name in the allowed alphabet, in lower case with `fold`; none is one of `taken`, nor equal to another one in
    any case of letters."""
    made: dict[str, str] = {}
    used = {name.lower() for name in taken}
    for name in dict.fromkeys(names):
        made[name] = _unused(_allowed(name.lower() if fold else name), used)
        used.add(made[name].lower())
    return made


def _allowed(name: str) -> str:
    return _OTHER.sub("_", name) or "_"


def _unused(name: str, used: set[str]) -> str:
    number, tried = 1, name
    while tried.lower() in used:
        number += 1
        tried = f"{name}_{number}"
    return tried


def any_case(name: str) -> str:
    """A regular expression (of ECMA-262 as of Python) for a name in any case of its letters, blanks around it."""
    return "^ *" + "".join(_either(character) for character in name) + " *$"


def _either(character: str) -> str:
    if _LETTER.fullmatch(character):
        return f"[{character.upper()}{character.lower()}]"
    return re.sub(r"([\\^$.*+?()\[\]{}|/])", r"\\\1", character)
