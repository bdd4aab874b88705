"""The sample of exchanges that a page shows one by one: which are in it, how large it gets, and what is masked."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from conftest import ROOT, qqlab
from test_report import LAMP, SMALL, capture, exchange

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.capture import Capture, load
from qqlab.exchange import Exchange, RawMessage
from qqlab.report import Exploration
from qqlab.report.explore import Explored, Said, cited


def explored(*captures: Capture, most: int = 5000, most_text: int = 4_000_000) -> Exploration:
    report = reports.build(captures, LAMP)
    return reports.explore(captures, report, LAMP, most=most, most_text=most_text)


def many(number: int, name: str = "Look", first: int = 0) -> list[Exchange]:
    return [
        exchange(f"{at}", f"V=1&C={name}&N={at}&A=9", f"V=1&C={name.upper()}&N={at}&A=9&S=0")
        for at in range(first, first + number)
    ]


def body(said: Said | None) -> str:
    assert said is not None
    return "&".join(pair.key if pair.raw is None else f"{pair.key}={pair.raw}" for pair in said.pairs)


def test_all_exchanges_are_shown_where_there_are_few() -> None:
    found = explored(SMALL)
    assert (found.total, [one.id for one in found.exchanges]) == (7, ["1", "2", "3", "4", "5", "6", "7"])
    assert [one.outcome for one in found.exchanges] == [
        "done", "done", "refused", "unasked", "failed", "unclear", "unanswered",
    ]  # fmt: skip
    assert {one.command for one in found.exchanges} == {"Look", "Ring", "Sing"}


def test_what_is_cited_is_always_among_them() -> None:
    odd = exchange("777", "V=1&C=Look&N=777&A=9&ODD=1", "V=1&C=LOOK&N=1&A=9&S=0")
    all_of_it = capture(*many(700), odd, *many(400, first=800))
    found = explored(all_of_it, most=200)
    ids = {one.id for one in found.exchanges}
    assert len(ids) == 200
    assert cited(reports.build([all_of_it], LAMP)) <= ids
    assert "777" in ids


def test_the_rest_is_spread_over_commands_and_over_the_capture() -> None:
    found = explored(capture(*many(900), *many(10, "Ring", 900), *many(300, "Sing", 910)), most=400)
    counts = Counter(one.command for one in found.exchanges)
    assert counts["Ring"] == 10
    assert abs(counts["Look"] - counts["Sing"]) < 3
    looks = [int(one.id) for one in found.exchanges if one.command == "Look"]
    assert max(looks) > 800
    assert [one.id for one in found.exchanges] == sorted((one.id for one in found.exchanges), key=int)


def test_a_sample_is_bounded_whatever_is_in_it() -> None:
    pairs = "&".join(f"x{at}=" + "y" * 5000 for at in range(300))
    large = [exchange(f"{at}", f"V=1&C=Look&N={at}&{pairs}", "V=1&C=LOOK&S=0&BIG=" + "z" * 50_000) for at in range(40)]
    found = explored(capture(*large), most_text=60_000)
    assert 0 < len(found.exchanges) < 40
    assert len(msgspec.json.encode(found)) < 90_000
    assert all(one.request is not None and one.request.more > 200 for one in found.exchanges)


def test_the_same_capture_gives_the_same_sample() -> None:
    captures = capture(*many(300), *many(300, "Sing", 300))
    assert explored(captures, most=50) == explored(captures, most=50)


def first(*messages: str, head: str = "") -> Explored:
    spec = specs.builtin()
    request, reply = (RawMessage(head=head.encode(), body=text.encode()) for text in messages)
    one = Capture(
        header=SMALL.header, exchanges=(Exchange(id="1", session="s", request=request, reply=reply),), path=""
    )
    return reports.explore([one], reports.build([one], spec), spec).exchanges[0]


def test_secret_and_personal_values_are_masked_wherever_they_stand() -> None:
    password = "0123456789abcdef0123456789abcdef"
    one = first(
        f"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS={password}&M5=1&LC=9326B87B234E7235&ODD={password}",
        f"VER=1.1&CMD=Login&SEQ=1&UIN=10001&RES=0&RS=1&RA=not {password}&some words of someone",
        head=f"POST /?x={password} HTTP/1.1\r\nAuthorization: Basic MDoxMjM0NTY3OA==\r\n\r\n",
    )
    assert password not in msgspec.json.encode(one).decode()
    assert "PS=••••" in body(one.request)
    assert "ODD=" + "*" * 32 in body(one.request)
    assert body(one.reply).endswith("&RA=not " + "*" * 32 + "&••••")


def test_lists_are_rows_and_codes_have_meanings() -> None:
    one = first(
        "VER=1.1&CMD=Query_Stat&SEQ=1&UIN=10001&TN=50&UN=0",
        "VER=1.1&CMD=QUERY_STAT&SEQ=1&UIN=10001&RES=0&FC=3,6,&FN=1&SN=2&ST=10,30,&UN=10002,10003,&NK=a,b,",
    )
    assert one.reply is not None
    pairs = {pair.key: pair for pair in one.reply.pairs}
    assert pairs["ST"].list
    assert [text for text, _ in pairs["ST"].items] == ["10", "30"]
    assert pairs["ST"].items[0][1] == "online"
    assert pairs["NK"].masked


@pytest.mark.parametrize("name", ["demo", "lines", "forum-2005"])
def test_no_page_grows_beyond_its_captures_worth(name: str) -> None:
    spec, one = specs.builtin(), load(ROOT / "captures" / f"{name}.jsonl")
    report = reports.build([one], spec)
    found = reports.explore([one], report, spec)
    assert len(found.exchanges) == len(one.exchanges)
    assert len(reports.to_html(report, found)) < 1_000_000


def test_templates_of_ones_own_stand_in_for_the_packages(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "style.css").write_text("h1 { color: #123456; }")
    (mine / "report.md.j2").write_text("# {{ report.spec.title }}: {{ report.summary.exchanges }}\n")
    result = qqlab("report", "captures/demo.jsonl", "-o", tmp_path / "out", "--templates", mine)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "out" / "report.md").read_text() == "# HTTP QQ 1.0, 1.1 and 1.4: 36\n"
    assert "h1 { color: #123456; }" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ nothing.at.all }}", "the template cannot be rendered: 'nothing' is undefined"),
        ("{% if %}", "report.md.j2:1"),
        ("\n{{ 1 / 0 }}", "report.md.j2:2: the template cannot be rendered: division by zero"),
        ("{% include 'none' %}", "report.md.j2:1: the template cannot be rendered: none"),
        (b"\xff", "report.md.j2: is not UTF-8"),
    ],
)
def test_a_template_that_is_wrong_is_an_error_of_one_line(tmp_path: Path, text: str | bytes, told: str) -> None:
    (tmp_path / "report.md.j2").write_bytes(text if isinstance(text, bytes) else text.encode())
    result = qqlab("report", "captures/demo.jsonl", "-o", tmp_path / "out", "--templates", tmp_path)
    assert result.returncode == 3
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_directory_without_a_template_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inedx.html.j2").write_text("a name that no template has")
    result = qqlab("report", "captures/demo.jsonl", "-o", tmp_path / "out", "--templates", tmp_path)
    assert (result.returncode, result.stdout) == (3, "")
    assert "holds no template" in result.stderr
    assert not (tmp_path / "out").exists()


def test_templates_stand_in_a_directory(tmp_path: Path) -> None:
    result = qqlab("report", "captures/demo.jsonl", "-o", tmp_path, "--templates", tmp_path / "none")
    assert (result.returncode, result.stdout) == (2, "")
    assert "is no directory" in result.stderr
