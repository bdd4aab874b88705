"""The report: its model, its three media, its files, and that captured text stays text in all of them."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from conftest import qqlab
from drawn import busy
from hypothesis import given
from hypothesis import strategies as st

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.capture import Capture, header, save
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.report import Report
from qqlab.report.anchors import anchor
from qqlab.report.model import Repetition
from qqlab.spec import Spec
from qqlab.visible import markdown_safe

GOLDEN = Path(__file__).parent / "golden" / "report"
LAMP = specs.load(GOLDEN / "lamp.toml")

# Markup, Markdown, terminal escapes, a change of direction, a link, an end of line, in one captured text.
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>|`[a](http://e.x)*_#\x1b[31m\x07\u202e\n- www.e.x"


def exchange(name: str, request: str | bytes | None, reply: str | bytes | None, **more: str) -> Exchange:
    def raw(body: str | bytes | None) -> RawMessage | None:
        return None if body is None else RawMessage(body=body.encode() if isinstance(body, str) else body)

    time = datetime(2005, 6, 30, 12, 0, int(name) % 60, tzinfo=UTC) if name.isdecimal() else None
    return Exchange(id=name, session="s", time=time, request=raw(request), reply=raw(reply), **more)  # type: ignore[arg-type]


def capture(
    *exchanges: Exchange, path: str = "/somewhere/lamps.jsonl", torn: str | None = None, note: str = ""
) -> Capture:
    return Capture(header=header(LAMP, redacted="secrets", note=note), exchanges=exchanges, path=path, torn=torn)


SMALL = capture(
    exchange(
        "1",
        "V=1&C=Look&N=5&A=9&KEY=ab12&MODE=full",
        "V=1&C=LOOK&N=5&A=9&S=0&SN=2&ID=3,4,&ST=1,0,&TX=Ann,Bo,",
        client="10.0.0.7:4711",
        server="10.0.0.1:80",
    ),
    exchange("2", "V=1&C=Look&N=6&A=9&KEY=&MODE=half", "V=1&C=LOOK&N=6&A=9&S=0&SN=3&ID=3,&ST=2,&TX=7,&NEW=new"),
    exchange("3", "V=1&C=Look&N=7&A=8", "V=1&C=LOOK&N=9&A=8&S=1"),
    exchange("4", None, "V=1&C=Ring&N=0&A=9&S=0&ST=9"),
    exchange("5", "V=1&C=Sing&N=8&A=9&KEY=cd34&SONG=a|b", None, error="connection reset"),
    exchange("6", "V=1&C=Look&N=&A=9&KEY=ab12&MODE=full& a b", "<html><p>Bad gateway&nbsp;for Ann</html>"),
    exchange("7", "V=1&C=Look&N=9&A=9&KEY=ab12", None, transport="transcript"),
    note="lamps of our own making",
)


def built(*captures: Capture, spec: Spec = LAMP) -> Report:
    return reports.build(captures, spec)


def held(name: str, text: str) -> None:
    """Compare a text with its golden file, or write it there when asked."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        f"{path.name} is another one now; if it should be: UPDATE_GOLDEN=1 pytest -n0 tests/test_report.py"
    )


def test_the_model_is_as_it_was() -> None:
    held("report.json", reports.to_json(built(SMALL)))


def test_the_page_is_as_it_was() -> None:
    held("index.html", re.sub(r"(?s)(?<=<style>).*(?=</style>)", "", reports.to_html(built(SMALL))))


def test_the_markdown_is_as_it_was() -> None:
    held("report.md", reports.to_markdown(built(SMALL)))


def plain(rendered: str) -> str:
    """What a reader sees of a page, or of Markdown, in one line."""
    if rendered.startswith("<!doctype"):
        parser = _Page()
        parser.feed(rendered)
        rendered = parser.text
    return re.sub(r"\s+", " ", rendered.replace("\\", "").replace("**", "").replace("> ", ""))


# ------------------------------------------------------------------------------------------- what it says


