"""Who does the work of a command: options, and how far it is shown on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Annotated

import typer

from qqlab.cli.console import talk

Processes = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Read with so many processes: all processors, unless told otherwise, and one for what is small.",
        show_default=False,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Have the workers of this Dask cluster read, which must find the captures under the same paths: the "
        "scheduler's address, or local for one that is started here. Needs qqlab[cluster].",
        show_default=False,
    ),
]


@contextmanager
def gauge(total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar of progress over so many bytes, and how to say that so many more are read, with so many exchanges."""
    began, seen = monotonic(), 0
    with talk.gauge() as bar:
        task = bar.add_task("", total=total, rate="")

        def told(size: int, exchanges: int) -> None:
            nonlocal seen
            seen += exchanges
            bar.update(task, advance=size, rate=f"{seen / max(monotonic() - began, 0.001):,.0f} exchanges/s")

        yield told
