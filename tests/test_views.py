"""What the addon shows inside mitmproxy: the view QQ, marks of flows, commands; in real mitmdump and mitmweb."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import MITMDUMP, Process, chromium, free_port
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import contentviews, exceptions, http, io, optmanager, tcp, version
from mitmproxy.addons import view as flow_list
from mitmproxy.test import taddons, tflow
from test_recorder import LOGIN, SECRET, send

from qqlab.capture import load
from qqlab.codec import decode
from qqlab.exchange import Exchange, RawMessage
from qqlab.proxy import marks
from qqlab.proxy.inside import Inside
from qqlab.proxy.known import Known
from qqlab.proxy.marks import FAILED, ODD, Mark, Marks
from qqlab.proxy.recorder import Recorder
from qqlab.proxy.script import OPTIONS
from qqlab.proxy.view import NotEditable, View
from qqlab.spec import Spec
from qqlab.visible import visible

HOSTILE = "你好 <script>alert(1)</script>\x1b[31m\u202e"
MESSAGES = f"VER=1.1&CMD=GETMSGEX&SEQ=9&UIN=10001&RES=0&MN=3&MT=99,9,&UN=10002,10003,&MG=30,{HOSTILE},".encode()
POLL = b"VER=1.1&CMD=GetMsgEx&SEQ=2&UIN=10001"
ALONE = b"VER=1.1&CMD=GETMSGEX&SEQ=2&UIN=10001&RES=20"


class Canned(BaseHTTPRequestHandler):
    """Answers every request with `MESSAGES`, but `ALONE` where the request asks for it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        reply = ALONE if body.endswith(b"&alone") else MESSAGES
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Canned)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


# ------------------------------------------------------------------------------------------------- the view, by itself


def http_flow(request: bytes, reply: bytes | None = None, **headers: str) -> http.HTTPFlow:
    flow = tflow.tflow(resp=reply is not None)
    flow.request.content = request
    if reply is not None:
        assert flow.response is not None
        flow.response.headers.update(headers)
        flow.response.content = reply
    return flow


def tcp_flow(*reads: tuple[bool, bytes]) -> tcp.TCPFlow:
    return tflow.ttcpflow(messages=[tcp.TCPMessage(from_client, data, 946681200.0) for from_client, data in reads])


@contextlib.contextmanager
def mitmproxy(*addons: object) -> Iterator[taddons.context]:
    """A mitmproxy that serves nothing, with these addons; that of version 11 leaves its event loop open."""
    with taddons.context(*addons) as context:
        yield context
    context.master.event_loop.close()


@pytest.fixture
def inside() -> Iterator[taddons.context]:
    """The addons in a mitmproxy that serves nothing, with a list of flows as mitmproxy and mitmweb have one."""
    ours = Inside()
    with mitmproxy(flow_list.View(), Recorder(), ours) as context:
        ours.running()
        yield context
    ours.done()


def test_flows_are_looked_at_only_where_marks_are_wanted() -> None:
    ours = Inside()
    with mitmproxy(Recorder(), ours) as context:
        ours.running()
        assert not hasattr(ours, "response")
        context.master.addons.add(flow_list.View())
        ours.running()
        assert hasattr(ours, "response")
        context.configure(ours, qq_marks=False)
        assert not hasattr(ours, "response")
    ours.done()


def pretty(message: Any, flow: Any, view: str = "auto") -> tuple[str, str]:
    """The name of the view that mitmproxy chooses, and its text; through the interface of either mitmproxy."""
    api: Any = contentviews
    if hasattr(api, "registry"):
        result = api.prettify_message(message, flow, view)
        return result.view_name, result.text
    description, lines, error = api.get_message_content_view(view, message, flow)
    assert error is None
    return description, "\n".join("".join(text for _, text in line) for line in lines)


