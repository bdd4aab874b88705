"""What is wrong about how Chinese is set: the tests of all Chinese texts ask it."""

import re

_HAN = "[\u3400-\u9fff]"
_FULL = "[，。；：？！、（）“”]"
_WRONG = {
    "a half-width mark beside Chinese": re.compile(rf"{_HAN}[,;:?!()]|[,;?!()]{_HAN}"),
    "a blank beside a full-width mark": re.compile(rf"{_FULL} | {_FULL}"),
    "a blank within Chinese": re.compile(rf"{_HAN} +{_HAN}"),
    "no blank between Chinese and Western": re.compile(rf"{_HAN}[A-Za-z0-9]|[A-Za-z0-9%]{_HAN}"),
    "blanks at an end, or two": re.compile(r"^ | $|  "),
    "straight quotes or three dots": re.compile(r"[\"']|\.\.\."),
    "a half-width full stop": re.compile(rf"{_HAN}\."),
}


def mistakes(text: str) -> list[str]:
    """What is wrong in a text, by name."""
    return [what for what, pattern in _WRONG.items() if pattern.search(text)]
