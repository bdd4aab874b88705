"""A spec in the words of other tools: OpenAPI, Wireshark, JSON Schema, Markdown.

Law: pure functions from a spec to text, the same for the same spec. A spec may come from anyone: its text is data in
what is made of it, never code, markup or a name. What another format cannot say is said beside it (`x-qqlab-…`), and
nothing is made up to fit a format.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from qqlab.publish.markdown import protocol
from qqlab.publish.openapi import openapi
from qqlab.publish.schema import capture_schema
from qqlab.publish.wireshark import dissector
from qqlab.spec import Spec

Format = Literal["jsonschema", "markdown", "openapi", "wireshark"]


class Export(NamedTuple):
    """A format: what it is, how its file is usually called, and what makes its text."""

    about: str
    file: str
    render: Callable[[Spec], str]


EXPORTS: dict[Format, Export] = {
    "jsonschema": Export("JSON Schema 2020-12 of the lines of a capture", "capture.schema.json", capture_schema),
    "markdown": Export("the protocol as a page: commands, fields, codes, sources", "protocol.md", protocol),
    "openapi": Export("OpenAPI 3.1 of a server", "openapi.json", openapi),
    "wireshark": Export("a dissector for Wireshark and tshark, in Lua", "qq.lua", dissector),
}

__all__ = ["EXPORTS", "Export", "Format", "capture_schema", "dissector", "openapi", "protocol"]
