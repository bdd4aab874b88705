"""The sessions and accounts that are followed, over whatever stretches of the traffic were seen so far.

Law: bounded in number and in what is kept of them; both are chosen by rank, so that the choice from all is part of the
choice from every part. A session is followed as long as those of lower rank leave room: what is kept of one only grows,
so one that has no room in a part has none in the whole. Stretches that lie side by side are joined as soon as both are
there, in whatever order they come; those with a gap between them are kept apart until it is filled.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Protocol, Self, TypeVar

import msgspec

from qqlab.profile.distinct import Distinct, united
from qqlab.profile.lowest import Lowest, rank
from qqlab.profile.presence import ACCOUNTS, SPANS, Presence
from qqlab.profile.session import Session

# Sessions that are followed; how much may be kept of them (pairs of commands, and lengths of the times between); and
# those whose beginning is kept.
FOLLOWED = 4096
MOST = 1 << 20
SESSIONS = 20

# A session: the number of its capture, and its name there.
Key = tuple[int, str]
Span = tuple[int, int]


class _Stretch(Protocol):
    """What was seen of something from a place on."""

    @property
    def at(self) -> int: ...

    def then(self, after: Self, /) -> None: ...


_Of = TypeVar("_Of", bound=_Stretch)


class Following(msgspec.Struct, array_like=True, gc=False):
    """What is known of those that are followed, by stretch, in the order of the captures.

    `spans` are the parts of the captures that were seen. `beyond` and `beyond_accounts` are those that are not
    followed. `untimed` exchanges have no time.
    """

    spans: list[Span] = []
    sessions: dict[Key, list[Session]] = {}
    kept: Lowest[Key] = msgspec.field(default_factory=lambda: Lowest(FOLLOWED))
    beyond: Distinct | None = None
    accounts: dict[str, list[Presence]] = {}
    kept_accounts: Lowest[str] = msgspec.field(default_factory=lambda: Lowest(ACCOUNTS))
    beyond_accounts: Distinct | None = None
    untimed: int = 0

    def admit(self, key: Key, at: int) -> Key | None:
        """Follow a new session of rank `at`. Returns the one for which there is no room then, itself or another."""
        gone = self.kept.admit(key, at)
        if gone is not None:
            # Of another one, its rank is that of each of its stretches.
            self.beyond = _noted(self.beyond, at if gone == key else self.sessions.pop(gone)[0].rank)
        return gone

    def admit_account(self, account: str) -> str | None:
        """The same for an account."""
        gone = self.kept_accounts.admit(account, rank(account))
        if gone is not None:
            self.beyond_accounts = _noted(self.beyond_accounts, rank(gone))
            self.accounts.pop(gone, None)
        return gone

    def is_shown(self, session: Session) -> bool:
        """Whether the beginning of a session is kept."""
        order = self.kept.order
        return len(order) <= SESSIONS or session.rank <= order[SESSIONS - 1][0]

    def merge(self, other: "Following") -> None:
        """Know what another one knows, too, which is used up."""
        self.untimed += other.untimed
        for key, sessions in other.sessions.items():
            if key in self.sessions or self.admit(key, sessions[0].rank) != key:
                self.sessions.setdefault(key, []).extend(sessions)
        self.beyond = united(self.beyond, other.beyond)
        for account, stretches in other.accounts.items():
            if account in self.accounts or self.admit_account(account) != account:
                self.accounts.setdefault(account, []).extend(stretches)
        self.beyond_accounts = united(self.beyond_accounts, other.beyond_accounts)
        self.spans = self.spans + other.spans
        self._join()
        self.trim()

    def join(self) -> None:
        """Join what lies side by side, and keep no more than there is room for."""
        self._join()
        self.trim()

    def _join(self) -> None:
        self.spans = _joined_spans(self.spans)
        starts = [start for start, _ in self.spans]
        for sessions in self.sessions.values():
            _join(sessions, starts)
        for stretches in self.accounts.values():
            _join(stretches, starts)

    def trim(self) -> None:
        """Keep no more than there is room for."""
        # An exchange weighs three at most: one pair, the length of a time between two commands, and between two polls.
        if 3 * sum(session.exchanges for sessions in self.sessions.values() for session in sessions) > MOST:
            for sessions in self.sessions.values():
                for session in sessions:
                    session.weigh()
        room = MOST
        for place, (at, key) in enumerate(self.kept.order):
            sessions = self.sessions[key]
            if room <= 0:
                self.beyond = _noted(self.beyond, at)
                del self.sessions[key]
            elif place >= SESSIONS:
                for session in sessions:
                    session.steps = []
            # What is apart yet may be the same: joined, it is no less than the most of them.
            room -= max(session.weight for session in sessions)
        self.kept.order = [pair for pair in self.kept.order if pair[1] in self.sessions]
        room = SPANS
        for _, account in self.kept_accounts.order:
            for stretch in self.accounts[account]:
                room = stretch.trim(room)


def _noted(beyond: Distinct | None, at: int) -> Distinct:
    """One more that is not followed, of that rank."""
    beyond = Distinct() if beyond is None else beyond
    beyond.add(at)
    return beyond


def _joined_spans(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those side by side as one. Raises ValueError where two overlap: something was seen twice."""
    found: list[Span] = []
    for start, stop in sorted(spans):
        if found and start < found[-1][1]:
            raise ValueError(f"what stands from {start} to {found[-1][1]} was counted twice")
        if found and start == found[-1][1]:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found


def _join(stretches: list[_Of], starts: list[int]) -> None:
    """Join the stretches that lie in one span, of those that begin at `starts`."""
    if len(stretches) < 2:
        return
    stretches.sort(key=lambda stretch: stretch.at)
    joined = stretches[:1]
    for stretch in stretches[1:]:
        if bisect_right(starts, stretch.at) == bisect_right(starts, joined[-1].at):
            joined[-1].then(stretch)
        else:
            joined.append(stretch)
    stretches[:] = joined
