"""The exported dissector in real tshark: it shows what the codec says, of real packets and of odd ones, and no spec can
break out of its quotes."""

import gzip
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from conftest import ROOT, Process, free_port, give_up_without, qqlab
from packets import SERVER, Connection, Packet, pcap

from qqlab import publish
from qqlab import spec as specs
from qqlab.capture import load
from qqlab.codec import Message, decode
from qqlab.exchange import Exchange
from qqlab.publish.wireshark import quoted
from qqlab.spec import Spec

LINK = ("qq.direction", "qq.request_in", "qq.response_in", "qq.time", "frame.number", "tcp.stream")


@pytest.fixture(scope="module")
def lua(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lua") / "qq.lua"
    assert qqlab("spec", "export", "--format", "wireshark", "-o", path).returncode == 0
    return path


@pytest.fixture
def tshark(require: Callable[[str], str], lua: Path) -> Callable[..., str]:
    """Runs tshark with the dissector; whatever Lua complains of fails the test."""
    program = require("tshark")

    def run(*arguments: str | Path, script: Path = lua) -> str:
        done = subprocess.run(
            [program, "-X", f"lua_script:{script}", *map(str, arguments)],
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        told = [line for line in done.stderr.splitlines() if not line.startswith("Running as user")]
        assert (done.returncode, told) == (0, [])
        return done.stdout

    return run


def rows(tshark: Callable[..., str], path: Path, fields: Sequence[str], *more: str) -> list[dict[str, list[str]]]:
    """The messages of a capture, one a frame: each field with its occurrences."""
    wanted = [part for field in fields for part in ("-e", field)]
    shape = ["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=\x1f", "-E", "separator=\x1e"]
    lines = tshark("-2", "-r", path, "-Y", "qq.direction", *shape, *wanted, *more).rstrip("\n").split("\n")
    return [
        {name: cell.split("\x1f") for name, cell in zip(fields, line.split("\x1e"), strict=True) if cell}
        for line in lines
        if line
    ]


def messages(exchanges: Iterable[Exchange], known: Spec) -> list[Message]:
    return [message for exchange in exchanges for message in decode(exchange, known).messages()]


def filter_names(known: Spec) -> dict[tuple[str, str, str], str]:
    """How Wireshark calls each field: the rule, spelled out for the built-in spec."""
    made: dict[tuple[str, str, str], str] = {}
    for command, direction, field in known.every_field():
        if command is None:
            made["", direction, field.name] = f"qq.{field.name.lower()}"
            continue
        other = command.field("reply" if direction == "request" else "request", field.name)
        number = field.type in ("int", "code")
        differs = other is not None and (other.type in ("int", "code"), other.codes) != (number, field.codes)
        between = f"{direction}." if differs else ""
        made[command.name, direction, field.name] = f"qq.{command.name.lower()}.{between}{field.name.lower()}"
    return made


def expected(message: Message, names: dict[tuple[str, str, str], str]) -> dict[str, list[str]]:
    """What Wireshark is to show of a message, by what the codec says of it."""
    found: dict[str, list[str]] = {}
    for field in message.fields:
        if field.spec is not None:
            command = "" if message.command is None else message.command.name
            name = names.get((command, message.direction, field.name)) or names["", message.direction, field.name]
            values = field.value if isinstance(field.value, tuple) else (field.value,)
            numeric = field.spec.type in ("int", "code")
            shown = [printed(v) for v in values if not numeric or isinstance(v, int)]
            found.setdefault(name, []).extend(shown)
    return {name: values for name, values in found.items() if any(values)}


def printed(value: str | int | None) -> str:
    """A value as tshark prints it."""
    return "" if value is None else str(value).replace("\r", "\\r").replace("\n", "\\n")


def conversation(exchange: Exchange, number: int, size: int = 1460) -> list[Packet]:
    made = Connection(port=40_000 + number).handshake()
    for message, from_client in ((exchange.request, True), (exchange.reply, False)):
        if message is not None:
            made.say(from_client, message.head + message.body + message.end, size)
    return [Packet(at + number, data) for at, data in made.close().packets]


def test_it_shows_the_values_of_the_recorded_demo(tshark: Callable[..., str], tmp_path: Path, known: Spec) -> None:
    exchanges = load(ROOT / "captures/demo.jsonl").exchanges
    path = tmp_path / "demo.pcap"
    path.write_bytes(pcap(packet for n, one in enumerate(exchanges) for packet in conversation(one, n, 150)))
    names = filter_names(known)
    fields = sorted(set(names.values()))
    seen = rows(tshark, path, fields)
    assert seen == [expected(message, names) for message in messages(exchanges, known)]
    links = rows(tshark, path, LINK)
    asked = [row for row in links if row["qq.direction"] == ["request"]]
    said = {row["frame.number"][0]: row for row in links if row["qq.direction"] == ["reply"]}
    assert len(said) == sum(exchange.reply is not None for exchange in exchanges)
    for row in asked:
        if "qq.response_in" in row:
            reply = said.pop(row["qq.response_in"][0])
            assert (reply["qq.request_in"], reply["tcp.stream"]) == (row["frame.number"], row["tcp.stream"])
            assert 0 < float(reply["qq.time"][0]) < 0.1
    assert said == {}


def test_lines_with_pushes(tshark: Callable[..., str], tmp_path: Path, known: Spec) -> None:
    exchanges = load(ROOT / "captures/lines.jsonl").exchanges
    made = Connection().handshake()
    for exchange in exchanges:
        for message, from_client in ((exchange.request, True), (exchange.reply, False)):
            if message is not None:
                made.say(from_client, message.body + message.end, 300)
    path = tmp_path / "lines.pcap"
    path.write_bytes(pcap(made.close().packets))
    names = filter_names(known)
    assert rows(tshark, path, sorted(set(names.values()))) == [
        expected(message, names) for message in messages(exchanges, known)
    ]
    links = rows(tshark, path, [*LINK, "qq.transport"])
    assert {row["qq.transport"][0] for row in links} == {"lines"}
    pushes = sum(exchange.request is None for exchange in exchanges)
    assert [row["qq.direction"][0] for row in links].count("push") == pushes > 0
    assert sum("qq.request_in" in row for row in links) == len(exchanges) - pushes


def body(number: int, more: str) -> bytes:
    return f"VER=1.1&CMD=GetMsgEx&SEQ={number}&UIN=10001{more}".encode()


ASKS = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b"
SAYS = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


def told(tshark: Callable[..., str], path: Path, made: Connection, *more: str) -> list[tuple[str, str, str]]:
    """Direction, sequence number and expert infos of each message."""
    path.write_bytes(pcap(made.packets))
    seen = rows(tshark, path, ["qq.direction", "qq.seq", "_ws.expert.message"], *more)
    return [
        (
            "+".join(row["qq.direction"]),
            "+".join(row.get("qq.seq", [])),
            "; ".join(note for note in row.get("_ws.expert.message", []) if not note.startswith("Connection ")
                      and not note.startswith("This frame ")),
        )
        for row in seen
    ]  # fmt: skip


@pytest.mark.parametrize("size", [7, 1460])
@pytest.mark.parametrize(
    "request_",
    [
        b"POST HTTP/1.1\nContent-Length: %d\n\n%b",
        b"POST HTTP/1.0\r\nHost: x\r\ncontent-length:%d\r\n\r\n%b",
        b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b",
        b"POST http://tqq.tencent.com/ HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b",
    ],
)
def test_http_with_and_without_target(tshark: Callable[..., str], tmp_path: Path, request_: bytes, size: int) -> None:
    reply = body(1, "&RES=0&MN=0&MT=&UN=&MG=")
    made = Connection().handshake().say(True, request_ % (len(body(1, "")), body(1, "")), size)
    made.say(False, SAYS % (len(reply), reply), size)
    made.say(True, request_ % (len(body(2, "")), body(2, "")), size).say(
        False, SAYS % (len(reply), reply), size
    ).close()
    echo = "SEQ: the request says 2"
    assert told(tshark, tmp_path / "a.pcap", made) == [
        ("request", "1", ""), ("reply", "1", ""), ("request", "2", ""), ("reply", "1", echo),
    ]  # fmt: skip


REPLY = body(1, "&RES=0&MN=1&MT=9,&UN=10002,&MG=hello,")


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.0 200 OK\r\n\r\n" + REPLY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (REPLY[:5], len(REPLY) - 5, REPLY[5:]),
        SAYS.replace(b"OK", b"OK\r\nContent-Encoding: gzip")
        % (len(gzip.compress(REPLY, mtime=0)), gzip.compress(REPLY, mtime=0)),
        b"HTTP/1.1 100 Continue\r\n\r\n" + SAYS % (len(REPLY), REPLY),
    ],
    ids=["to the end", "chunked", "gzip", "continue"],
)
@pytest.mark.parametrize("fin", ["with data", "alone"])
def test_every_framing_of_a_reply(tshark: Callable[..., str], tmp_path: Path, reply: bytes, fin: str) -> None:
    made = Connection().handshake().say(True, ASKS % (len(body(1, "")), body(1, "")))
    made.say(False, reply[:40]).say(False, reply[40:])
    if fin == "with data":
        last = bytearray(made.packets[-1].data)
        last[33] |= 1
        last[36:38] = b"\0\0"
        made.packets[-1] = Packet(made.packets[-1].at, bytes(last))
    else:
        made.close()
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(made.packets))
    seen = rows(tshark, path, ["qq.direction", "qq.getmsgex.mg", "qq.getmsgex.mt", "qq.getmsgex.un"])
    assert seen[-1] == {
        "qq.direction": ["reply"], "qq.getmsgex.mg": ["hello"], "qq.getmsgex.mt": ["9"], "qq.getmsgex.un": ["10002"],
    }  # fmt: skip


