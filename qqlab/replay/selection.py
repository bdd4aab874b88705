"""Which steps a replay of some exchanges needs: `--only`.

Law: pure. An exchange brings along what it needs, and these what they need in turn: the login that its account's lane
had last got through, with what put that off; the exchanges whose replies its values come from; and what had changed, on
its own lane and on those related to it, what the server remembers. What its account had consumed by then is needed by
what consumes, since it is not there any more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from qqlab.errors import UsageError
from qqlab.replay.schedule import Span
from qqlab.spec import Effect
from qqlab.visible import visible

_LOOK = "qqlab show CAPTURE lists them"
_NEVER = float("-inf")


class Choice(NamedTuple):
    """A step as its selection needs it: `login` is whether it logged its account in, None where that was put off;
    `tries` whether it tried to; `sources` are the ids that its values come from; `span` is when it happened."""

    id: str
    lane: int
    account: str | None
    tries: bool
    login: bool | None
    sources: Collection[str]
    span: Span
    effect: Effect


def needed(
    wanted: Iterable[str], choices: Sequence[Choice], relations: Mapping[int, Collection[int]]
) -> frozenset[str]:
    """The ids to send so that those that are wanted can be; choices stand in the order of their begin. `relations` are
    the lanes that each lane has to do with. Raises UsageError for an id that is no request's."""
    logins = _logins(choices)
    ids = {choice.id for choice in choices}
    found = set(wanted)
    for one in wanted:
        if one not in ids:
            raise UsageError(
                f"--only {visible(one, 40)}", "no request of the capture that can be sent has this id", _LOOK
            )
    remembered = _Remembered(relations)
    for choice in reversed(choices):  # what something needs was before it
        if choice.id in found or remembered.needs(choice):
            found.update((choice.id, *logins.get(choice.id, ()), *choice.sources))
            remembered.before(choice)
    return frozenset(found & ids)


class _Remembered:
    """Up to when what changes the server's memory is needed, by lane; and what is consumed there, by account."""

    def __init__(self, relations: Mapping[int, Collection[int]]) -> None:
        self._relations = relations
        self._own: set[int] = set()
        self._changed: dict[int, float] = {}
        self._consumed: dict[str | None, float] = {}

    def before(self, choice: Choice) -> None:
        """What was over before this is needed: it is the earliest so far, but what is needed of a lane stays so."""
        begin = choice.span.begin
        self._own.add(choice.lane)
        for lane in self._relations.get(choice.lane, ()):
            self._changed.setdefault(lane, begin)
        if choice.effect == "consume":
            self._consumed.setdefault(choice.account, begin)

    def needs(self, choice: Choice) -> bool:
        """Whether something that is needed needs this."""
        if choice.effect == "consume":
            return choice.span.end <= self._consumed.get(choice.account, _NEVER)
        if choice.tries:
            # Of its own lane's logins those that count are known; what was refused changed nothing.
            return choice.login is True and self._was_over(choice)
        return choice.effect in ("write", "auth") and (choice.lane in self._own or self._was_over(choice))

    def _was_over(self, choice: Choice) -> bool:
        return choice.span.end <= self._changed.get(choice.lane, _NEVER)


def _logins(choices: Sequence[Choice]) -> Mapping[str, tuple[str, ...]]:
    """By the id of each step, the steps by which its account had logged in before."""
    found: dict[str, tuple[str, ...]] = {}
    tried: dict[tuple[int, str | None], list[str]] = {}
    logged_in: dict[tuple[int, str | None], tuple[str, ...]] = {}
    for choice in choices:
        who = (choice.lane, choice.account)
        if choice.tries:
            found[choice.id] = tuple(tried.get(who, ()))  # the answer to a picture needs the login that asked for it
            _tried(choice, tried.setdefault(who, []), who, logged_in)
        else:
            found[choice.id] = logged_in.get(who, ())
    return found


def _tried(
    choice: Choice,
    before: list[str],
    who: tuple[int, str | None],
    logged_in: dict[tuple[int, str | None], tuple[str, ...]],
) -> None:
    if choice.login is None:
        before.append(choice.id)
        return
    if choice.login:
        logged_in[who] = (*before, choice.id)
    before.clear()
