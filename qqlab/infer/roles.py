"""Which field says the command, the sequence number, the account, the version and the status.

Law: told by what fields do, never by their names. The command is the field of every request that says most about which
other fields stand there, weighed against chance; the sequence number changes from one request to the next; the account
comes again and again, and elsewhere too; the version has few values and the form of one; the status stands in every
reply, in few requests, and says most about what else does. Where no field plays a role, a name that no message has
stands for it, and that is said: the format of specs asks for one.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from qqlab.infer import shapes
from qqlab.infer.message import Message, Seen
from qqlab.infer.support import ALWAYS
from qqlab.spec import Roles

EVERY = 0.95
MOST_VERSIONS = 8
MOST_STATUSES = 40


class Found(NamedTuple):
    """The roles, why each is taken to be played by its field, and those that no field was found for.

    Names are in upper case; `spelled` gives those of the roles as most messages write them.
    """

    command: str
    sequence: str
    account: str
    version: str
    status: str
    why: dict[str, str]
    missing: frozenset[str]

    def roles(self, spelled: Callable[[str], str]) -> Roles:
        """The roles as a spec has them."""
        return Roles(
            version=spelled(self.version),
            command=spelled(self.command),
            sequence=spelled(self.sequence),
            account=spelled(self.account),
            status=spelled(self.status),
        )

    @property
    def names(self) -> frozenset[str]:
        """The fields that play a role."""
        return frozenset((self.command, self.sequence, self.account, self.version, self.status))


def given(roles: Roles) -> Found:
    """The roles that a spec has."""
    named = (roles.command, roles.sequence, roles.account, roles.version, roles.status)
    command, sequence, account, version, status = (name.upper() for name in named)
    return Found(command, sequence, account, version, status, {}, frozenset())


def find(window: Sequence[Seen]) -> Found:
    """The roles in these exchanges."""
    return _Search(window).found()


class _Search:
    def __init__(self, window: Sequence[Seen]) -> None:
        self.pairs = [(seen.request, seen.reply) for seen in window if seen.request is not None]
        self.requests = [request for request, _ in self.pairs if request is not None]
        self.replies = [seen.reply for seen in window if seen.reply is not None]
        self.why: dict[str, str] = {}
        self.taken: set[str] = set()
        self.asked = self.requests or self.replies

    def found(self) -> Found:
        command = self._take("command", self._command())
        version = self._take("version", self._version(dotted=True))
        sequence = self._take("sequence", self._sequence())
        account = self._take("account", self._account())
        version = version or self._take("version", self._version(dotted=False))
        status = self._take("status", self._status(command))
        named = {"command": command, "sequence": sequence, "account": account, "version": version, "status": status}
        missing = frozenset(role for role, name in named.items() if name is None)
        told = {role: name or f"NO-{role.upper()}-SEEN" for role, name in named.items()}
        return Found(**told, why=self.why, missing=missing)

    def _take(self, role: str, found: tuple[str, str] | None) -> str | None:
        if found is None:
            return None
        self.taken.add(found[0])
        self.why[role] = found[1]
        return found[0]

    # --------------------------------------------------------------------------------------------- each role

    def _command(self) -> tuple[str, str] | None:
        usual = self._foretold("")
        scored = [(self._foretold(name) - usual, -place, name) for place, name in enumerate(_common(self.asked))]
        more, _, name = max(scored, default=(0, 0, ""))
        if more >= max(3, 0.1 * len(self.asked)):
            kinds = len({request.values[name].upper() for request in self.asked if name in request.values})
            told = f"one of its {kinds} values foretells which fields stand there, {more} times more often than chance"
            return name, f"in every request; {told}" + ("" if more >= ALWAYS else ": under-sampled")
        return self._lone_command()

    def _lone_command(self) -> tuple[str, str] | None:
        """Where too little is said of other fields: what is words that most replies repeat."""
        for name in _common(self.asked):
            values = {request.values[name].upper() for request in self.asked if name in request.values}
            if not any(shapes.is_digits(value[:1]) for value in values) and self._echoed(name) > 0.7:
                return name, f"words ({len(values)}) that all requests have and replies repeat; under-sampled"
        return None

    def _foretold(self, name: str) -> int:
        """How often an exchange has the fields of the last one with the same value; under no name, of the last one."""
        last: dict[str, tuple[object, object]] = {}
        hits = 0
        for request, reply in self.pairs or [(reply, None) for reply in self.replies]:
            value = "" if request is None else request.values.get(name, "").upper()
            now = _layout(request, name), _layout(reply, name)
            then = last.get(value, ((), ()))
            hits += (then[0] == now[0]) + (then[1] == now[1] != ())
            last[value] = now
        return hits

    def _version(self, *, dotted: bool) -> tuple[str, str] | None:
        best: list[tuple[int, int, str]] = []
        for place, name in enumerate(_common(self.asked)):
            values = {m.values[name] for m in self.requests + self.replies if m.values.get(name)}
            if name in self.taken or not values or len(values) > MOST_VERSIONS:
                continue
            both = bool(self.replies) and _share(self.replies, name) >= EVERY
            if all(map(shapes.is_version, values)) and (any("." in value for value in values) if dotted else both):
                best.append((int(both), -place, name))
        if not best:
            return None
        how = "numbers with dots" if dotted else "a small number"
        return max(best)[2], f"in every request, few values, {how}"

    def _sequence(self) -> tuple[str, str] | None:
        best: list[tuple[int, float, str]] = []
        for name in _common(self.requests):
            values = [request.values.get(name, "") for request in self.requests]
            changed = sum(one != other for one, other in pairwise(values)) / max(1, len(values) - 1)
            if name in self.taken or len(set(values)) < 3 or changed < 0.9:
                continue
            repeats = int(self._echoed(name) > EVERY)
            if repeats or _grows(values):
                best.append((repeats, len(set(values)) / len(values), name))
        if not best:
            return None
        repeats, _, name = max(best)
        return name, "another value in nearly each request" + (", which the reply repeats" if repeats else ", growing")

    def _account(self) -> tuple[str, str] | None:
        best: list[tuple[int, int, str, str]] = []
        for place, name in enumerate(_common(self.requests)):
            values = Counter(request.values.get(name, "") for request in self.requests)
            if name in self.taken or len(values) > max(1, len(self.requests) // 2) or set(values) == {""}:
                continue
            reasons = self._account_reasons(name, values)
            best.append((len(reasons), -place, name, ", ".join(reasons)))
        if not best or max(best)[0] < 2:
            return None
        _, _, name, why = max(best)
        return name, f"in every request, comes again: {why}"

    def _account_reasons(self, name: str, values: Counter[str]) -> list[str]:
        elsewhere = self._elsewhere(name, set(values))
        told = (
            (self._echoed(name) > EVERY, "replies repeat it"),
            (len(values) > 1, f"{len(values)} values"),
            (min(map(len, values)) >= 3, "three characters or more"),
            (elsewhere > 0, f"{elsewhere} of them stand in other fields, too"),
        )
        return [text for holds, text in told if holds]

    def _elsewhere(self, name: str, values: set[str]) -> int:
        """How many of an account's values other fields hold, alone or in a list."""
        met: set[str] = set()
        for message in self.requests + self.replies:
            for other, text in message.values.items():
                if other != name and len(text) >= 3:
                    met.update(value for value in values - met if len(value) >= 3 and value in text)
        return len(met)

    def _status(self, command: str | None) -> tuple[str, str] | None:
        best: list[tuple[float, int, str, int]] = []
        for place, name in enumerate(_common(self.replies)):
            values = {reply.values[name] for reply in self.replies if name in reply.values}
            asked = _share(self.requests, name) if self.requests else 0.0
            is_code = all(map(shapes.is_code, values)) and len(values) <= MOST_STATUSES
            if name in self.taken or asked > 0.5 or not is_code:
                continue
            bits = self._decides(name, command)
            best.append((bits, -place, name, len(values)))
        if not best:
            return None
        bits, _, name, kinds = max(best)
        return name, f"in every reply, a number of {kinds} values that says what else stands there ({bits:.2f} bits)"

    def _decides(self, name: str, command: str | None) -> float:
        """How much a field of replies says about which others stand there, among replies to the same command."""
        by_command: dict[str, Counter[tuple[str, tuple[str, ...]]]] = {}
        for reply in self.replies:
            if name in reply.values:
                said = reply.values.get(command or "", "").upper()
                by_command.setdefault(said, Counter())[(reply.values[name], _layout(reply, name))] += 1
        informed = (_information(counts.items()) * counts.total() for counts in by_command.values())
        return round(sum(informed) / max(1, len(self.replies)), 6)

    def _echoed(self, name: str) -> float:
        """The share of replies that repeat the request's value, whatever the case."""
        held = told = 0
        for request, reply in self.pairs:
            if request is not None and reply is not None and request.values.get(name) and name in reply.values:
                told += 1
                held += request.values[name].upper() == reply.values[name].upper()
        return held / told if told else 0.0


