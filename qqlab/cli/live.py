"""What a running recording shows: a table that fits the window on a terminal, elsewhere a line for each exchange.

Law: nothing that goes wrong here ends a recording; whoever reads our output may go away. Captured text has passed
`visible`, and Rich markup is off.
"""

import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from qqlab.capture import encode_line, segments
from qqlab.cli.console import counted, out, talk
from qqlab.cli.rows import COLUMNS, NARROW, WIDE, cells
from qqlab.codec import Decoded
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.proxy.tally import Tally
from qqlab.spec import Spec
from qqlab.visible import json_safe, visible

_MOST_ROWS = 200
_AROUND = 6  # lines of the window that are no rows: the title, the head of the table, the counters, the cursor's
_PER_SECOND = 5
# So wide each column is; the notes take what is left.
_WIDTHS = {"time": 12, "account": 11, "command": 14, "status": 26, "ms": 8}
_NARROW = {"time": 8, "account": 10, "command": 13, "status": 18, "ms": 7}
_NARROWEST = {"time": 8, "account": 10, "command": 13, "status": 10}


class Showing:
    """Shows nothing; what the others have in common. `where` is the address once the proxy listens there."""

    def __init__(self, tally: Tally, spec: Spec, path: Path) -> None:
        self.tally = tally
        self.spec = spec
        self.path = path
        self.where = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The recording is over."""

    def began(self, where: str) -> None:
        """The proxy listens there."""
        self.where = where
        talk.say(f"qqlab: recording on {where} into {visible(str(self.path))} (Ctrl-C ends)")

    def told(self, exchange: Exchange, decoded: Decoded) -> None:
        """An exchange is in the file."""


class Lines(Showing):
    """One line for each exchange, at once."""

    def told(self, exchange: Exchange, decoded: Decoded) -> None:
        """Print it."""
        row = cells(exchange, decoded, self.spec)
        _print("  ".join(row[column] or "-" for column in COLUMNS))


class Records(Showing):
    """Each exchange as its line of the capture."""

    def told(self, exchange: Exchange, decoded: Decoded) -> None:
        """Print it."""
        _print(json_safe(encode_line(exchange, self.spec).decode().rstrip("\n")))


def _print(line: str) -> None:
    # A reader that has gone away would end this process, and with it the recording; what it reads leads nowhere then.
    with suppress(SystemExit, InputError):
        print(line, flush=True)


class Screen(Showing):
    """A table of the newest exchanges, with counters below, drawn anew a few times a second."""

    def __init__(self, tally: Tally, spec: Spec, path: Path) -> None:
        super().__init__(tally, spec, path)
        self._rows: deque[dict[str, str]] = deque(maxlen=_MOST_ROWS)
        self._since = time.monotonic()
        self._console = out()
        self._live = Live(
            get_renderable=self.draw, console=self._console, refresh_per_second=_PER_SECOND, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self._live.stop()

    def began(self, where: str) -> None:
        """The proxy listens there."""
        self.where = where

    def told(self, exchange: Exchange, decoded: Decoded) -> None:
        """Put it at the end of the table."""
        self._rows.append(cells(exchange, decoded, self.spec))

    def draw(self) -> RenderableType:
        """The window's content now."""
        width, height = self._console.size
        title = f"recording on {self.where or '…'} into {visible(str(self.path))}, Ctrl-C ends"
        rows = list(self._rows)[-max(1, height - _AROUND) :]
        return Group(_line(title, "bold"), _table(rows, width), _line(self._counters(), "dim"))

    def _counters(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._since), 60)
        count = counted(self.tally.exchanges, "exchange")
        return "  ".join((f"{minutes:02}:{seconds:02}", count, *counters(self.tally)))


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _table(rows: list[dict[str, str]], width: int) -> Table:
    widths = _WIDTHS if width >= WIDE else _NARROW if width >= NARROW else _NARROWEST
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=True, show_edge=False)
    for column, wide in widths.items():
        right: Literal["right", "left"] = "right" if column == "ms" else "left"
        table.add_column(column, width=wide, no_wrap=True, overflow="ellipsis", justify=right)
    table.add_column("notes", ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        clock = row["time"][: widths["time"]]
        table.add_row(*((row | {"time": clock})[column] for column in (*widths, "notes")))
    return table


def counters(tally: Tally) -> list[str]:
    """What there is beside exchanges, in words."""
    notes = {severity: sum(codes.values()) for severity, codes in tally.notes.items()}
    said = [f"{tally.failed} failed"] if tally.failed else []
    said += [counted(notes[severity], severity) for severity in ("error", "warning") if notes[severity]]
    return [*said, size(tally.bytes), *([f"{tally.other} of other traffic"] if tally.other else [])]


def size(number: int) -> str:
    """A number of bytes in words."""
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= one:
            return f"{number / one:.1f} {unit}"
    return f"{number} bytes"


def summary(tally: Tally, path: Path) -> list[str]:
    """What was recorded, a line for each thing to say."""
    failed = f", {tally.failed} of them failed" if tally.failed else ""
    lines = [("exchanges", f"{tally.exchanges}{failed}")]
    if tally.commands:
        lines.append(("commands", _counts(tally.commands.most_common())))
    lines += [
        (f"{severity} notes" if severity != "info" else "notes", _counts(codes.most_common()))
        for severity, codes in tally.notes.items()
        if codes
    ]
    if tally.other:
        lines.append(("passed by", f"{tally.other} of other traffic, not recorded"))
    lines.append(("messages", size(tally.bytes)))
    finished = segments.present(path.resolve())
    if finished:
        size_of_all = sum(one.stat().st_size for one in finished)
        lines.append(("segments", f"{counted(len(finished), 'finished one')} beside the file, {size(size_of_all)}"))
    with suppress(OSError):
        lines.append(("file", f"{visible(str(path))}, {size(path.stat().st_size)}"))
    return [f"  {what:<14} {text}" for what, text in lines]


def _counts(pairs: list[tuple[str, int]]) -> str:
    return ", ".join(f"{visible(name, 40)} {count}" for name, count in pairs)


def showing(json: bool) -> Callable[[Tally, Spec, Path], Showing]:
    """The way to show that fits: JSON where it is asked for, nothing where quiet is, a table on a terminal."""
    if json:
        return Records
    if talk.quiet:
        return Showing
    return Screen if sys.stdout.isatty() else Lines
