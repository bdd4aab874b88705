"""Fresh sequence numbers, so that a server does not take a replay for requests sent twice.

Law: for one account, two recorded numbers never become the same fresh one, and no fresh one is a recorded one. A
number that was recorded twice stays the same number twice: it may have been a request that was sent again, and the
server's answer to that is what the replay is to show. Lengths stay as long as there are numbers of that length.
"""

from collections.abc import Iterable

_LONGEST = 18


class _Account:
    """What is known of one account's numbers: those that are `taken`, the fresh one for each recorded one, and how many
    of each length were asked for."""

    __slots__ = ("asked", "fresh", "taken")

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.fresh: dict[str, str] = {}
        self.asked: dict[int, int] = {}


class Sequences:
    """Hands out numbers that follow on `start`, in the order in which they are asked for."""

    def __init__(self, recorded: Iterable[tuple[str, str]], start: int) -> None:
        """`recorded` are the (account, number) pairs of the capture; `start` is any number, such as a clock's."""
        self._start = start
        self._of: dict[str, _Account] = {}
        for account, number in recorded:
            self._account(account).taken.add(number)

    def _account(self, account: str) -> _Account:
        mine = self._of.get(account)
        if mine is None:
            mine = self._of[account] = _Account()
        return mine

    def fresh(self, account: str, recorded: str) -> str:
        """The number that stands for a recorded one."""
        mine = self._account(account)
        known = mine.fresh.get(recorded)
        if known is None:
            known = mine.fresh[recorded] = self._next(mine, min(len(recorded), _LONGEST))
        return known

    def _next(self, mine: _Account, length: int) -> str:
        lowest = 10 ** (length - 1)
        count = 9 * lowest
        asked = mine.asked.get(length, 0)
        while asked < count:
            candidate = str(lowest + (self._start + asked) % count)
            asked += 1
            if candidate not in mine.taken:
                mine.asked[length] = asked
                return candidate
        mine.asked[length] = asked
        return self._next(mine, length + 1)
