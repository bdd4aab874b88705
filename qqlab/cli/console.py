"""Where commands speak: results to stdout, talk to stderr.

Law: every captured text passes `visible` before it gets here; Rich markup is never on, since captured text could
hold it. Progress shows on a terminal only; `NO_COLOR` and `-q` are obeyed.
"""

import os
import sys
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from qqlab.visible import json_safe


class Talk:
    """What a command says beside its result; `quiet` silences all but errors, `verbose` adds detail."""

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = False

    def say(self, line: str) -> None:
        """One line of talk on stderr."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def bar(self) -> Progress:
        """A bar of progress on stderr, where there is a terminal to draw one on; it is gone once it is done."""
        return Progress(
            TextColumn("  "),
            BarColumn(),
            MofNCompleteColumn(),
            transient=True,
            disable=self.quiet or not sys.stderr.isatty(),
            console=Console(stderr=True, markup=False, highlight=False, emoji=False),
        )

    def gauge(self) -> Progress:
        """A bar of bytes that are read, with the rate of exchanges (the field `rate`) and the time left; else as
        `bar`."""
        return Progress(
            TextColumn("  "),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            transient=True,
            disable=self.quiet or not sys.stderr.isatty(),
            console=Console(stderr=True, markup=False, highlight=False, emoji=False),
        )

    def detail(self, line: str) -> None:
        """One line for those who asked for more."""
        if self.verbose:
            self.say(line)


talk = Talk()


def counted(number: int, what: str) -> str:
    """`1 exchange`, `2 exchanges`."""
    return f"{number} {what}{'s'[: number != 1]}"


def out() -> Console:
    """The console for results: as wide as the terminal, or wide enough for tables where it is none."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 140
    return Console(markup=False, highlight=False, emoji=False, width=width)


def print_json(value: Any) -> None:
    """One JSON document on stdout, with nothing in it that acts on a terminal."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    sys.stdout.write(json_safe(text) + "\n")
