"""An exchange as one row of a table, the same wherever exchanges are listed.

Law: every captured text has passed `visible` here.
"""

from qqlab import wording
from qqlab.codec import Decoded
from qqlab.exchange import Exchange
from qqlab.spec import Spec
from qqlab.visible import visible

COLUMNS = ("id", "time", "account", "command", "status", "ms", "notes")
NARROW = 70
WIDE = 100


def cells(exchange: Exchange, decoded: Decoded, known: Spec) -> dict[str, str]:
    """The cells of `COLUMNS`, empty where there is nothing to say."""
    return {
        "id": visible(exchange.id),
        "time": exchange.time.strftime("%H:%M:%S.%f")[:-3] if exchange.time else "",
        "account": visible(decoded.account or "", 20),
        "command": visible(decoded.command or "?", 30),
        "status": wording.status(decoded, known),
        "ms": f"{exchange.elapsed * 1000:.1f}" if exchange.elapsed is not None else "",
        "notes": visible(" ".join(_codes(decoded))),
    }


def _codes(decoded: Decoded) -> dict[str, None]:
    """What is odd, errors first: a narrow column may show no more."""
    notes = sorted(decoded.notes, key=lambda note: note.severity != "error")
    return dict.fromkeys(note.code for note in notes if note.severity != "info")