@pytest.mark.usefixtures("inside")
def test_the_view_chooses_itself_for_both_sides() -> None:
    flow = http_flow(LOGIN, MESSAGES, **{"content-type": "text/html"})
    name, text = pretty(flow.request, flow)
    assert name == "QQ"
    assert text.startswith("# Login request: Log in")
    name, text = pretty(flow.response, flow)
    assert name == "QQ"
    assert re.search(r"# 1  99 system message +10002  30 is now busy\n", text)
    assert "#   warning  list.count" in text
    # Held against the request, too.
    assert "#   warning  echo.seq" in text
    bare = http_flow(POLL, b"RES=20")  # a reply that names no command
    assert pretty(bare.response, bare)[1].startswith("# GetMsgEx reply")


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("reply", [b"<html><body>502</body></html>", b'{"RES": 1}', b"", b"\x89PNG\r\n"])
def test_what_is_something_else_is_left_to_others(reply: bytes) -> None:
    for request in (LOGIN, b"a=1&b=2"):
        flow = http_flow(request, reply)
        assert pretty(flow.response, flow)[0] != "QQ"
    assert pretty(http_flow(b"a=1&b=2").request, None)[0] != "QQ"
    # Asked for by name, it shows the bytes.
    assert pretty(flow.response, flow, "qq")[1].startswith(f"# {len(reply)} bytes that are no message of httpqq")


@pytest.mark.usefixtures("inside")
def test_reads_of_a_relayed_connection() -> None:
    whole = b"POST HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(LOGIN) + LOGIN
    line = b"VER=1.4&CMD=Login&SEQ=1&UIN=10001&PS=x\n"
    flow = tcp_flow((True, whole), (True, whole[:30]), (True, whole[-40:]), (True, line), (False, MESSAGES))
    shown = [pretty(message, flow) for message in flow.messages]
    assert [name == "QQ" for name, _ in shown] == [True, False, False, True, True]
    assert shown[0][1].startswith("#| POST HTTP/1.1\n#| Content-Length: 94\n \n# Login request")
    assert shown[3][1].startswith("# Login request")
    assert shown[4][1].startswith("# GetMsgEx reply")
    assert SECRET not in "".join(text for _, text in shown)


def test_secrets_show_only_where_the_option_says_so(inside: taddons.context) -> None:
    flow = http_flow(LOGIN)
    assert SECRET not in pretty(flow.request, flow)[1]
    inside.options.update(qq_show_secrets=True)
    assert f"PS: {SECRET} " in pretty(flow.request, flow)[1]


def reencode(text: str, message: Any, flow: Any) -> bytes:
    api: Any = contentviews
    if hasattr(api, "reencode_message"):
        return bytes(api.reencode_message(text, message, flow, "qq"))
    seen = SimpleNamespace(original_data=None, http_message=message, flow=flow)  # mitmproxy 11 asks for no edits
    return View(Known()).reencode(text, seen)


@pytest.mark.usefixtures("inside")
def test_an_edit_changes_its_span() -> None:
    flow = http_flow(LOGIN, MESSAGES)
    text = pretty(flow.request, flow)[1]
    assert reencode(text, flow.request, flow) == LOGIN
    assert reencode(text.replace("SEQ: 1 ", "SEQ: 77 "), flow.request, flow) == LOGIN.replace(b"SEQ=1&", b"SEQ=77&")
    text = pretty(flow.response, flow)[1]
    assert reencode(text.replace("30,你好", "30,你们"), flow.response, flow) == (
        MESSAGES.replace("你好".encode(), "你们".encode())
    )
    with pytest.raises(NotEditable, match=r"^QQ: line 1: this line only explains") as caught:
        reencode(text.replace("# GetMsgEx", "# Getting"), flow.response, flow)
    assert isinstance(caught.value, exceptions.CommandError)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(LOGIN.__add__), st.sampled_from(["request", "reply", ""]))
