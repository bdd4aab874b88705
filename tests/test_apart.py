"""Processes that read and plan their own lanes send, keep and tell what one process does."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import ROOT
from test_workers import EPOCH, Server, over_http, write

from qqlab import http1
from qqlab.exchange import Exchange

PSEUDONYM = "0123456789abcdef0123456789abcdef"


def said(fields: dict[bytes, bytes], *, recorded: bool) -> bytes:
    """What the recorded server and the other one say to a request. They make up other tokens, and other nicknames."""
    asked = {key.decode(): value.decode() for key, value in fields.items()}
    uin, command, number = asked.get("UIN", ""), asked["CMD"], int(asked["M"])
    begin = "&".join(f"{key}={asked[key]}" for key in ("VER", "CMD", "SEQ", "UIN") if key in asked)
    made_up = hashlib.sha256(f"{uin} {recorded}".encode()).hexdigest()
    more = {
        "Login": f"&RS=0&HI=60&LI=300&SG={made_up}&COMP=SAMEFORALL{recorded}",
        "GetMsgEx": f"&MN=1&MT=9,&UN={asked.get('FROM', '20001')},&MG={'old' if recorded else 'new'} words,",
        "List": f"&FN=0&SN=2&UN={20000 + number},{(30000 if recorded else 40000) + number},",
        "GetInfo": f"&UN={asked.get('UN')}&NK={'a' if recorded or number % 5 else 'b'}&AG=y{number % 90}",
    }
    return f"{begin}&RES=0{more.get(command, '')}".encode()


class Writing:
    """A capture being made: what accounts ask, one after the other."""

    def __init__(self) -> None:
        self.made: list[Exchange] = []

    def ask(self, uin: str, command: str, fields: str = "", *, client: str = "", version: str = "1.1") -> str:
        """One more exchange; the reply's body."""
        number = len(self.made) + 1
        who = f"&UIN={uin}" if uin.isdigit() else ""
        body = f"VER={version}&CMD={command}&SEQ={1000 + number}{who}{fields and '&' + fields}&M={number}".encode()
        reply = said(dict(pair.split(b"=", 1) for pair in body.split(b"&")), recorded=True)
        self.made.append(
            Exchange(
                id=str(number),
                session=f"127.0.0.1/{uin}",
                client=client,
                server="127.0.0.1:8000",
                time=EPOCH + timedelta(milliseconds=10 * number),
                elapsed=0.001,
                request=http1.request(body, "127.0.0.1:8000", keep_alive=bool(client)),
                reply=http1.reply(reply, keep_alive=bool(client)),
            )
        )
        return reply.decode()


UINS = [str(61001 + one) for one in range(8)]


def alone() -> list[Exchange]:
    """Nobody has to do with anybody; one login, whose password is known, and one that is not."""
    day = Writing()
    day.ask("10001", "Login", f"PS={PSEUDONYM}&M5=1&LC=9326B87B234E7235")
    for turn in range(5):
        for uin in UINS:
            day.ask(uin, ("GetInfo", "List")[turn % 2], "LV=1&UN=99999", client=f"127.0.0.1:{int(uin) % 20000 + 100}")
    day.ask(UINS[3], "Login", f"PS={PSEUDONYM}&M5=1&LC=9326B87B234E7235")
    return day.made


def friends() -> list[Exchange]:
    """Who is told something is told it after it was said; and some are of three, over a third one."""
    day = Writing()
    for turn in range(4):
        for one, other in zip(UINS[:4], reversed(UINS[4:]), strict=True):
            day.ask(one, "CLTMSG", f"UN={other}&MG=hello {turn}")
            day.ask(other, "GetMsgEx", f"FROM={one}")
    day.ask(UINS[0], "GetInfo", f"UN={UINS[3]}")
    return day.made


def tokens() -> list[Exchange]:
    """A token of each own is carried over, what all were told is not, pages go on where the last one ended."""
    day = Writing()
    said = {uin: day.ask(uin, "Login", "LG=0", version="1.4") for uin in UINS}
    for _ in range(3):
        for uin in UINS:
            token = dict(pair.split("=") for pair in said[uin].split("&"))
            page = day.ask(uin, "List", f"TN=2&UN=0&SID={token['SG']}&CX={token['COMP']}")
            day.ask(uin, "List", f"TN=2&UN={page.rstrip(',').rpartition(',')[2]}&SID={token['SG']}")
    return day.made


def constants() -> list[Exchange]:
    """Only one says what others were told, too."""
    day = Writing()
    told = {uin: day.ask(uin, "Login", "LG=0", version="1.4") for uin in UINS}
    day.ask(UINS[2], "GetInfo", f"UN=1&CX={told[UINS[2]].rpartition('COMP=')[2]}")
    day.ask(UINS[5], "GetInfo", "UN=2")
    return day.made


