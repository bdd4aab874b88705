"""A report with something to draw for every picture."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import msgspec

from qqlab.report import Report
from qqlab.report import model as m

Way = Literal["answered", "pushed", "unanswered", "failed"]

START = datetime(2005, 6, 30, 12, tzinfo=UTC)


def busy(report: Report, text: str = "") -> Report:
    """The report with something to draw for every picture; `text` stands wherever captured text can."""
    names = [f"{name}{text}" for name in ("Look", "Ring", "Sing")]
    ways: tuple[Way, ...] = ("answered", "pushed", "failed", "unanswered", "answered", "pushed")
    steps = tuple(
        m.Step(exchange="1", time=START + timedelta(seconds=at), command=name, status=at % 2, way=way)
        for at, (name, way) in enumerate(zip(names * 2, ways, strict=True))
    )
    found = m.Evidence(count=3, exchanges=("1",))
    behaviour = m.Behaviour(
        transitions=tuple(
            m.Transition(before=one.command, after=other.command, count=at + 1, gap=1.5)
            for at, (one, other) in enumerate([*pairwise(steps), (steps[0], steps[0])])
        ),
        sessions=(m.SessionPart(id=f"s{text}", account=f"9{text}", first=None, last=None, exchanges=9, steps=steps),),
        session_count=1,
        polling=(
            m.PollingPart(
                session=f"s{text}",
                command=names[0],
                count=9,
                median=60,
                p95=61,
                max=90,
                interval=60,
                limit=300,
                verdict="as announced",
            ),
        ),
        polling_count=1,
        presence=(
            m.PresencePart(
                account=f"9{text}",
                state=10,
                meaning=f"on{text}",
                since=START,
                until=START + timedelta(minutes=3),
                exchange="1",
            ),
        ),
        presence_count=1,
        messages=(
            m.MessageKind(
                command=names[1],
                direction="reply",
                field=f"T{text}",
                value=1,
                meaning=f"said{text}",
                evidence=found,
                verdict="confirmed",
            ),
        ),
        invariants=(
            m.InvariantPart(id="echo", title=f"N is repeated{text}", held=3, broken=1, unchecked=1, evidence=found),
        ),
    )
    taken = m.Latency(count=3, p50=0.001, p95=0.02, p99=0.3, max=4)
    commands = tuple(msgspec.structs.replace(command, latency=taken) for command in report.commands)
    return msgspec.structs.replace(report, behaviour=behaviour, commands=commands)
