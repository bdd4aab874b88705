"""Command lines that the parser of options refuses, told as every other error is: one line, and what to do about it.

Law: words of the command line pass `visible`, as whoever prints the error sees to.
"""

from typing import Any

import typer

from qqlab.errors import UsageError

# The parser's class of such errors; typer shows it only by its heirs.
Misuse: Any = typer.BadParameter.__base__


def told(error: Any) -> UsageError | None:
    """The error in this package's words; None where a help text takes its place."""
    if type(error).show is not Misuse.show:
        return None
    command = "qqlab" if error.ctx is None else error.ctx.command_path
    help_ = f"{command} --help"
    param = getattr(error, "param", None)
    if param is None:
        what = error.format_message().rstrip(".")
        return UsageError(command, what[:1].lower() + what[1:], help_)
    name = max(param.opts, key=len) if param.param_type_name == "option" else _argument(param.metavar or param.name)
    if error.message:
        return UsageError(name, error.message.rstrip("."), help_)
    return UsageError(name, "is missing", f"{(param.help or '').rstrip('.')}; {help_}" if param.help else help_)


def _argument(metavar: str) -> str:
    """`CAPTURE... [ID]` is missing where there is no CAPTURE."""
    return metavar.partition(" ")[0].rstrip(".")
