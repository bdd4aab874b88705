"""Captured text made harmless for people's screens.

Law: captured bytes are hostile. Whatever reaches a terminal, HTML, Markdown or a file name passes here first:
control characters, escape sequences, invisible and direction-changing characters become visible escapes
(`\\x1b`, `\\u202e`), and what remains is one printable line. Markup is the renderer's to escape, not ours. What goes
into a table for a spreadsheet is guarded here against being taken for a formula.
"""

import re
import unicodedata

# Cc control, Cf format (bidi overrides, zero width), Cs surrogate, Co private, Cn unassigned, Zl and Zp separators.
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_PLAIN = re.compile(r"[ -~]*")
_BEYOND_ASCII = re.compile("[^\x00-\x7e]")
# What spreadsheets take for the start of a formula, also in full width, also behind blanks and what they pass over; and
# the guard itself, so that it can be taken off again.
_FORMULA = re.compile(
    "[\\s\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\"]*[=+\\-@＝＋－＠﹢﹣﹦﹫−|%']|[\t\r\n]"
)
_GUARD = "'"
# Whatever could begin a block, a span, a link, a cell, an entity or an element.
_MARKDOWN = re.compile(r"[\\`*_\[\]#!~$&<>|@{}]|://|(?i:www)\.|^[-+=]|^\d+[.)](?=\s|$)")


def visible(text: str, limit: int | None = None) -> str:
    """The text as one printable line; cut to `limit` characters, with an ellipsis, where it is longer."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_escape(character) if _is_hidden(character) else character for character in text)


def json_safe(text: str) -> str:
    """JSON text in which characters that act on a terminal are written as `\\uXXXX`; its meaning is unchanged."""
    return _BEYOND_ASCII.sub(lambda match: _json_escape(match[0]) if _is_hidden(match[0]) else match[0], text)


def csv_safe(text: str) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula: an apostrophe goes before what looks like one.

    `csv_plain` undoes it, so a cell that begins with an apostrophe gets one more.
    """
    return _GUARD + text if _FORMULA.match(text) else text


def markdown_safe(text: str) -> str:
    """Captured text as Markdown that shows it and does nothing else."""
    return _MARKDOWN.sub(lambda match: _inert(match[0]), visible(text))


def csv_plain(cell: str) -> str:
    """The text of a cell that `csv_safe` made."""
    return cell.removeprefix(_GUARD)


def _inert(text: str) -> str:
    if text in "&<>|@":
        return f"&#{ord(text)};"
    if text == "://":
        return "&#58;//"
    if text[0].isdigit() or text.lower() == "www.":
        return text[:-1] + f"&#{ord(text[-1])};"
    return "\\" + text


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _escape(character: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if short is not None:
        return short
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
