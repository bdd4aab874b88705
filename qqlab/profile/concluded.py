"""What those that were followed show all together.

Law: what is asked is left as it is, so that more can be added. What stands on both sides of a gap of which nothing was
seen is taken for one right after the other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import reduce
from typing import Protocol, Self, TypeVar

from qqlab.profile.behaviour import BehaviourTally, PollingTally, PresenceTally, TransitionTally
from qqlab.profile.distinct import Distinct
from qqlab.profile.following import Following
from qqlab.profile.lowest import Lowest
from qqlab.profile.paging import Pages
from qqlab.profile.presence import SPANS, Presence
from qqlab.profile.session import Session
from qqlab.profile.tally import Held
from qqlab.profile.transitions import TRANSITIONS, Pair, ranked

# Sessions that poll of which something is kept.
POLLING = 500


class _Stretch(Protocol):
    """What can be joined with what comes right after."""

    def then(self, after: Self, /) -> None: ...


_Of = TypeVar("_Of", bound=_Stretch)
_Key = TypeVar("_Key")


def behaviour(following: Following) -> BehaviourTally:
    """All that was seen of behaviour."""
    following.trim()
    sessions = sorted(map(_whole, following.sessions.values()), key=lambda session: session.at)
    accounts = [_whole(following.accounts[account]) for _, account in following.kept_accounts.order]
    shown = {session.name: session.tally() for session in sessions if following.is_shown(session)}
    pairs, more = _transitions(sessions)
    polling, spans = _polling(sessions), _spans(accounts)
    return BehaviourTally(
        transitions=pairs,
        more_transitions=more,
        followed=len(sessions),
        about_sessions=_about(following.kept, following.beyond),
        sessions=shown,
        polling=polling[:POLLING],
        more_polling=len(polling[POLLING:]),
        watched=len(accounts),
        about_accounts=_about(following.kept_accounts, following.beyond_accounts),
        presence=spans,
        more_presence=sum(account.count for account in accounts) - len(spans),
        pages=_held(sessions, Pages.close),
        cursors=_held(sessions, lambda pages: pages.cursors),
        numbers=_sum(session.numbers.differ for session in sessions if session.numbers is not None),
        untimed=following.untimed,
        clock_back=sum(session.transitions.clock_back for session in sessions),
    )


def _whole(stretches: list[_Of]) -> _Of:
    """All stretches of one thing as one."""
    return stretches[0] if len(stretches) == 1 else reduce(_then, deepcopy(stretches))


def _then(before: _Of, after: _Of) -> _Of:
    before.then(after)
    return before


def _about(kept: Lowest[_Key], beyond: Distinct | None) -> int | None:
    return None if beyond is None else max(len(kept.order) + 1, beyond.count(at for at, _ in kept.order))


def _transitions(sessions: Iterable[Session]) -> tuple[dict[str, dict[str, TransitionTally]], int]:
    """The transitions of all sessions by the command before and the one after, and how many others there are."""
    found: defaultdict[Pair, TransitionTally] = defaultdict(TransitionTally)
    more = 0
    for session in sessions:
        more += session.transitions.more
        for pair, tally in session.transitions.pairs.items():
            found[pair].merge(tally)
    pairs: dict[str, dict[str, TransitionTally]] = {}
    kept = sorted(found, key=lambda pair: (ranked(pair), pair))[:TRANSITIONS] if len(found) > TRANSITIONS else [*found]
    for before, after in kept:
        pairs.setdefault(before, {})[after] = found.pop((before, after))
    return pairs, more + sum(tally.count for tally in found.values())


def _polling(sessions: Iterable[Session]) -> list[PollingTally]:
    """All sessions that poll, in the order in which it was first seen how long they wait."""
    polling = [
        (polls.at, PollingTally(session.name, command, polls.gaps, polls.interval, polls.limit))
        for session in sessions
        for command, polls in session.polls.items()
        if polls.at is not None
    ]
    return [tally for _, tally in sorted(polling, key=lambda pair: pair[0])]


def _spans(accounts: Iterable[Presence]) -> list[PresenceTally]:
    """The spans of accounts that are kept, in the order in which they began."""
    spans: list[PresenceTally] = []
    for account in accounts:
        spans += account.spans[: SPANS - len(spans)]
    return sorted(spans, key=lambda span: span.at)


def _held(sessions: Iterable[Session], rule: Callable[[Pages], Held]) -> dict[str, Held]:
    """Whether all sessions keep a rule about pages, by command, as far as it came up."""
    found: defaultdict[str, list[Held]] = defaultdict(list)
    for session in sessions:
        for command, pages in session.pages.items():
            if (held := rule(pages)) != Held():
                found[command].append(held)
    return {command: _sum(each) for command, each in found.items()}


def _sum(told: Iterable[Held]) -> Held:
    whole = Held()
    for held in told:
        whole.merge(held)
    return whole
