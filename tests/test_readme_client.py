"""The client of the README does what it says, as two people side by side; its words for what fails are the spec's."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Process

from qqlab.spec import Spec

TEXT = "你好, 山 & 水! 100% 真心+1 %2c %252c\r\n再见"
EVERY_SECOND = "value:Login.HI=1"
Talk = Callable[..., Process]


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """The README's client in a file."""
    blocks = re.findall(r"^```py\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 1
    assert sum(line != "" for line in blocks[0].splitlines()) <= 60
    path = tmp_path / "client.py"
    path.write_text(blocks[0], encoding="utf-8")
    return path


@pytest.fixture
def talk(client: Path, start: Callable[..., Process], monkeypatch: pytest.MonkeyPatch) -> Talk:
    """Run the client as an account, with its password or another one."""

    def run(server: str, account: str, *more: str, password: str | None = None) -> Process:
        monkeypatch.setenv("QQ_PASSWORD", password or f"mima-{account}")
        return start(sys.executable, client, server, account, *more)

    return run


def served(start: Callable[..., Process], *rules: str) -> str:
    """Start a test server; return where it listens."""
    deviating = [part for rule in rules for part in ("--deviate", rule)]
    ready = start(sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0", *deviating).wait_for("serving on")
    return ready.split("http://")[1].split()[0]


def test_two_people_talk(start: Callable[..., Process], talk: Talk) -> None:
    server = served(start, EVERY_SECOND)
    one = talk(server, "10001", "10002", TEXT)
    one.wait_for("10005 ")
    other = talk(server, "10002", "10001", "hello")
    assert (other.wait(), one.wait()) == (0, 0)
    assert one.output.splitlines() == [
        "10002 offline 山, 水 & 100%",
        "10003 offline 鶹鑸",
        "10004 offline 阿强+1",
        "10005 offline ☆流星☆",
        "10002: hello",
    ]
    said = TEXT.replace("\r\n", "\n")  # as the terminal's text is read
    assert other.output == f"10001 online 小雨\n10003 offline 鶹鑸\n10001: {said}\n"


def test_a_refusal_is_told_by_its_documented_name(start: Callable[..., Process], talk: Talk) -> None:
    client = talk(served(start), "10001", password="wrong")
    assert client.wait() == 1
    assert client.output == "Login: RS 1, refused 登录失败\n"


def test_a_failure_is_told_by_its_documented_name(start: Callable[..., Process], talk: Talk, known: Spec) -> None:
    client = talk(served(start, "code:List.RES=20"), "10001")
    assert client.wait() == 1
    meaning = next(value for value in known.codes["RES"].values if value.value == 20).readings[0].meaning
    assert client.output.strip() == f"List: RES 20, {meaning}"
