"""The words of a report in the reader's language.

Law: English stands in code and templates and is the key; `words.LANG.toml` beside this file has the same sentence in
another language, and what it has not stays English. A sentence is whole: placeholders are `{name}`, filled by keyword
after it was translated, so that a language may put them in another order. Pure but for reading the package's own file.
"""

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources

from qqlab.spec import Lang


class Say:
    """Says things in one language: `say("in {count} of {whole}", count=3, whole=9)`."""

    def __init__(self, lang: Lang = "en") -> None:
        self.lang = lang
        self._words = words(lang)

    def __call__(self, sentence: str, /, **values: object) -> str:
        """The sentence in this language, with its values filled in."""
        return self.translated(sentence).format(**values)

    def count(self, number: int, what: str) -> str:
        """A number of things, which are called by one English word in the singular: `count(2, "message")`."""
        return self.translated(counting(what, number == 1 and self.lang == "en")).format(count=number)

    def several(self, parts: Iterable[str]) -> str:
        """Things of equal standing one after the other."""
        return self.translated(", ").join(parts)

    def translated(self, sentence: str) -> str:
        """The sentence in this language, its placeholders as they are."""
        return self._words.get(sentence, sentence)


def counting(what: str, one: bool = False) -> str:
    """The sentence that counts things; languages without a plural have it for many only."""
    return f"{{count:,}} {what}" if one else f"{{count:,}} {what}s"


@cache
def words(lang: Lang) -> dict[str, str]:
    """What a language has for each English sentence; nothing for English itself."""
    if lang == "en":
        return {}
    text = resources.files("qqlab.report").joinpath(f"words.{lang}.toml").read_text(encoding="utf-8")
    found: dict[str, str] = tomllib.loads(text)
    return found
