"""Known values found and replaced in bytes, whatever writing they stand in.

Law: no I/O and no spec. A value is found plain and in hex in either case, in base64 at each of its three alignments,
and all of these behind escapes: `%xx`, also doubled; the backslash escapes of JSON, Python and Markdown; the
references of HTML. What replaces it is written as it was: the same case, the same escapes, the same length wherever the
escape can hold the new character. Of a value only its first `LONGEST` bytes are hunted. All values are looked for in
one pass, so that their number hardly matters, and a form of escapes is undone only where its mark stands.
"""

import contextlib
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

Writing = Literal["plain", "hex", "base64"]

LONGEST = 1024
# A piece of a value that ends what is searched counts from this many bytes on: shorter, it means nothing.
_CUT_OFF = 7
# Shorter codes than this many characters stand anywhere by chance.
_SHORTEST_CODE = 6
_PIECE = 1024 * 1024
_WINDOW = 4096
_WIDEST_ESCAPE = 12

_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
    rb"|\\x[0-9A-Fa-f]{2}|\\[nrt]|\\[!-/:-@\[-`{-~]"
    rb"|&#[xX][0-9A-Fa-f]{1,6};|&#[0-9]{1,7};|&(?:amp|lt|gt|quot|apos);"
)
# In which order escapes are undone: each chain makes a form in which the data may have to be read.
_Chain = tuple["re.Pattern[bytes]", ...]
_ESCAPES = (_PERCENT, _ESCAPE)
_CHAINS: tuple[_Chain, ...] = ((), (_PERCENT,), (_PERCENT, _PERCENT), (_ESCAPE,), (_ESCAPE, _PERCENT))
_REFERENCE = re.compile(rb"&(?:#|amp;|lt;|gt;|quot;|apos;)")
_ONE_PERCENT = re.compile(rb"%(?:25)*[0-9A-Fa-f]{2}")
_NAMED = {
    b"\\n": b"\n",
    b"\\r": b"\r",
    b"\\t": b"\t",
    b"&amp;": b"&",
    b"&lt;": b"<",
    b"&gt;": b">",
    b"&quot;": b'"',
    b"&apos;": b"'",
}
_HEX = re.compile(rb"[0-9A-Fa-f]{4,8}")
_CAPITAL = re.compile(rb"[A-F]")
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_BITS = {bytes([digit]): bits for digits in (b"+/", b"-_") for bits, digit in enumerate(_DIGITS + digits)}
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Find(NamedTuple):
    """Where a value stands: its place in the data, which value, and in which writing; escapes are not told apart."""

    offset: int
    length: int
    value: bytes
    writing: Writing


class Hunt:
    """Replaces values by others of the same length: `known` maps each to what takes its place.

    Without `codes` they are looked for behind escapes only, not in hex and base64. To make one takes some 50 µs for
    each value, to ask it about data that holds none of them a few.
    """

    def __init__(self, known: Mapping[bytes, bytes], *, codes: bool = True) -> None:
        self._search = _Search(known, codes)
        self._beginnings: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for value, instead in known.items():
            for one, other in _in_charsets(value[:LONGEST], instead[:LONGEST]):
                self._beginnings.setdefault(_folded(one[:_CUT_OFF]), []).append((one, other))
        self._gate = _automaton([*self._beginnings, *self._search.coded()])
        self._longer = [beginning for beginning in self._beginnings if len(beginning) == _CUT_OFF]
        self._reach = max(map(len, known), default=0)

    @cached_property
    def _starts(self) -> BytesAhoCorasick:
        return _automaton(self._longer)

    def finds(self, data: bytes) -> bool:
        """Whether any of them, or the beginning of one, may stand there."""
        return self.stands_in(readings(data))

    def stands_in(self, texts: Iterable[bytes]) -> bool:
        """The same of data of which these are the `readings`."""
        return any(self._gate.find_matches_as_indexes(text) for text in texts)

    def replace(self, data: bytes) -> bytes:
        """The data with each of them replaced, and one that is cut off at the end too."""
        if not self.finds(data):
            return data
        for chain in _CHAINS:
            form = _form(data, chain)
            data = data if form is None else self._replaced(form)
        return data

    def _replaced(self, form: "_Form") -> bytes:
        edits = [(hit.start, hit.end, hit.instead) for hit in self._search.hits(form.text)]
        behind = edits[-1][1] if edits else 0
        edits += [edit for edit in self._cut_off(form.text) if edit[0] >= behind]
        return _edited(form, edits) if edits else form.data

    def _cut_off(self, text: bytes) -> Iterator[tuple[int, int, bytes]]:
        tail = max(0, len(text) - self._reach)
        folded = _folded(text[tail:])
        for index, start, _ in self._starts.find_matches_as_indexes(folded, overlapping=True):
            rest = folded[start:]
            for value, instead in self._beginnings[self._longer[index]]:
                if _folded(value).startswith(rest):
                    yield tail + start, len(text), _cased(instead[: len(rest)], value, text[tail + start :])
                    return


