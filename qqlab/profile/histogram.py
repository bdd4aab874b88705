"""Durations counted by size: percentiles of any number of them in bounded memory.

Law: 64 buckets for each doubling, so a percentile is right to 1%; the same on every machine and in whatever order they
come; two of them add up to that of both. The shortest and the longest are exact, and no percentile lies beyond them.
"""

import math
from collections import Counter
from collections.abc import Iterable

import msgspec

_STEPS = 64
# From a millionth of a second to half a year; what lies beyond is counted at the ends.
_LEAST, _MOST = -20 * _STEPS, 25 * _STEPS - 1


class Histogram(msgspec.Struct, array_like=True, gc=False):
    """Durations in seconds. `buckets` counts them by size, `low` and `high` are the extremes, None without any."""

    count: int = 0
    buckets: dict[int, int] = {}
    low: float | None = None
    high: float | None = None

    def add(self, seconds: float) -> None:
        """Count one; what is no finite number, or negative, counts as 0."""
        if not 0 <= seconds < math.inf:
            seconds = 0.0
        bucket = _bucket(seconds)
        self.count += 1
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        if self.low is None or self.high is None:
            self.low = self.high = seconds
        elif seconds < self.low:
            self.low = seconds
        elif seconds > self.high:
            self.high = seconds

    def add_all(self, durations: Iterable[float]) -> None:
        """Count many."""
        fit = [seconds if 0 <= seconds < math.inf else 0.0 for seconds in durations]
        if fit:
            self.merge(Histogram(len(fit), Counter(map(_bucket, fit)), min(fit), max(fit)))

    def merge(self, other: "Histogram") -> None:
        """Count all of another one, too."""
        self.count += other.count
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        if other.low is not None and (self.low is None or other.low < self.low):
            self.low = other.low
        if other.high is not None and (self.high is None or other.high > self.high):
            self.high = other.high

    def percentile(self, share: float) -> float | None:
        """The duration that so great a share of all does not exceed; None without any."""
        if self.low is None or self.high is None:
            return None
        wanted, counted = max(1, math.ceil(share * self.count)), 0
        for bucket in sorted(self.buckets):
            counted += self.buckets[bucket]
            if counted >= wanted:
                return min(max(_middle(bucket), self.low), self.high)
        return self.high


def _bucket(seconds: float) -> int:
    part, power = math.frexp(seconds)  # seconds = part * 2**power, and part is at least a half
    return max(_LEAST, min(_MOST, power * _STEPS + int((part - 0.5) * 2 * _STEPS))) if seconds else _LEAST


def _middle(bucket: int) -> float:
    power, step = divmod(bucket, _STEPS)
    return math.ldexp(0.5 + (step + 0.5) / (2 * _STEPS), power)
