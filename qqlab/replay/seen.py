"""A capture as a plan sees it: each message read once, and what only shows when all are looked at.

Law: pure. Exchanges stand in the order in which they began, whatever the order of the file. Of replies only that is
kept which other exchanges may hang on, so that memory holds little beside the capture itself.
"""

from collections.abc import Collection, Sequence

from qqlab.codec import Decoded, decode
from qqlab.exchange import Exchange
from qqlab.replay.correlate import Correlation
from qqlab.replay.lanes import connections
from qqlab.replay.lanes import lanes as lanes_of
from qqlab.replay.order import related
from qqlab.replay.passwords import secret_field, verdict, was_right, worked
from qqlab.replay.reading import Read, items, read
from qqlab.replay.rewrite import is_account, secret_of
from qqlab.replay.schedule import timeline
from qqlab.spec import Spec


class Seen:
    """What there is to know of a whole capture before its requests are rewritten one by one; in the order in which
    exchanges began."""

    def __init__(
        self, exchanges: Sequence[Exchange], spec: Spec, pins: Collection[tuple[str | None, str]] = ()
    ) -> None:
        """`pins` as `Correlation` takes them."""
        self._spec = spec
        spans = timeline(exchanges)
        order = sorted(range(len(exchanges)), key=lambda place: spans[place].begin)
        self.exchanges = [exchanges[place] for place in order]
        self.spans = [spans[place] for place in order]
        self.connections = connections(self.exchanges)
        self.lanes = lanes_of(self.exchanges, self.connections)
        self.correlation = Correlation(spec, pins)
        self.asked: list[Read | None] = []
        self.accounts: list[str | None] = []
        self.numbers: list[tuple[str, str]] = []
        self.secrets: dict[int, Decoded] = {}  # of the requests that hold something made from a password
        self._naming: dict[int, bool] = {}
        self.named: dict[int, set[str]] = {lane: set() for lane in self.lanes}
        for place, exchange in enumerate(self.exchanges):
            self._look(place, exchange)
        self.right = worked(self.secrets.values(), spec)

    def _look(self, place: int, exchange: Exchange) -> None:
        spec, lane, roles = self._spec, self.lanes[place], self._spec.roles
        asked = None if exchange.request is None else read(exchange.request, "request", spec)
        fallback = None if asked is None else asked.command
        said = None if exchange.reply is None else read(exchange.reply, "reply", spec, fallback)
        account = _role(roles.account, asked, said)
        self.asked.append(asked)
        self.accounts.append(account)
        self.numbers.append((account or "", _role(roles.sequence, asked, said) or ""))
        if asked is not None:
            self._names(asked, lane)
            self.correlation.request(exchange.id, lane, asked, account)
            if secret_of(asked) is not None:
                self.secrets[place] = decode(exchange, spec)
        if said is not None:
            self._names(said, lane)
            if asked is not None:
                self.correlation.reply(exchange.id, lane, said)

    def _names(self, message: Read, lane: int) -> None:
        """Note what might be an account."""
        named = self.named[lane]
        for field in message.fields:
            known = field.spec
            if known is None:
                continue
            names = self._naming.get(id(known))  # told apart by what they are: to compare two fields takes long
            if names is None:
                names = self._naming[id(known)] = is_account(known, self._spec)
            if names:
                if known.list:
                    named.update(items(field, self._spec))
                else:
                    named.add(field.text)

    def is_right(self, place: int) -> bool:
        """Whether the recording shows that a request's secret was the account's."""
        decoded = self.secrets.get(place)
        field = None if decoded is None else secret_field(decoded)
        return decoded is not None and field is not None and was_right(decoded, field, self.right)

    def login(self, place: int) -> bool | None:
        """Whether a request logged its account in; None where that was put off."""
        decoded = self.secrets.get(place)
        return False if decoded is None else verdict(decoded, self._spec)

    def commands(self) -> frozenset[str]:
        """The names of all commands that were asked for, in capitals."""
        return frozenset(asked.name.upper() for asked in self.asked if asked is not None)

    def owners(self) -> dict[int, set[str]]:
        """The accounts of each lane."""
        owners: dict[int, set[str]] = {lane: set() for lane in self.lanes}
        for lane, account in zip(self.lanes, self.accounts, strict=True):
            if account is not None:
                owners[lane].add(account)
        return owners

    def shared(self) -> frozenset[int]:
        """The lanes one of whose accounts has another lane as well."""
        lanes: dict[str, list[int]] = {}
        for lane, accounts in self.owners().items():
            for account in accounts:
                lanes.setdefault(account, []).append(lane)
        return frozenset(lane for several in lanes.values() if len(several) > 1 for lane in several)

    def relations(self) -> dict[int, set[int]]:
        """The lanes that each lane has to do with."""
        return related(self.owners(), self.named)


def _role(name: str, asked: Read | None, said: Read | None) -> str | None:
    first = None if asked is None else asked.text(name)
    return first if first is not None or said is None else said.text(name)
