"""Arguments and options that several commands share, so that they are spelled and explained once."""

from pathlib import Path
from typing import Annotated

import typer

from qqlab import spec
from qqlab.capture import Capture, load
from qqlab.cli.console import talk
from qqlab.errors import UsageError
from qqlab.spec import Spec
from qqlab.visible import visible

CaptureFile = Annotated[Path, typer.Argument(metavar="CAPTURE", help="A capture file; - is standard input.")]
SpecOption = Annotated[
    Path | None,
    typer.Option("--spec", metavar="FILE", help="Read the protocol from this spec file.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what exists already.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def read_spec(path: Path | None) -> Spec:
    """The spec that an option names, or the built-in one."""
    return spec.builtin() if path is None else spec.load(path)


def read_capture(path: Path) -> Capture:
    """Load a capture, and say so where its last line was torn."""
    capture = load(path)
    if capture.torn is not None:
        talk.say(f"qqlab: {visible(capture.torn)}")
    return capture


def listen_address(text: str) -> tuple[str, int]:
    """The host and the port of `--listen HOST:PORT`. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else -1
    if not colon or not host or not 0 <= number < 65536:
        raise UsageError(f"--listen {text}", "is no HOST:PORT", "for example --listen 127.0.0.1:8000")
    return host.removeprefix("[").removesuffix("]"), number
