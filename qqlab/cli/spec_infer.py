"""`qqlab spec infer`: a spec written from traffic alone."""

from pathlib import Path
from typing import Annotated

import typer

from qqlab import spec as specs
from qqlab.cli.arguments import CaptureFiles, Force, check_output
from qqlab.cli.console import counted, talk
from qqlab.cli.traffic import title, traffic
from qqlab.errors import InputError
from qqlab.files import replacing
from qqlab.infer import drafted, learn, toml
from qqlab.infer.score import UNTOLD, Score, score
from qqlab.spec import Source
from qqlab.visible import visible


def infer(
    captures: CaptureFiles,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the spec here, not to standard output."),
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the protocol is called.")] = "inferred",
    truth: Annotated[
        Path | None,
        typer.Option(
            "--score",
            metavar="SPEC",
            help="Say how much of this spec was recovered, and what was claimed that it does not say.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Write a spec from traffic alone: no spec is looked at, and each claim has its evidence beside it.

    Which field is the command, the sequence number, the account, the version and the status is found by what fields
    do, and so are lists, rows, codes, secrets and all else. What has too little traffic behind it is not claimed, and
    marked under-sampled. Meanings are for you to write.

    \b
    Examples:
      qqlab spec infer mine.jsonl -o mine.toml
      qqlab spec infer captures/demo.jsonl --score qqlab/spec/httpqq.toml > inferred.toml
    """
    check_output(output, force, "a spec that is named with -o")
    learned = learn(traffic(captures))
    if not learned.commands:
        raise InputError(
            visible(str(captures[0])), "holds no message of pairs (KEY=VALUE&…) with a command to learn from"
        )
    trust = f"{counted(learned.exchanges, 'exchange')}, read by a program and by nobody yet"
    source = Source(title=title(captures), trust=trust, primary=True)
    draft = drafted(learned, name, "traffic", source)
    text = toml(draft)
    if output is None:
        typer.echo(text, nl=False)
    else:
        with replacing(output, mode=0o644) as file:
            file.write(text.encode())
        talk.say(f"qqlab: wrote {visible(str(output))}: {counted(len(draft.commands), 'command')}")
    for remark in draft.remarks[3:]:
        talk.say(f"qqlab: {visible(remark)}")
    if truth is not None:
        _print_score(score(specs.parse(text, "the inferred spec"), specs.load(truth), learned))


def _print_score(found: Score) -> None:
    talk.say(f"qqlab: recall {found.recall:.1%}: {found.recalled} of {found.told} claims of the true spec")
    talk.say(f"qqlab: precision {found.precision:.1%}: {counted(len(found.false), 'false claim')}")
    for kind, (right, of) in found.kinds.items():
        talk.say(f"  {kind}: {right} of {of}")
    for line in found.missed:
        talk.say(f"  missed: {visible(line)}")
    for line in found.false:
        talk.say(f"  false: {visible(line)}")
    for reason, count in found.untold.items():
        talk.say(f"  counted neither way, {count}: {UNTOLD[reason]}")
