"""What happens in a replay, kept: in memory, or in a journal as it happens.

Law: secrets become pseudonyms before anything is kept or shown, in the order in which exchanges are over; those that
the replay sends are known from the start, whoever sends them and whenever. An exchange
that is the recorded one but for its sequence number holds nothing that the recording does not: it is not searched, if
that was redacted, and nothing was found under the same head of a reply.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from qqlab.capture.writing import fitted_line
from qqlab.diff.same import same
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.repeated import Repeated
from qqlab.redact import Redactor
from qqlab.replay import Plan, Step
from qqlab.replay.journal import Journal
from qqlab.spec import Spec

Told = Callable[[Exchange, bool], None]
"""Is told of an exchange that is over, and whether it is the recorded one but for its sequence number."""

_MOST_HEADS = 256


def secret_requests(planned: Plan) -> Sequence[RawMessage]:
    """The requests of a plan that may hold what the recording does not: passwords that were put back, fields that were
    set."""
    return [step.request for step in planned.steps if step.tries or step.changed]


class _Cleaning:
    """Redacts what is over. `recorded_clean`: the recording holds no secrets; `secret` are requests that hold some.
    `key` makes the pseudonyms, None for one that nobody else has."""

    def __init__(self, spec: Spec, recorded_clean: bool, secret: Iterable[RawMessage], key: bytes | None) -> None:
        self._spec = spec
        self._recorded_clean = recorded_clean
        self._redactor = Redactor(spec, key=key)
        self._redactor.know(secret)
        self._heads: set[bytes] = set()

    def cleaned(self, exchange: Exchange, step: Step | None) -> tuple[Exchange, bool]:
        """The exchange as it may be kept, and whether it is the recorded one but for its sequence number."""
        if step is None or exchange.reply is None or not same(step.recorded, exchange, self._spec):
            return self._redacted(exchange), False
        head = exchange.reply.head
        if self._recorded_clean and head in self._heads:
            return exchange, True
        redacted = self._redacted(exchange)
        if redacted is exchange and len(self._heads) < _MOST_HEADS:
            self._heads.add(head)
        return redacted, redacted is exchange

    def is_clean(self, exchange: Exchange) -> bool:
        """Whether an exchange that is as recorded would not be searched now."""
        return self._recorded_clean and exchange.reply is not None and exchange.reply.head in self._heads

    def _redacted(self, exchange: Exchange) -> Exchange:
        redacted = self._redactor.exchange(exchange)
        if redacted is not exchange:
            self._heads.clear()  # what is known now may stand in one of them
        return redacted


class InMemory:
    """Keeps everything in memory, unless `keeps` is false; `told` is called with each exchange."""

    def __init__(
        self,
        spec: Spec,
        told: Told | None = None,
        *,
        keeps: bool = True,
        recorded_clean: bool = False,
        secret: Iterable[RawMessage] = (),
        key: bytes | None = None,
    ) -> None:
        self._kept: list[Exchange] = []
        self._keeps = keeps
        self._cleaning = _Cleaning(spec, recorded_clean, secret, key)
        self._told = told

    def intent(self, step: Step) -> None:
        """Nothing survives this process."""

    def unsent(self, step: Step) -> None:
        """Nothing survives this process."""

    def outcome(self, exchange: Exchange, step: Step | None) -> None:
        """An exchange is over."""
        exchange, as_recorded = self._cleaning.cleaned(exchange, step)
        if self._keeps:
            self._kept.append(exchange)
        if self._told is not None:
            self._told(exchange, as_recorded)

    def flush(self) -> None:
        """Nothing waits."""

    def in_order(self, planned: Plan) -> tuple[Exchange, ...]:
        """What was kept, in the order of the plan; a push stands behind all that was over before it."""
        places = {step.recorded.id: place for place, step in enumerate(planned.steps)}
        order, last = [], -1
        for exchange in self._kept:
            place = places.get(exchange.id)
            last = last if place is None else max(last, place)
            order.append(last if place is None else place)  # so that pushes stay in their own order
        return tuple(self._kept[number] for number in sorted(range(len(order)), key=order.__getitem__))


class Journaled:
    """Writes everything to a journal; what is over waits for `flush`, which takes down all of it at once. `told` is
    called with each exchange, once it is there to be written."""

    def __init__(
        self,
        journal: Journal,
        spec: Spec,
        told: Told | None = None,
        *,
        recorded_clean: bool = False,
        secret: Iterable[RawMessage] = (),
        key: bytes | None = None,
    ) -> None:
        self._journal = journal
        self._spec = spec
        self._repeated = Repeated(spec)
        self._cleaning = _Cleaning(spec, recorded_clean, secret, key)
        self._told = told
        self._over: deque[tuple[Exchange, Step | None]] = deque()

    def intent(self, step: Step) -> None:
        """A step will be sent once that is written."""
        self._journal.intent(step.recorded.id)

    def unsent(self, step: Step) -> None:
        """Nothing of the step was sent."""
        self._journal.unsent(step.recorded.id)

    def outcome(self, exchange: Exchange, step: Step | None) -> None:
        """An exchange is over."""
        self._over.append((exchange, step))

    def flush(self) -> None:
        """Write what waits."""
        over, repeated, journal, told = self._over, self._repeated.line, self._journal.outcome, self._told
        while over:
            exchange, step = over[0]
            line, as_recorded = repeated(exchange, step), True
            if line is None:
                exchange, line, as_recorded = self._written(exchange, step)
            journal(exchange.id, line)
            over.popleft()  # whatever breaks this off, nothing is lost
            if told is not None:
                told(exchange, as_recorded)
        self._journal.flush()

    def _written(self, exchange: Exchange, step: Step | None) -> tuple[Exchange, bytes, bool]:
        """An exchange as it may be kept, its line, and whether it is the recorded one but for its sequence number."""
        redacted, as_recorded = self._cleaning.cleaned(exchange, step)
        if redacted is not exchange:
            self._repeated.forget()
        line = fitted_line(redacted, self._spec)
        if as_recorded and step is not None and self._cleaning.is_clean(redacted):
            self._repeated.learn(redacted, step, line)
        return redacted, line, as_recorded