TRANSCRIPT = """
> VER=1.0&CMD=Query_Stat&SEQ=12321&UIN=29501213&TN=50&UN=0
> VER=1.1&CMD=Login&SEQ=&UIN=&PS=&M5=1&LC=9326B87B234E7235
< VER=1.1&CMD=Login&SEQ=11281&UIN=&RES=0&RS=0&HI=60&LI=300
> VER=1.1&CMD=List&SEQ=&UIN=&TN=160&UN=0
< VER=1.1&CMD=LIST&SEQ=43661&UIN=29501213&RES=0&FN=1&SN=24&UN=561256,1943497,....
> VER=1.1&CMD=Query_Stat&SEQ=&UIN=&TN=50&UN=0
< VER=1.1&CMD=QUERY_STAT&SEQ=-1&UIN=29501213&RES=0&FC=1,&FN=1&SN=1&ST=10,&UN=12327207,&NK=x,&
> VER=1.1&CMD=GetMsgEx&SEQ=&UIN=
< VER=1.1&CMD=GETMSGEX&SEQ=56661&UIN=29501213&RES=0&MN=2&MT=99,9,&UN=24259132,24259132,&MG=30 ,asdf ,&
"""


def transcript() -> Report:
    """Lines as write-ups print them: empty templates, a list cut short, a sequence number that cannot be."""
    exchanges: list[Exchange] = []
    for line in TRANSCRIPT.split("\n"):
        if line.startswith("> "):
            exchanges.append(exchange(f"{len(exchanges) + 1}", line[2:], None))
        elif line.startswith("< "):
            asked = exchanges.pop()
            exchanges.append(
                Exchange(id=asked.id, session="", request=asked.request, reply=RawMessage(body=line[2:].encode()))
            )
    exchanges = [msgspec.structs.replace(one, transport="transcript") for one in exchanges]
    return built(capture(*exchanges), spec=specs.builtin())


def test_what_stands_out_of_a_transcript() -> None:
    said = {
        group.kind: [(item.title, item.text, item.evidence.exchanges) for item in group.first]
        for group in transcript().findings
    }
    assert said["contradicted fields"] == [
        ("List reply SN", "SN says 24, there are 3", ("3",)),
        ("List reply UN", "UN: '....' is not of type digits", ("3",)),
        ("Query_Stat reply SEQ", "SEQ: '-1' is not of type digits", ("4",)),
        ("Query_Stat reply SEQ", "SEQ: the reply says '-1', not the request's: no request can have said that", ("4",)),
    ]
    assert said["codes never seen"][0] == ("RES", "20 not logged in, or logged in elsewhere since (1 of 2)", ())
    assert said["codes never seen"][1] == ("RS (login)", "1 refused (1 of 2)", ())
    assert said["disputed codes"][2] == ("ST (presence) 30", "busy (forum-2005); away (mobile-1.4): never seen", ())
    assert list(said) == [
        "contradicted fields",
        "notes",
        "broken rules",
        "disputed codes",
        "codes never seen",
        "commands never seen",
    ]


def test_coverage_is_by_the_version_of_the_request() -> None:
    versions = {
        v.version: (v.exchanges, v.commands.seen, v.commands.documented) for v in transcript().coverage.versions
    }
    assert versions == {"1.0": (1, 1, 12), "1.1": (4, 4, 11), "1.2": (0, 0, 1), "1.4": (0, 0, 18)}


def test_requests_that_are_templates_have_fields_that_are_always_empty() -> None:
    login = next(command for command in transcript().commands if command.name == "Login")
    assert [(field.name, field.verdict) for field in login.directions["request"].fields][:7] == [
        ("VER", "confirmed"),
        ("CMD", "confirmed"),
        ("SEQ", "only empty"),
        ("UIN", "only empty"),
        ("CON", "under-sampled"),
        ("SID", "under-sampled"),
        ("XP", "under-sampled"),
    ]


