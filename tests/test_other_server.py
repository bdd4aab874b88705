"""A server in another language, written from the write-ups alone: right, nothing is found; wrong in three ways, three
things are, in words that somebody understands who has only this server before him."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import ROOT, Process, qqlab
from scenes import SPEC, Step, login, message, play

from qqlab.capture import header, save

SERVER = ROOT / "tests" / "servers" / "qq.php"
_ALL = (("TN", 160), ("UN", "0"))
RECORDED = (
    Step("10001", "Login", (("PS", "0" * 32), ("M5", 1), ("LC", "9326B87B234E7235"))),
    login("10002"),
    login("10003"),
    login("10005"),
    login("10001"),
    Step("10001", "List", _ALL),
    Step("10001", "List", (("TN", 3), ("UN", "10002"))),
    Step("10001", "Query_Stat", _ALL),
    Step("10001", "GetInfo", (("LV", 1), ("UN", "10002"))),
    Step("10001", "GetInfo", (("LV", 2), ("UN", "10002"))),
    Step("10002", "GetInfo", (("LV", 3), ("UN", "10001"))),
    message("10001", "10002", "你好, 山 & 水! 100% 真心\r\n再见"),
    Step("10002", "GetMsgEx"),
    Step("10002", "Change_Stat", (("ST", 30),)),
    Step("10001", "GetMsgEx"),
    Step("10002", "Logout"),
    Step("10001", "Logout"),
    Step("10001", "GetMsgEx"),
)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """What the old server did."""
    path = tmp_path / "old.jsonl"
    head = header(SPEC, redacted="secrets", created=datetime(2026, 1, 1, tzinfo=UTC), note="the old server")
    save(path, head, play(RECORDED), SPEC)
    return path


@pytest.fixture
def serve(start: Callable[..., Process], require: Callable[[str], str]) -> Callable[..., str]:
    """Start the server, wrong as asked, and say where it is."""

    def run(*arguments: str) -> str:
        line = start(require("php"), SERVER, "0", *arguments).wait_for("serving on")
        return line.rpartition(" ")[2]

    return run


def test_a_right_server_is_not_found_guilty(recorded: Path, serve: Callable[..., str]) -> None:
    """It writes CMD as it was sent and escapes more than it must, which clients take as the same."""
    run = qqlab("replay", recorded, "--target", serve())
    assert run.returncode == 0, run.stdout + run.stderr
    assert "compared 18 of 18 exchanges: 6 equal, 12 equivalent, 0 different" in run.stdout


def test_a_server_wrong_in_three_ways(recorded: Path, serve: Callable[..., str], tmp_path: Path) -> None:
    """Told on the terminal, and to whatever shows the tests of a build."""
    junit = tmp_path / "junit.xml"
    run = qqlab("replay", recorded, "--target", serve("--wrong=order,missing,text"), "--report", f"junit={junit}")
    assert run.returncode == 1, run.stderr
    order = (
        "Query_Stat's reply has the items of NK (nicknames of the friends) in another order than those of the lists "
        "beside it"
    )
    names = "expected 山, 水 & 100%, 鶹鑸, ☆流星☆, got ☆流星☆, 鶹鑸, 山, 水 & 100%"
    missing = "GetInfo's reply lacks SX (sex)"
    text = "CLTMSG's reply has another code in RES (whether the request was accepted)"
    told = [line.removeprefix("error").strip() for line in run.stdout.splitlines() if line.startswith("error")]
    assert told == [f"{order}  [list.order]", f"{missing}  [field.missing]", f"{text}  [code]"]
    assert "compared 18 of 18 exchanges: 5 equal, 10 equivalent, 3 different" in run.stdout
    assert [
        (case.get("classname"), case.get("name"), failure.get("type"), failure.get("message"))
        for case in ElementTree.parse(junit).iter("testcase")
        for failure in case.iter("failure")
    ] == [
        ("Query_Stat", "exchange 8", "list.order", f"{order}: {names}"),
        ("GetInfo", "exchange 10", "field.missing", f"{missing}: expected 0 male"),
        ("CLTMSG", "exchange 12", "code", f"{text}: expected 0 accepted, got ok"),
    ]
