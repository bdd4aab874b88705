"""`qqlab spec export`: the spec for other tools."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from qqlab.cli.arguments import Force, LangOption, SpecOption, read_spec
from qqlab.cli.console import talk
from qqlab.errors import UsageError
from qqlab.files import are_same, check_replaceable, replacing
from qqlab.publish import EXPORTS, Format
from qqlab.visible import visible

_FORMATS = "; ".join(f"{name}: {one.about}" for name, one in EXPORTS.items())


def export(
    format_: Annotated[Format, typer.Option("--format", help=f"What to write. {_FORMATS}.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write; - is standard output.")
    ] = Path("-"),
    force: Force = False,
    spec: SpecOption = None,
    lang: LangOption = "en",
) -> None:
    """Write the spec as OpenAPI, as a dissector for Wireshark, as a JSON Schema of captures, or as Markdown.

    With --lang the texts of the spec (docs, meanings of codes) are in that language; headings stay English.

    \b
    Examples:
      qqlab spec export --format openapi -o openapi.json
      qqlab spec export --format wireshark -o qq.lua
      tshark -X lua_script:qq.lua -r packets.pcapng -Y qq -T fields -e qq.cmd -e qq.login.rs
      qqlab spec export --format wireshark --lang zh -o qq-zh.lua
      qqlab spec export --format jsonschema -o capture.schema.json
      qqlab spec export --format markdown --spec my.toml -o my.md
    """
    text = EXPORTS[format_].render(read_spec(spec, lang))
    if str(output) == "-":
        sys.stdout.write(text)
        return
    if spec is not None and are_same(output, spec):
        raise UsageError(str(output), "is the spec that is exported", "choose another name")
    check_replaceable(output, force)
    with replacing(output, mode=0o644) as file:
        file.write(text.encode())
    talk.say(f"qqlab: wrote {visible(str(output))}")
