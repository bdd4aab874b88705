"""`qqlab import`: other people's material becomes a capture."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from qqlab.capture import header, save
from qqlab.cli.arguments import Force, SpecOption, read_spec
from qqlab.cli.console import counted, talk
from qqlab.redact import Redactor
from qqlab.visible import visible

Everything = Annotated[bool, typer.Option("--all", help="Take exchanges that are not of the protocol, too.")]
Partial = Annotated[bool, typer.Option("--partial", help="Of a file that is damaged or cut off, take what is whole.")]


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to import, in order; - is stdin.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="CAPTURE", help="The capture to write.")],
    format_: Annotated[
        Literal["flows", "har", "transcripts"] | None,
        typer.Option("--format", help="What the files are; without it, their content tells.", show_default=False),
    ] = None,
    everything: Everything = False,
    partial: Partial = False,
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Turn mitmproxy flows, HAR, or transcripts into a capture.

    Transcripts are lines marked > for a request, < for a reply. Secret values become pseudonyms, as in a recording,
    but not a second time in what qqlab exported itself. What cannot be taken over is counted and said.

    Example: qqlab import flows.mitm archive.har -o imported.jsonl
    """
    # mitmproxy takes longer to import than all of the command line; who imports nothing need not wait.
    from qqlab import formats  # noqa: PLC0415

    known = read_spec(spec)
    tally = formats.Tally()
    wanted = formats.Wanted(format_, everything, partial)
    exchanges = formats.imported(files, wanted, known, Redactor(known), tally)
    note = f"imported from {', '.join(file.name or str(file) for file in files)}"
    save(output, header(known, redacted="secrets", note=note), exchanges, known, force=force)
    for line in tally.lines():
        talk.say(f"qqlab: {visible(line)}")
    talk.say(f"qqlab: {counted(tally.taken, 'exchange')} in {visible(str(output))}")