def test_what_is_odd_is_an_expert_info(tshark: Callable[..., str], tmp_path: Path) -> None:
    def asked(text: bytes) -> bytes:
        return ASKS % (len(text), text)

    def said(text: bytes) -> bytes:
        return SAYS % (len(text), text)

    made = Connection().handshake()
    made.say(True, asked(b"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS=xyz&M5=1&LC=00&ZZ=1"))
    made.say(False, said(b"VER=1.1&CMD=LOGIN&SEQ=1&UIN=10001&RES=0&RS=7"))
    made.say(True, asked(body(2, "")))
    made.say(False, said(body(2, "&RES=20")))
    made.say(True, asked(body(3, "")))
    made.say(False, said(body(4, "&RES=x&MN=5&MT=1,99,&UN=1,&MG=77,77,")))
    made.say(True, asked(b"VER=1.1&CMD=Dance&SEQ=5&UIN=10001"))
    made.say(False, b"HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\n<html>")
    seen = told(tshark, tmp_path / "a.pcap", made.close())
    assert [(where, number) for where, number, _ in seen] == [
        ("request", "1"), ("reply", "1"), ("request", "2"), ("reply", "2"),
        ("request", "3"), ("reply", "4"), ("request", "5"), ("reply", ""),
    ]  # fmt: skip
    assert [sorted(note.split("; ")) for _, _, note in seen] == [
        ["LC: 00", "Login: has ZZ", "PS: is not of type hex"],
        ["RS: 7 is in no table"],
        [""],
        ["RES=20 not logged in, or logged in elsewhere since"],
        [""],
        ["MG: 77 is in no table", "MN says 5, there are 2", "MT: 1 is in no table", "RES: is no number",
         "SEQ: the request says 3", "message: from 1 to 2 items"],
        ["Dance"],
        ["HTTP status 500", "no field is known"],
    ]  # fmt: skip


