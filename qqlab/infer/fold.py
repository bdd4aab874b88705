"""Exchanges to tallies, once it is known which field is the command, and what separates items.

Law: nothing is concluded here but what one exchange shows. The roles and the separator are learned from the first
exchanges (`MOST_HELD` of them, or fewer where they are large), which are then counted like all others: one pass over
the traffic, however long it is. What is remembered of accounts is bounded; who was silent longest is forgotten first.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, combinations
from typing import NamedTuple

from qqlab.exchange import Exchange
from qqlab.infer import roles as role
from qqlab.infer import separator as separators
from qqlab.infer import shapes, tally
from qqlab.infer.message import Message, Seen, is_layered, see
from qqlab.infer.tally import (
    MOST_COMMANDS,
    MOST_CONDITIONS,
    MOST_FIELDS,
    MOST_NAMES,
    MOST_PAIRS,
    After,
    CommandTally,
    FieldTally,
    Limit,
    MessageTally,
    Pair,
    Room,
    Uniqueness,
)
from qqlab.profile import Evidence
from qqlab.spec import Direction, Spec

MOST_HELD = 5000
_MOST_BYTES = 32 << 20
_MOST_ACCOUNTS = 2000
_MOST_ITEMS = 200
_MOST_LISTS = 16
_MOST_CODES = 24


class _Last(NamedTuple):
    """What an account asked last, and what it heard: as far as the next request may have to do with it."""

    command: str
    request: Message
    reply: Message | None
    status: str
    lasts: dict[str, str]
    length: int


class Learned:
    """What was counted, by commands in upper case; `foreign` messages are none of the protocol."""

    def __init__(self, found: role.Found, separator: separators.Separator) -> None:
        self.found = found
        self.separator = separator
        self.commands: dict[str, CommandTally] = {}
        self.accounts: dict[str, Evidence] = {}
        self.charsets: Counter[str] = Counter()
        self.escaped: Counter[str] = Counter()
        self.exchanges = self.foreign = self.more_commands = 0
        self._room = Room()
        # The separator, escaped for the pair alone.
        self._once = re.compile(b"%%%02x" % ord(separator.mark), re.IGNORECASE)
        self._pages: OrderedDict[tuple[str, str], _Last] = OrderedDict()
        self._lasts: OrderedDict[str, _Last] = OrderedDict()
        self._spellings: dict[str, Counter[str]] = {}

    def spelled(self, name: str) -> str:
        """A field's name as most messages write it."""
        known = self._spellings.get(name)
        return name if not known else max(known, key=lambda one: known[one])

    # ------------------------------------------------------------------------------------------------- adding

    def add(self, seen: Seen) -> None:
        """Count one exchange."""
        self.exchanges += 1
        request, reply = self._own(seen.request), self._own(seen.reply)
        self.foreign += (seen.request is not None) + (seen.reply is not None) - (request is not None)
        self.foreign -= reply is not None
        asked = "" if request is None else self._said(request, self.found.command)
        said = asked if reply is None else self._said(reply, self.found.command) or asked
        account = self._account(request, reply)
        if account and len(self.accounts) < _MOST_ACCOUNTS:
            self.accounts.setdefault(account, Evidence()).add(seen.label)
        first, second = self._command(asked), self._command(said)
        if request is not None and first is not None:
            self._request(first, seen.label, request, account, said if reply is not None else "")
        if reply is not None and second is not None:
            self._reply(second, seen.label, request, reply, account)
        if request is not None and first is not None and account:
            self._follow(first, asked, request, reply, account)

    def _own(self, message: Message | None) -> Message | None:
        """A message, if it has a field that plays a role."""
        return None if message is None or self.found.names.isdisjoint(message.values) else message

    def _said(self, message: Message, name: str) -> str:
        return message.values.get(name, "").strip(" ").upper()[:64]

    def _account(self, request: Message | None, reply: Message | None) -> str:
        name = self.found.account
        said = "" if request is None else request.values.get(name, "")
        return said or ("" if reply is None else reply.values.get(name, ""))

    def _command(self, name: str) -> CommandTally | None:
        if name == "":
            return None
        if name not in self.commands:
            if len(self.commands) >= MOST_COMMANDS:
                self.more_commands += 1
                return None
            self.commands[name] = CommandTally(self._room)
        return self.commands[name]

    def _request(self, own: CommandTally, label: str, request: Message, account: str, answer: str) -> None:
        own.exchanges.add(label)
        own.asked += 1
        _count(own.names, request.values.get(self.found.command, "").strip(" ")[:64])
        if answer:
            _count(own.answers, answer)
        _count(own.versions, request.values.get(self.found.version, "")[:16])
        self._message(own.request, label, request, None, account)

    def _reply(self, own: CommandTally, label: str, request: Message | None, reply: Message, account: str) -> None:
        if request is None:
            own.exchanges.add(label)
            own.unasked += 1
        if (said := reply.values.get(self.found.command, "")) != "":
            _count(own.replies, said[:64])
        self._message(own.reply, label, reply, request, account)

    # ----------------------------------------------------------------------------------------------- messages

    def _message(self, own: MessageTally, label: str, message: Message, request: Message | None, account: str) -> None:
        own.messages += 1
        self.charsets.update(message.charsets)
        for name, text in message.values.items():
            field = own.field(name)
            if field is not None:
                self._spelling(name, message.spelled[name])
                self._field(field, label, name, text, message, account)
                if request is not None and name in request.values:
                    self._echo(field, request.values[name], text)
        layout = own.layout(message.layout)
        own.layout_counts[layout] += 1
        status = message.values.get(self.found.status, "")[:8]
        own.statuses[status, layout] += 1
        version = (request or message).values.get(self.found.version, "")
        self._conditions(own, message, (status, version), layout)
        self._tables(own, message)

    def _spelling(self, name: str, written: str) -> None:
        known = self._spellings.setdefault(name, Counter())
        if written in known or len(known) < 4:
            known[written] += 1

    def _field(self, field: FieldTally, label: str, name: str, text: str, message: Message, account: str) -> None:
        field.seen.add(label)
        raw = message.escaped.get(name)
        if raw is not None:
            field.layered += is_layered(raw)
            field.once += self._once.search(raw) is not None
            self.escaped.update({character for character in text if character in f"&%\r\n{self.separator.mark}"})
        if text == "":
            return
        field.filled.add(label)
        field.whole.add(text)
        field.whole_values.add(text, account, label)
        mark = self.separator.mark
        field.split += mark in text
        field.ended += text.endswith(mark)
        for item in shapes.items(text, mark)[:_MOST_ITEMS]:
            if item:
                field.parts.add(item)
                field.part_values.add(item, account, label)

    def _echo(self, field: FieldTally, asked: str, said: str) -> None:
        if asked == "":
            return
        if asked.upper() == said.upper():
            field.held += 1
            field.cased += asked != said
            if len(field.repeated) < 8:
                field.repeated.add(tally.key(asked))
        else:
            field.broken += 1

    def _conditions(self, own: MessageTally, message: Message, of: tuple[str, str], layout: int) -> None:
        """Which layouts come with which values of what may be a code; under no name, with which version was asked."""
        status, version = of
        for name, text in (("", version), *message.values.items()):
            is_kept = name in own.fields and name not in own.wide and shapes.is_code(text)
            if not (name == "" or is_kept):
                continue
            values = own.condition_values.setdefault(name, set())
            if text not in values and len(values) == _MOST_CODES:
                own.wide.add(name)
                continue
            values.add(text)
            key = (status, name, text.strip(" ")[:16], layout)
            if key in own.conditions or len(own.conditions) < MOST_CONDITIONS:
                own.conditions[key] += 1

    def _tables(self, own: MessageTally, message: Message) -> None:
        mark = self.separator.mark
        lists: dict[str, tuple[str, ...]] = {
            name: shapes.items(text, mark)
            for name, text in message.values.items()
            if name in own.fields and (mark in text or own.fields[name].split)
        }
        lists = dict(list(lists.items())[:_MOST_LISTS])
        for name, items in lists.items():
            _compare(own.unique.setdefault(name, Uniqueness()), items[:_MOST_ITEMS])
        for one, other in combinations(sorted(lists), 2):
            _hold(own.lengths, (one, other), len(lists[one]), len(lists[other]))
        for name, text in message.values.items() if lists else ():
            if text.isdigit() and len(text) < 7 and name not in lists:
                for other, items in lists.items():
                    _hold(own.counts, (name, other), int(text), len(items))

    # ----------------------------------------------------------------------------------- what follows on what

    def _follow(self, own: CommandTally, name: str, request: Message, reply: Message | None, account: str) -> None:
        status = "" if reply is None else reply.values.get(self.found.status, "")
        last = self._lasts.pop(account, None)
        if last is not None:
            self._after(self.commands[last.command], last, name, status)
            if last.command == name:
                self._again(own, last, request, reply)
        lists = {} if reply is None else self._lists(name, reply)
        if lists:
            _limit(own.limits, request, lists)
            page = self._pages.pop((account, name), None)
            if page is not None:
                self._go_on(own, page, request)
        now = _Last(
            name,
            request,
            reply,
            status,
            {one: items[-1] for one, items in lists.items() if items},
            sum(map(len, lists.values())),
        )
        self._lasts[account] = now
        if lists:
            self._pages[account, name] = now
        for kept in (self._lasts, self._pages):
            if len(kept) > _MOST_ACCOUNTS:
                kept.popitem(last=False)

    def _lists(self, name: str, reply: Message) -> dict[str, tuple[str, ...]]:
        """What look like lists of a reply to that command."""
        said = self._said(reply, self.found.command) or name
        fields = self.commands[said].reply.fields if said in self.commands else {}
        mark = self.separator.mark
        found = ((one, text) for one, text in reply.values.items() if one in fields and fields[one].split)
        return {one: shapes.items(text, mark) for one, text in found}

    def _after(self, own: CommandTally, last: _Last, name: str, status: str) -> None:
        codes = () if last.reply is None else _codes(last.reply, self.found.names)
        for field, value in (("", ""), *codes):
            key = (last.status, field, value)
            if key not in own.after and len(own.after) >= 500:
                continue
            after = own.after.setdefault(key, After())
            if name == last.command:
                after.retried += 1
            elif (name, status) in after.others or len(after.others) < 200:
                after.others[name, status] = after.others.get((name, status), 0) + 1

    def _go_on(self, own: CommandTally, last: _Last, request: Message) -> None:
        """The same command again: does it go on where its last reply ended?"""
        went_on = False
        for field, text in request.values.items():
            if field in self.found.names or field not in own.request.fields:
                continue
            lists = [one for one, item in last.lasts.items() if item == text]
            own.continued.update((field, one) for one in lists)
            went_on = went_on or (bool(lists) and text != last.request.values.get(field))
            others = own.others.setdefault(field, Counter())
            if not lists:
                others[tally.key(text) if tally.key(text) in others or len(others) < 8 else "\0others"] += 1
        for field, value in _codes(last.reply, self.found.names) if last.reply is not None else ():
            values = own.completes.setdefault(field, {}) if len(own.completes) < MOST_FIELDS else {}
            if value in values or len(values) < 24:
                values.setdefault(value, [0, 0])[not went_on] += 1

    def _again(self, own: CommandTally, last: _Last, request: Message, reply: Message | None) -> None:
        """The same command at once again: if it asks the same, does it hear the same?"""
        if reply is None or last.reply is None or last.status != reply.values.get(self.found.status, ""):
            return
        if _without(request, self.found.sequence) == _without(last.request, self.found.sequence):
            self._repeat(own, last, reply)

    def _repeat(self, own: CommandTally, last: _Last, reply: Message) -> None:
        assert last.reply is not None
        length = sum(map(len, self._lists(last.command, reply).values()))
        if _without(reply, self.found.sequence) == _without(last.reply, self.found.sequence):
            own.again.same += last.length > 0 or len(reply.values) > len(self.found.names)
        else:
            own.again.other += 1
        own.again.emptied += last.length > 0 and length == 0
        own.again.refilled += last.length > 0 and length > 0


