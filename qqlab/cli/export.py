"""`qqlab export`: a capture becomes other people's material."""

import sys
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer

from qqlab.capture import open_capture
from qqlab.cli.arguments import CaptureFile, Force, SpecOption, read_spec
from qqlab.cli.console import talk
from qqlab.errors import UsageError
from qqlab.files import are_same, refuse_existing, replacing
from qqlab.formats.tally import Tally
from qqlab.visible import visible

# What is written holds the bytes of messages as they were, which may do anything to a terminal.
_AS_CAPTURED = ("flows", "transcripts")


def export(
    capture: CaptureFile,
    format_: Annotated[
        Literal["flows", "har", "csv", "transcripts"],
        typer.Option("--format", help="What to write.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write; - is standard output.")
    ],
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Write a capture as mitmproxy flows, HAR, CSV, or a transcript.

    What the format has no place for is counted and said. Flows and HAR carry a mark that keeps most of it, so that
    each exchange that was not left out is the same once it is imported again.

    Example: qqlab export captures/demo.jsonl --format har -o demo.har
    """
    # mitmproxy takes longer to import than all of the command line; who exports nothing need not wait.
    from qqlab.formats import exporting  # noqa: PLC0415

    known, stream = read_spec(spec), open_capture(capture)
    tally = Tally()

    def write(file: BinaryIO) -> None:
        exchanges = (located.exchange for located in stream)
        exporting.export(file, format_, exchanges, stream.header.redacted, known, tally)

    if str(output) == "-":
        if format_ in _AS_CAPTURED and sys.stdout.isatty():
            raise UsageError("-o -", "captured bytes are not written to a terminal", "name a file, or a pipe")
        write(sys.stdout.buffer)
    else:
        if not force:
            refuse_existing(output)
        elif are_same(output, capture):
            raise UsageError(str(output), "is the capture that is exported", "choose another name")
        with replacing(output) as file:
            write(file)
    for line in (*stream.missing, *tally.lines()):
        talk.say(f"qqlab: {visible(line)}")
