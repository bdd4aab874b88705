"""Captures as traffic that a spec is learned from: exchange by exchange, however long they are.

Law: nothing is held but the exchange at hand. An exchange is cited by its id, and by its capture's name before that
where there are several captures. What is missing of a capture is said; a file that is named twice is read once.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from qqlab.capture import open_capture
from qqlab.cli.console import counted, talk
from qqlab.exchange import Exchange
from qqlab.visible import visible


def traffic(paths: Sequence[Path]) -> Iterator[tuple[str, Exchange]]:
    """All exchanges of these captures, each with how it is cited. Raises InputError as `open_capture` does."""
    read: set[tuple[str, int] | Path] = set()
    for path in paths:
        stream = open_capture(path)
        own = (stream.header.recording, stream.header.segment) if stream.header.recording else path.resolve()
        if own in read:
            talk.say(f"qqlab: {visible(str(path))} is read once, though it is named twice")
            continue
        for exchange in stream.exchanges():
            yield (exchange.id if len(paths) == 1 else f"{path.stem}:{exchange.id}"), exchange
        read.add(own)
        read.update((stream.header.recording, number) for number in stream.segments if stream.header.recording)
        for line in stream.missing:
            talk.say(f"qqlab: {visible(line)}")


def title(paths: Sequence[Path]) -> str:
    """What the traffic is, as a source of a spec says it."""
    names = ", ".join(visible(path.name) for path in paths[:5])
    more = f" and {counted(len(paths) - 5, 'other')}" if len(paths) > 5 else ""
    return f"Captured traffic: {names}{more}"
