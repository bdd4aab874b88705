"""Keyed pseudonyms: other text of the same form in the place of a value.

Law: a pseudonym is a function of the key and the value alone (HMAC-SHA256): the same for the same value as long as the
key is, and nobody without the key can tell which value it stands for. It has as many characters as its value, each
of as many bytes in the value's charset. Digits stay digits, without a zero in front where there was none; hex stays
hex in the same case; what is no number and no hex becomes neither; Chinese text stays Chinese text; an e-mail
address stays one, and so does a web address. Two values may get the same pseudonym, the shorter the likelier. `Masks`
are none: of equal length they are all the same.
"""

import hashlib
import hmac
import re
import string
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_HEX = frozenset(string.hexdigits)
_SMALL = string.ascii_lowercase
_CAPITAL = string.ascii_uppercase
# The smallest alphabet that holds a secret is the one its pseudonym is drawn from, so that it tells no more than that.
_ALPHABETS = (
    string.digits,
    "0123456789abcdef",
    "0123456789ABCDEF",
    string.hexdigits,
    _SMALL + string.digits,
    _CAPITAL + string.digits,
    string.ascii_letters + string.digits,
)
# Marks are drawn from those that stand for themselves in a form's encoding, and from those that do not.
_MARKS = ("-._*~", "!$'():;@^")
# One pool for each width: the 1,692 commonest Chinese characters (the same in UTF-8 and GB18030), Cyrillic, emoji.
_BEYOND = (
    bytes(code for lead in range(0xB0, 0xC2) for trail in range(0xA1, 0xFF) for code in (lead, trail)).decode("gb2312"),
    "".join(map(chr, range(0x430, 0x450))),
    "".join(map(chr, range(0x1F600, 0x1F640))),
)
# One for each width that a character has in UTF-8 or GB18030.
_MASKS = "*·•🔒"
# Bytes in no charset are taken one by one, and must not get into one: the first of them becomes one that has no place
# in UTF-8 nor in GB18030.
BYTES = "latin-1"
_RAW = "".join(map(chr, range(0x81, 0xFF)))
_NEVER = "\xff"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,9}://")
_NUMBER = re.compile(r"[ ]*-?([0-9])[0-9]*[ ]*")
_TRIES = 8
_REMEMBERED = 4096
_SHORT = 200
_LONG = 1000  # what is longer goes into each block as its digest, or the time would grow with the square of it


