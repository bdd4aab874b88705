"""The `qqlab` command: its subcommands, and how the process ends.

Law: a command is one call of the library and the printing of what it returned. Nothing but `main` exits.
"""

import gc
import signal
import sys
import traceback
from importlib import import_module
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import qqlab
from qqlab.cli import stdout
from qqlab.cli.console import talk
from qqlab.cli.misuse import Misuse, told
from qqlab.errors import ExitCode, QqlabError
from qqlab.redact import Redactor
from qqlab.spec import builtin
from qqlab.visible import visible

# Where each command stands: its module in `qqlab.cli`, and its function there, or the `app` of several commands.
COMMANDS = {
    "accept": ("accept", "accept_"),
    "demo": ("demo", "demo"),
    "diff": ("diff", "diff"),
    "export": ("export", "export"),
    "generate": ("generate", "generate_"),
    "import": ("importing", "import_"),
    "probe": ("probe", "probe"),
    "record": ("record", "record"),
    "redact": ("redact", "redact"),
    "replay": ("replay", "replay"),
    "report": ("report", "report"),
    "send": ("send", "send"),
    "serve": ("serve", "serve"),
    "show": ("show", "show"),
    "spec": ("spec", "app"),
    "verify": ("verify", "verify"),
}


class _Lazy(TyperGroup):
    """Loads a command when it is asked for: who shows a capture need not wait for what draws reports."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.commands[cmd_name] = _loaded(cmd_name)
        return super().get_command(ctx, cmd_name)


def _loaded(name: str) -> Any:
    """The command of that name; `EPILOG` of its module stands under its help."""
    part, member = COMMANDS[name]
    module = import_module(f"qqlab.cli.{part}")
    found = getattr(module, member)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(name, epilog=getattr(module, "EPILOG", None))(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command


app = typer.Typer(
    name="qqlab",
    cls=_Lazy,
    help="Record, replay and document HTTP QQ, the key=value-over-HTTP protocol of 2005.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qqlab {qqlab.__version__}")
        raise typer.Exit


@app.callback()
def options(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing beside the result.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of all commands."""
    talk.quiet, talk.verbose = quiet, verbose


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C would, so that whatever goes on puts its things away: an event loop has a way of its own for that,
    and a shell that runs the command in the background has it ignore Ctrl-C."""
    as_asked = signal.getsignal(signal.SIGINT)
    if not callable(as_asked):
        raise KeyboardInterrupt
    as_asked(signal.SIGINT, frame)


def _end_cleanly() -> None:
    """A signal that ends the process ends it as Ctrl-C does, unless it is ignored."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _run() -> None:
    # Exchanges are many small things that stay: to look for garbage among them as often as usual costs a fifth of the
    # time, and finds none.
    gc.set_threshold(100_000, 20, 100)
    _end_cleanly()
    stdout.prepare()
    try:
        code = app(prog_name="qqlab", standalone_mode=False)
    except Misuse as error:
        misuse = told(error)
        if misuse is not None:
            raise misuse from error
        error.show()
        code = ExitCode.USAGE
    finally:
        sys.stdout.flush()
    sys.exit(code)


def main() -> None:
    """Run the command line and end the process with the exit code that fits (see `qqlab.errors.ExitCode`)."""
    try:
        _run()
    except QqlabError as error:
        print(f"qqlab: {visible(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("qqlab: interrupted", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except Exception:
        # Its message may quote what was captured.
        redactor = Redactor(builtin())
        print(
            *(visible(redactor.text(line)) for line in traceback.format_exc().splitlines()), sep="\n", file=sys.stderr
        )
        print("qqlab: this is a bug in qqlab; the traceback above says where", file=sys.stderr)
        sys.exit(ExitCode.BUG)
