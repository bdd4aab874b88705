"""Sockets that are ready: one descriptor of the event loop stands for all of them.

Law: a socket that can be read, and one that can be written to where that is waited for, has its call made in the next
turn of the event loop, and again in each one as long as it can. What is called must stand a socket that is not ready
after all: a number that was forgotten may have a new owner within the same turn. Transports of an event loop would cost
more than all else that is done for a connection of one exchange.
"""

import asyncio
import select
from collections.abc import Callable
from time import monotonic
from typing import Protocol

Call = Callable[[], None]


class Ready(Protocol):
    """Watches sockets, which are told by the numbers of their descriptors. `turn` counts how often it was looked which
    of them are ready, as far as that is known."""

    turn: int

    def watch(self, number: int, call: Call, *, writing: bool = False) -> None:
        """Have a call made as soon as a socket can be read, and if it is `writing` also when it can be written to."""

    def change(self, number: int, call: Call, *, writing: bool = False) -> None:
        """The same, of a socket that is watched already."""

    def forget(self, number: int) -> None:
        """Watch a socket no longer: before it is closed."""

    def look(self, after: int, within: float) -> None:
        """Make the calls of all sockets that are ready now, unless that was done after this turn, and so many seconds
        ago at most."""

    def close(self) -> None:
        """Watch nothing any more."""


class ByEpoll:
    """Asks the system for all at once."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._loop = asyncio.get_running_loop()
        self._looked = 0.0
        self.turn = 0
        self._epoll = select.epoll()
        self._loop.add_reader(self._epoll.fileno(), self._turn)

    def watch(self, number: int, call: Call, *, writing: bool = False) -> None:
        """See `Ready`."""
        self._calls[number] = call
        self._epoll.register(number, select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN)

    def change(self, number: int, call: Call, *, writing: bool = False) -> None:
        """See `Ready`."""
        self._calls[number] = call
        self._epoll.modify(number, select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN)

    def forget(self, number: int) -> None:
        """See `Ready`; to close it is enough for the system."""
        del self._calls[number]

    def look(self, after: int, within: float) -> None:
        """See `Ready`."""
        if after == self.turn or monotonic() - self._looked > within:
            self._turn()

    def close(self) -> None:
        """See `Ready`."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _turn(self) -> None:
        calls = self._calls
        self._looked = monotonic()
        self.turn += 1
        for number, _ in self._epoll.poll(0):
            call = calls.get(number)
            if call is not None:
                call()


class ByLoop:
    """Leaves it to the event loop, on systems without epoll."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._loop = asyncio.get_running_loop()
        self.turn = 0

    def watch(self, number: int, call: Call, *, writing: bool = False) -> None:
        """See `Ready`."""
        self._calls[number] = call
        self._loop.add_reader(number, call)
        if writing:
            self._loop.add_writer(number, call)

    def change(self, number: int, call: Call, *, writing: bool = False) -> None:
        """See `Ready`."""
        self.forget(number)
        self.watch(number, call, writing=writing)

    def forget(self, number: int) -> None:
        """See `Ready`."""
        self._calls.pop(number, None)
        self._loop.remove_reader(number)
        self._loop.remove_writer(number)

    def look(self, after: int, within: float) -> None:
        """See `Ready`; the event loop does not tell when it looked last."""
        poll = select.poll()
        for number in self._calls:
            poll.register(number, select.POLLIN)
        for number, _ in poll.poll(0):
            call = self._calls.get(number)
            if call is not None:
                call()

    def close(self) -> None:
        """See `Ready`."""
        for number in list(self._calls):
            self.forget(number)


AT_HAND: Callable[[], Ready] = ByEpoll if hasattr(select, "epoll") else ByLoop
"""Makes what this system is best at."""