class Finder:
    """Finds values in any file's bytes; many megabytes take a second or two."""

    def __init__(self, values: Iterable[bytes]) -> None:
        self._search = _Search({value: value for value in values})

    def search(self, data: bytes) -> Iterator[Find]:
        """Each place where one of them stands, in order; where several overlap, the first and longest."""
        reach = self._search.reach * _WIDEST_ESCAPE
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE + reach]
            if not self._search.stands_in(piece):
                continue
            # Where a value stands in escaped data takes long to tell: it is told of small pieces only.
            for at in range(0, min(_PIECE, len(piece)), _WINDOW):
                window = piece[at : at + _WINDOW + reach]
                found = {find.offset: find for form in _forms(window) for find in self._within(form)}
                for offset in sorted(found):
                    if offset < _WINDOW:
                        yield found[offset]._replace(offset=start + at + offset)

    def _within(self, form: "_Form") -> Iterator[Find]:
        hits = list(self._search.hits(form.text))
        places = form.places() if hits else ()
        for hit in hits:
            yield Find(places[hit.start], places[hit.end] - places[hit.start], hit.value, hit.writing)


class _Shared(NamedTuple):
    """A base64 digit of which only the bits in `mask` belong to the value: what they are, and what they become."""

    mask: int
    bits: int
    instead: int


class _Code(NamedTuple):
    """One writing of a value. `written` is how it stands there, in a case that matters if it is `exact`; `before` and
    `behind` are the base64 digits at its ends that it shares with its neighbours."""

    value: bytes
    writing: Writing
    written: bytes
    instead: bytes
    exact: bool = False
    before: _Shared | None = None
    behind: _Shared | None = None


class _Hit(NamedTuple):
    start: int
    end: int
    value: bytes
    writing: Writing
    instead: bytes


class _Search:
    """All writings of all values in one automaton."""

    def __init__(self, known: Mapping[bytes, bytes], codes: bool = True) -> None:
        self._codes: dict[bytes, list[_Code]] = {}
        for value, instead in known.items():
            for code in _codes(value[:LONGEST], instead[:LONGEST], codes):
                self._codes.setdefault(_folded(code.written), []).append(code)
        self._patterns = list(self._codes)
        self.reach = max(map(len, self._patterns), default=0)

    @cached_property
    def _automaton(self) -> BytesAhoCorasick:
        return _automaton(self._patterns, MatchKind.LeftmostLongest)

    def coded(self) -> Iterator[bytes]:
        """What is looked for beside the values themselves."""
        return (pattern for pattern, codes in self._codes.items() if any(code.writing != "plain" for code in codes))

    def stands_in(self, data: bytes) -> bool:
        """Whether any writing may stand there."""
        return any(self._automaton.find_matches_as_indexes(text) for text in readings(data))

    def hits(self, text: bytes) -> Iterator[_Hit]:
        """Where they stand in a text without escapes, in order, without overlap."""
        last = 0
        for index, start, end in self._automaton.find_matches_as_indexes(_folded(text)):
            hits = (_hit(code, text, last, start, end) for code in self._codes[self._patterns[index]])
            hit = next(filter(None, hits), None)
            if hit is not None:
                yield hit
                last = hit.end


def _automaton(patterns: Iterable[bytes], kind: MatchKind = MatchKind.Standard) -> BytesAhoCorasick:
    # Of the library's kinds the one that is made fastest: most are asked a few times, about short data.
    return BytesAhoCorasick(patterns, kind, Implementation.NoncontiguousNFA)


def readings(data: bytes) -> list[bytes]:
    """All forms in which the data may have to be read, in small letters, a plus as a blank."""
    if not any(_may_have(data, escapes) for escapes in _ESCAPES):
        return [_folded(data)]
    return [_folded(form.text) for form in _forms(data)]


def _folded(text: bytes) -> bytes:
    """The same bytes without case, a plus as the blank that it may mean."""
    return text.lower().replace(b"+", b" ")


