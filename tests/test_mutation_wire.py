"""The judge on trial over real connections: a server that closes, cuts, floods, packs or falls silent, at each command.

What a server can do to bytes alone stands in `test_mutation`. All cases run side by side, each with its own server.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Process, qqlab
from scenes import KNOWN, SCENES, SPEC, command_of, play

from qqlab.capture import header, save
from qqlab.diff import Comparison, compare
from qqlab.exchange import Exchange
from qqlab.net.loop import run
from qqlab.net.replay import replay
from qqlab.net.server import serve
from qqlab.replay import Target
from qqlab.testserver import State, deviate

HONEST = ("delay:{}=0.01",)
# Only where time is what tells is it short: a machine may be busy.
_PATIENCE = 30.0
_SHORT = {"silence:{}": 4.0, "drip:{}": 4.0}
_AT_ONCE = 60
LINES = [scene for scene in SCENES if any(step.line is not None for step in SCENES[scene])]
HTTP = [scene for scene in SCENES if scene not in LINES]
# What is said of a server that does this when it is asked that command: over HTTP, and over lines.
ON_HTTP = {
    "close:{}": "target.closed",
    "cut:{}": "target.cut",
    "reset:{}": "target.reset",
    "garbage:{}": "target.no-http",
    "silence:{}": "target.silent",
    "drip:{}": "target.slow",
    "endless:{}": "target.long",
    "long:{}": "target.long",
    "length:{}=5": "target.cut",
    "length:{}=-5": "target.length",
    "twice:{}": "target.length",
    "gzip:{}": "http.coding",
    "gzip-broken:{}": "target.coding",
    "redirect:{}=http://127.0.0.1:9/": "target.redirect",
    "status:{}=503": "http.status",
}
ON_LINES = {
    "close:{}": "target.closed",
    "cut:{}": "target.cut",
    "reset:{}": "target.reset",
    "silence:{}": "target.silent",
    "endless:{}": "target.long",
    "line-end:{}": "line.end",
}


async def recorded(scene: str, rules: Sequence[str] = (), timeout: float = 5.0) -> list[Exchange]:
    """What comes of a scene when it is sent to a server that these rules make wrong."""
    parsed = [deviate.parse(rule.format(command_of(scene)), SPEC) for rule in rules]
    state = State(KNOWN, SPEC)
    async with serve(state, "127.0.0.1", 0, rules=parsed, lines=scene in LINES) as server:
        brought = await replay(
            [exchange for exchange in play(SCENES[scene]) if exchange.request is not None],
            Target("127.0.0.1", server.port),
            spec=SPEC,
            passwords=KNOWN.password,
            codes=KNOWN.verification,
            timeout=timeout,
            start=5000,
        )
    return list(brought.exchanges)


async def _all(cases: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Comparison]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def wrongly(scene: str, rule: str) -> list[Exchange]:
        async with turns:
            return await recorded(scene, [rule], _SHORT.get(rule, _PATIENCE))

    honest = dict(zip(SCENES, await asyncio.gather(*(recorded(scene) for scene in SCENES)), strict=True))
    wrong = await asyncio.gather(*(wrongly(*case) for case in cases))
    return {case: compare(honest[case[0]], brought, SPEC) for case, brought in zip(cases, wrong, strict=True)}


PUSHES = ("Server_Msg", "update_stat")
ASKED = [scene for scene in LINES if scene not in PUSHES]
# Half of so short a line does not hold its number yet: nobody can tell what it answers.
TOO_SHORT = {("Change_Stat2", "cut:{}"), ("Change_Stat2", "reset:{}")}
CASES = [(scene, rule) for table, scenes in ((ON_HTTP, HTTP), (ON_LINES, ASKED)) for rule in table for scene in scenes]
CASES = [case for case in CASES if case not in TOO_SHORT]
RIGHT = [(scene, rule) for rule in HONEST for scene in HTTP]


@pytest.fixture(scope="module")
def compared() -> dict[tuple[str, str], Comparison]:
    return run(_all([*CASES, *RIGHT]))


@pytest.mark.parametrize(("scene", "rule"), CASES)
def test_each_bad_manner_is_one_finding(scene: str, rule: str, compared: dict[tuple[str, str], Comparison]) -> None:
    comparison = compared[scene, rule]
    wanted = (ON_LINES if scene in LINES else ON_HTTP)[rule]
    follow = {identifier for cause in comparison.causes for identifier in cause.consequences}
    told = [(finding.command, finding.rule) for finding in comparison.findings if finding.id not in follow]
    assert told == [("Login" if scene == "VERIFYCODE" else command_of(scene), wanted)]


@pytest.mark.parametrize(("scene", "rule"), RIGHT)
def test_what_is_allowed_is_no_finding(scene: str, rule: str, compared: dict[tuple[str, str], Comparison]) -> None:
    assert compared[scene, rule].findings == ()


def test_the_commands_find_it_too(start: Callable[..., Process], tmp_path: Path) -> None:
    """Three rules of `qqlab serve --deviate`, and what `qqlab replay` says of each, and where."""
    recorded = tmp_path / "recorded.jsonl"
    head = header(SPEC, redacted="secrets", created=datetime(2026, 1, 1, tzinfo=UTC), note="a scene")
    save(recorded, head, play(SCENES["Query_Stat"]), SPEC)
    rules = ("list-order:Query_Stat.NK", "double:Query_Stat.FN", "status:Change_Stat=503")
    deviate = [part for rule in rules for part in ("--deviate", rule)]
    server = start(sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0", *deviate)
    url = server.wait_for("serving on").split()[3]
    run = qqlab("replay", recorded, "--target", url, "--json")
    assert run.returncode == 1, run.stderr
    told = [(one["exchange"], one["rule"], one["field"]) for one in json.loads(run.stdout)["findings"]]
    assert sorted(told) == [("4", "http.status", None), ("6", "field.duplicate", "FN"), ("6", "list.order", "NK")]
