"""Fresh sequence numbers, so that a server does not take a replay for requests sent twice.

Law: for one account, two recorded numbers never become the same fresh one, and no fresh one is a recorded one. A
number that was recorded twice stays the same number twice: it may have been a request that was sent again, and the
server's answer to that is what the replay is to show. Lengths stay as long as there are numbers of that length.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

_LONGEST = 18


class Account:
    """The numbers of one account: those that are `taken`, and the fresh one for each recorded one."""

    __slots__ = ("_free", "_fresh", "_start", "taken")

    def __init__(self, start: int) -> None:
        self.taken: set[str] = set()
        self._start = start
        self._fresh: dict[str, str] = {}
        self._free: dict[int, Iterator[str]] = {}  # by their length

    def fresh(self, recorded: str) -> str:
        """The number that stands for a recorded one."""
        known = self._fresh.get(recorded)
        if known is None:
            free = self._free.get(len(recorded)) or self._of_length(min(len(recorded), _LONGEST))
            known = self._fresh[recorded] = next(free)
        return known

    def _of_length(self, length: int) -> Iterator[str]:
        free = self._free.get(length)
        if free is None:
            free = self._free[length] = self._candidates(length)
        return free

    def _candidates(self, length: int) -> Iterator[str]:
        taken, lowest, behind = self.taken, 10 ** (length - 1), 10**length
        first = lowest + self._start % (behind - lowest)
        for candidate in map(str, chain(range(first, behind), range(lowest, first))):
            if candidate not in taken:
                yield candidate
        yield from self._of_length(length + 1)


class Sequences:
    """Hands out numbers that follow on `start`, in the order in which they are asked for."""

    def __init__(self, recorded: Iterable[tuple[str, str]], start: int) -> None:
        """`recorded` are the (account, number) pairs of the capture; `start` is any number, such as a clock's."""
        self._start = start
        self._of: dict[str, Account] = {}
        for account, number in recorded:
            self.of(account).taken.add(number)

    def of(self, account: str) -> Account:
        """The numbers of an account."""
        mine = self._of.get(account)
        if mine is None:
            mine = self._of[account] = Account(self._start)
        return mine

    def fresh(self, account: str, recorded: str) -> str:
        """The number that stands for a recorded one."""
        return self.of(account).fresh(recorded)
