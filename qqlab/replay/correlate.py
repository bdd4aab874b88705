"""Values that a reply produced and a later request used: found in a recording, carried over from the new replies.

Law: pure, and one look at each message. A value is carried over only where the recording shows that the request got it
from the reply: the same lane had never said it before, and it is none of what anybody may say (codes, constants, what
replies repeat, the account itself). A short value, or words of people, must have been taken over again and again. The
last number of a page is what the spec says it is; other lists lend the places of their items only where their order
means something, and where another item that the recording names has taken such a place, what was recorded stays. What
was not taken for more than a coincidence is listed with the reason. Values of secret fields are pseudonyms in a
capture, equal where the secrets were, so they are found like others; no link shows a value.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from qqlab.replay.reading import Read, Said, items
from qqlab.spec import Command, Field, Spec

# From so many characters on, an identifier (or anything else) that comes again does not do so by chance.
LONG_IDENTIFIER = 5
LONG = 8
# A value that might come again by chance must have done so this often, with as many values, and more often than not.
REPEATED = 3
_EXAMPLES = 3

Verdict = Literal["carried", "pinned", "dropped"]


class Produced(NamedTuple):
    """A value of a reply: the id of its exchange, the reply's field, and of a list which item (-1 the last); None: the
    whole value. `recorded` is what it was when recorded."""

    source: str
    field: str
    item: int | None
    recorded: str


class Hole(NamedTuple):
    """A value of a request that a reply before it produced.

    `position` is the pair's place in the request's body, `name` its field. The others say which value of which reply
    it is, as `Produced` does.
    """

    position: int
    name: str
    source: str
    field: str
    item: int | None
    recorded: str

    @property
    def produced(self) -> Produced:
        """What fills it."""
        return Produced(self.source, self.field, self.item, self.recorded)


class Link(msgspec.Struct, frozen=True):
    """A field of a command's requests that takes its values from a field of another's replies, all cases together.

    `part` is what of the field: `whole`, the `last` item of a page, an `item` of an ordered list. `seen` is how many
    requests show it, `of` how many with that field came after such a reply in their lane; `examples` are pairs of ids
    (request, reply). `verdict` says whether it is carried over, `reason` why or why not.
    """

    command: str
    field: str
    source_command: str
    source_field: str
    part: Literal["whole", "last", "item"]
    seen: int
    of: int
    examples: tuple[tuple[str, str], ...]
    verdict: Verdict
    reason: str


class Way(NamedTuple):
    """Which field of a command's requests takes its values from which field of another's replies."""

    command: str
    field: str
    source_command: str
    source_field: str
    part: Literal["whole", "last", "item"]


class Taken(NamedTuple):
    """A value of a request that a reply may have produced: its field, and the names of its command and field."""

    said: Said
    value: str
    target: tuple[str, str]
    is_cursor: bool


class Offer(NamedTuple):
    """A value of a reply that a request may take over: which part of which field of which command's replies, and which
    item of a list (-1 the last). `strong`: too long to come again by chance."""

    command: str
    field: str
    part: Literal["whole", "last", "item"]
    item: int | None
    value: str
    strong: bool


class Offered(NamedTuple):
    """What a reply offers: its values, and the names of the fields (with their command) that have any."""

    offers: tuple[Offer, ...] = ()
    heard: tuple[tuple[str, str], ...] = ()


class _Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a value of a lane came from last: the id of the exchange, and what of its reply."""

    exchange: str
    offer: Offer

    @property
    def produced(self) -> Produced:
        return Produced(self.exchange, self.offer.field, self.offer.item, self.offer.value)


class _Case(NamedTuple):
    """A request that said what a reply had said before."""

    exchange: str
    hole: Hole
    strong: bool


class Evidence(NamedTuple):
    """What a recording, or part of it, shows of a way: how many requests took a value, of how many that might have,
    which values, and whether any of them is too long to come again by chance."""

    cases: int
    of: int
    values: frozenset[str]
    strong: bool


class Settled(NamedTuple):
    """What parts of a capture show together: what to make of each way, and the values that several clients were
    told."""

    verdicts: Mapping[Way, tuple[Verdict, str]] = {}
    constants: Collection[str] = ()