def test_the_view_never_fails(data: bytes, side: str) -> None:
    flow = http_flow(data, data)
    view = View(Known())
    messages = {"request": flow.request, "reply": flow.response, "": None}
    seen = SimpleNamespace(original_data=data, http_message=messages[side], flow=flow)
    assert isinstance(view.render_priority(data, seen), float)
    assert view.reencode(view.prettify(data, seen), seen) == data
    _, lines = view(data, http_message=messages[side], flow=flow)
    assert "\n".join("".join(text for _, text in line) for line in lines) == view.prettify(data, seen)
    for from_client in (True, False):
        one = SimpleNamespace(original_data=data, tcp_message=tcp.TCPMessage(from_client, data), flow=None)
        assert view.reencode(view.prettify(data, one), one) == data


# ------------------------------------------------------------------------------------------------------ marks, commands


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (POLL.upper() + b"&RES=0&MN=0&MT=&UN=&MG=", None),
        (ALONE, Mark("GetMsgEx: RES=20 not logged in, or logged in elsewhere since", FAILED)),
        (POLL + b"&RES=0&MN=1&MT=&UN=&MG=&XX=1&XX=2", Mark(
            "GetMsgEx: RES=0 accepted; 4 notes: field.undocumented, field.duplicate, list.count", ODD)),
        (b"", Mark("GetMsgEx: no status; 1 note: reply.empty", FAILED)),
        (None, Mark("GetMsgEx: no reply; 1 note: reply.missing", ODD)),
        (b"<html>", Mark("GetMsgEx: no status; 1 note: body.foreign", FAILED)),
    ],
)  # fmt: skip
def test_what_is_said_of_an_exchange(known: Spec, reply: bytes | None, said: Mark | None) -> None:
    exchange = Exchange(
        id="1",
        session="",
        request=RawMessage(body=POLL),
        reply=None if reply is None else RawMessage(body=reply),
    )
    assert marks.mark(decode(exchange, known), known) == said


@given(st.binary(max_size=40).map(POLL.__add__), st.none() | st.binary(max_size=40).map(ALONE.__add__))
def test_a_mark_is_one_harmless_line(request: bytes, reply: bytes | None) -> None:
    spec = Known().spec
    exchange = Exchange(
        id="1",
        session="",
        request=RawMessage(body=request),
        reply=None if reply is None else RawMessage(body=reply),
    )
    said = marks.mark(decode(exchange, spec), spec)
    assert said is None or said.comment == visible(said.comment)


def test_marks_say_what_is_odd_and_keep_what_the_user_wrote(inside: taddons.context) -> None:
    addon = inside.master.addons.get("inside")
    flow = http_flow(POLL, ALONE)
    addon.response(flow)
    assert (flow.comment, flow.marked) == ("GetMsgEx: RES=20 not logged in, or logged in elsewhere since", FAILED)
    assert flow.response is not None
    flow.response.content = POLL + b"&RES=0&MN=0&MT=&UN=&MG="  # sent anew, and all is well
    addon.response(flow)
    assert (flow.comment, flow.marked) == ("", "")

    flow = http_flow(POLL, ALONE)
    flow.comment, flow.marked = "mine", ":heart:"
    addon.response(flow)
    assert (flow.comment, flow.marked) == ("mine", ":heart:")

    flow = tflow.tflow(err=True)
    flow.request.content = POLL
    addon.error(flow)
    assert flow.comment == "GetMsgEx: no reply; 2 notes: exchange.error, reply.missing"

    reads = [(True, POLL + b"\n"), (False, ALONE + b"\r\n")]
    endless = tcp_flow(*reads * 2000)
    addon.tcp_end(endless)
    assert endless.comment == ""

    other = http_flow(b"a=1", b"<html>", **{"content-type": "text/html"})
    addon.response(other)
    assert (other.comment, other.metadata) == ("", {})

    inside.options.update(qq_marks=False)
    assert not hasattr(addon, "response")


