"""Text to typed values and back.

Law: total both ways. A value that is not of its documented type stays text and gets a note; identifiers
(`digits`) stay text always, since leading zeros and length carry meaning; an empty value is None.
"""

import hashlib
import re

from qqlab.codec import text as texts
from qqlab.spec import Derivation, Field, Wire

Scalar = str | int | None
Value = Scalar | tuple[Scalar, ...]

# Eighteen digits fit into 64 bits, so that JSON, pandas and Parquet readers can hold every int.
_MOST_DIGITS = 18
_HEX = re.compile(r"[0-9A-Fa-f]+")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")


def parse(text: str, field: Field | None) -> tuple[Scalar, bool]:
    """The typed value of one item, and whether it is of the field's type. Empty is None, and fits any type."""
    if text == "":
        return None, True
    if field is None or field.type == "text":
        return text, True
    core = text.strip(" ")
    match field.type:
        case "int" | "code":
            digits = core.removeprefix("-")
            fits = digits.isdecimal() and digits.isascii() and len(digits) <= _MOST_DIGITS
            return (int(core), True) if fits else (text, False)
        case "digits":
            return core, core.isdecimal() and core.isascii()
        case "hex":
            return core, _HEX.fullmatch(core) is not None
        case "version":
            return core, _VERSION.fullmatch(core) is not None


def items(text: str, separator: str) -> tuple[tuple[str, ...], bool]:
    """The items of a list, and whether the last one was followed by the separator. An empty list has no items."""
    if text == "":
        return (), True
    parts = text.split(separator)
    return (tuple(parts[:-1]), True) if parts[-1] == "" else (tuple(parts), False)


def write(value: Value, field: Field | None, wire: Wire) -> bytes:
    """A value as the server writes it: lists comma-terminated, text escaped as its layers ask, UTF-8."""
    if isinstance(value, tuple):
        layers = [texts.escape_item(_plain(item), wire) for item in value]
        whole = "".join(item + wire.list_separator for item in layers)
        return texts.escape(whole, wire).encode("utf-8", "surrogateescape")
    plain = _plain(value)
    if field is not None and field.layers == 2:
        escaped = texts.escape(texts.escape_item(plain, wire), wire)
    else:
        escaped = texts.escape_all(plain, wire)
    return escaped.encode("utf-8", "surrogateescape")


def derive(derivation: Derivation, password: str) -> str:
    """What stands in a field that is made from the account's password, or from the code of its picture."""
    if derivation == "verification":
        return password
    # The protocol's own hash: whoever speaks it has no choice.
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    return digest.upper() if derivation == "MD5-HEX" else digest


def _plain(value: Scalar) -> str:
    return "" if value is None else str(value)
