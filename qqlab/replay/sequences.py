"""Fresh sequence numbers, so that a server does not take a replay for requests sent twice.

Law: for one account, two recorded numbers never become the same fresh one, and no fresh one is a recorded one. A
number that was recorded twice stays the same number twice: it may have been a request that was sent again, and the
server's answer to that is what the replay is to show. Lengths stay as long as there are numbers of that length.
"""

from collections.abc import Iterable

_LONGEST = 18


class Sequences:
    """Hands out numbers that follow on `start`, in the order in which they are asked for."""

    def __init__(self, recorded: Iterable[tuple[str, str]], start: int) -> None:
        """`recorded` are the (account, number) pairs of the capture; `start` is any number, such as a clock's."""
        self._taken = set(recorded)
        self._start = start
        self._asked: dict[tuple[str, int], int] = {}
        self._fresh: dict[tuple[str, str], str] = {}

    def fresh(self, account: str, recorded: str) -> str:
        """The number that stands for a recorded one."""
        known = self._fresh.get((account, recorded))
        if known is None:
            known = self._fresh[account, recorded] = self._next(account, min(len(recorded), _LONGEST))
        return known

    def _next(self, account: str, length: int) -> str:
        lowest = 10 ** (length - 1)
        count = 9 * lowest
        asked = self._asked.get((account, length), 0)
        while asked < count:
            candidate = str(lowest + (self._start + asked) % count)
            asked += 1
            if (account, candidate) not in self._taken:
                self._asked[account, length] = asked
                return candidate
        self._asked[account, length] = asked
        return self._next(account, length + 1)