@pytest.mark.parametrize("render", [reports.to_html, reports.to_markdown])
def test_a_confirmation_that_nothing_could_check_is_qualified(render: Callable[[Report], str]) -> None:
    login = next(command for command in transcript().commands if command.name == "Login")
    seen = {field.name: (field.verdict, field.repetition, field.proven) for field in login.directions["reply"].fields}
    assert seen["SEQ"] == ("confirmed", Repetition(held=0, broken=0, unchecked=1), False)
    assert seen["CMD"] == ("confirmed", Repetition(held=1, broken=0, unchecked=0), True)
    assert seen["RES"] == ("confirmed", None, True)
    said = plain(render(transcript()))
    assert "repeats the request: could not be checked, no request has a value there" in said
    assert "repeats the request: held 1 time" in said
    assert f"{transcript().summary.unproven} by value only" in said


def test_a_required_field_that_is_absent_is_named_among_the_contradicted() -> None:
    whole = "V=1&C=LOOK&N=5&A=9&S=0&SN=0&ID=&ST="
    asked = "V=1&C=Look&N=5&A=9&KEY=ab12"
    report = built(capture(exchange("1", asked, whole), exchange("2", asked, whole.replace("&ID=", ""))))
    found = next(group for group in report.findings if group.kind == "contradicted fields")
    assert [(item.title, item.text, item.evidence.exchanges) for item in found.first] == [
        ("Look reply ID", "required, but absent in 1 of 2 messages", ("2",))
    ]


@pytest.mark.parametrize("render", [reports.to_html, reports.to_markdown])
def test_a_page_of_html_is_counted_and_not_taken_for_fields(render: Callable[[Report], str]) -> None:
    report = built(SMALL)
    found = next(group for group in report.findings if group.kind == "foreign messages")
    assert [(item.title, item.text, item.evidence.exchanges) for item in found.first] == [
        ("Look reply", "1 message without any field that the spec knows", ("6",))
    ]
    assert report.summary.foreign == 1
    said = plain(render(report))
    assert "3 messages, and 1 not of the protocol" in said
    assert "nbsp" not in said
    assert "(no field name, 4 characters)" in said


@pytest.mark.parametrize("render", [reports.to_html, reports.to_markdown])
def test_the_kind_of_evidence_is_told_at_the_top(render: Callable[[Report], str]) -> None:
    top = plain(render(built(SMALL))).rpartition("What stands out")[0]
    assert "Note in the capture: lamps of our own making" in top
    assert "Of 7 exchanges 1 is printed material (a transcript): no times, no heads" in top
    assert "1 failed" in top
    assert "1 without a recorded reply" in top
    top = plain(render(transcript())).rpartition("What stands out")[0]
    assert "This is printed material" in top
    assert "failed" not in top
    assert top.index("VER 1.1: 4 of 11") < top.index("VER 1.0: 1 of 12")


def test_a_code_table_is_named_once() -> None:
    headings = re.findall(r"(?m)^### <a id=\"code-.*</a>(.*)$", reports.to_markdown(transcript()))
    assert headings[:3] == ["RES", "RS (login)", "CD (add)"]


def test_a_capture_without_a_note_shows_none() -> None:
    assert "Note in the capture" not in reports.to_html(built(capture()))


def test_codes_with_a_condition_have_their_own_place() -> None:
    system = next(code for code in transcript().codes if code.table == "system")
    assert [
        (p.command, p.field, p.when, [(v.value, v.verdict) for v in p.seen], p.never_seen) for p in system.places
    ] == [("GetMsgEx", "MG", "MT = 99", [(30, "confirmed")], (10, 20))]


def test_several_captures_are_cited_by_name() -> None:
    one = exchange("1", "V=1&C=Look&N=5&A=9&ODD=1", None)
    report = built(capture(one, path="a/x.jsonl"), capture(one, path="b/x.jsonl"), capture(one, path="y.jsonl"))
    odd = next(group for group in report.findings if group.kind == "undocumented fields").first[0]
    assert odd.evidence.exchanges == ("x:1", "x#2:1", "y:1")
    assert [(part.name, part.file) for part in report.captures] == [
        ("x", "x.jsonl"),
        ("x#2", "x.jsonl"),
        ("y", "y.jsonl"),
    ]