def short() -> list[Exchange]:
    """Short values that come again and again: whether more often than not, only the whole capture shows."""
    day = Writing()
    for turn in range(6):
        for uin in UINS[:4]:
            age = day.ask(uin, "GetInfo", f"UN=9{turn}").rpartition("AG=")[2]
            day.ask(uin, "Finger", f"XX={age}")
    return day.made


def nameless() -> list[Exchange]:
    """Sessions without an account count their requests together."""
    day = Writing()
    for _ in range(3):
        for who in ("a", "b", "c", *UINS[:3]):
            day.ask(who, "GetInfo", "UN=1")
    return day.made


def ports() -> list[Exchange]:
    """Two sessions share a connection, and others a port, one after the other."""
    day = Writing()
    for turn in range(3):
        for place, uin in enumerate(UINS):
            day.ask(uin, "GetInfo", f"UN={turn}", client=f"127.0.0.1:{20000 + place // 2}")
    closed = [msgspec.structs.replace(one, reply=http1.reply(one.reply.body)) for one in day.made if one.reply]
    return [*day.made[:12], *closed[12:]]


def unsorted() -> list[Exchange]:
    """Lines stand where exchanges ended, and some of them began earlier than the first one."""
    made = alone()
    late = [msgspec.structs.replace(one, time=one.time - timedelta(seconds=1), elapsed=1.2) for one in made if one.time]
    return [late[n] if n in (4, 9, 30) else one for n, one in enumerate(made)]


def partial() -> list[Exchange]:
    """Some of it cannot be sent."""
    made = alone()
    made[5] = msgspec.structs.replace(made[5], request=None)
    made[6] = msgspec.structs.replace(made[6], reply=None, error="it said nothing")
    return made


def timeless() -> list[Exchange]:
    return [msgspec.structs.replace(one, time=None) for one in alone()]


def set_back() -> list[Exchange]:
    made = alone()
    return [msgspec.structs.replace(one, time=one.time - timedelta(hours=1)) if n > 20 else one
            for n, one in enumerate(made) if one.time]  # fmt: skip


def two_groups() -> list[Exchange]:
    """Fewer sets of lanes that have to do with each other than processes."""
    day = Writing()
    for turn in range(6):
        for one, other in zip(UINS[:4:2], UINS[1:4:2], strict=True):
            day.ask(one, "CLTMSG", f"UN={other}&MG={turn}")
            day.ask(other, "GetMsgEx", f"FROM={one}")
    return day.made


def twice() -> list[Exchange]:
    """Made by hand: see `_by_hand`."""
    return alone()


def _by_hand(path: Path) -> None:
    """Lines that say twice whose they are: the last one counts."""
    lines = path.read_bytes().splitlines(keepends=True)
    lines[7] = lines[7].replace(b',"error":null', b',"error":null,"session":"127.0.0.1/61008"')
    path.write_bytes(b"".join(lines))


def one_group() -> list[Exchange]:
    day = Writing()
    for one, other in pairwise(UINS):
        day.ask(one, "CLTMSG", f"UN={other}&MG=on")
    return day.made


# Whether several processes read and plan it.
SHAPES: dict[Callable[[], list[Exchange]], bool] = {
    alone: True,
    friends: True,
    tokens: True,
    constants: True,
    nameless: True,
    ports: True,
    unsorted: True,
    two_groups: True,
    partial: True,
    short: False,
    twice: False,
    timeless: False,
    set_back: False,
    one_group: False,
}
NAMES = {shape.__name__: shape for shape in SHAPES}


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return replayed(tmp_path_factory.mktemp("apart"), [*SHAPES], "1", "3")


def replayed(folder: Path, shapes: Sequence[Callable[[], list[Exchange]]], *by: str) -> dict[str, Any]:
    """What came of replaying these, by their name and by whom: so many processes, or the cluster of that address."""
    for shape in shapes:
        path = write(folder / f"{shape.__name__}.jsonl", shape())
        if shape is twice:
            _by_hand(path)
    server = Server(lambda fields: over_http(said(fields, recorded=False)))
    try:
        done = subprocess.run(
            [sys.executable, ROOT / "tests" / "apartness.py", folder, server.target, *by],
            env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        server.close()
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", NAMES)
def test_several_processes_do_what_one_does(name: str, replays: dict[str, Any]) -> None:
    code, out, err, kept, _ = replays[f"{name} 1"]
    many_code, many_out, many_err, many_kept, apart = replays[f"{name} 3"]
    assert (many_code, many_err, many_kept) == (code, err, kept)
    told, many_told = told_of(out), told_of(many_out)
    assert many_told == told
    assert (len(kept) > 5, apart) == (True, [SHAPES[NAMES[name]]])


def told_of(report: str) -> dict[str, Any]:
    """A report, but for what two replays never have in common."""
    told: dict[str, Any] = json.loads(re.sub(r"\.jsonl\.[123N]", ".jsonl.N", report))
    told["replay"] = {key: told["replay"][key] for key in ("sent", "connections_opened", "connections_reused")}
    return {key: told[key] for key in told if key not in ("created", "time")}
