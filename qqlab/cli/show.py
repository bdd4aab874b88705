"""`qqlab show`: exchanges decoded, as a list or one in full."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich import box
from rich.table import Table

from qqlab import capture as captures
from qqlab import wording
from qqlab.capture import Capture, Condition
from qqlab.capture.places import place
from qqlab.capture.where import FUNCTIONS, NAMES
from qqlab.cli import following
from qqlab.cli.arguments import SpecOption, read_captures, read_spec
from qqlab.cli.console import counted, out, print_json, talk
from qqlab.cli.rows import COLUMNS, NARROW, WIDE, cells
from qqlab.codec import Decoded, Field, Message, decode
from qqlab.errors import InputError, UsageError
from qqlab.exchange import Exchange, RawMessage
from qqlab.formats.tally import Tally
from qqlab.spec import Spec
from qqlab.visible import visible

_PAIRED = {"order": "by the order of the connection", "echo": "by what the reply repeats", "": "by whoever recorded it"}
_REDACTED = {
    "secrets": "secrets are pseudonyms",
    "all": "secrets and personal values are pseudonyms",
    "none": "secrets as they were sent",
}
_WHOLE = ("id", "time", "ms")
_NAMES = (
    f"Names: {', '.join(NAMES)}, request.FIELD, reply.FIELD; "
    f"with == != < <= > >= in and or not, {', '.join(FUNCTIONS)}. "
    "What is missing fails every comparison but those with None."
)


def show(
    arguments: Annotated[
        list[str], typer.Argument(metavar="CAPTURE... [ID]", help="Capture files, and the id of one exchange.")
    ],
    where: Annotated[
        str | None,
        typer.Option(
            "--where", metavar="CONDITION", help=f"Only exchanges of which it holds. {_NAMES}", show_default=False
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON; with --follow a line for each exchange.")] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print a table as CSV, as `qqlab export --format csv` writes it.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written to the capture, until Ctrl-C.")
    ] = False,
    spec: SpecOption = None,
) -> None:
    """List the exchanges of captures, decoded; or show one in full, with docs, code names and notes.

    \b
    Examples:
      qqlab show captures/forum-2005.jsonl
      qqlab show captures/forum-2005.jsonl 12
      qqlab show captures/demo.jsonl --where 'reply.RES != 0 and account == 10001'
      qqlab show captures/demo.jsonl --where '"list.count" in notes or elapsed > 0.5'
      qqlab show captures/forum-2005.jsonl --json | jq '.[].decoded.command'
      qqlab show captures/demo.jsonl --where 'command == "GetMsgEx"' --csv > messages.csv
      qqlab show mine.jsonl -f --where 'not ok'
    """
    known = read_spec(spec)
    condition = None if where is None else Condition(where, known)
    files, wanted = _split(arguments)
    if json and csv:
        raise UsageError("--csv", "does not go with --json", "choose one")
    if follow:
        following.follow(_followed(files, wanted, csv), condition, known, json)
        return
    loaded = [_where(capture, condition) for capture in read_captures(files)]
    if wanted is not None:
        if condition is not None or csv:
            raise UsageError(wanted, "is one exchange, shown in full", "leave out its id, or --where and --csv")
        _show_one(loaded, wanted, known, json)
    elif json:
        print_json([as_json(exchange, known) for capture in loaded for exchange in capture.exchanges])
    elif csv:
        _print_csv(loaded, known)
    else:
        for capture in loaded:
            _print_list(capture, known)


def _followed(files: list[Path], wanted: str | None, csv: bool) -> Path:
    """The one capture that is followed. Raises UsageError for what cannot be."""
    if csv:
        raise UsageError("--follow", "does not go with --csv, whose columns are known at the end", "use --json")
    if wanted is not None or len(files) > 1 or str(files[0]) == "-":
        raise UsageError("--follow", "goes with one capture file", "for example qqlab show mine.jsonl --follow")
    return files[0]


def _where(capture: Capture, condition: Condition | None) -> Capture:
    """The capture with those exchanges of which a condition holds."""
    if condition is None:
        return capture
    return msgspec.structs.replace(capture, exchanges=tuple(filter(condition.holds, capture.exchanges)))


def _print_csv(loaded: list[Capture], known: Spec) -> None:
    # pandas takes four times as long to import as all of the command line; who asks for no table need not wait.
    from qqlab.formats import csv as table  # noqa: PLC0415

    tally = Tally()
    table.write(sys.stdout.buffer, (exchange for capture in loaded for exchange in capture.exchanges), known, tally)
    for line in tally.lines():
        talk.say(f"qqlab: {visible(line)}")


def _split(arguments: list[str]) -> tuple[list[Path], str | None]:
    """The capture files, and the id: the last argument, where it is no file and others stand before it."""
    last = arguments[-1]
    if len(arguments) > 1 and last != "-" and not place(last).exists() and "/" not in last:
        return [place(argument) for argument in arguments[:-1]], last
    return [place(argument) for argument in arguments], None


def as_json(exchange: Exchange, known: Spec) -> dict[str, Any]:
    """An exchange as its line of a capture."""
    line: dict[str, Any] = msgspec.json.decode(captures.encode_line(exchange, known))
    return line


def _show_one(loaded: list[Capture], wanted: str, known: Spec, json: bool) -> None:
    found = [exchange for capture in loaded for exchange in capture.exchanges if exchange.id == wanted]
    if not found:
        names = ", ".join(capture.path for capture in loaded)
        raise InputError(names, f"no exchange has the id {wanted!r}", "list them: qqlab show CAPTURE")
    if len(found) > 1:
        raise UsageError(wanted, "several captures have an exchange of this id", "name one capture")
    if json:
        print_json(as_json(found[0], known))
    else:
        print_exchange(found[0], known)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _list(columns: tuple[str, ...], whole: tuple[str, ...]) -> Table:
    """A table of exchanges, in which the `whole` columns stay in one piece and the others fold."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        right: Literal["right", "left"] = "right" if column == "ms" else "left"
        table.add_column(column, overflow="fold", no_wrap=column in whole, justify=right)
    return table