def test_the_same_input_gives_the_same_bytes_wherever_it_lies() -> None:
    moved = Capture(header=SMALL.header, exchanges=SMALL.exchanges, path="elsewhere/lamps.jsonl")
    assert all(
        render(built(SMALL)) == render(built(moved))
        for render in (reports.to_html, reports.to_markdown, reports.to_json)
    )


# ------------------------------------------------------------------------------------------- odd input


@pytest.mark.parametrize(
    ("captures", "remark"),
    [
        ((), "There is no exchange here"),
        ((capture(),), "There is no exchange here"),
        ((capture(exchange("1", "V=1&C=Look", None)),), "No exchange has a whole reply"),
        ((capture(exchange("1", "V=1&C=Foo", "V=1&C=Foo")),), "No command of the spec lamp was seen"),
        ((capture(exchange("1", b"\xff\x00", b"<html>")),), "No command of the spec lamp was seen"),
        (
            (capture(torn="/somewhere/lamps.jsonl:7: the last line is cut off"),),
            "lamps.jsonl:7: the last line is cut off",
        ),
        (
            (capture(exchange("1", "V=1&" + "&".join(f"x{n}=" for n in range(900)), None)),),
            "too many distinct undocumented field names",
        ),
        ((capture(*(exchange(f"{n}", f"C=c{n}", "S=0") for n in range(99))),), "too many undocumented commands"),
    ],
)
def test_odd_captures_give_a_report_that_says_so(captures: tuple[Capture, ...], remark: str) -> None:
    report = built(*captures)
    assert any(remark in said for said in report.remarks), report.remarks
    assert "/somewhere" not in reports.to_json(report)
    reports.to_html(report)
    reports.to_markdown(report)


def test_a_report_of_hostile_size_stays_readable() -> None:
    names = "&".join(f"x{number}={number}" for number in range(20_000))
    large = exchange("1", f"V=1&C=Look&N=1&A=1&{names}", "V=1&C=Look&S=0&BIG=" + "x" * 1_000_000)
    report = built(capture(large, exchange("2", "x" * 1_000_000 + "=1", "S=" + "1" * 100_000)))
    sizes = [len(render(report)) for render in (reports.to_html, reports.to_markdown, reports.to_json)]
    assert max(sizes) < 300_000, sizes


@given(
    st.lists(st.tuples(st.none() | st.binary(max_size=80), st.none() | st.binary(max_size=80), st.text()), max_size=3)
)
def test_a_report_raises_for_no_bytes(bodies: list[tuple[bytes | None, bytes | None, str]]) -> None:
    exchanges = [exchange(f"{number}{text}", *pair, error=text) for number, (*pair, text) in enumerate(bodies)]
    report = built(capture(*exchanges, path="x\udcff.jsonl"))
    assert json.loads(reports.to_json(report))["summary"]["exchanges"] == len(bodies)
    assert hostile_elements(reports.to_html(report)) == []
    reports.to_markdown(report)


# ------------------------------------------------------------------------------------------- hostile text


