"""What is counted of traffic while it goes by: fields, layouts, tables, and what follows what.

Law: bounded, whatever the traffic: so many commands, fields, values, layouts; what finds no room is counted, and then
nothing is claimed that would need it. Nothing here concludes anything. The first of everything is kept, so that the
same traffic always gives the same tally.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator

import msgspec

from qqlab.infer import shapes
from qqlab.profile import Evidence

MOST_COMMANDS = 200
MOST_FIELDS = 200  # of a command in one direction
MOST_VALUES = 400  # of a field
MOST_KEPT = 300_000  # values of all fields together
MOST_LAYOUTS = 300
MOST_CONDITIONS = 20_000
MOST_PAIRS = 400
MOST_NAMES = 50  # spellings of a command, versions, commands that answer it
_LONGEST = 64
_MOST_OWNERS = 3


class Room:
    """How many values may still be kept, of all fields together."""

    def __init__(self, left: int = MOST_KEPT) -> None:
        self.left = left

    def take(self) -> bool:
        """Whether there was room for one more."""
        self.left -= 1
        return self.left >= 0


def key(text: str) -> str:
    """A value as it is counted: itself, or a digest that stands for a long one."""
    if len(text) <= _LONGEST:
        return text
    return "\0" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Values:
    """How often each value came, in which exchange first, and to which accounts it belonged (at most three of each).

    `more` counts those that found no room, `repeated` how often a value came again, `returned` how often it did so
    after another one.
    """

    def __init__(self, room: Room) -> None:
        self.counts: dict[str, int] = {}
        self.first: dict[str, str] = {}
        self.owners: dict[str, list[str]] = {}
        self.more = self.repeated = self.returned = 0
        self._room = room
        self._last = ""

    def add(self, text: str, account: str, label: str) -> None:
        """Count a value that an account had in an exchange."""
        value = key(text)
        last, self._last = self._last, value
        if value in self.counts:
            self.counts[value] += 1
            self.repeated += 1
            self.returned += value != last
        elif len(self.counts) < MOST_VALUES and self._room.take():
            self.counts[value] = 1
            self.first[value] = label
            self.owners[value] = []
        else:
            self.more += 1
            return
        owners = self.owners[value]
        if len(owners) < _MOST_OWNERS and account not in owners:
            owners.append(account)

    def take(self, other: "Values") -> None:
        """Count those of another tally, too."""
        for value, count in other.counts.items():
            if value in self.counts:
                self.counts[value] += count
                self.repeated += 1
            elif len(self.counts) < MOST_VALUES:
                self.counts[value], self.first[value], self.owners[value] = count, other.first[value], []
            else:
                self.more += count
                continue
            owners = dict.fromkeys(self.owners[value] + other.owners[value])
            self.owners[value] = list(owners)[:_MOST_OWNERS]
        self.more += other.more
        self.repeated += other.repeated
        self.returned += other.returned

    @property
    def shared(self) -> int:
        """How many values more than one account had."""
        return sum(len(owners) > 1 for owners in self.owners.values())

    @property
    def accounts(self) -> set[str]:
        """Accounts that had any, some of them."""
        return {owner for owners in self.owners.values() for owner in owners}

    def texts(self) -> Iterator[tuple[str, int]]:
        """The values that were kept as they are, with their counts."""
        return ((text, count) for text, count in self.counts.items() if not text.startswith("\0"))


_COUNTED = ("count", "numbers", "digits", "hexes", "versions", "tokens", "codes", "zero_led", "lettered", "grown")


class Shapes:
    """What values looked like: how many of `count` were numbers, digits, hex and so on, and within which bounds."""

    def __init__(self) -> None:
        self.count = self.numbers = self.digits = self.hexes = self.versions = self.tokens = self.codes = 0
        self.zero_led = self.lettered = self.grown = 0
        self.low: int | None = None
        self.high: int | None = None
        self.shortest, self.longest = 1 << 60, 0
        self.characters: Counter[str] = Counter()
        self._last: int | None = None

    def add(self, text: str) -> None:
        """Look at a value that is not empty."""
        self.count += 1
        self.shortest, self.longest = min(self.shortest, len(text)), max(self.longest, len(text))
        self.versions += shapes.is_version(text)
        self.codes += shapes.is_code(text)
        self.digits += shapes.is_digits(text)
        self.zero_led += shapes.is_zero_led(text)
        if shapes.is_hex(text):
            self.hexes += 1
            self.lettered += not text.isdigit()
        if shapes.is_token(text):
            self.tokens += 1
            self.characters.update(text[:256])
        value = shapes.number(text)
        if value is not None:
            self._number(value)

    def take(self, other: "Shapes") -> None:
        """Count those of another tally, too."""
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        self.low, self.high = min(lows, default=None), max(highs, default=None)
        self.shortest, self.longest = min(self.shortest, other.shortest), max(self.longest, other.longest)
        self.characters.update(other.characters)

    @property
    def span(self) -> str:
        """Within which bounds numbers are; of long ones, which may be somebody's, only how long they are."""
        if self.longest > 5:
            return f"numbers of {self.shortest} to {self.longest} digits"
        return f"numbers from {self.low} to {self.high}"

    def _number(self, value: int) -> None:
        self.numbers += 1
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)
        self.grown += self._last is not None and value > self._last
        self._last = value