def test_marks_cost_nothing_where_nobody_sees_them(known: Spec) -> None:
    with mitmproxy(Marks(Known(known))) as context:
        context.options.add_option("save_stream_file", str, "", "")
        flow = http_flow(POLL, ALONE)
        context.master.addons.get("marks").response(flow)
        assert flow.comment == ""
        context.options.update(save_stream_file="flows")
        context.master.addons.get("marks").response(flow)
        assert flow.comment != ""


def test_commands(inside: taddons.context, tmp_path: Path) -> None:
    commands = inside.master.commands
    assert [commands.commands[f"qq.{name}"].signature_help() for name in ("show", "save", "note")] == [
        "qq.show flows -> str[]",
        "qq.save flows path",
        "qq.note flows text",
    ]
    listed = inside.master.addons.get("view")
    listed.add([http_flow(LOGIN, MESSAGES), http_flow(b"a=1", b"b"), tflow.tdnsflow(resp=True)])

    shown = commands.execute("qq.show @all")
    assert "Login RES=0 accepted" in shown[0]
    assert any(line.startswith("PS: !secret ") for line in shown)
    assert any("30  is now" in line or "99 system message" in line for line in shown)
    assert SECRET not in "".join(shown)
    assert not {"\x1b", "\u202e", "\n"} & set("".join(shown))

    path = tmp_path / "saved.jsonl"
    commands.execute(f"qq.save @all {path}")
    saved = load(path)
    assert [(exchange.id, exchange.session) for exchange in saved.exchanges] == [("1", "127.0.0.1/10001")]
    assert saved.header.redacted == "secrets"
    assert SECRET not in path.read_text()
    before = path.read_bytes()
    with pytest.raises(exceptions.CommandError, match="exists already") as caught:
        commands.execute(f"qq.save @all {path}")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before

    key = tmp_path / "key"
    key.write_bytes(bytes(32))
    key.chmod(0o600)
    inside.options.update(qq_redact_key_file=str(key))
    key.unlink()
    with pytest.raises(exceptions.CommandError, match=r"^qq.save: .*key: the key cannot be read") as caught:
        commands.execute(f"qq.save @all {tmp_path / 'keyed.jsonl'}")
    assert not (tmp_path / "keyed.jsonl").exists()
    inside.options.update(qq_redact_key_file="", qq_redact="none")
    commands.execute(f"qq.save @all {tmp_path / 'whole.jsonl'}")
    assert load(tmp_path / "whole.jsonl").header.redacted == "none"
    assert SECRET in (tmp_path / "whole.jsonl").read_text()

    commands.execute("qq.note @all 'look here'")
    commands.execute("qq.note @all again")
    assert {flow.comment for flow in listed} == {"look here; again"}

    for command in ("qq.show", "qq.save", "qq.note"):
        with pytest.raises(exceptions.CommandError):
            commands.execute(command)
    listed.clear()
    listed.add([http_flow(b"a=1", b"b")])
    with pytest.raises(exceptions.CommandError, match=r"nothing of .* is in 1 flow"):
        commands.execute("qq.show @all")


def test_another_spec(inside: taddons.context, tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "qqlab/spec/httpqq.toml").read_text()
    path = tmp_path / "my.toml"
    path.write_text(text.replace("Version of the protocol that the client speaks.", "My own words."))
    flow = http_flow(LOGIN)
    inside.options.update(qq_spec=str(path))
    assert "My own words." in pretty(flow.request, flow)[1]
    inside.options.update(qq_spec="")
    assert "My own words." not in pretty(flow.request, flow)[1]


# --------------------------------------------------------------------------------------------------- the real programs