def _count(names: Counter[str], name: str) -> None:
    """Count a name, if it is none too many."""
    if name in names or len(names) < MOST_NAMES:
        names[name] += 1


def _without(message: Message, name: str) -> Mapping[str, str]:
    return {key: value for key, value in message.values.items() if key != name}


def _codes(message: Message, without: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The fields of a message that may be codes, but for those with a role."""
    for name, text in message.values.items():
        if name not in without and shapes.is_code(text):
            yield name, text.strip(" ")


def _compare(own: Uniqueness, items: tuple[str, ...]) -> None:
    own.compared += len(items) * (len(items) - 1) // 2
    own.doubled += len(items) - len(set(items))


def _hold(pairs: dict[tuple[str, str], Pair], key: tuple[str, str], one: int, other: int) -> None:
    if key in pairs or len(pairs) < MOST_PAIRS:
        pairs.setdefault(key, Pair()).add(one, other)


def _limit(limits: dict[tuple[str, str], Limit], request: Message, lists: dict[str, tuple[str, ...]]) -> None:
    """Hold the numbers of a request against the lengths of the reply's lists."""
    for name, text in request.values.items():
        if not (text.isdigit() and len(text) < 7):
            continue
        for one, items in lists.items():
            if (name, one) not in limits and len(limits) >= MOST_PAIRS:
                continue
            limit = limits.setdefault((name, one), Limit())
            wanted = int(text)
            limit.within += len(items) < wanted
            limit.full += len(items) == wanted
            limit.above += len(items) > wanted
            if len(limit.values) < 8:
                limit.values.add(wanted)


# ----------------------------------------------------------------------------------------------- the whole pass


def learn(exchanges: Iterable[tuple[str, Exchange]], spec: Spec | None = None) -> Learned:
    """Count exchanges, each given with the id by which it is cited. The roles and the separator are the spec's where
    there is one, else they are found."""
    stream = (see(label, exchange) for label, exchange in exchanges)
    if spec is not None:
        mark = separators.Separator(spec.wire.list_separator, "the spec says so")
        learned = Learned(role.given(spec.roles), mark)
        held: list[Seen] = []
    else:
        held = list(_window(stream))
        found = role.find(held)
        learned = Learned(found, separators.find(_kinds(held, found)))
    for seen in chain(held, stream):
        learned.add(seen)
    return learned


def _window(stream: Iterator[Seen]) -> Iterator[Seen]:
    """The first exchanges, as many as may be held."""
    size = 0
    for count, seen in enumerate(stream, 1):
        yield seen
        size += sum(len(text) for m in (seen.request, seen.reply) if m is not None for text in m.values.values())
        if count >= MOST_HELD or size >= _MOST_BYTES:
            return


def _kinds(held: Iterable[Seen], found: role.Found) -> Iterator[tuple[str, Message]]:
    """Every message with what kind it is."""
    directions: tuple[Direction, Direction] = ("request", "reply")
    for seen in held:
        asked = "" if seen.request is None else seen.request.values.get(found.command, "")
        for direction, message in zip(directions, (seen.request, seen.reply), strict=True):
            if message is not None:
                yield f"{direction} {message.values.get(found.command, asked).upper()}", message
