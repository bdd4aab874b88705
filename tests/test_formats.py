"""Other people's formats: told from their content, read and written, and changed by nothing on the way."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import MITMDUMP, ROOT, qqlab
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import flow, http
from mitmproxy.io import FlowReader, FlowWriter
from test_flows import http_flow, tcp_flow

from qqlab import spec as specs
from qqlab.capture import Redacted, encode_line, header, load, save
from qqlab.capture.file import parse_line
from qqlab.errors import InputError
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.formats import flows
from qqlab.formats import mark as marks
from qqlab.formats.csv import MOST_FOREIGN
from qqlab.formats.exporting import Export, export
from qqlab.formats.importing import Wanted, imported
from qqlab.formats.mark import Found
from qqlab.formats.order import Ids, by_time
from qqlab.formats.sniff import sniff
from qqlab.formats.tally import Tally
from qqlab.spec import Spec

SPEC = specs.builtin()
DEMO = ROOT / "captures/demo.jsonl"
PASSWORD = "5f4dcc3b5aa765d61d8327deb882cf99"
LOGIN = f"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS={PASSWORD}&M5=1".encode()
DONE = b"VER=1.1&CMD=LOGIN&SEQ=1&UIN=10001&RES=0&RS=0"

WORDS = st.text(st.characters(codec="utf-8"), max_size=10)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)
HEADS = st.sampled_from(
    [b"", b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST HTTP/1.1\nA:b\n\n", b"POST http://a:1/b?c HTTP/1.0\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"HTTP/1.0 500\r\nX: \xff\r\n y\r\n\r\n", b"\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=gb2312\r\nContent-Encoding: gzip\r\n\r\n"]
)  # fmt: skip
MESSAGES = st.builds(
    RawMessage,
    head=HEADS | st.binary(max_size=30),
    body=st.binary(max_size=30) | st.sampled_from([LOGIN, "登录".encode(), "登录".encode("gb18030")]),
    end=st.sampled_from([b"", b"\n", b"\r\n"]),
    chunked=st.booleans(),
    cut=st.none() | st.builds(Cut, length=st.integers(0, 1 << 40), sha256=WORDS),
)
EPOCH = datetime.fromtimestamp(0, UTC)
ENDS = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
EXCHANGES = st.builds(
    Exchange,
    id=NAMES,
    session=NAMES,
    time=st.none() | st.datetimes(timezones=st.just(UTC)) | st.sampled_from(ENDS),
    elapsed=st.none() | st.floats(-1e15, 1e15),
    client=WORDS | st.sampled_from(["127.0.0.1:80", "[::1]:1"]),
    server=WORDS | st.sampled_from(["127.0.0.1:80", "[::1]:1"]),
    transport=st.sampled_from(["http", "tcp", "lines", "transcript"]),
    request=st.none() | MESSAGES,
    reply=st.none() | MESSAGES,
    error=st.none() | WORDS,
    pairing=st.sampled_from(["", "order", "echo"]),
)
ALL = Wanted(everything=True)
CAPTURES = st.lists(EXCHANGES, max_size=3, unique_by=lambda exchange: exchange.id)


def written(kind: Export, *exchanges: Exchange, redacted: Redacted = "secrets") -> tuple[bytes, list[str]]:
    file, tally = io.BytesIO(), Tally()
    export(file, kind, exchanges, redacted, SPEC, tally)
    return file.getvalue(), tally.lines()


def read(path: Path, data: bytes, wanted: Wanted = ALL) -> tuple[list[Exchange], list[str]]:
    path.write_bytes(data)
    tally = Tally()
    return list(imported([path], wanted, SPEC, tally)), tally.lines()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats") / "material"


def exchange(request: bytes | None = LOGIN, reply: bytes | None = DONE, number: int = 1) -> Exchange:
    def message(head: bytes, body: bytes | None) -> RawMessage | None:
        return None if body is None else RawMessage(head=head, body=body)

    return Exchange(
        id=str(number),
        session="10.0.0.7/10001",
        time=datetime(2005, 7, 1, 12, 0, number, tzinfo=UTC),
        elapsed=0.25,
        client="10.0.0.7:1234",
        server="127.0.0.1:8000",
        request=message(b"POST / HTTP/1.1\r\nHost: h\r\n\r\n", request),
        reply=message(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", reply),
        pairing="order",
    )


# ------------------------------------------------------------------------------------- there and back again


@given(CAPTURES)
def test_any_exchanges_come_back_from_flows(path: Path, exchanges: list[Exchange]) -> None:
    data, _ = written("flows", *exchanges)
    if exchanges:
        assert read(path, data) == (exchanges, [])


@given(CAPTURES)
def test_any_exchanges_with_a_request_come_back_from_a_har(path: Path, exchanges: list[Exchange]) -> None:
    data, told = written("har", *exchanges)
    asked = [exchange for exchange in exchanges if exchange.request is not None]
    if asked:
        assert read(path, data) == (asked, [])
    assert any("without a request: left out" in line for line in told) == (len(asked) < len(exchanges))


LINES = st.none() | st.binary(max_size=20).filter(lambda body: b"\n" not in body and not body.endswith(b"\r"))


@given(st.lists(st.tuples(LINES, LINES), min_size=1, max_size=5))
def test_any_bodies_come_back_from_a_transcript(path: Path, pairs: list[tuple[bytes | None, bytes | None]]) -> None:
    pairs = [pair for pair in pairs if pair != (None, None)] or [(b"x", None)]
    exchanges = [exchange(*pair, number=9 - number) for number, pair in enumerate(pairs)]
    data, _ = written("transcripts", *exchanges)
    first, told = read(path, data)
    assert told == []
    assert [(e.request and e.request.body, e.reply and e.reply.body) for e in first] == pairs
    assert [e.id for e in first] == [e.id for e in exchanges]
    assert written("transcripts", *first)[0] == data


@pytest.mark.parametrize("kind", ["flows", "har", "transcripts"])
def test_a_redacted_capture_is_not_redacted_again(kind: Export, path: Path) -> None:
    data, _ = written(kind, exchange())
    ((found,), _) = read(path, data, Wanted(policy="secrets"))
    assert found.request is not None
    assert found.request.body == LOGIN
    for redacted, edited in (("none", data), ("secrets", data.replace(b"UIN=10001", b"UIN=10002"))):
        again, _ = written(kind, exchange(), redacted="none") if redacted == "none" else (edited, [])
        ((found,), told) = read(path, again, Wanted(policy="secrets"))
        assert found.request is not None
        assert PASSWORD.encode() not in found.request.body
        assert any("changed since qqlab" in line for line in told) == (edited is not data and kind != "transcripts")


@pytest.mark.parametrize("kind", ["flows", "har"])
def test_import_export_import_changes_nothing(kind: str, tmp_path: Path) -> None:
    """From the command line, beginning with what others wrote."""
    foreign = tmp_path / "foreign"
    with foreign.open("wb") as file:
        for made in (http_flow(), tcp_flow((True, b"POST HTTP/1.0\r\n\r\n" + LOGIN), (False, b"HTTP/1.0 200 O\n\n"))):
            FlowWriter(file).add(made)
    for source, target in ((foreign, "1.jsonl"), (tmp_path / "back", "2.jsonl")):
        result = qqlab("import", source, "-o", tmp_path / target)
        assert result.returncode == 0, result.stderr
        if source == foreign:
            result = qqlab("export", tmp_path / target, "--format", kind, "-o", tmp_path / "back")
            assert result.returncode == 0, result.stderr
    first, second = load(tmp_path / "1.jsonl"), load(tmp_path / "2.jsonl")
    assert second.exchanges == first.exchanges
    assert len(first.exchanges) == 2
    assert PASSWORD.encode() not in (tmp_path / "back").read_bytes()


def test_a_capture_is_not_exported_over_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(Path(ROOT, "captures/demo.jsonl").read_bytes())
    result = qqlab("export", path, "--format", "csv", "--force", "-o", path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "is the capture that is exported" in result.stderr
    assert len(load(path).exchanges) == 36


def test_what_is_imported_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(Path(ROOT, "captures/forum-2005.txt").read_bytes())
    result = qqlab("import", path, "--force", "-o", path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert path.read_bytes() == Path(ROOT, "captures/forum-2005.txt").read_bytes()


# ------------------------------------------------------------------------------------------- what others see


def test_mitmproxy_reads_exported_flows(tmp_path: Path, require: Callable[[str], str]) -> None:
    result = qqlab("export", DEMO, "--format", "flows", "-o", tmp_path / "demo.flows")
    assert result.returncode == 0, result.stderr
    recorded = load(DEMO).exchanges
    with (tmp_path / "demo.flows").open("rb") as file:
        found = list(FlowReader(file).stream())
    assert [one.type for one in found] == [exchange.transport for exchange in recorded]
    first = found[0]
    assert isinstance(first, http.HTTPFlow)
    assert recorded[0].request is not None
    assert (first.request.pretty_url, first.request.raw_content) == (
        f"http://{recorded[0].server}/",
        recorded[0].request.body,
    )
    shown = subprocess.run(
        [MITMDUMP, "-nr", tmp_path / "demo.flows", "--set", f"confdir={tmp_path}"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert shown.stdout.count("<< 200 OK") == sum(exchange.transport == "http" for exchange in recorded)


Parts = dict[tuple[str, ...], dict[str, type | tuple[type, ...]]]
HAR_PARTS: Parts = {
    ("log",): {"version": str, "creator": dict, "entries": list},
    ("log", "creator"): {"name": str, "version": str},
}
ENTRY_PARTS: Parts = {
    (): {"startedDateTime": str, "time": (int, float), "request": dict, "response": dict, "cache": dict,
         "timings": dict},
    ("request",): {"method": str, "url": str, "httpVersion": str, "cookies": list, "headers": list,
                   "queryString": list, "headersSize": int, "bodySize": int, "postData": dict},
    ("request", "postData"): {"mimeType": str, "params": list, "text": str},
    ("response",): {"status": int, "statusText": str, "httpVersion": str, "cookies": list, "headers": list,
                    "content": dict, "redirectURL": str, "headersSize": int, "bodySize": int},
    ("response", "content"): {"size": int, "mimeType": str},
    ("timings",): {"send": (int, float), "wait": (int, float), "receive": (int, float)},
}  # fmt: skip


@given(CAPTURES)
def test_a_har_has_the_parts_that_version_1_2_asks_for(exchanges: list[Exchange]) -> None:
    har = json.loads(written("har", *exchanges)[0])
    assert har["log"]["version"] == "1.2"
    checked: list[tuple[Any, Parts]] = [(har, HAR_PARTS), *((entry, ENTRY_PARTS) for entry in har["log"]["entries"])]
    for value, parts in checked:
        for place, names in parts.items():
            inner = value
            for name in place:
                inner = inner[name]
            assert {name: type(inner[name]) for name in names if not isinstance(inner[name], names[name])} == {}
    assert all(
        isinstance(header[part], str)
        for entry in har["log"]["entries"]
        for message in ("request", "response")
        for header in entry[message]["headers"]
        for part in ("name", "value")
    )
    assert all(entry["timings"]["wait"] >= 0 for entry in har["log"]["entries"])


def test_mitmproxy_reads_an_exported_har(tmp_path: Path) -> None:
    result = qqlab("export", DEMO, "--format", "har", "-o", tmp_path / "demo.har")
    assert result.returncode == 0, result.stderr
    with (tmp_path / "demo.har").open("rb") as file:
        bodies = [one.request.raw_content for one in FlowReader(file).stream() if isinstance(one, http.HTTPFlow)]
    assert bodies == [exchange.request.body for exchange in load(DEMO).exchanges if exchange.request is not None]


def test_csv_stays_bounded_where_each_message_has_names_of_its_own() -> None:
    bodies = [b"VER=1.1&CMD=List&SEQ=1&UIN=1&" + b"&".join(b"K%d_%d=1" % (n, k) for k in range(600)) for n in range(3)]
    data, told = written("csv", *(exchange(body, DONE) for body in bodies))
    names = next(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert sum(name.startswith("request.K") for name in names) == MOST_FOREIGN
    assert any("800 fields of names beyond the first 1,000" in line for line in told)


def test_csv_guards_formulas_and_terminals() -> None:
    body = b"VER=1.1&CMD=CLTMSG&SEQ=1&UIN=10001&UN=2&MG==cmd()\x1b[31m"
    data, told = written("csv", exchange(body, DONE))
    (cells,) = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert cells["request.MG"] == "'=cmd()\\x1b[31m"
    assert (cells["id"], cells["status"], cells["request.UIN"]) == ("1", "0", "10001")
    assert told == ["1 exchange without heads, and of each message only the first of doubled fields"]


def test_what_cannot_be_taken_over_is_said(path: Path) -> None:
    push = msgspec.structs.replace(exchange(None, DONE), transport="lines", id="2")
    torn = msgspec.structs.replace(exchange(LOGIN, None), error="gone", id="3")
    assert written("har", exchange(), push, torn)[1] == [
        "1 exchange without a request: left out, since an entry of a HAR needs one"
    ]
    assert written("flows", push)[1] == ["1 exchange without a request: a TCP flow to mitmproxy"]
    assert written("transcripts", exchange(b"a\nb"), torn)[1] == [
        "1 exchange with a line end in a body: left out, since a line cannot hold it",
        "1 exchange with HTTP heads: a transcript has none",
        "1 exchange with times and addresses: a transcript has none",
        "1 exchange with an error: a transcript has none",
    ]
    file = io.BytesIO()
    for body in (LOGIN, b"hello"):
        made = http_flow()
        made.request.raw_content = body
        FlowWriter(file).add(made)
    found, told = read(path, file.getvalue(), Wanted())
    assert [e.id for e in found] == ["1"]
    assert told == ["1 exchange of another kind: left out"]


# -------------------------------------------------------------------------------------------------- reading


def test_flows_of_every_kind(path: Path) -> None:
    file = io.BytesIO()
    waiting, failed = http_flow(), http_flow()
    waiting.response = failed.response = None
    failed.error = flow.Error("boom")
    for made in (waiting, failed, tcp_flow((True, b"\x00\x01"))):
        FlowWriter(file).add(made)
    found, told = read(path, file.getvalue(), Wanted())
    assert [e.error for e in found] == ["the flow was saved before its reply", "boom"]
    assert [e.session for e in found] == ["10.0.0.7/10001"] * 2
    assert len(told) == 1


def test_a_har_of_a_browser(path: Path) -> None:
    """Of the fields that matter, some in the way of other tools: no text, base64, a failed request."""
    request = {
        "method": "POST", "url": "http://h:8000/a", "httpVersion": "HTTP/1.1", "cookies": [], "queryString": [],
        "headers": [{"name": "Host", "value": "h:8000"}], "headersSize": -1, "bodySize": -1,
        "postData": {"mimeType": "text/plain", "text": LOGIN.decode()},
    }  # fmt: skip
    response = {
        "status": 200,
        "statusText": "OK",
        "httpVersion": "HTTP/1.1",
        "headers": [],
        "content": {"text": "RES=0"},
    }
    entry = {"startedDateTime": "2005-07-01T12:00:00.000+08:00", "time": 30, "request": request, "response": response,
             "timings": {"blocked": 1, "send": 2, "wait": 20, "receive": 5, "dns": -1}}  # fmt: skip
    failed = entry | {"response": response | {"status": 0, "_error": "net::ERR"}}
    broken = entry | {"request": {"method": "GET"}}
    har = {"log": {"version": "1.2", "entries": [entry, failed, broken, 7]}}
    found, told = read(path, b"\xef\xbb\xbf" + json.dumps(har).encode(), Wanted())
    assert [(e.time, e.elapsed, e.server, e.reply and e.reply.body, e.error) for e in found] == [
        (datetime(2005, 7, 1, 4, 0, 0, 3000, tzinfo=UTC), 0.025, "h:8000", b"RES=0", None),
        (datetime(2005, 7, 1, 4, 0, 0, 3000, tzinfo=UTC), None, "h:8000", None, "net::ERR"),
    ]
    assert found[0].request is not None
    assert found[0].request.body == LOGIN
    assert sum("that cannot be read" in line for line in told) == 2


def test_transcripts_pair_in_order(path: Path) -> None:
    lines = ["# a", "> CMD=List&UIN=1", "> CMD=Logout&UIN=1", "< RES=0", "< RES=1&UIN=7", "", "> CMD=x"]
    found, _ = read(path, "\r\n".join(lines).encode(), Wanted())
    assert [
        (e.id, e.session, e.request and e.request.body.decode(), e.reply and e.reply.body.decode()) for e in found
    ] == [
        ("1", "transcript/1", "CMD=List&UIN=1", None),
        ("2", "transcript/1", "CMD=Logout&UIN=1", "RES=0"),
        ("3", "transcript/7", None, "RES=1&UIN=7"),
        ("4", "transcript/", "CMD=x", None),
    ]


@given(st.lists(st.tuples(st.none() | st.integers(0, 50), st.booleans()), max_size=30))
def test_order_is_by_time_and_ordering_twice_changes_nothing(moments: list[tuple[int | None, bool]]) -> None:
    def at(second: int | None) -> datetime | None:
        return None if second is None else datetime(2005, 7, 1, 0, 0, second, tzinfo=UTC)

    found = [
        Found(Exchange(id=str(number), session="", time=at(second)), "secrets" if marked else None)
        for number, (second, marked) in enumerate(moments)
    ]
    once = list(by_time(found))
    assert list(by_time(once)) == once
    assert sorted(one.exchange.id for one in once) == sorted(one.exchange.id for one in found)
    times = [one.exchange.time for one in once if one.redacted is None and one.exchange.time is not None]
    assert times == sorted(times)
    late = [one for one in found if one.redacted is None and one.exchange.time is not None]
    assert {one.exchange.id for one in by_time(late, depth=1)} == {one.exchange.id for one in late}


@given(st.lists(st.sampled_from(["", "1", "2", "3", "01", "a", "²"]), max_size=12))
def test_ids_are_unique_and_kept_where_free(wanted: list[str]) -> None:
    ids = Ids()
    given_ids = [ids.take(name) for name in wanted]
    assert len(set(given_ids)) == len(wanted)
    assert all(name in given_ids for name in wanted if name)


@pytest.mark.parametrize("kind", ["flows", "har"])
def test_a_time_at_the_end_of_the_calendar_is_shown_as_another(kind: Export, path: Path) -> None:
    for time, again in ((ENDS[1], ENDS[1]), (ENDS[1].replace(tzinfo=timezone(timedelta(hours=-9))), EPOCH)):
        data, told = written(kind, msgspec.structs.replace(exchange(), time=time))
        assert [line for line in told if "out of reach" in line] != []
        ((found,), _) = read(path, data)
        assert found.time == again


PARTS = st.builds(
    marks.Part,
    head=st.none() | st.binary(max_size=9),
    body=st.none() | st.binary(max_size=9),
    lengths=st.none() | st.tuples(st.integers(-9, 9), st.integers(-9, 1 << 70)),
)


@given(PARTS)
def test_whatever_a_mark_says_is_a_line_of_a_capture(part: marks.Part) -> None:
    shown = exchange()
    forged = msgspec.structs.replace(marks.mark(shown, shown, "none"), request=part)
    found = marks.restored(forged, shown)
    assert found is not None
    assert found.exchange.request is not None
    line = encode_line(found.exchange, SPEC)
    assert parse_line(line, "x").request == found.exchange.request


def test_several_files_in_one(tmp_path: Path) -> None:
    for name, number in (("a", 2), ("b", 1)):
        (tmp_path / name).write_bytes(written("flows", exchange(number=number))[0])
    found = list(imported([tmp_path / "a", tmp_path / "b", tmp_path / "a"], Wanted(), SPEC, Tally()))
    assert [(e.id, e.time and e.time.second) for e in found] == [("2", 2), ("1", 1), ("3", 2)]


def test_a_long_file_is_read_in_several_processes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "CHUNK", 16 * 1024)
    many = [msgspec.structs.replace(exchange(number=1), id=str(number)) for number in range(1, 201)]
    data, _ = written("flows", *many)
    assert len(data) > 10 * flows.CHUNK
    found, told = read(path, data)
    assert (found, told) == (many, [])
    with pytest.raises(InputError, match=r"flow 201: does not begin with its length \(--partial imports the 200 "):
        read(path, data + b"x" * 100)
    assert read(path, data + b"x" * 100, Wanted(partial=True))[0] == many


# ------------------------------------------------------------------------------------------------- bad input

FLOW = written("flows", exchange())[0]
HAR = written("har", exchange())[0]
NO_IMPORT = "what can be imported: "


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty"),
        (b" \n\n", "holds nothing but blanks"),
        (bytes(range(200, 250)), "is in no format that is known"),
        (b"\x00" * 5000, "is in no format that is known"),
        (b"GET / HTTP/1.1\r\n\r\n", "is in no format that is known"),
        (b"\x1f\x8b\x08\x00", "is compressed with gzip"),
        (b"\x28\xb5\x2f\xfd\x00", "is compressed with zstd"),
        (b'{"qqlab_capture":1}\n', "is a capture of qqlab already"),
        (b'{"log": 5}', "is JSON, but no HAR"),
        (b"[1, 2]", "is JSON, but no HAR"),
        (HAR[:-20], "is no whole HAR"),
        (b'{"log": {"entries": 5}}', "is no whole HAR"),
        (b'{"log": {"entries": []}}', "holds no exchange of httpqq: there is nothing in it"),
        (FLOW[:-5], "flow 1: is cut off (is it a flow file of mitmproxy?)"),
        (FLOW * 2 + FLOW[:5], "flow 3: is cut off (--partial imports the 2 flows before it)"),
        (FLOW + b"hello", "flow 2: does not begin with its length"),
        (b"5:3:abc,}", "flow 1: is damaged"),
        (b"4:1:a,}4:1:a,}", "flow 1: is damaged"),
        (b"# only talk\n", "holds no message"),
        (b"> CMD=x\nCMD=y\n", "2: the line begins with neither '> ' nor '< '"),
    ],
)
def test_what_cannot_be_imported(data: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "material").write_bytes(data)
    with pytest.raises(InputError) as caught:
        list(imported([tmp_path / "material"], Wanted(), SPEC, Tally()))
    assert str(caught.value).startswith(str(tmp_path / "material"))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    st.sampled_from([b"", FLOW, FLOW[:-9], FLOW[:9], b'{"log":{', b"> ", HAR[:-300], b"# a\n"]),
    st.binary(max_size=60),
    st.booleans(),
)
def test_any_bytes_are_imported_or_refused_in_one_line(path: Path, start: bytes, data: bytes, partial: bool) -> None:
    try:
        read(path, start + data, Wanted(everything=True, partial=partial))
    except InputError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)


@given(st.integers(0, len(FLOW)), st.binary(min_size=1, max_size=3))
def test_any_damage_to_a_flow_is_one_line(path: Path, at: int, junk: bytes) -> None:
    try:
        read(path, FLOW[:at] + junk + FLOW[at + len(junk) :])
    except InputError as error:
        assert str(path) in str(error)


# A line of a gibibyte that costs no disk: what each format begins with, then nothing but zeros.
LONG = {
    b"": "is in no format that is known",
    b"> CMD=": "the line is longer than",
    b'{"log":{': "is a HAR of more than",
    b"1073741000:1:": "flow 1: is damaged",
    b"999999999999:1:": "flow 1: is cut off",
    b"\xd4\xc3\xb2\xa1": "packet 1: is damaged",
    b"\x0a\x0d\x0d\x0a": "packet 1: is damaged",
}
LIMITED = """
import resource, sys
from pathlib import Path
from qqlab import spec
from qqlab.errors import InputError
from qqlab.formats.importing import Tally, Wanted, imported
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
for name in sys.argv[1:]:
    try:
        list(imported([Path(name)], Wanted(), spec.builtin(), Tally()))
    except InputError as error:
        print(error)
