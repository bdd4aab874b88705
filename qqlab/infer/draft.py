"""A spec that is being made of traffic: the parts of a spec, each with why it is believed.

Law: types only. `why` are short sentences with counts and exchange ids; they become comments of the file.
"""

from typing import NamedTuple

from qqlab.spec import CodeTable, Command, Direction, Field, Paging, Roles, Rows, Source, Version, Wire

Why = tuple[str, ...]


class DraftField(NamedTuple):
    """A field, and why."""

    field: Field
    why: Why


class DraftCommand(NamedTuple):
    """A command: `command` without its fields, rows and pages, which stand beside it with their reasons."""

    name: str
    command: Command
    why: Why
    request: tuple[DraftField, ...]
    reply: tuple[DraftField, ...]
    rows: tuple[tuple[Rows, Why], ...]
    paging: tuple[Paging, Why] | None

    def fields(self, direction: Direction) -> tuple[DraftField, ...]:
        """The fields of its own in one direction."""
        return self.request if direction == "request" else self.reply


class Draft(NamedTuple):
    """A whole spec. `remarks` is what a reader must know before all else."""

    name: str
    title: str
    remarks: Why
    sources: dict[str, Source]
    versions: dict[str, tuple[Version, Why]]
    roles: tuple[Roles, Why]
    wire: tuple[Wire, Why]
    request: tuple[DraftField, ...]
    reply: tuple[DraftField, ...]
    codes: dict[str, tuple[CodeTable, Why]]
    commands: tuple[DraftCommand, ...]
