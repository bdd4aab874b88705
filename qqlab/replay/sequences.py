"""Fresh sequence numbers, so that a server does not take a replay for requests sent twice.

Law: for one account, two recorded numbers never become the same fresh one, and no fresh one is a recorded one. A
number that was recorded twice stays the same number twice: it may have been a request that was sent again, and the
server's answer to that is what the replay is to show. Lengths stay as long as there are numbers of that length.
"""

from collections.abc import Iterable

_LONGEST = 18


class Account:
    """The numbers of one account: those that are `taken`, the fresh one for each recorded one, and how many of each
    length were asked for."""

    __slots__ = ("_asked", "_fresh", "_start", "taken")

    def __init__(self, start: int) -> None:
        self.taken: set[str] = set()
        self._start = start
        self._fresh: dict[str, str] = {}
        self._asked: dict[int, int] = {}

    def fresh(self, recorded: str) -> str:
        """The number that stands for a recorded one."""
        known = self._fresh.get(recorded)
        if known is None:
            known = self._fresh[recorded] = self._next(min(len(recorded), _LONGEST))
        return known

    def _next(self, length: int) -> str:
        lowest = 10 ** (length - 1)
        count = 9 * lowest
        asked = self._asked.get(length, 0)
        while asked < count:
            candidate = str(lowest + (self._start + asked) % count)
            asked += 1
            if candidate not in self.taken:
                self._asked[length] = asked
                return candidate
        self._asked[length] = asked
        return self._next(length + 1)


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
