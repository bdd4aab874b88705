"""`qqlab import`: other people's material becomes a capture."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from qqlab.capture import header, save, transcripts
from qqlab.cli.arguments import Force, SpecOption, read_spec
from qqlab.cli.console import counted, talk
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.redact import Redactor
from qqlab.visible import visible


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to import, in order.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="CAPTURE", help="The capture to write.")],
    format_: Annotated[
        Literal["transcripts"], typer.Option("--format", help="What the files are: lines marked > and <.")
    ] = "transcripts",
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Turn transcripts (lines marked > for a request, < for a reply) into a capture.

    Secret values become pseudonyms, as in a recording.

    Example: qqlab import notes.txt -o notes.jsonl
    """
    known = read_spec(spec)
    exchanges: list[Exchange] = []
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise InputError(str(file), error.strerror or str(error)) from error
        exchanges.extend(transcripts.parse(data, str(file), known))
    redactor = Redactor(known)
    renumbered = (msgspec.structs.replace(e, id=str(number)) for number, e in enumerate(exchanges, 1))
    note = f"imported from {format_}: {', '.join(file.name for file in files)}"
    head = header(known, redacted="secrets", note=note)
    save(output, head, [redactor.exchange(exchange) for exchange in renumbered], known, force=force)
    talk.say(f"qqlab: {counted(len(exchanges), 'exchange')} in {visible(str(output))}")
