"""What a recording held, counted as it goes.

Law: no I/O; however long the recording, what is counted stays small.
"""

from collections import Counter

from qqlab.codec import Decoded
from qqlab.exchange import Exchange, RawMessage

_MOST = 100
_REST = "(others)"
_SEVERITIES = ("error", "warning", "info")


class Tally:
    """Exchanges, those without a whole reply, bytes of messages; exchanges by command, notes by severity and code;
    other traffic that passed by."""

    def __init__(self) -> None:
        self.exchanges = 0
        self.failed = 0
        self.bytes = 0
        self.other = 0
        self.commands: Counter[str] = Counter()
        self.notes: dict[str, Counter[str]] = {severity: Counter() for severity in _SEVERITIES}

    def add(self, exchange: Exchange, decoded: Decoded) -> None:
        """Count one exchange."""
        self.exchanges += 1
        self.failed += exchange.error is not None
        self.bytes += _size(exchange.request) + _size(exchange.reply)
        name = decoded.command or "?"
        # Whoever sends another name each time shall not fill the memory with them.
        self.commands[name if decoded.spec or name in self.commands or len(self.commands) < _MOST else _REST] += 1
        for note in decoded.notes:
            self.notes[note.severity][note.code] += 1


def _size(message: RawMessage | None) -> int:
    if message is None:
        return 0
    body = len(message.body) if message.cut is None else message.cut.length
    return len(message.head) + body + len(message.end)
