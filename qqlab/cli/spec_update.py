"""`qqlab spec update`: what traffic adds to a spec file, as a patch to review."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from qqlab import spec as specs
from qqlab.cli.arguments import CaptureFiles, Force, check_output
from qqlab.cli.console import talk
from qqlab.cli.traffic import title, traffic
from qqlab.errors import ExitCode, UsageError
from qqlab.files import are_same, replacing
from qqlab.visible import visible


def update(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The spec file (TOML) to bring up to date.")],
    captures: CaptureFiles,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the whole new spec here; SPEC itself only with --force.",
            show_default=False,
        ),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print the patch: what is done without -o.")] = False,
    force: Force = False,
) -> None:
    """Propose what traffic adds to a spec: undocumented commands, fields, codes and versions, and disputes settled.

    The patch is for you to review, and `patch SPEC < FILE` applies it. Comments and the order of the file survive;
    what is new stands under a source that names the captures. The exit code is 1 where there is anything to add.

    \b
    Examples:
      qqlab spec update my.toml monday.jsonl > my.patch
      qqlab spec update my.toml monday.jsonl -o my-new.toml
    """
    if any(are_same(path, capture) for path in (output or spec,) for capture in captures):
        raise UsageError("-o", "is one of the captures", "name another file")
    check_output(output, force, "a spec that is named with -o")
    # tomlkit is for this command alone; who asks for another one need not wait.
    from qqlab.infer.update import propose  # noqa: PLC0415

    before = specs.text(spec)
    proposal = propose(before, str(spec), traffic(captures), title(captures))
    _tell(proposal.changes, proposal.undecided)
    if output is not None:
        with replacing(output, mode=0o644) as file:
            file.write(proposal.text.encode())
    if output is None or diff:
        typer.echo("".join(_patch(spec, before, proposal.text)), nl=False)
    if output is None and proposal.changes:
        raise typer.Exit(ExitCode.DIFFERENCES)


def _tell(changes: tuple[str, ...], undecided: tuple[str, ...]) -> None:
    for change in changes:
        talk.say(f"qqlab: {visible(change)}")
    for open_ in undecided:
        talk.say(f"qqlab: not decided: {visible(open_)}")
    if not changes:
        talk.say("qqlab: the spec has all that was seen")


def _patch(spec: Path, before: str, after: str) -> Iterator[str]:
    """A unified diff; a last line without its end is said as `diff` says it."""
    name = visible(str(spec))
    for line in difflib.unified_diff(before.splitlines(True), after.splitlines(True), name, name):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
