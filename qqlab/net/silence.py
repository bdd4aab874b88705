"""How much silence of a target is too much.

Law: one count for a whole replay, however many processes send it: what one of them hears is heard, and where the
target is given up once, it stays given up. One account alone that gets no answer is no target that is gone.
"""

import multiprocessing
from contextlib import nullcontext
from ctypes import c_int

# So many exchanges in a row without a connection, or without a byte in time, and the target counts as gone.
GIVE_UP_AFTER = 5


class Silence:
    """Counts silences in a row. `steps` is how many steps the whole replay has; where it is `shared`, processes that
    are forked from this one count together."""

    def __init__(self, steps: int, *, shared: bool = False) -> None:
        context = multiprocessing.get_context("fork")
        self._patience = max(1, min(GIVE_UP_AFTER, steps))
        self._count: c_int = context.RawValue(c_int, 0) if shared else c_int(0)
        self._lock = context.Lock() if shared else nullcontext()

    def of_steps(self, steps: int) -> "Silence":
        """The same count, for a replay of which only now is known how many steps it has."""
        self._patience = max(1, min(GIVE_UP_AFTER, steps))
        return self

    def is_over(self, silent: bool) -> bool:
        """Whether the target is to be given up, now that an exchange is over, in silence or not."""
        count = self._count.value
        if count >= self._patience or not (silent or count):  # most often: a lock would cost too much
            return count >= self._patience
        with self._lock:
            if self._count.value < self._patience:
                self._count.value = self._count.value + 1 if silent else 0
            return self._count.value >= self._patience
