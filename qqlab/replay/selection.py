"""Which steps a replay of some exchanges needs: `--only`.

Law: pure. An exchange brings along what it needs: the login that its account's lane had last got through, with what put
that off, and the exchanges whose replies its values come from, with what these need in turn.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from qqlab.errors import UsageError
from qqlab.visible import visible

_LOOK = "qqlab show CAPTURE lists them"


class Choice(NamedTuple):
    """A step as its selection needs it: `login` is whether it logged its account in, None where that was put off;
    `tries` whether it tried to; `sources` are the ids that its values come from."""

    id: str
    lane: int
    account: str | None
    tries: bool
    login: bool | None
    sources: Collection[str]


def needed(wanted: Iterable[str], choices: Sequence[Choice]) -> frozenset[str]:
    """The ids to send so that those that are wanted can be. Raises UsageError for one that is no request's."""
    logins = _logins(choices)
    sources = {choice.id: choice.sources for choice in choices}
    open_, found = list(wanted), set[str]()
    for one in open_:
        if one not in sources:
            raise UsageError(
                f"--only {visible(one, 40)}", "no request of the capture that can be sent has this id", _LOOK
            )
    while open_:
        one = open_.pop()
        if one not in found:
            found.add(one)
            open_ += [*logins.get(one, ()), *(source for source in sources[one] if source in sources)]
    return frozenset(found)


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