def test_mitmdump_prints_the_view_and_keeps_the_marks(
    start: Callable[..., Process], upstream: int, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    process = start(
        MITMDUMP, "-s", "addons/qq.py", "--flow-detail", "3", "-w", tmp_path / "flows",
        "--mode", f"reverse:http://127.0.0.1:{upstream}@127.0.0.1:{ports[0]}",
        "--mode", f"reverse:tcp://127.0.0.1:{upstream}@127.0.0.1:{ports[1]}",
    )  # fmt: skip
    for port in ports:
        process.wait_for(f"listening at 127.0.0.1:{port}")
        send(port, LOGIN)
        send(port, POLL + b"&alone")
    process.wait_for("RES: 20 ")
    assert process.stop() == 0
    out = process.output
    assert out.count("# Login request: Log in; the server then knows the client by its address and UIN.") == 2
    assert re.search(r"^ *RES: 20 +# not logged in", out, re.MULTILINE)
    assert out.count("# 1  99 system message") == 2
    assert "#| POST / HTTP/1.1" in out
    assert SECRET not in out
    assert not {"\x1b", "\u202e"} & set(out)
    with (tmp_path / "flows").open("rb") as file:
        kept = [(flow.type, flow.comment, flow.marked) for flow in io.FlowReader(file).stream()]
    alone = "GetMsgEx: RES=20 not logged in, or logged in elsewhere since; 1 note: field.undocumented"
    assert sorted(kept)[0] == ("http", alone, FAILED)
    assert sorted(kept)[2] == ("tcp", alone, FAILED)


def test_every_option_is_documented(start: Callable[..., Process], inside: taddons.context) -> None:
    """mitmproxy 11 prints its options before it loads scripts, so there only the options themselves can be asked."""
    out = StringIO()
    optmanager.dump_defaults(inside.options, out)
    dumped = [out.getvalue()]
    if int(version.VERSION.partition(".")[0]) > 11:
        process = start(MITMDUMP, "-s", "addons/qq.py", "--options")
        assert process.wait() == 0
        dumped.append(process.output)
    for text in dumped:
        told = " ".join(text.replace("# ", " ").split())
        for name, _, _, doc in OPTIONS:
            assert f"{doc} Type " in told
            assert f" {name}: " in told


def test_mitmweb_shows_the_view_in_a_browser(start: Callable[..., Process], upstream: int) -> None:
    port, relayed, web = free_port(), free_port(), free_port()
    process = start(
        MITMDUMP.with_name("mitmweb"), "-s", "addons/qq.py", "--set", "web_open_browser=false",
        "--set", f"web_port={web}",
        "--mode", f"reverse:http://127.0.0.1:{upstream}@127.0.0.1:{port}",
        "--mode", f"reverse:tcp://127.0.0.1:{upstream}@127.0.0.1:{relayed}",
    )  # fmt: skip
    for one in (port, relayed):
        process.wait_for(f"listening at 127.0.0.1:{one}")
    address = re.search(r"http://\S+", process.wait_for("Web server listening at"))
    assert address is not None
    send(port, LOGIN)
    with chromium() as browser:
        page = browser.new_page()
        said: list[str] = []
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(address[0])
        page.get_by_text(f"127.0.0.1:{upstream}/").first.click()
        page.get_by_text("!secret").wait_for()
        request = page.inner_text("body")
        page.get_by_text("Response", exact=True).click()
        page.get_by_text("99 system message").wait_for()
        reply = page.inner_text("body")
        page.get_by_text("Comment", exact=True).click()
        page.get_by_text("Login: RES=0 accepted").wait_for()
        send(relayed, POLL)
        page.get_by_text(f"↔ 127.0.0.1:{upstream}").click()
        page.get_by_text("Stream Data").click()
        page.get_by_text("#| POST / HTTP/1.1").wait_for()
        page.get_by_text("# GetMsgEx reply").wait_for()
        assert page.locator("script:not([src])", has_text="alert(1)").count() == 0
    assert said == []
    for text in ("QQ", "Account number of the user who sends the request.", "PS: !secret"):
        assert text in request
    for text in ("How many messages follow.", "<script>alert(1)</script>\\x1b[31m\\u202e", "warning  list.count"):
        assert text in reply
    assert SECRET not in request + reply