class _Page(HTMLParser):
    """All elements of a page, with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in != "style":
            self.text += data


OURS = frozenset(
    re.findall(
        r"\w+",
        """a article b body br button caption circle clippath code col colgroup dd defs details div dl dt em figcaption
        figure footer g h1 h2 h3 h4 head header html i input kbd label li link main meta nav ol option p path pre rect
        script section select small span strong style summary svg table tbody td text th thead title tr ul use""",
    )
)
# Attributes whose values a page makes of names; the rest are constants of the templates.
SAFE = re.compile(r"#?(\?verdict=)?[A-Za-z0-9_.-]*")
CONSTANT = re.compile(r"[\w\s,;:'=.%/\-()#+]*")


def hostile_elements(page: str) -> list[str]:
    parser = _Page()
    parser.feed(page)
    odd = [tag for tag, _ in parser.elements if tag not in OURS]
    for tag, attributes in parser.elements:
        for name, value in attributes.items():
            allowed = SAFE if name in ("id", "href") and tag != "link" else CONSTANT
            if name.startswith("on") or allowed.fullmatch(value or "") is None:
                odd.append(f"{tag} {name}={value}")
    return odd


def hostile_captures() -> tuple[Capture, ...]:
    """Hostile text wherever a capture can hold text."""
    bodies = [
        f"V={HOSTILE}&C={name}&N={HOSTILE}&A={HOSTILE}&{HOSTILE}={HOSTILE}&ODD={HOSTILE}&{HOSTILE}&ST={HOSTILE},&TX=x,&SN=4"
        for name in ("Look", "Ring", HOSTILE, "")
    ]
    exchanges = [
        Exchange(
            id=f"{number}{HOSTILE}",
            session=HOSTILE,
            client=HOSTILE,
            server=HOSTILE,
            transport=HOSTILE,
            error=HOSTILE,
            request=RawMessage(head=HOSTILE.encode(), body=body.encode()),
            reply=RawMessage(head=f"HTTP/1.1 999 {HOSTILE}\r\n\r\n".encode(), body=body.encode()),
        )
        for number, body in enumerate(bodies)
    ]
    head = header(LAMP, redacted="none", note=HOSTILE)
    path = f"/somewhere/{HOSTILE.replace('/', '')}.jsonl"
    hostile = Capture(header=head, exchanges=tuple(exchanges), path=path, torn=f"{path}:3: {HOSTILE}")
    return hostile, SMALL


def hostile_report() -> Report:
    return built(*hostile_captures())


def page_of(*captures: Capture, spec: Spec = LAMP) -> str:
    """The page with its exchanges."""
    report = built(*captures, spec=spec)
    return reports.to_html(report, reports.explore(captures, report, spec))


def test_hostile_text_stays_text_in_html() -> None:
    page = page_of(*hostile_captures())
    assert hostile_elements(page) == []
    parser = _Page()
    parser.feed(page)
    assert "<script>alert(1)</script>" in parser.text
    assert not set(page) & {"\x1b", "\x07", "\u202e"}
    assert not [
        attributes
        for tag, attributes in parser.elements
        if tag == "a" and not (attributes["href"] or "").startswith("#")
    ]


def prose(text: str) -> str:
    """Markdown without its code, which readers show as it is: indented lines between empty ones, and diagrams."""
    text = re.sub(r"(?ms)^```mermaid\n.*?^```\n", "", text)
    return re.sub(r"(?m)(?<=\n\n)(?:^    [><!] .*\n)+(?=\n)", "", text)


def test_hostile_text_stays_text_in_markdown() -> None:
    whole = reports.to_markdown(hostile_report())
    text = prose(whole)
    assert not set(whole) & {"\x1b", "\x07", "\u202e"}
    assert set(re.findall(r"</?(\w+)", text)) == {"a"}
    assert not [link for link in re.findall(r"(?<!\\)\]\(([^)]*)\)", text) if not link.startswith("#")]
    assert not re.findall(r"(?<!\\)`|https?://|www\.", text)
    cells = [len(re.findall(r"(?<!\\)\|", line)) for line in text.split("\n")]
    assert [(before, after) for before, after in pairwise(cells) if before and after and before != after] == []
    assert all(
        line == "" or re.match(r"#{1,3} |\| |\|-|- |> |\d+\. |[A-Z*]|confirmed|never seen|\*\*", line)
        for line in text.split("\n")
    )


def test_hostile_text_stays_text_in_diagrams() -> None:
    diagrams = re.findall(r"(?ms)^```mermaid\n(.*?)^```\n", reports.to_markdown(busy(built(SMALL), HOSTILE)))
    assert [diagram.split("\n")[0] for diagram in diagrams] == ["stateDiagram-v2", "sequenceDiagram"]
    for line in "".join(diagrams).split("\n"):
        assert re.fullmatch(r"[\w .+-]*|    [\w .+,:×()>-]*|    state \"[\w .+-]*\" as s\d+", line), line


def test_hostile_text_is_inert_in_json() -> None:
    text = reports.to_json(hostile_report())
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert json.loads(text)["captures"][0]["note"] == HOSTILE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain 1.5, text", "plain 1.5, text"),
        ("a|b`c<d>&e", "a&#124;b\\`c&#60;d&#62;&#38;e"),
        ("[a](b)*_#~!$\\", "\\[a\\](b)\\*\\_\\#\\~\\!\\$\\\\"),
        ("http://www.e.x a@b", "http&#58;//www&#46;e.x a&#64;b"),
        ("- a", "\\- a"),
        ("1. a", "1&#46; a"),
        ("a\nb\x1b[0m", "a\\\\nb\\\\x1b\\[0m"),
    ],
)
def test_markdown_safe(text: str, expected: str) -> None:
    assert markdown_safe(text) == expected


def test_anchors_are_distinct_and_plain() -> None:
    names = ["a b", "a-b", "a.b", "a_b", "ab", "a.2d.b", '"a">', ""]
    anchors = [anchor("field", name, "x") for name in names]
    assert len(set(anchors)) == len(names)
    assert all(SAFE.fullmatch(name) for name in anchors)


def test_the_page_asks_for_nothing() -> None:
    page = reports.to_html(built(SMALL))
    parser = _Page()
    parser.feed(page)
    policy = next(attributes["content"] for tag, attributes in parser.elements if "http-equiv" in attributes)
    script, data = parser.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert json.loads(data)["exploration"] is None
    assert not re.search(r"url\((?!#)|@import|https?:|xmlns", page)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|import\(", script)


def test_links_lead_somewhere_and_names_are_given_once() -> None:
    parser = _Page()
    parser.feed(page_of(*hostile_captures()))
    shown = {exchange["at"] for exchange in json.loads(parser.scripts[1])["exploration"]["exchanges"]}
    names = [attributes["id"] for _, attributes in parser.elements if "id" in attributes]
    links = {(attributes["href"] or "")[1:] for tag, attributes in parser.elements if tag == "a"}
    assert len(names) == len(set(names))
    assert shown & links
    assert {link for link in links if not link.startswith("?verdict=")} - set(names) - shown == set()


def test_headings_stand_in_order() -> None:
    parser = _Page()
    parser.feed(reports.to_html(transcript()))
    levels = [int(tag[1]) for tag, _ in parser.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


# ------------------------------------------------------------------------------------------- files


def test_write_makes_the_directory_and_refuses_what_exists(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    paths = reports.write(directory, [SMALL], LAMP)
    assert sorted(path.name for path in directory.iterdir()) == ["index.html", "report.json", "report.md"]
    assert paths == [directory / "index.html", directory / "report.md", directory / "report.json"]
    before = [path.read_bytes() for path in paths]
    with pytest.raises(InputError, match="exists already"):
        reports.write(directory, [], LAMP)
    assert [path.read_bytes() for path in paths] == before
    reports.write(directory, [], LAMP, force=True)
    assert [path.read_bytes() for path in paths] != before
    assert len(list(directory.iterdir())) == 3


def test_a_directory_that_cannot_be_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: is no directory"):
        reports.write(tmp_path / "file", [SMALL], LAMP)


def test_the_command(tmp_path: Path) -> None:
    path, directory = tmp_path / "lamps.jsonl", tmp_path / "out"
    save(path, SMALL.header, SMALL.exchanges, LAMP)
    arguments = ("report", path, "--spec", GOLDEN / "lamp.toml")
    first = qqlab(*arguments, "-o", directory)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.split() == [str(directory / name) for name in ("index.html", "report.md", "report.json")]
    assert (directory / "report.json").read_text() == (GOLDEN / "report.json").read_text()
    again = qqlab(*arguments, "-o", directory)
    assert (again.returncode, again.stdout) == (3, "")
    assert again.stderr.startswith(f"qqlab: {directory / 'index.html'}: exists already")
    printed = qqlab(*arguments, "--json")
    assert (printed.returncode, printed.stdout) == (0, (GOLDEN / "report.json").read_text())
    nowhere = qqlab(*arguments)
    assert (nowhere.returncode, nowhere.stderr) == (
        2,
        "qqlab: report: there is nowhere to write to (give -o DIR, or --json)\n",
    )