class Pseudonyms:
    """The pseudonyms of one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._made: dict[tuple[str, bool, str], str] = {}

    def secret(self, value: str, charset: str = "utf-8") -> str:
        """A pseudonym that shows nothing of a secret but its length, and the smallest alphabet that holds it."""
        return self._pseudonym(value, True, charset)

    def personal(self, value: str, charset: str = "utf-8") -> str:
        """A pseudonym that keeps the form of a text: capitals, digits, blanks and punctuation stand where they stood.

        A text of nothing but marks becomes other marks.
        """
        return self._pseudonym(value, False, charset)

    def _pseudonym(self, value: str, secret: bool, charset: str) -> str:
        known = self._made.get((value, secret, charset))
        if known is None:
            known = self._make(value, secret, charset)
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            if len(value) <= _SHORT:
                self._made[value, secret, charset] = known
        return known

    def _make(self, value: str, secret: bool, charset: str) -> str:
        alphabets = _alphabets(value, secret, charset)
        for attempt in range(_TRIES):
            stream = self._stream(f"{attempt}:{value.lower() if _is_hex(value) else value}")
            made = "".join(a if len(a) == 1 else a[next(stream) % len(a)] for a in alphabets)
            if made != value:
                break
        return made

    def _stream(self, value: str) -> Iterator[int]:
        if len(value) > _LONG:
            value = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        block = 0
        while True:
            digest = hmac.digest(self._key, f"{block}:{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)
            yield from (high << 8 | low for high, low in zip(digest[::2], digest[1::2], strict=True))
            block += 1


class Masks(Pseudonyms):
    """Asterisks, or dots where those are too narrow, in the place of every value, for what is only looked at."""

    def __init__(self) -> None:
        super().__init__(b"")

    def _make(self, value: str, secret: bool, charset: str) -> str:
        return "".join(_mask(one, charset) for one in value)


def _mask(one: str, charset: str) -> str:
    """The mask that is as wide in that charset."""
    width = len(one.encode(charset))
    return next((mask for mask in _MASKS if len(mask.encode(charset, "replace")) == width), "*" * width)


def _is_hex(value: str) -> bool:
    return _HEX.issuperset(value)


def _alphabets(value: str, secret: bool, charset: str) -> list[str]:
    """What each character of a value's pseudonym is drawn from; a single character stays."""
    is_worded = any(one.isalnum() for one in value)
    # These two have a meaning for the wire.
    fixed = {at for at, one in enumerate(value) if one in "%+"} if is_worded or not secret else set()
    if not secret and (scheme := _SCHEME.match(value)) is not None:
        fixed.update(range(scheme.end()))
    drawn = _of_secret(value, charset) if secret else [_of_class(one, value, is_worded, charset) for one in value]
    alphabets = [
        one if place in fixed else alphabet for place, (one, alphabet) in enumerate(zip(value, drawn, strict=True))
    ]
    number = _NUMBER.fullmatch(value)
    if number is not None and (first := number.start(1)) not in fixed:
        # A lone zero says that there is nothing.
        alphabets[first] = "123456789" if value[first] != "0" else "0" if number[0].strip() == "0" else string.digits
    # What is no number must not become one, nor what is no hex, since notes speak of both; nor may a broken escape
    # become a whole one.
    _without(alphabets, next((at for at, one in enumerate(value) if one not in string.digits), None), string.digits)
    if charset == BYTES and (high := next((at for at, one in enumerate(value) if not one.isascii()), None)) is not None:
        alphabets[high] = _NEVER
    for place in _never_hex(value):
        _without(alphabets, place, string.hexdigits)
    return alphabets


def _without(alphabets: list[str], place: int | None, characters: str) -> None:
    if place is not None and len(alphabets[place]) > 1:
        alphabets[place] = "".join(one for one in alphabets[place] if one not in characters) or alphabets[place]


def _never_hex(value: str) -> Iterator[int]:
    """Where no hex digit may come to stand: at the first character that is none, and at those of a broken escape."""
    first = next((at for at, one in enumerate(value) if one not in _HEX), None)
    if first is not None:
        yield first
    for percent in (at for at, one in enumerate(value) if one == "%"):
        yield from (at for at in (percent + 1, percent + 2) if at < len(value) and value[at] not in _HEX)


def _of_secret(value: str, charset: str) -> list[str]:
    plain = {one for one in value if one.isascii()}
    alphabet = next((a for a in _ALPHABETS if plain <= set(a)), _ALPHABETS[-1])
    return [alphabet if one.isascii() else _beyond(one, charset) for one in value]


def _of_class(one: str, value: str, is_worded: bool, charset: str) -> str:
    if one in string.digits:
        return string.digits
    if one in string.ascii_letters:
        letters = _SMALL if one in _SMALL else _CAPITAL
        return letters[:6] if _is_hex(value) else letters
    if one.isascii():
        return one if is_worded else next((marks for marks in _MARKS if one in marks), one)
    return one if is_worded and unicodedata.category(one)[0] in "PZ" else _beyond(one, charset)


def _beyond(one: str, charset: str) -> str:
    """The pool for a character beyond ASCII: the first whose characters are as wide in that charset."""
    if charset == BYTES:
        return _RAW
    encoded = one.encode(charset)
    if len(encoded) == 2 and encoded[1:].isascii():
        return _with_ascii(encoded[1], charset)
    return next((pool for pool in _BEYOND if len(pool[0].encode(charset, "replace")) == len(encoded)), one)


@lru_cache
def _with_ascii(trail: int, charset: str) -> str:
    """Characters of two bytes, the second a letter of ASCII, or else this very byte: what may stand bare in a message
    depends on it."""
    trails = string.ascii_letters.encode() if chr(trail).isalpha() else bytes([trail])
    return bytes(byte for lead in range(0x81, 0xA1) for one in trails for byte in (lead, one)).decode(charset, "ignore")
