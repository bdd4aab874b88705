"""Chance that comes out the same every time.

Law: everything is made of one generator's uniform numbers, whose sequence Python promises for a seed; its other draws
have changed between versions.
"""

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Draws that a seed decides, in the order in which they are asked for."""

    def __init__(self, seed: str) -> None:
        self.uniform = random.Random(seed).random

    def happens(self, share: float) -> bool:
        """Whether something of that probability happens."""
        return self.uniform() < share

    def below(self, end: int) -> int:
        """A whole number from 0 to before the end."""
        return int(self.uniform() * end)

    def one(self, choices: Sequence[T]) -> T:
        """One of them, each as likely."""
        return choices[int(self.uniform() * len(choices))]

    def between(self, low: float, high: float) -> float:
        """A number from one to the other."""
        return low + (high - low) * self.uniform()

    def around(self, mean: float) -> float:
        """A number of an exponential distribution: a time until something that comes at any time alike."""
        return -mean * math.log(1.0 - self.uniform())
