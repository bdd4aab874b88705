"""Captured text made harmless for people's screens.

Law: captured bytes are hostile. Whatever reaches a terminal, HTML, Markdown or a file name passes here first:
control characters, escape sequences, invisible and direction-changing characters become visible escapes
(`\\x1b`, `\\u202e`), and what remains is one printable line. Markup is the renderer's to escape, not ours.
"""

import re
import unicodedata

# Cc control, Cf format (bidi overrides, zero width), Cs surrogate, Co private, Cn unassigned, Zl and Zp separators.
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_PLAIN = re.compile(r"[ -~]*")
_UNSAFE_JSON = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")


def visible(text: str, limit: int | None = None) -> str:
    """The text as one printable line; cut to `limit` characters, with an ellipsis, where it is longer."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_escape(character) if _is_hidden(character) else character for character in text)


def json_safe(text: str) -> str:
    """JSON text in which characters that act on a terminal are written as `\\uXXXX`; its meaning is unchanged."""
    return _UNSAFE_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _escape(character: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if short is not None:
        return short
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