"""


def test_a_gibibyte_in_one_line_needs_little_memory(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(len(LONG))]
    for path, start in zip(paths, LONG, strict=True):
        path.write_bytes(start)
        os.truncate(path, 1 << 30)
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, *paths], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr
    for line, path, expected in zip(result.stdout.splitlines(), paths, LONG.values(), strict=True):
        assert line.startswith(str(path))
        assert expected in line


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "unreadable").write_bytes(FLOW)
    (tmp_path / "unreadable").chmod(0)
    cases = [(tmp_path, "Is a directory"), (tmp_path / "no", "No such file")]
    if os.geteuid() != 0:
        cases.append((tmp_path / "unreadable", "Permission denied"))
    for path, expected in cases:
        with pytest.raises(InputError, match=expected):
            list(imported([path], Wanted(), SPEC, Tally()))


def test_nothing_is_written_where_something_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(FLOW)
    (tmp_path / "bad").write_bytes(FLOW + FLOW[:-7])
    output = tmp_path / "out.jsonl"
    result = qqlab("import", tmp_path / "good", tmp_path / "bad", "-o", output)
    assert result.returncode == 3
    assert result.stderr == (
        f"qqlab: {tmp_path / 'bad'}, flow 2: is cut off (--partial imports the 1 flows before it)\n"
    )
    assert sorted(tmp_path.iterdir()) == [tmp_path / "bad", tmp_path / "good"]
    result = qqlab("import", tmp_path / "good", tmp_path / "bad", "-o", output, "--partial")
    assert result.returncode == 0
    assert len(load(output).exchanges) == 2
    result = qqlab("import", tmp_path / "good", "-o", output)
    assert result.returncode == 3
    assert "exists already" in result.stderr


def test_importing_redacts_as_recording_does(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "a.txt").write_bytes(b"> CMD=Login&UIN=1&PS=5f4dcc3b5aa765d6\n< CMD=GetInfo&UIN=1&RES=0&RN=Charlie\n")
    kept = ("none", "secrets", "all")
    for redact in (*kept, "again"):
        options = ("--redact", "all" if redact == "again" else redact, "--redact-key-file", tmp_path / "key")
        result = qqlab("import", tmp_path / "a.txt", *options, "-o", tmp_path / f"{redact}.jsonl")
        assert result.returncode == 0, result.stderr
    none, secrets, everything = (load(tmp_path / f"{redact}.jsonl") for redact in kept)
    assert tuple(capture.header.redacted for capture in (none, secrets, everything)) == kept
    texts = [repr(capture.exchanges) for capture in (none, secrets, everything)]
    assert ["5f4dcc3b5aa765d6" in text for text in texts] == [True, False, False]
    assert ["Charlie" in text for text in texts] == [True, True, False]
    assert load(tmp_path / "again.jsonl").exchanges == everything.exchanges


@pytest.mark.parametrize(
    "command",
    [("import", "a"), ("redact", "a"), ("verify", "a", "--repair"), ("record", "--upstream", "http://127.0.0.1:1")],
)
def test_no_capture_is_written_to_standard_output(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'{"qqlab_capture":2,"tool":"x","spec":"httpqq","redacted":"none"}\n')
    result = qqlab(*command, "-o", "-", cwd=tmp_path)
    told = "qqlab: -o -: a capture is not written to standard output (name a file)\n"
    assert (result.returncode, result.stderr) == (2, told)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_standard_input_and_output(tmp_path: Path) -> None:
    result = qqlab("import", "-", "-o", tmp_path / "a.jsonl", stdin=HAR)
    assert result.returncode == 0, result.stderr
    result = qqlab("export", tmp_path / "a.jsonl", "--format", "transcripts", "-o", "-")
    assert result.stdout.splitlines()[1:] == ["> " + LOGIN.decode(), "< " + DONE.decode()]
    result = qqlab("import", "-", "-o", tmp_path / "b.jsonl", stdin=b"junk")
    assert (result.returncode, result.stderr.startswith("qqlab: <stdin>: is in no format")) == (3, True)


@pytest.mark.parametrize("kind", ["flows", "har", "transcripts"])
def test_a_terminal_gets_no_captured_bytes_as_they_are(kind: str, tmp_path: Path) -> None:
    save(tmp_path / "a.jsonl", header(SPEC, redacted="none"), [exchange(LOGIN + b"&X=\x1b[31m")], SPEC)
    command = [sys.executable, "-m", "qqlab", "export", str(tmp_path / "a.jsonl"), "--format", kind, "-o", "-"]
    master, terminal = os.openpty()
    result = subprocess.run(command, stdout=terminal, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.write(terminal, b"end")
    os.close(terminal)
    shown = b""
    while not shown.endswith(b"end"):
        shown += os.read(master, 1 << 16)
    os.close(master)
    assert b"\x1b" not in shown
    if kind == "har":
        assert (result.returncode, b"[31m" in shown) == (0, True)
    else:
        assert (result.returncode, "not written to a terminal" in result.stderr) == (2, True)


def test_a_hostile_name_and_hostile_words_are_shown_harmless(tmp_path: Path, known: Spec) -> None:
    path = tmp_path / "a\x1b[31m.txt"
    path.write_bytes(b"\x1b]0;pwned\x07\n")
    result = qqlab("import", path, "-o", tmp_path / "a.jsonl")
    assert result.returncode == 3
    assert "\x1b" not in result.stderr
    assert sniff(b"# \x1b\n> x", "x") == "transcripts"