class _Lane:
    """What was said in one lane so far: `asked` by its requests, `said` by its replies and not asked before, `pages`
    by command, `heard` the fields (with their command) that replies had."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.said: dict[str, _Origin] = {}
        self.pages: dict[str, _Origin] = {}
        self.heard: set[tuple[str, str]] = set()


class Candidates:
    """Finds the values of a message that may be carried over, whatever was said before it."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._roles = frozenset((spec.roles.version, spec.roles.command, spec.roles.sequence, spec.roles.account))
        self._lists: dict[str, tuple[frozenset[str], str | None]] = {}

    def taken(self, asked: Read) -> tuple[Taken, ...]:
        """The values of a request that replies may have produced."""
        command = asked.command
        name = asked.name if command is None else command.name
        cursor = None if command is None or command.paging is None else command.paging.cursor
        found = []
        for said in asked.fields:
            if said.name not in self._roles and may_be_taken_over(said.spec) and (value := said.text.strip(" ")):
                found.append(Taken(said, value, (name, said.name), said.name == cursor))
        return tuple(found)

    def offered(self, said: Read) -> Offered:
        """The values of a reply that requests may take over."""
        name = said.name if said.command is None else said.command.name
        lists = self._lists.get(name)
        if lists is None:
            lists = self._lists[name] = (_ordered(said.command), _page_field(said.command))
        offers: list[Offer] = []
        heard = []
        before: set[str] = set()
        for field in said.fields:
            known = field.spec
            if field.name in before:
                continue  # where one value is asked for, the first counts
            before.add(field.name)
            if field.name in self._roles or not may_be_taken_over(known) or (known is not None and known.echo):
                continue
            if known is not None and known.list:
                offers += self._of_list(name, field, *lists)
                heard += [(name, field.name)] if field.name in lists[0] else []
            elif value := field.text.strip(" "):
                offers.append(Offer(name, field.name, "whole", None, value, is_long(value, known)))
                heard.append((name, field.name))
        return Offered(tuple(offers), tuple(heard))

    def _of_list(self, command: str, field: Said, ordered: Collection[str], page: str | None) -> Iterator[Offer]:
        if field.name != page and field.name not in ordered:
            return
        listed = items(field, self._spec)
        if field.name == page and listed:
            yield Offer(command, field.name, "last", -1, listed[-1], True)
        if field.name in ordered:
            for number, item in enumerate(listed):
                yield Offer(command, field.name, "item", number, item, is_long(item, field.spec))


class Correlation:
    """Looks at the exchanges of a capture, in the order of each lane, and tells what to carry over in the end."""

    def __init__(
        self, pins: Collection[tuple[str | None, str]], taken: Collection[Taken], offers: Iterable[Offer]
    ) -> None:
        """`pins` are fields (of a command, or of any: None) that keep what was recorded. `taken` and `offers` are all
        values that there are: what is never taken, or never offered, need not be remembered."""
        self._taken = {one.value for one in taken}
        self._paged = {one.target[0] for one in taken if one.is_cursor}
        offered = {offer.value for offer in offers}
        self._filled = {one.target for one in taken if one.is_cursor or one.value in offered}
        self._pins = {(None if command is None else command.upper(), field.upper()) for command, field in pins}
        self._lanes: dict[int, _Lane] = {}
        self._cases: dict[Way, list[_Case]] = {}
        self._of: dict[Way, int] = {}
        self._targets: dict[tuple[str, str], list[Way]] = {}
        self._said_in: dict[str, int] = {}
        self._settled: Mapping[Way, tuple[Verdict, str]] = {}

    def request(self, exchange: str, lane: int, taken: Iterable[Taken], account: str | None) -> None:
        """Look at a request, before its reply; `taken` are its values as `taken` has them."""
        mine = self._lane(lane)
        for one in taken:
            if one.value == account:
                continue
            for key in self._targets.get(one.target, ()):
                self._of[key] += (key.source_command, key.source_field) in mine.heard
            origin = mine.pages.get(one.target[0]) if one.is_cursor else mine.said.get(one.value)
            if origin is not None and origin.offer.value == one.value:
                self._case(exchange, one, origin)
            mine.asked.add(one.value)

    def _lane(self, lane: int) -> _Lane:
        mine = self._lanes.get(lane)
        if mine is None:
            mine = self._lanes[lane] = _Lane()
        return mine

    def _case(self, exchange: str, taken: Taken, origin: _Origin) -> None:
        offer, said = origin.offer, taken.said
        key = Way(*taken.target, offer.command, offer.field, offer.part)
        cases = self._cases.get(key)
        if cases is None:
            cases = self._cases[key] = []
            self._of[key] = 1
            self._targets.setdefault((key.command, key.field), []).append(key)
        personal = said.spec is not None and said.spec.personal
        hole = Hole(said.position, said.name, *origin.produced)
        cases.append(_Case(exchange, hole, offer.strong and not personal))

    def taken(self, taken: Iterable[Taken]) -> tuple[Taken, ...]:
        """Those of a request's values whose fields may take any from replies: those that `request` is to be told of."""
        return tuple([one for one in taken if one.target in self._filled])

    def heard(self, lane: int, offered: Offered) -> tuple[Offer, ...]:
        """A reply with new content is over: what of it any request takes, which `reply` is to be told of."""
        self._lane(lane).heard.update(offered.heard)
        return tuple([offer for offer in offered.offers if self._may_be_taken(offer)])

    def _may_be_taken(self, offer: Offer) -> bool:
        return offer.command in self._paged if offer.part == "last" else offer.value in self._taken

    def reply(self, exchange: str, lane: int, offers: Iterable[Offer]) -> None:
        """Look at the reply of the request that was looked at last in that lane."""
        mine = self._lane(lane)
        for offer in offers:
            value = offer.value
            if offer.part == "last":
                mine.pages[offer.command] = _Origin(exchange, offer)
                continue
            if offer.strong and offer.part == "whole" and self._said_in.setdefault(value, lane) != lane:
                self._said_in[value] = -1
            if value in mine.said or value not in mine.asked:
                mine.said[value] = _Origin(exchange, offer)

    def evidence(self) -> dict[Way, Evidence]:
        """What these exchanges show."""
        return {key: self._evidence(key, cases) for key, cases in self._cases.items()}

    def _evidence(self, key: Way, cases: Sequence[_Case]) -> Evidence:
        values = frozenset(case.hole.recorded for case in cases)
        return Evidence(len(cases), self._of[key], values, any(case.strong for case in cases))

    def settle(self, settled: Settled) -> None:
        """These exchanges are part of a capture, which as a whole shows that."""
        self._settled = settled.verdicts
        self._said_in.update(dict.fromkeys(settled.constants, -1))

    def links(self, sent: Container[str]) -> list[Link]:
        """All that requests took from replies, as it seems, with what was made of it, as far as it is about requests
        that are sent; the most frequent first."""
        found = [
            self._link(key, cases)
            for key, cases in sorted(self._cases.items())
            if any(case.exchange in sent for case in cases)
        ]
        return sorted(found, key=lambda link: (link.verdict != "carried", -link.seen))

    def holes(self) -> dict[str, tuple[Hole, ...]]:
        """The values to carry over, by the id of the request."""
        found: dict[str, list[Hole]] = {}
        for key, cases in self._cases.items():
            if self._link(key, cases).verdict == "carried":
                for case in cases:
                    if self._said_in.get(case.hole.recorded) != -1 or key.part != "whole":
                        found.setdefault(case.exchange, []).append(case.hole)
        return {exchange: tuple(holes) for exchange, holes in found.items()}

    def _link(self, key: Way, cases: list[_Case]) -> Link:
        constants = {case.hole.recorded for case in cases if self._said_in.get(case.hole.recorded) == -1}
        verdict, reason = self._settled.get(key) or judged(key, self._evidence(key, cases), self._pins, constants)
        examples = tuple((case.exchange, case.hole.source) for case in cases[:_EXAMPLES])
        return Link(*key, len(cases), max(self._of[key], len(cases)), examples, verdict, reason)