def test_other_ports_and_other_protocols(
    tshark: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the first packet, by a preference, by Decode As; and what is plain HTTP on a port of ours stays that."""
    path = tmp_path / "a.pcap"
    foreign = Connection().handshake().say(True, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    foreign.say(False, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").close()
    path.write_bytes(pcap(foreign.packets))
    assert tshark("-r", path, "-Y", 'http.request.uri == "/a"').count("\n") == 1
    assert tshark("-r", path, "-Y", "qq.direction") == ""
    monkeypatch.setattr("packets.SERVER", (SERVER[0], 4711))
    whole = (
        Connection().handshake().say(True, ASKS % (len(REPLY), REPLY)).say(False, SAYS % (len(REPLY), REPLY)).close()
    )
    assert [one[0] for one in told(tshark, path, whole)] == ["request", "reply"]
    request = ASKS % (len(REPLY), REPLY)
    pieces = (
        Connection().handshake().say(True, request[:30]).say(True, request[30:]).say(False, SAYS % (len(REPLY), REPLY))
    )
    assert [one[0] for one in told(tshark, path, pieces, "-o", "qq.ports:4700-4720")] == ["request", "reply"]
    assert [one[0] for one in told(tshark, path, pieces, "-d", "tcp.port==4711,qq")] == ["request", "reply"]


def test_text_in_every_charset(tshark: Callable[..., str], tmp_path: Path) -> None:
    begin = body(1, "&RES=0&MN=4&MT=9,9,9,9,&UN=1,2,3,4,&MG=").replace(b"GetMsgEx", b"GETMSGEX")
    texts = b"%E4%BD%A0,a%252cb%26,%0a,%0d,"
    made = Connection().handshake().say(True, ASKS % (len(body(1, "")), body(1, "")))
    made.say(False, SAYS % (len(begin + texts), begin + texts))
    gb = body(2, "&RES=0&MN=1&MT=9,&UN=1,&MG=") + "你好,".encode("gb18030")
    raw = body(3, "&RES=0&MN=1&MT=9,&UN=1,&MG=") + b"\xff,"
    for text in (gb, raw):
        made.say(True, ASKS % (len(body(2, "")), body(2, ""))).say(False, SAYS % (len(text), text))
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(made.close().packets))
    seen = [row["qq.getmsgex.mg"] for row in rows(tshark, path, ["qq.getmsgex.mg"]) if row]
    assert seen == [["你", "a,b&", "\\n", "\\r"], ["你好"], ["\\xff"]]


def test_whatever_comes_it_raises_nothing(tshark: Callable[..., str], tmp_path: Path) -> None:
    """Mutilated messages, one connection each: Lua never fails, and what is sound after them is still read."""
    chance = random.Random(7)
    whole = [message.head + message.body + message.end
             for name in ("demo", "lines") for exchange in load(ROOT / f"captures/{name}.jsonl").exchanges
             for message in (exchange.request, exchange.reply) if message is not None]  # fmt: skip
    packets = []
    for number in range(250):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.choice(
                [b"&", b"=", b"%", b"\n", b"\r\n\r\n", b",", b"\xff\x00", b"9" * 20]
            )
        made = (
            Connection(port=30_000 + number)
            .handshake()
            .say(chance.random() < 0.6, bytes(data), chance.randrange(5, 400))
        )
        packets += [Packet(at + number, one) for at, one in made.close().packets]
    packets += [Packet(at + 1000, one) for at, one in
                Connection().handshake().say(True, ASKS % (len(REPLY), REPLY)).close().packets]  # fmt: skip
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(packets))
    assert tshark("-r", path, "-Y", "_ws.lua.error || _ws.malformed") == ""
    assert rows(tshark, path, ["qq.seq"])[-1] == {"qq.seq": ["1"]}
    assert "Lua Error" not in tshark("-r", path, "-Y", "qq", "-O", "qq")


def test_real_packets_of_a_real_server(
    tshark: Callable[..., str], start: Callable[..., Process], tmp_path: Path, known: Spec
) -> None:
    """The demo's session replayed against the test server, caught on the loopback interface while it happens."""
    dumpcap = shutil.which("dumpcap")
    if dumpcap is None:
        give_up_without("dumpcap")
    port = free_port()
    start(sys.executable, "-m", "qqlab", "serve", "--listen", f"127.0.0.1:{port}").wait_for("serving on")
    path, replayed = tmp_path / "real.pcapng", tmp_path / "replayed.jsonl"
    catcher = start(dumpcap, "-i", "lo", "-f", f"tcp port {port}", "-w", path)
    try:
        catcher.wait_for("File: ")
    except AssertionError:
        pytest.skip("this machine lets nobody catch packets")
    done = qqlab("replay", "captures/demo.jsonl", "--target", f"127.0.0.1:{port}", "-o", replayed)
    assert done.returncode in (0, 1), done.stderr
    # The reply to this one, which echoes its number, is the sign that all packets before it were caught.
    with socket.create_connection(("127.0.0.1", port)) as last:
        last.sendall(b"POST HTTP/1.0\r\nContent-Length: 38\r\n\r\nVER=1.1&CMD=Logout&SEQ=987654&UIN=10001")
        last.recv(1000)
    end = time.monotonic() + 20
    while path.read_bytes().count(b"SEQ=987654") < 2 and time.monotonic() < end:
        time.sleep(0.02)
    catcher.stop()
    exchanges = [one for one in load(replayed).exchanges if one.request is not None and one.reply is not None]
    names = filter_names(known)
    fields = sorted(set(names.values()))
    seen = rows(tshark, path, [*fields, "qq.request_in"])
    assert sum("qq.request_in" in row for row in seen) == len(exchanges) + 1
    # Account by account in order; the values of secret fields are pseudonyms in the capture.
    secret = {name for (_, direction, key), name in names.items() if (direction, key) in {("request", "PS")}}

    def told(found: dict[str, list[str]]) -> str:
        return json.dumps({k: v for k, v in sorted(found.items()) if k not in secret | {"qq.request_in"}})

    wanted = sorted(told(expected(message, names)) for message in messages(exchanges, known))
    assert sorted(told(row) for row in seen if row["qq.seq"] != ["987654"]) == wanted


def test_it_speaks_chinese(tshark: Callable[..., str], tmp_path: Path) -> None:
    script, path = tmp_path / "zh.lua", tmp_path / "a.pcap"
    assert qqlab("spec", "export", "--format", "wireshark", "--lang", "zh", "-o", script).returncode == 0
    reply = body(1, "&RES=20")
    made = (
        Connection()
        .handshake()
        .say(True, ASKS % (len(body(1, "")), body(1, "")))
        .say(False, SAYS % (len(reply), reply))
    )
    path.write_bytes(pcap(made.close().packets))
    meaning = specs.builtin("zh").codes["RES"].by_value[20].name
    assert re.search("[\u4e00-\u9fff]", meaning)
    assert f"RES: {meaning} (20)" in tshark("-r", path, "-Y", "qq.res == 20", "-O", "qq", script=script)


HOSTILE = '"]]--\\\n\r\0\u202e${os.execute("touch owned")}%s%n]==]\'; os.exit(9) --'
QUOTED = json.dumps(HOSTILE)
ADDED = f"""
[codes.{QUOTED}]
doc = ""
values = [{{ value = 9007199254740993, readings = [{{ meaning = {QUOTED}, source = ["php-2005"] }}] }}]
[[commands.Logout.request]]
name = {QUOTED}
type = "text"
doc = {QUOTED}
source = ["php-2005"]
constants = [{QUOTED}]
[[commands.Logout.request]]
name = "命令"
type = "code"
codes = {QUOTED}
doc = ""
source = ["php-2005"]
[commands."Query Stat"]
doc = {QUOTED}
effect = "read"
versions = ["1.1"]
source = ["php-2005"]
"""


def hostile() -> Spec:
    """The built-in spec whose every free text, and some names, want to be code."""
    text = re.sub(r'\b(doc|title|trust|meaning|topic) = "', lambda match: match[0] + QUOTED[1:-1], specs.text(None))
    return specs.parse(text.replace("commands.Finger", f"commands.{QUOTED}") + ADDED, "hostile")


def test_a_hostile_spec_is_data(tshark: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.lua"
    path.write_text(publish.dissector(hostile()), encoding="utf-8")
    packets = Connection().handshake().say(True, ASKS % (len(REPLY), REPLY)).close().packets
    (tmp_path / "a.pcap").write_bytes(pcap(packets))
    assert " GetMsgEx request 10001" in tshark("-r", tmp_path / "a.pcap", "-Y", "qq", script=path)
    assert not (tmp_path / "owned").exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.pcap", "hostile.lua"]
    abbreviations = re.findall(r'\["abbr"\] = "([^"]*)"', path.read_text())
    assert all(re.fullmatch(r"[a-z0-9_.]+", name) for name in abbreviations)
    assert len(abbreviations) == len(set(abbreviations))


def test_lua_strings_hold_any_text() -> None:
    assert quoted('a"b\\c\nd\x00é') == '"a\\034b\\092c\\010d\\000\\195\\169"'
