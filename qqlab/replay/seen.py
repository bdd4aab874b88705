"""A capture as a plan sees it: each message read once, and what only shows when all are looked at.

Law: pure. Exchanges stand in the order in which they began, whatever the order of the file. Of replies only that is
kept which other exchanges may hang on, so that memory holds little beside the capture itself.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from qqlab.codec import Decoded, decode
from qqlab.exchange import Exchange
from qqlab.replay.contents import Content, Contents
from qqlab.replay.correlate import Correlation
from qqlab.replay.lanes import connections
from qqlab.replay.lanes import lanes as lanes_of
from qqlab.replay.order import related
from qqlab.replay.passwords import secret_field, verdict, was_right, worked
from qqlab.replay.schedule import timeline
from qqlab.spec import Spec

# To learn what exchanges have in common takes as long as to write several of them anew.
_OFTEN = 10


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
        self.correlation = Correlation(pins)
        self.asked: list[Content | None] = []
        self.accounts: list[str | None] = []
        self.numbers: list[tuple[str, str]] = []
        self._pairs: dict[tuple[int, int, bytes, bytes], int] = {}
        self._alike: list[int | None] = []
        self.secrets: dict[int, Decoded] = {}  # of the requests that hold something made from a password
        self._contents = Contents(spec)
        self.named: dict[int, set[str]] = {lane: set() for lane in self.lanes}
        for place, exchange in enumerate(self.exchanges):
            self._look(place, exchange)
        self._often = Counter(self._alike)
        self.right = worked(self.secrets.values(), spec)

    def _look(self, place: int, exchange: Exchange) -> None:
        lane = self.lanes[place]
        asked = said = account = number = repeated = None
        if exchange.request is not None:
            asked, number = self._contents.of(exchange.request, "request")
            account = asked.account
        if exchange.reply is not None:
            said, repeated = self._contents.of(exchange.reply, "reply", None if asked is None else asked.read.command)
            account = said.read.text(self._spec.roles.account) if account is None else account
            number = repeated if number is None else number
        self.asked.append(asked)
        self._alike.append(self._pair(exchange, asked, said) if number == repeated else None)
        self.accounts.append(account)
        self.numbers.append((account or "", number or ""))
        if asked is not None:
            self.named[lane].update(asked.named)
            self.correlation.request(exchange.id, lane, asked.taken, account)
            if asked.secret:
                self.secrets[place] = decode(exchange, self._spec)
        if said is not None:
            self.named[lane].update(said.named)
            if asked is not None:
                self.correlation.reply(exchange.id, lane, said.offered)

    def _pair(self, exchange: Exchange, asked: Content | None, said: Content | None) -> int | None:
        """A number for all exchanges that are the same but for a plain sequence number."""
        if asked is None or said is None or asked.around is None or said.around is None or exchange.error is not None:
            return None
        assert exchange.request is not None
        assert exchange.reply is not None
        pair = asked.kind, said.kind, exchange.request.head, exchange.reply.head
        return self._pairs.setdefault(pair, len(self._pairs))

    def alike(self, place: int) -> int | None:
        """The number that an exchange has in common with all that are the same but for a plain sequence number, which
        request and reply share; None where there are few of them."""
        pair = self._alike[place]
        return pair if pair is not None and self._often[pair] >= _OFTEN else None

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
        names = {asked.read.name for asked in self.asked if asked is not None}
        return frozenset(name.upper() for name in names)

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
