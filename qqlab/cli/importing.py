"""`qqlab import`: other people's material becomes a capture."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from qqlab.capture import header, save
from qqlab.cli.arguments import Force, KeyFile, SpecOption, read_spec, refuse_stdout
from qqlab.cli.console import counted, talk
from qqlab.errors import UsageError
from qqlab.files import are_same
from qqlab.formats.tally import Tally
from qqlab.redact import read_key
from qqlab.visible import visible

Everything = Annotated[bool, typer.Option("--all", help="Take exchanges that are not of the protocol, too.")]
Partial = Annotated[bool, typer.Option("--partial", help="Of a file that is damaged or cut off, take what is whole.")]


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to import, in order; - is stdin.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="CAPTURE", help="The capture to write.")],
    format_: Annotated[
        Literal["flows", "har", "pcap", "transcripts"] | None,
        typer.Option("--format", help="What the files are; without it, their content tells.", show_default=False),
    ] = None,
    redact: Annotated[
        Literal["secrets", "all", "none"],
        typer.Option("--redact", help="What pseudonyms replace: secrets, personal values too (all), or nothing."),
    ] = "secrets",
    redact_key_file: KeyFile = None,
    everything: Everything = False,
    partial: Partial = False,
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Turn mitmproxy flows, HAR, packets (pcap, pcapng) or transcripts into a capture.

    Transcripts are lines marked > for a request, < for a reply. Secret values become pseudonyms, as in a recording,
    but not a second time in what qqlab exported itself. What cannot be taken over is counted and said.

    Example: qqlab import flows.mitm archive.har -o imported.jsonl
    """
    # mitmproxy takes longer to import than all of the command line; who imports nothing need not wait.
    from qqlab.formats.importing import Wanted, imported  # noqa: PLC0415

    refuse_stdout(output)
    if any(are_same(file, output) for file in files):
        raise UsageError(str(output), "is what is imported", "choose another name")
    known = read_spec(spec)
    tally = Tally()
    wanted = Wanted(format_, redact, everything, partial)
    key = None if redact_key_file is None else read_key(redact_key_file)
    exchanges = imported(files, wanted, known, tally, key)
    note = f"imported from {', '.join(file.name or str(file) for file in files)}"
    save(output, header(known, redacted=redact, note=note), exchanges, known, force=force)
    for line in tally.lines():
        talk.say(f"qqlab: {visible(line)}")
    talk.say(f"qqlab: {counted(tally.taken, 'exchange')} in {visible(str(output))}")
