"""Arguments and options that several commands share, so that they are spelled and explained once."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from qqlab import spec
from qqlab.capture import Capture, joined, load, together
from qqlab.capture.places import place
from qqlab.cli.console import counted, talk
from qqlab.errors import UsageError
from qqlab.files import check_replaceable
from qqlab.spec import Lang, Spec
from qqlab.visible import visible

CaptureFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="CAPTURE...",
        parser=place,
        help="Captures, compressed or not, or datasets, or URLs of them; - is standard input. A recording's name "
        "stands for all its segments.",
    ),
]
CaptureFile = Annotated[
    Path,
    typer.Argument(
        metavar="CAPTURE",
        parser=place,
        help="A capture file, a dataset, or a URL of one; - is standard input.",
    ),
]
SpecOption = Annotated[
    Path | None,
    typer.Option("--spec", metavar="FILE", help="Read the protocol from this spec file.", show_default=False),
]
LangOption = Annotated[
    Literal["en", "zh"], typer.Option("--lang", help="The language of sentences: English or Chinese.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--redact-key-file",
        metavar="FILE",
        help="Make pseudonyms with the key in this file (16 bytes or more, readable by you alone): equal ones in "
        "all captures made with it. Without it, the key is random and forgotten.",
        show_default=False,
    ),
]
TargetUrl = Annotated[str, typer.Option("--target", metavar="URL", help="http://HOST:PORT or HOST:PORT.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="HOST", help="This host may be contacted though it is not this machine."),
]
AllowEffects = Annotated[
    str | None,
    typer.Option(
        "--allow-effects",
        metavar="EFFECTS",
        help="What a host outside this machine may be asked for beside reading: consume, write, auth.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what exists already.")]
TIMEOUT = 5.0


def finite(parameter: typer.CallbackParam, value: float | None) -> float | None:
    """The number that an option was given. Raises UsageError for what is called one and is none."""
    if value is not None and not math.isfinite(value):
        raise UsageError(f"{parameter.opts[0]} {value}", "is no number")
    return value


Timeout = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0.05, callback=finite, help="For each exchange."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def refuse_stdout(output: Path, what: str = "a capture") -> None:
    """Raise UsageError where `-` is to be written: only what may be read from a pipe is written to one."""
    if str(output) == "-":
        raise UsageError("-o -", f"{what} is not written to standard output", "name a file")


def check_output(path: Path | None, force: bool, what: str = "a capture") -> None:
    """Raise InputError now for what would fail once everything was sent, UsageError for standard output."""
    if path is not None:
        refuse_stdout(path, what)
        check_replaceable(path, force)


def read_spec(path: Path | None, lang: Lang = "en") -> Spec:
    """The spec that an option names, or the built-in one, with its texts in that language."""
    return spec.builtin(lang) if path is None else spec.load(path, lang)


def read_capture(path: Path) -> Capture:
    """Load a capture, and say so where something of it is missing."""
    return _told(load(path))


def read_captures(paths: Sequence[Path]) -> list[Capture]:
    """Load captures as `read_capture` does; several segments of a recording are one, and none is read twice."""
    loaded = [load(path) for path in paths]
    return [_told(capture) for capture in together(loaded)]


def read_as_one(paths: Sequence[Path]) -> Capture:
    """Load captures as `read_captures` does, one after the other as one, and say so where ids had to change."""
    capture, renamed = joined(read_captures(paths))
    say_renamed(renamed)
    return capture


def say_renamed(number: int) -> None:
    """Say where ids had to change."""
    if number:
        talk.say(f"qqlab: {counted(number, 'id')} stood in an earlier capture: each is NAME:ID now")


def say_torn(torn: str | None) -> None:
    """Say where something of a capture is missing."""
    if torn is not None:
        talk.say(f"qqlab: {visible(torn)}")


def _told(capture: Capture) -> Capture:
    say_torn(capture.torn)
    return capture


def listen_address(text: str) -> tuple[str, int]:
    """The host and the port of `--listen HOST:PORT`. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else -1
    if not colon or not host or not 0 <= number < 65536:
        raise UsageError(f"--listen {text}", "is no HOST:PORT", "for example --listen 127.0.0.1:8000")
    return host.removeprefix("[").removesuffix("]"), number
