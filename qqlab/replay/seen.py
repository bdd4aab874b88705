"""A capture as a plan sees it: each message read once, and what only shows when all are looked at.

Law: pure. Exchanges stand in the order in which they began, whatever the order of the file. Of replies only that is
kept which other exchanges may hang on, so that memory holds little beside the capture itself.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from qqlab.codec import Decoded, decode
from qqlab.exchange import Exchange
from qqlab.replay.contents import Contents, Shape
from qqlab.replay.correlate import Correlation, Offer, Taken
from qqlab.replay.lanes import connections
from qqlab.replay.lanes import lanes as lanes_of
from qqlab.replay.order import related
from qqlab.replay.passwords import secret_field, verdict, was_right, worked
from qqlab.replay.schedule import Span, timeline
from qqlab.spec import Spec

# To learn what exchanges have in common takes as long as to write several of them anew.
_OFTEN = 10


# The values that an exchange takes, and those that it offers.
_Met = tuple[tuple[Taken, ...], tuple[Offer, ...]]


class Seen:
    """What there is to know of a whole capture before its requests are rewritten one by one; in the order in which
    exchanges began: their `shapes`, sequence `numbers`, `lanes`, `connections` and `spans`."""

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        spec: Spec,
        pins: Collection[tuple[str | None, str]] = (),
        spans: Sequence[Span] | None = None,
    ) -> None:
        """`pins` as `Correlation` takes them. `spans` say when each happened, where they are part of a capture."""
        self._spec = spec
        spans = timeline(exchanges) if spans is None else spans
        order = sorted(range(len(exchanges)), key=[span.begin for span in spans].__getitem__)
        self.exchanges = [exchanges[place] for place in order]
        self.spans = [spans[place] for place in order]
        look = Contents(spec).exchange
        looked = [look(exchange) for exchange in self.exchanges]
        self.shapes = [shape for shape, _ in looked]
        self.numbers = [number for _, number in looked]
        self.connections = connections(self.exchanges)
        self.lanes = lanes_of(self.exchanges, self.connections)
        self._distinct = list({id(shape): shape for shape in self.shapes}.values())
        self.correlation = Correlation(pins, *_said(self._distinct))
        self.named: dict[int, set[str]] = {lane: set() for lane in dict.fromkeys(self.lanes)}
        self.named_elsewhere: Collection[str] = ()  # by other parts of the capture
        self.secrets: dict[int, Decoded] = {}  # of the requests that hold something made from a password
        if any(shape.asked is not None and shape.asked.secret for shape in self._distinct):
            for place, shape in enumerate(self.shapes):
                if shape.asked is not None and shape.asked.secret:
                    self.secrets[place] = decode(self.exchanges[place], spec)
        self._relate()
        self.alike = self._often()
        self.right = worked(self.secrets.values(), spec)

    def _relate(self) -> None:
        """Look at what was said in each lane, in order."""
        met: dict[int, dict[int, _Met]] = {lane: {} for lane in self.named}  # by lane and shape
        correlation, exchanges = self.correlation, self.exchanges
        for place, (shape, lane) in enumerate(zip(self.shapes, self.lanes, strict=True)):
            known = met[lane].get(id(shape))
            if known is None:
                known = met[lane][id(shape)] = self._meet(shape, lane)
            taken, offers = known
            if taken:
                correlation.request(exchanges[place].id, lane, taken, shape.account)
            if offers:
                correlation.reply(exchanges[place].id, lane, offers)

    def _meet(self, shape: Shape, lane: int) -> _Met:
        """Something new is said in a lane: what of it bears on other exchanges."""
        asked, said, correlation = shape.asked, shape.said, self.correlation
        for content in (asked, said):
            if content is not None:
                self.named[lane].update(content.named)
        if asked is None:
            return (), ()
        return correlation.taken(asked.taken), () if said is None else correlation.heard(lane, said.offered)

    def _often(self) -> list[int | None]:
        """For each exchange the number that it has in common with all that are the same but for a plain sequence
        number, which request and reply share; None where there are few of them."""
        pairs = [shape.pair for shape in self.shapes]
        often = {pair for pair, times in Counter(pairs).items() if times >= _OFTEN}
        return [pair if pair in often else None for pair in pairs]

    def is_right(self, place: int) -> bool:
        """Whether the recording shows that a request's secret was the account's."""
        decoded = self.secrets.get(place)
        field = None if decoded is None else secret_field(decoded)
        return decoded is not None and field is not None and was_right(decoded, field, self.right)

    def login(self, place: int) -> bool | None:
        """Whether a request logged its account in; None where that was put off."""
        decoded = self.secrets.get(place)
        return False if decoded is None else verdict(decoded, self._spec)

    def owned_numbers(self) -> Iterator[tuple[str, str]]:
        """Each sequence number with the account that it is of; either is empty where there is none."""
        return zip([shape.account or "" for shape in self.shapes], self.numbers, strict=True)

    def commands(self) -> frozenset[str]:
        """The names of all commands that were asked for, in capitals."""
        names = {shape.asked.read.name for shape in self._distinct if shape.asked is not None}
        return frozenset(name.upper() for name in names)

    def owners(self) -> dict[int, set[str]]:
        """The accounts of each lane."""
        owners: dict[int, set[str]] = {lane: set() for lane in self.named}
        for lane, account in dict.fromkeys(zip(self.lanes, [shape.account for shape in self.shapes], strict=True)):
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

    def told(self, values: Collection[str]) -> dict[str, bool]:
        """Those of these values that replies told, too long to come again by chance; and whether in several lanes."""
        found: dict[str, set[int]] = {}
        told = zip(self.lanes, self.shapes, strict=True)
        for (lane, _), shape in {(lane, id(shape)): shape for lane, shape in told}.items():
            said = None if shape.asked is None else shape.said
            for offer in () if said is None else said.offered.offers:
                if offer.strong and offer.part == "whole" and offer.value in values:
                    found.setdefault(offer.value, set()).add(lane)
        return {value: len(lanes) > 1 for value, lanes in found.items()}

    def relations(self) -> dict[int, set[int]]:
        """The lanes that each lane has to do with."""
        return related(self.owners(), self.named)


def _said(shapes: Iterable[Shape]) -> tuple[list[Taken], list[Offer]]:
    """All values that requests may take, and those that replies offer."""
    taken: list[Taken] = []
    offers: list[Offer] = []
    for shape in shapes:
        taken += () if shape.asked is None else shape.asked.taken
        offers += () if shape.said is None else shape.said.offered.offers
    return taken, offers
