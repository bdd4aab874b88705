"""What is pushed again because an account has logged in again, to go on with a replay that broke off.

Law: what says the same as a push that was kept takes its place, each once: it is told of once, and kept as it came
last, where it came first. Anything else that is pushed is a push of its own.
"""

from collections.abc import Iterable

from qqlab.diff.pushes import Key, key_of, says_the_same
from qqlab.exchange import Exchange
from qqlab.spec import Spec


class PushedAgain:
    """The pushes that were kept before, as far as they have not come again."""

    def __init__(self, kept: Iterable[Exchange], spec: Spec) -> None:
        self._spec = spec
        self._kept: dict[Key, list[Exchange]] = {}
        for exchange in kept:
            self._kept.setdefault(key_of(exchange, spec), []).append(exchange)

    def take(self, exchange: Exchange) -> str | None:
        """The id of the push that this one stands for, None where it is new."""
        if not self._kept or exchange.reply is None:
            return None
        alike = self._kept.get(key_of(exchange, self._spec), [])
        for place, kept in enumerate(alike):
            if says_the_same(kept, exchange, self._spec):
                return alike.pop(place).id
        return None
