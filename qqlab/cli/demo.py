"""`qqlab demo`: the whole loop on an embedded session."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from qqlab.cli.arguments import Force, read_spec
from qqlab.cli.console import out, talk
from qqlab.demo import DEVIATIONS, Demo, Results
from qqlab.diff import Comparison
from qqlab.errors import ExitCode
from qqlab.visible import visible


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where results go.")] = Path(
        "demo-output"
    ),
    force: Force = False,
) -> None:
    """Record a session through mitmproxy, replay it against two servers, compare, and write a report.

    Everything runs on free ports of this machine's loopback interface and is ended again.

    Exit code 0: the honest server showed no difference, and every deviation of the other was found.

    Example: qqlab demo -o demo-output
    """
    started = time.monotonic()
    with _Steps() as steps:
        made = Demo(output, read_spec(None), force=force, tell=steps.tell, progress=steps.progress)
        try:
            results = asyncio.run(_until_signalled(made))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
    _print_results(results, time.monotonic() - started)
    if results.honest.different or results.missed:
        raise typer.Exit(ExitCode.DIFFERENCES)


async def _until_signalled(made: Demo) -> Results:
    """Run it so that whoever ends this process or its terminal ends the children too, as Ctrl-C does."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A second signal must not interrupt the ending of the children, which takes some seconds at most.
        loop.add_signal_handler(number, lambda: task.cancelling() or task.cancel())
    return await made.run()


class _Steps:
    """Tells of each step as it begins, with a bar of its progress where there is a terminal to draw one on."""

    def __init__(self) -> None:
        self._number = 0
        self._bar = talk.bar()
        self._task = self._bar.add_task("", total=None, visible=False)

    def __enter__(self) -> "_Steps":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, line: str) -> None:
        """A step begins."""
        self._number += 1
        self._bar.update(self._task, visible=False)
        talk.say(f"{self._number}. {line}")

    def progress(self, done: int, total: int) -> None:
        """So much of the step is done."""
        self._bar.update(self._task, completed=done, total=total, visible=done < total)


def _counts(comparison: Comparison) -> str:
    differences = len(comparison.differences)
    return f"{differences} difference{'s'[: differences != 1]} in {comparison.compared} exchanges compared"


def _print_results(results: Results, seconds: float) -> None:
    console = out()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("what", "result"):
        table.add_column(column)
    table.add_row("recorded", f"{results.recorded} exchanges")
    table.add_row("against a fresh server", _counts(results.honest))
    table.add_row("against the wrong one", _counts(results.deviating))
    found = len(DEVIATIONS) - len(results.missed)
    table.add_row("deviations found", f"{found} of {len(DEVIATIONS)}")
    table.add_row("took", f"{seconds:.1f} s")
    console.print(table)
    for deviation in results.missed:
        console.print(f"not found: {deviation}")
    session, honest, deviating = (visible(str(path)) for path in results.captures)
    console.print("Where to look:", soft_wrap=True)
    for what, command in (
        ("the report", visible(str(results.report[0]))),
        ("the recording", f"qqlab show {session}"),
        ("what was wrong", visible(str(results.findings))),
        ("", f"qqlab diff {session} {deviating}"),
        ("what was right", f"qqlab diff {session} {honest}"),
    ):
        console.print(f"  {what:<15} {command}", soft_wrap=True)
