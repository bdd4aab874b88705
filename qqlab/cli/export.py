"""`qqlab export`: a capture becomes other people's material."""

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer

from qqlab.capture import Stream, open_capture
from qqlab.capture.places import is_url, place
from qqlab.capture.writing import write_lines, written
from qqlab.cli.arguments import CaptureFile, Force, SpecOption, read_spec, refuse_stdout
from qqlab.cli.console import counted, talk
from qqlab.errors import UsageError
from qqlab.files import are_same, refuse_existing, replacing
from qqlab.formats.tally import Tally
from qqlab.spec import Spec
from qqlab.visible import visible

# What is written holds the bytes of messages as they were, which may do anything to a terminal.
_AS_CAPTURED = ("flows", "transcripts")


def export(
    capture: CaptureFile,
    format_: Annotated[
        Literal["flows", "har", "csv", "transcripts", "parquet", "jsonl"],
        typer.Option("--format", help="What to write.", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            parser=place,
            help="The file to write; - is standard output. With parquet, the directory or URL.",
        ),
    ],
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Write a capture as mitmproxy flows, HAR, CSV, a transcript, a dataset of Parquet files, or JSON lines.

    What the format has no place for is counted and said. Flows and HAR carry a mark that keeps most of it, so that
    each exchange that was not left out is the same once it is imported again.

    parquet writes a directory that all commands read like the capture, and other tools as a table: a column for each
    field of the spec, partitioned by day. jsonl gives the capture back from it, byte for byte. Datasets may be read
    and written at a URL such as s3://bucket/name, as far as fsspec has a driver for it: pip install s3fs.

    \b
    Examples:
      qqlab export captures/demo.jsonl --format har -o demo.har
      qqlab export captures/demo.jsonl --format parquet -o demo.parquet
      qqlab export demo.parquet --format jsonl -o again.jsonl
    """
    known, stream = read_spec(spec), open_capture(capture)
    tally = Tally()
    if str(output) != "-" and force and (are_same(output, capture) or (is_url(output) and output == capture)):
        raise UsageError(str(output), "is the capture that is exported", "choose another name")
    if format_ == "parquet":
        _to_dataset(stream, output, known, force)
    elif format_ == "jsonl":
        _to_lines(stream, output, force)
    else:
        _to_foreign(stream, format_, output, known, force, tally)
    for line in (*stream.missing, *tally.lines()):
        talk.say(f"qqlab: {visible(line)}")


def _to_dataset(stream: Stream, output: Path, known: Spec, force: bool) -> None:
    # pyarrow takes as long to import as all of the command line; who exports no dataset need not wait.
    from qqlab.capture import dataset  # noqa: PLC0415

    refuse_stdout(output, "a dataset")
    made = dataset.write(output, stream, known, force=force)
    files = counted(sum(len(block.files) for block in made.blocks), "file")
    talk.say(f"qqlab: {counted(made.count, 'exchange')} in {files} in {visible(str(output))}")


def _to_lines(stream: Stream, output: Path, force: bool) -> None:
    _refuse_url(output)
    if str(output) != "-":
        write_lines(output, stream, force=force)
        return
    if sys.stdout.isatty():
        raise _refused()
    part, *more = islice(stream.whole_parts(), 2)
    if more:
        raise UsageError("-o -", "the recording has several segments, each a file of its own", "name a file")
    sys.stdout.buffer.writelines(written(part))


def _refuse_url(output: Path) -> None:
    if is_url(output):
        raise UsageError(str(output), "is a URL, where datasets alone are written", "--format parquet, or name a file")


def _refused() -> UsageError:
    return UsageError("-o -", "captured bytes are not written to a terminal", "name a file, or a pipe")


def _to_foreign(
    stream: Stream,
    format_: Literal["flows", "har", "csv", "transcripts"],
    output: Path,
    known: Spec,
    force: bool,
    tally: Tally,
) -> None:
    _refuse_url(output)
    # mitmproxy takes longer to import than all of the command line; who exports nothing need not wait.
    from qqlab.formats import exporting  # noqa: PLC0415

    def write(file: BinaryIO) -> None:
        exchanges = (located.exchange for located in stream)
        exporting.export(file, format_, exchanges, stream.header.redacted, known, tally)

    if str(output) == "-":
        if format_ in _AS_CAPTURED and sys.stdout.isatty():
            raise _refused()
        write(sys.stdout.buffer)
    else:
        if not force:
            refuse_existing(output)
        with replacing(output) as file:
            write(file)