class FieldTally:
    """One field of one command and direction.

    `whole` and `whole_values` are of the value, `parts` and `part_values` of its items. `split` counts values that
    hold the separator, `ended` those that end in it. `held` and `broken` count repetitions of the request's field of
    the same name, `cased` those that held but for case, `repeated` the first distinct values that were repeated.
    `layered` counts values that were escaped twice, `once` those that hold the separator escaped once.
    """

    def __init__(self, room: Room) -> None:
        self.seen = Evidence()
        self.filled = Evidence()
        self.whole, self.parts = Shapes(), Shapes()
        self.whole_values, self.part_values = Values(room), Values(room)
        self.split = self.ended = self.layered = self.once = 0
        self.held = self.cased = self.broken = 0
        self.repeated: set[str] = set()

    def take(self, other: "FieldTally") -> None:
        """Count what another command has of the field, too."""
        for mine, its in ((self.seen, other.seen), (self.filled, other.filled)):
            for label in its.ids:
                mine.add(label)
            mine.count += its.count - len(its.ids)
            mine.more = mine.more or its.more
        self.whole.take(other.whole)
        self.parts.take(other.parts)
        self.whole_values.take(other.whole_values)
        self.part_values.take(other.part_values)
        for name in ("split", "ended", "layered", "once", "held", "cased", "broken"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.repeated |= other.repeated


class Pair(msgspec.Struct):
    """Two things of a message that may always be equal: how often they were, and at which values (the first few)."""

    equal: int = 0
    unequal: int = 0
    at: set[int] = set()

    def add(self, one: int, other: int) -> None:
        """Hold two numbers against each other."""
        if one != other:
            self.unequal += 1
            return
        self.equal += 1
        if len(self.at) < 8:
            self.at.add(one)


class Uniqueness(msgspec.Struct):
    """Whether the items of a list differ: `compared` pairs of items within one message, `doubled` items among them."""

    compared: int = 0
    doubled: int = 0


class MessageTally:
    """The messages of one command in one direction.

    `layouts` counts orders of fields. `conditions` counts (status, code field, its value, layout number): what
    stands in messages with that value. `wide` are fields with too many values for a code. `lengths` are of two lists,
    `counts` of a number and a list.
    """

    def __init__(self, room: Room) -> None:
        self.messages = 0
        self.more = 0
        self.fields: dict[str, FieldTally] = {}
        self.layouts: dict[tuple[str, ...], int] = {}
        self.layout_counts: Counter[int] = Counter()
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.conditions: Counter[tuple[str, str, str, int]] = Counter()
        self.condition_values: dict[str, set[str]] = {}
        self.wide: set[str] = set()
        self.lengths: dict[tuple[str, str], Pair] = {}
        self.counts: dict[tuple[str, str], Pair] = {}
        self.unique: dict[str, Uniqueness] = {}
        self.room = room

    def field(self, name: str) -> FieldTally | None:
        """The tally of a field; None where there are too many fields."""
        if name not in self.fields:
            if len(self.fields) >= MOST_FIELDS:
                self.more += 1
                return None
            self.fields[name] = FieldTally(self.room)
        return self.fields[name]

    def layout(self, names: tuple[str, ...]) -> int:
        """The number of an order of fields; -1 for one too many."""
        if names not in self.layouts and len(self.layouts) >= MOST_LAYOUTS:
            self.more += 1
            return -1
        return self.layouts.setdefault(names, len(self.layouts))


class After(msgspec.Struct):
    """What an account did after something: how often it tried the same again, and else which command it sent next, and
    with which status that was answered."""

    retried: int = 0
    others: dict[tuple[str, str], int] = {}

    @property
    def total(self) -> int:
        """How often anything came."""
        return self.retried + sum(self.others.values())


class Again(msgspec.Struct):
    """What came of the same request, sent again at once: an equal reply, or an empty list after one with items."""

    same: int = 0
    other: int = 0
    emptied: int = 0
    refilled: int = 0


class Limit(msgspec.Struct):
    """A number of a request against the length of a list of the reply: at most so many, just so many, or more."""

    within: int = 0
    full: int = 0
    above: int = 0
    values: set[int] = set()


class CommandTally:
    """One command. `names` is how requests spelled it, `replies` how replies did; `asked` and `unasked` are exchanges
    with a request and without. `answers` counts the commands of the replies to its requests.

    `after` is by (status, code field, value), with an empty field for the status alone. `continued` counts requests
    whose field was the last item of that list of the reply before, `others` the other values of such a field.
    `completes` is by reply field and value: how often the next request went on, and how often it began anew.
    """

    def __init__(self, room: Room) -> None:
        self.exchanges = Evidence()
        self.asked = self.unasked = 0
        self.names: Counter[str] = Counter()
        self.replies: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.request = MessageTally(room)
        self.reply = MessageTally(room)
        self.after: dict[tuple[str, str, str], After] = {}
        self.again = Again()
        self.limits: dict[tuple[str, str], Limit] = {}
        self.continued: Counter[tuple[str, str]] = Counter()
        self.others: dict[str, Counter[str]] = {}
        self.completes: dict[str, dict[str, list[int]]] = {}

    def messages(self, direction: str) -> MessageTally:
        """The tally of one direction."""
        return self.request if direction == "request" else self.reply
