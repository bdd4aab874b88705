"""What another format could not take over or give: counted while converting, said once at the end."""

from collections import Counter


class Tally:
    """Counts by what they count (`exchange`) and why (`without a request: left out`); `taken` are those imported."""

    def __init__(self) -> None:
        self.taken = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, noun: str, why: str, number: int = 1) -> None:
        """Count some more; nothing is counted for none."""
        if number:
            self._counts[noun, why] += number

    def counts(self) -> list[tuple[str, str, int]]:
        """All that was counted, in the order in which it came up."""
        return [(noun, why, number) for (noun, why), number in self._counts.items()]

    def lines(self) -> list[str]:
        """A line each: `3 exchanges without a request: not in the HAR`. They may hold captured text."""
        return [f"{number} {noun}{'s'[: number != 1]} {why}" for noun, why, number in self.counts()]