def _hit(code: _Code, text: bytes, last: int, start: int, end: int) -> _Hit | None:
    """What stands there, if it is this writing; base64 digits that are shared belong to it, but for those before
    `last`."""
    like = text[start:end]
    if not code.exact:
        return _Hit(start, end, code.value, code.writing, _cased(code.instead, code.written, like))
    if like != code.written:
        return None
    before = _shared(code.before, text[start - 1 : start] if start > last else b"")
    behind = _shared(code.behind, text[end : end + 1])
    return _Hit(start - len(before), end + len(behind), code.value, code.writing, before + code.instead + behind)


def _shared(shared: _Shared | None, digit: bytes) -> bytes:
    """The new digit in place of one that is shared, nothing where it is not the value's."""
    bits = _BITS.get(digit) if shared is not None else None
    if shared is None or bits is None or bits & shared.mask != shared.bits:
        return b""
    return _digit(bits & ~shared.mask | shared.instead, b"-" if digit in (b"-", b"_") else b"+")


def _digit(bits: int, like: bytes) -> bytes:
    digits = _DIGITS + (b"-_" if like == b"-" else b"+/")
    return digits[bits : bits + 1]


def _cased(instead: bytes, written: bytes, like: bytes) -> bytes:
    """What replaces a value, in capitals where that stands in capitals, in small letters where it stands in these."""
    if like == written:
        return instead
    if like == like.upper() and written != written.upper():
        return instead.upper()
    return instead.lower() if like == like.lower() and written != written.lower() else instead


def _codes(value: bytes, instead: bytes, codes: bool) -> Iterator[_Code]:
    """All writings of a value; text in the other charset of the time too."""
    for one, other in _in_charsets(value, instead):
        yield _Code(value, "plain", one, other)
        variants = {one: other, one.lower(): other.lower(), one.upper(): other.upper()} if codes else {}
        for cased, replaced in variants.items():
            if 2 * len(cased) >= _SHORTEST_CODE:
                yield _Code(value, "hex", cased.hex().encode(), replaced.hex().encode())
            for alignment in range(3):
                yield from _base64(value, cased, replaced, alignment)


