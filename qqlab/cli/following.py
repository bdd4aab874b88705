"""A capture shown while it grows: a line for each exchange, until Ctrl-C."""

import contextlib
import time
from pathlib import Path

from qqlab.capture import Condition, encode_line
from qqlab.capture import follow as followed
from qqlab.cli.console import counted, talk
from qqlab.cli.rows import COLUMNS, cells
from qqlab.codec import decode
from qqlab.exchange import Exchange
from qqlab.spec import Spec
from qqlab.visible import json_safe, visible

# Soon enough for who looks on, and next to nothing for the processor.
_PAUSE = 0.1


def follow(path: Path, condition: Condition | None, known: Spec, json: bool) -> None:
    """Print the exchanges of a capture and go on; Ctrl-C ends it, and that is no failure."""
    shown = 0
    with contextlib.suppress(KeyboardInterrupt):
        for exchange in followed(path, _wait, _say):
            if condition is None or condition.holds(exchange):
                print(_line(exchange, known, json), flush=True)
                shown += 1
    talk.say(f"qqlab: {counted(shown, 'exchange')} shown")


def _wait() -> bool:
    time.sleep(_PAUSE)
    return True


def _say(line: str) -> None:
    talk.say(f"qqlab: {visible(line)}")


def _line(exchange: Exchange, known: Spec, json: bool) -> str:
    if json:
        return json_safe(encode_line(exchange, known).decode().rstrip("\n"))
    row = cells(exchange, decode(exchange, known), known)
    return "  ".join(row[column] or "-" for column in COLUMNS)