def _common(messages: Sequence[Message]) -> list[str]:
    """The fields of nearly every message, in their usual order."""
    counts: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for message in messages:
        for place, name in enumerate(message.values):
            counts[name] += 1
            places[name] += place
    names = [name for name, count in counts.items() if count >= EVERY * len(messages)]
    return sorted(names, key=lambda name: (places[name] / counts[name], name))


def _share(messages: Sequence[Message], name: str) -> float:
    return sum(name in message.values for message in messages) / max(1, len(messages))


def _layout(message: Message | None, without: str) -> tuple[str, ...]:
    return () if message is None else tuple(sorted(name for name in message.values if name != without))


def _grows(values: Sequence[str]) -> bool:
    """Whether numbers grow from each message to the next, but for few."""
    numbers = [number for value in values if (number := shapes.number(value)) is not None]
    return len(numbers) > 2 and sum(b > a for a, b in pairwise(numbers)) > 0.8 * (len(values) - 1)


def _information(counted: Iterable[tuple[tuple[str, object], int]]) -> float:
    """The mutual information of pairs, in bits, less what as many values would show by chance (Miller and Madow)."""
    joint = dict(counted)
    total = sum(joint.values())
    if not total:
        return 0.0
    ones: Counter[str] = Counter()
    others: Counter[object] = Counter()
    for (one, other), count in joint.items():
        ones[one] += count
        others[other] += count
    bits = sum(n / total * math.log2(n * total / (ones[a] * others[b])) for (a, b), n in joint.items())
    chance = (len(ones) - 1) * (len(others) - 1) / (2 * total * math.log(2))
    return bits - chance
