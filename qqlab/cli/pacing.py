"""The options that say how fast, how many at once and how often a replay sends."""

import re
from typing import Annotated

import typer

from qqlab.cli.console import counted
from qqlab.errors import UsageError
from qqlab.net.replay import RETRIES, Course, Sending
from qqlab.net.running import Limits

Retries = Annotated[
    int, typer.Option("--retries", metavar="N", min=0, help="How often a connection that fails is tried again.")
]
LoginBudget = Annotated[
    int,
    typer.Option(
        "--login-budget",
        metavar="N",
        min=1,
        help="Leave an account alone after so many failed logins that succeeded when recorded: servers lock accounts.",
    ),
]

Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Send from so many processes; what accounts do to each other stays in one.",
    ),
]

Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Have the workers of this Dask cluster send, each its own lanes. They must find the captures and -o under "
        "the same paths, on storage that all share: the scheduler's address, or local for a cluster that is started "
        "here. Needs qqlab[cluster].",
        show_default=False,
    ),
]

__all__ = ["RETRIES", "Cluster", "LoginBudget", "Retries", "Workers", "sending", "summary", "told_of"]


def sending(
    *, timeout: float, lanes: int | None, speed: str, rate: str | None, retries: int, login_budget: int
) -> Sending:
    """How to send, by these options. Raises UsageError for what is no speed or no rate."""
    return Sending(
        timeout=timeout,
        retries=retries,
        speed=None if speed == "max" else _number("--speed", speed, speed, "max, or a number such as 1 or 2.5"),
        rate=None if rate is None else _number("--rate", rate, rate.removesuffix("/s"), "for example 50/s"),
        limits=Limits(lanes=lanes, logins=login_budget),
    )


def _number(option: str, given: str, text: str, hint: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", text) or float(text) == 0:
        raise UsageError(f"{option} {given}", "is no number above 0", hint)
    return float(text)


def summary(course: Course) -> list[str]:
    """How a replay went, in a few lines."""
    # The first request goes out at once, so that so many less one have the time.
    rate = f", {(course.sent - 1) / course.duration:.0f}/s" if course.duration > 0 and course.sent > 1 else ""
    lines = [
        f"sent {counted(course.sent, 'request')} in {course.duration:.2f} s{rate}; "
        f"{counted(course.opened, 'connection')} opened, {course.reused} reused"
        + (f", {course.retried} tried again" if course.retried else "")
        + (f"; {course.again} sent once more" if course.again else "")
        + (
            f"; {course.reordered} in another order than recorded, where that matters to nobody"
            if course.reordered
            else ""
        )
    ]
    late = course.lateness
    if late is not None:
        p50, p95, p99, most = (f"{1000 * seconds:.1f}" for seconds in late)
        lines.append(f"late by {p50} ms (median), {p95} ms (95 %), {p99} ms (99 %), {most} ms (most)")
    return lines


def told_of(course: Course) -> dict[str, object]:
    """How a replay went, for other programs; times in seconds."""
    late = course.lateness
    return {
        "sent": course.sent,
        "seconds": round(course.duration, 6),
        "connections_opened": course.opened,
        "connections_reused": course.reused,
        "connections_retried": course.retried,
        "sent_again": course.again,
        "reordered": course.reordered,
        "late": None if late is None else late._asdict(),
    }
