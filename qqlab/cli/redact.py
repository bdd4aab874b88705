"""`qqlab redact`: a finished capture becomes one that can be handed on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from qqlab.capture import Stream, header, open_capture, save
from qqlab.cli.arguments import CaptureFile, Force, KeyFile, SpecOption, read_spec, refuse_stdout
from qqlab.cli.console import counted, talk
from qqlab.errors import UsageError
from qqlab.exchange import Exchange
from qqlab.files import are_same
from qqlab.redact import Redactor, read_key
from qqlab.spec import Spec
from qqlab.visible import visible


def redact(
    capture: CaptureFile,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="CAPTURE", help="The capture to write.")],
    policy: Annotated[
        Literal["secrets", "all"], typer.Option("--policy", help="Replace secrets alone, or all: personal values too.")
    ] = "secrets",
    redact_key_file: KeyFile = None,
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Replace the secret values of a capture by pseudonyms, and with --policy all the personal ones.

    Pseudonyms have the form of what they replace, so that the result replays, compares and reports as before. The
    same value has the same one throughout a capture, and throughout all that are redacted with one key.

    Example: qqlab redact mine.jsonl --policy all -o handed-on.jsonl
    """
    known = read_spec(spec)
    key = None if redact_key_file is None else read_key(redact_key_file)
    stream = open_capture(capture)
    _check(stream, capture, output, policy, known)
    redactor = Redactor(known, policy=policy, key=key)
    note = redactor.text(stream.header.note)
    head = header(known, redacted=policy, created=stream.header.created, note=note)
    count = 0

    def redacted() -> Iterator[Exchange]:
        nonlocal count
        for count, located in enumerate(stream, 1):  # noqa: B007
            yield redactor.exchange(located.exchange)

    save(output, head, redacted(), known, force=force)
    for line in stream.missing:
        talk.say(f"qqlab: {visible(line)}")
    talk.say(f"qqlab: {counted(count, 'exchange')} in {visible(str(output))}; {_told(redactor)}")


def _check(stream: Stream, capture: Path, output: Path, policy: str, known: Spec) -> None:
    """Raise UsageError where the result would not be what its header says."""
    where = visible(stream.path)
    refuse_stdout(output)
    if stream.header.spec != known.name:
        what = f"was written by the spec {stream.header.spec!r}, not {known.name!r}"
        raise UsageError(where, what, "name that one with --spec, since it says what is secret")
    if stream.header.redacted == "all" and policy == "secrets":
        raise UsageError(where, "holds no secret and no personal value already", "--policy all gives it new pseudonyms")
    if len(stream.segments) > 1 and are_same(output, capture):
        raise UsageError(where, "its finished segments would keep what is replaced here", "write to another file")


def _told(redactor: Redactor) -> str:
    """What was replaced, by the names of its fields alone."""
    if not redactor.replaced and not redactor.elsewhere:
        return "nothing had to be replaced"
    fields = ", ".join(f"{count} of {visible(name)}" for name, count in sorted(redactor.replaced.items()))
    parts = (f"replaced {fields}" if fields else "", _elsewhere(redactor.elsewhere))
    return ", and ".join(part for part in parts if part)


def _elsewhere(count: int) -> str:
    return f"found again in {counted(count, 'other place')}" if count else ""