def judged(
    way: Way, evidence: Evidence, pins: Collection[tuple[str | None, str]], constants: Collection[str]
) -> tuple[Verdict, str]:
    """What to make of a way, and why. `pins` are in capitals, `constants` the values that several clients were told."""
    if {(way.command.upper(), way.field.upper()), (None, way.field.upper())} & set(pins):
        return "pinned", "it keeps what was recorded, as asked"
    if way.part == "last":
        return "carried", "the spec says that a page is asked for with the last of the page before"
    if way.part == "whole" and evidence.values <= set(constants):
        return "dropped", "other clients were told the same: a constant, most likely"
    if evidence.strong:
        return "carried", "no request of the client had said it before the reply did"
    if is_repeated(evidence) and 2 * evidence.cases > evidence.of:
        return "carried", f"it was so {evidence.cases} times, with {len(evidence.values)} values"
    return "dropped", "so short a value, or what people write, may come again by chance"


def is_repeated(evidence: Evidence) -> bool:
    """Whether values that might come again by chance did so often enough to look how often they did not."""
    return evidence.cases >= REPEATED and len(evidence.values) >= REPEATED


def may_be_taken_over(field: Field | None) -> bool:
    """Whether a field can hold what a reply made up: no code, no constant, nothing made from a password."""
    return field is None or not (field.codes is not None or field.constants or field.derived is not None)


def is_long(value: str, field: Field | None) -> bool:
    """Whether a value is too long to come again by chance; what people write is said again and again."""
    if field is not None and field.personal:
        return False
    identifier = field is not None and field.type in ("digits", "hex")
    return len(value) >= (LONG_IDENTIFIER if identifier else LONG)


def _ordered(command: Command | None) -> frozenset[str]:
    """The lists of a reply whose order means something, and whose items are identifiers."""
    rows = () if command is None else command.layouts["reply"].rows
    names = {name for one in rows if one.ordered for name in one.columns}
    by_name = {} if command is None else command.layouts["reply"].by_name
    return frozenset(name for name in names if by_name[name.upper()].type in ("digits", "hex"))


def _page_field(command: Command | None) -> str | None:
    """The list of a reply whose last item asks for the next page: that with the cursor's name."""
    cursor = None if command is None or command.paging is None else command.paging.cursor
    known = None if command is None or cursor is None else command.field("reply", cursor)
    return known.name if known is not None and known.list else None
