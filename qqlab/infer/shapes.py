"""What a text looks like: a number, an identifier, hex digits, a version, a token.

Law: pure, and only of one text; what many texts have in common is the tally's.
"""

import math
import re
from collections.abc import Mapping

_INT = re.compile(r"-?[0-9]{1,18}")
_DIGITS = re.compile(r"[0-9]+")
_HEX = re.compile(r"[0-9A-Fa-f]{8,}")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.-]{8,}")
_CODE = re.compile(r"-?[0-9]{1,3}")


def number(text: str) -> int | None:
    """The number that a text is, None where it is none that fits 18 digits."""
    core = text.strip(" ")
    return int(core) if _INT.fullmatch(core) else None


def is_digits(text: str) -> bool:
    """Whether a text is digits alone, however many."""
    return _DIGITS.fullmatch(text) is not None


def is_zero_led(text: str) -> bool:
    """Whether digits begin with a zero that no number has."""
    return len(text) > 1 and text[0] == "0" and is_digits(text)


def is_hex(text: str) -> bool:
    """Whether a text is eight hex digits or more."""
    return _HEX.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Whether a text is numbers with dots between."""
    return len(text) < 16 and _VERSION.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """Whether a text could be a token: eight or more of the characters that encodings of random bytes use."""
    return _TOKEN.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """Whether a text is a number small enough for a code."""
    return _CODE.fullmatch(text.strip(" ")) is not None


def entropy(counts: Mapping[str, int]) -> float:
    """How much one thing of these says, in bits."""
    total = sum(counts.values())
    return -sum(count / total * math.log2(count / total) for count in counts.values() if count) if total else 0.0


def items(text: str, separator: str) -> tuple[str, ...]:
    """The items of a list; none of an empty one. A separator at the end ends the last item."""
    if text == "":
        return ()
    parts = text.split(separator)
    return tuple(parts[:-1] if parts[-1] == "" else parts)