def _in_charsets(value: bytes, instead: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The value as it is, and UTF-8 also in the other charset of the time."""
    yield value, instead
    if not value.isascii():
        with contextlib.suppress(UnicodeError):
            old, new = value.decode().encode("gb18030"), instead.decode().encode("gb18030")
            # Characters of one length in UTF-8 may have two or four bytes there.
            yield old, new if len(new) == len(old) else b"x" * len(old)


def _base64(value: bytes, cased: bytes, replaced: bytes, alignment: int) -> Iterator[_Code]:
    """The value in base64 behind so many other bytes of its group of three: the digits that are all its own, in both
    alphabets, and those at its ends that hold bits of its neighbours as well."""
    bits = 8 * (alignment + len(cased))
    first, last = -(-8 * alignment // 6), bits // 6
    if last - first < _SHORTEST_CODE:
        return
    old, new = _encoded(cased, alignment), _encoded(replaced, alignment)
    before = _shares(old, new, first - 1, 0x3F >> (8 * alignment % 6)) if 8 * alignment % 6 else None
    behind = _shares(old, new, last, 0x3F & ~(0x3F >> (bits % 6))) if bits % 6 else None
    yield _Code(value, "base64", old[first:last], new[first:last], True, before, behind)
    if any(digit in b"+/" for digit in old[first:last] + new[first:last]):
        safe = (old[first:last].translate(_URL_SAFE), new[first:last].translate(_URL_SAFE))
        yield _Code(value, "base64", *safe, True, before, behind)


def _encoded(value: bytes, alignment: int) -> bytes:
    return b64encode(bytes(alignment) + value + bytes(2))


def _shares(old: bytes, new: bytes, place: int, mask: int) -> _Shared:
    return _Shared(mask, _BITS[old[place : place + 1]] & mask, _BITS[new[place : place + 1]] & mask)


class _Form(NamedTuple):
    """Data with the escapes of a chain undone."""

    data: bytes
    text: bytes
    chain: _Chain

    def places(self) -> Sequence[int]:
        """Where in the data each byte of the text begins, those of one escape at the same place; then the end."""
        places: Sequence[int] = range(len(self.data) + 1)
        text = self.data
        for escapes in self.chain:
            inner = _places(text, escapes)
            places = [places[place] for place in inner]
            text = _plain(text, escapes)
        return places


def _forms(data: bytes) -> Iterator[_Form]:
    """The data in each form that it may have to be read in."""
    yield _Form(data, data, ())
    if not any(_may_have(data, escapes) for escapes in _ESCAPES):
        return
    made: dict[_Chain, bytes | None] = {(): data}
    for chain in _CHAINS[1:]:
        before = made[chain[:-1]]
        text = made[chain] = None if before is None else _without(before, chain[-1])
        if text is not None:
            yield _Form(data, text, chain)


def _form(data: bytes, chain: _Chain) -> _Form | None:
    """The data in that form, or None where it has no such escapes."""
    text: bytes | None = data
    for escapes in chain:
        text = None if text is None else _without(text, escapes)
    return None if text is None else _Form(data, text, chain)


def _without(text: bytes, escapes: "re.Pattern[bytes]") -> bytes | None:
    """The text with these escapes undone, None where there are none."""
    if not _may_have(text, escapes):
        return None
    plain = _plain(text, escapes)
    return None if plain == text else plain


def _may_have(text: bytes, escapes: "re.Pattern[bytes]") -> bool:
    """Whether a mark of these escapes stands there; asked of all that is recorded."""
    if escapes is _PERCENT:
        return text.find(b"%") >= 0
    return text.find(b"\\") >= 0 or _REFERENCE.search(text) is not None


def _plain(text: bytes, escapes: "re.Pattern[bytes]") -> bytes:
    return escapes.sub(lambda match: _undone(match[0]), text)


def _places(text: bytes, escapes: "re.Pattern[bytes]") -> list[int]:
    places: list[int] = []
    at = 0
    for match in escapes.finditer(text):
        places.extend(range(at, match.start()))
        places.extend([match.start()] * len(_undone(match[0])))
        at = match.end()
    places.extend(range(at, len(text) + 1))
    return places


@lru_cache(4096)
def _undone(escape: bytes) -> bytes:
    """What an escape means; text beyond ASCII in UTF-8."""
    if escape.startswith(b"%"):
        return bytes([int(escape[-2:], 16)])
    if escape.startswith(b"\\x"):
        return bytes([int(escape[2:], 16)])
    if escape.startswith((b"\\u", b"\\U")):
        units = b"".join(
            int(unit, 16).to_bytes(4 if escape[1:2] == b"U" else 2, "big") for unit in _HEX.findall(escape)
        )
        return units.decode("utf-32-be" if escape[1:2] == b"U" else "utf-16-be", "replace").encode()
    if escape.startswith(b"&#"):
        code = int(escape[3:-1], 16) if escape[2:3] in b"xX" else int(escape[2:-1])
        return (chr(code) if code <= 0x10FFFF else "?").encode("utf-8", "replace")
    return _NAMED.get(escape, escape[1:])


def _edited(form: _Form, edits: Iterable[tuple[int, int, bytes]]) -> bytes:
    """The data with these parts of its text replaced, each byte written as the one before was."""
    places = form.places()
    done, at = [], 0
    for start, end, instead in edits:
        done.append(form.data[at : places[start]])
        done.append(instead if not form.chain else _written(form, places, start, end, instead))
        at = places[end]
    return b"".join([*done, form.data[at:]])


def _written(form: _Form, places: Sequence[int], start: int, end: int, instead: bytes) -> bytes:
    written = []
    while start < end:
        size = next(size for size in range(1, len(places)) if places[start + size] != places[start])
        written.append(rewritten(form.data[places[start] : places[start + size]], instead[:size]))
        start, instead = start + size, instead[size:]
    return b"".join(written)


def rewritten(unit: bytes, character: bytes) -> bytes:
    """A character written like another one among escapes: as an escape of that kind, with hex digits of that case, or
    plain; but the byte of GB18030 that was ASCII and is no longer is not bared among them."""
    if len(unit) == len(character) or not character:
        return b"%%%02x" % character[0] if unit.isascii() and not character.isascii() else character
    digits = "X" if _CAPITAL.search(unit) else "x"
    if unit.startswith(b"%"):
        kept = unit[:-2] if _ONE_PERCENT.fullmatch(unit) else b"%"
        return kept + f"{character[0]:02{digits}}".encode()
    if unit.startswith(b"\\x"):
        return f"\\x{character[0]:02{digits}}".encode()
    code = ord(character.decode("utf-8", "replace")[0])
    if unit.startswith(b"\\U"):
        return f"\\U{code:08{digits}}".encode()
    if unit.startswith(b"\\u"):
        return f"\\u{code:04{digits}}".encode() if code < 0x10000 else _pair(code)
    if unit.startswith(b"&#"):
        return f"&#x{code:{digits}};".encode() if unit[2:3] in b"xX" else f"&#{code};".encode()
    return character


def _pair(code: int) -> bytes:
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}".encode()