def _narrowed(row: dict[str, str]) -> dict[str, str]:
    """A row for a terminal of no great width: whole seconds, and a line for each code."""
    return row | {"time": row["time"].partition(".")[0], "notes": row["notes"].replace(" ", "\n")}


def _print_list(capture: Capture, known: Spec) -> None:
    console = out()
    redacted = _REDACTED[capture.header.redacted]
    console.print(f"{visible(capture.path)}: {counted(len(capture.exchanges), 'exchange')}, {redacted}")
    # A narrow terminal shows what tells exchanges apart; the rest is in the full view of one.
    columns = ("id", "account", "command", "status") if console.width < NARROW else COLUMNS
    wide = console.width >= WIDE
    table = _list(columns, _WHOLE if wide else (*_WHOLE, "notes"))
    for exchange in capture.exchanges:
        row = cells(exchange, decode(exchange, known), known)
        row = row if wide else _narrowed(row)
        table.add_row(*(row[column] for column in columns))
    console.print(table)


def print_exchange(exchange: Exchange, known: Spec) -> None:
    """Print one exchange in full: docs, code names, rows and notes."""
    console = out()
    decoded = decode(exchange, known)
    console.print(f"exchange {visible(exchange.id)}: {visible(decoded.command or 'unknown command')}")
    if decoded.spec is not None:
        console.print(f"  {visible(decoded.spec.doc)}")
    for name, value in _circumstances(exchange, decoded):
        console.print(f"  {name:<9} {visible(value)}")
    for message, raw in ((decoded.request, exchange.request), (decoded.reply, exchange.reply)):
        if message is not None and raw is not None:
            _print_message(message, raw, known)
    if decoded.notes:
        table = _table("note", "severity", "in", "what")
        for note in decoded.notes:
            table.add_row(note.code, note.severity, note.direction or "both", visible(note.text, 300))
        console.print(table)


def _circumstances(exchange: Exchange, decoded: Decoded) -> Iterator[tuple[str, str]]:
    yield "session", exchange.session
    if exchange.time is not None:
        yield "time", exchange.time.isoformat(sep=" ")
    if exchange.elapsed is not None:
        yield "elapsed", f"{exchange.elapsed * 1000:.1f} ms"
    if exchange.client or exchange.server:
        yield "between", f"{exchange.client or '?'} and {exchange.server or '?'} ({exchange.transport})"
    if decoded.certainty is not None:
        yield "paired", f"{_PAIRED[exchange.pairing]}: {decoded.certainty}"
    if exchange.error is not None:
        yield "error", exchange.error


def _print_message(message: Message, raw: RawMessage, known: Spec) -> None:
    console = out()
    for line in raw.head.decode("latin-1").splitlines():
        if line:
            console.print(f"  {visible(line)}")
    table = _table(message.direction, "value", "meaning", "what it is")
    for field in message.fields:
        doc = field.spec.doc if field.spec is not None else "not in the spec"
        table.add_row(visible(field.name), _value(field), wording.meaning(field, known), visible(doc))
    if message.fields:
        console.print(table)
    for rows in message.tables:
        columns = [column for column in rows.spec.columns if any(column in row.cells for row in rows.rows)]
        inner = _table(rows.spec.name, *columns)
        for number, row in enumerate(rows.rows, 1):
            inner.add_row(str(number), *(wording.cell(message, column, row.cells, known) for column in columns))
        console.print(inner)


def _value(field: Field) -> str:
    if field.raw is None:
        return "(no =)"
    if field.value is None:
        return "(empty)"
    # A text with all layers undone; numbers and lists as they are written, since zeros and separators tell something.
    return visible(field.value if isinstance(field.value, str) else field.text, 400)
