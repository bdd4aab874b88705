"""Which character separates the items of a list.

Law: found, not assumed. Each mark that values hold is weighed by what only a separator does: values that all end in it,
lists of one message that are as long as each other at several lengths, and a number beside them that says how long.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from qqlab.infer import shapes
from qqlab.infer.message import Message

MARKS = ",;|:/ \t+*!~^#$@-_."
_MOST_LISTS = 12


class Separator(NamedTuple):
    """The character, and what speaks for it; `why` is empty where no list was seen."""

    mark: str
    why: str


def find(messages: Iterable[tuple[str, Message]]) -> Separator:
    """The separator of these messages, each with what kind of message it is (its command and direction)."""
    held: Counter[str] = Counter()
    weighed = {mark: _Weighed(mark) for mark in MARKS}
    for kind, message in messages:
        for text in message.values.values():
            held.update(mark for mark in set(text) if mark in weighed)
        for mark, one in weighed.items():
            if held[mark]:
                one.add(kind, message)
    best = max(weighed.values(), key=lambda one: (one.score, -MARKS.index(one.mark)))
    return Separator(best.mark, best.why) if best.score else Separator(",", "")


class _Weighed:
    """A mark, and how often something speaks for it."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.filled: Counter[tuple[str, str]] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()
        self.equal: dict[tuple[str, str, str], tuple[Counter[bool], set[int]]] = {}

    def add(self, kind: str, message: Message) -> None:
        """Look at one message."""
        lists = [(name, text) for name, text in message.values.items() if self.mark in text]
        for name, text in lists:
            self.filled[kind, name] += 1
            self.ended[kind, name] += text.endswith(self.mark)
        lengths = [(name, len(shapes.items(text, self.mark))) for name, text in lists[:_MOST_LISTS]]
        for (one, length), (other, of_other) in combinations(lengths, 2):
            self._hold(kind, one, other, length, of_other)
        numbers = [(name, int(text)) for name, text in message.values.items() if text.isdigit() and len(text) < 5]
        for name, length in lengths:
            for beside, number in numbers[:_MOST_LISTS]:
                self._hold(kind, name, beside, length, number)

    def _hold(self, kind: str, one: str, other: str, length: int, against: int) -> None:
        outcomes, lengths = self.equal.setdefault((kind, one, other), (Counter(), set()))
        outcomes[length == against] += 1
        if length == against and len(lengths) < 8:
            lengths.add(length)

    @property
    def _terminated(self) -> Sequence[int]:
        """How often values of those fields that always end in the mark hold it."""
        return [count for key, count in self.filled.items() if count >= 3 and self.ended[key] == count]

    @property
    def _agreeing(self) -> Sequence[int]:
        """How often two things of a message are as long as each other, where they always are, at several lengths."""
        return [
            outcomes[True]
            for outcomes, lengths in self.equal.values()
            if outcomes[True] >= 5 and not outcomes[False] and len(lengths) > 1
        ]

    @property
    def score(self) -> int:
        """How much speaks for the mark."""
        return sum(self._terminated) + 3 * sum(self._agreeing)

    @property
    def why(self) -> str:
        """What speaks for it, in words."""
        ended, agreeing = self._terminated, self._agreeing
        together = f"{len(agreeing)} pairs of lists, or of a list and a number, agree in {sum(agreeing)} messages"
        return f"{len(ended)} fields end in it in each of {sum(ended)} values; {together}"
