"""A report of chunks is the report of the whole, whoever reads them, and says the same of what is wrong."""

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from conftest import ROOT, Process, qqlab

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.capture import Storage, Writer, dataset, encode_line, load, open_capture, save
from qqlab.capture.chunks import cut
from qqlab.capture.file import encode_header
from qqlab.engine import Here
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.report import Exploration, Report, SpecText
from qqlab.report.older import read_older
from qqlab.report.sampling import Sampling

SPEC = specs.builtin()
DEMO = load(ROOT / "captures" / "demo.jsonl")
HEAD = msgspec.structs.replace(DEMO.header, recording="")
ODD = [
    Exchange(id="x1", session="s", request=RawMessage(body=b"VER=1.1&CMD=Nope&SEQ=1&UIN=1"), error="broke off"),
    Exchange(id="x2", session="s", reply=RawMessage(body=b"<html>")),
    Exchange(id="x3", session="", request=RawMessage(body=b"VER=1.1&CMD=list&SEQ=a&UIN=1&UN=0&odd=%zz")),
]


def large(copies: int) -> list[Exchange]:
    """The demonstration again and again, under other ids and in other sessions, and what is odd in between."""
    found: list[Exchange] = []
    for copy in range(copies):
        for one in [*DEMO.exchanges, ODD[copy % len(ODD)]]:
            session = f"{one.session}-{copy // 2}" if one.session else ""
            found.append(msgspec.structs.replace(one, id=str(len(found) + 1), session=session))
    return found


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("captures")
    paths = [folder / "a.jsonl", folder / "b" / "a.jsonl"]
    paths[1].parent.mkdir()
    for path, copies in zip(paths, (5, 2), strict=True):
        save(path, HEAD, large(copies), SPEC)
    return paths


def streamed(
    paths: Sequence[Path], size: int, *, most: int = 5000, against: Sequence[Path] = ()
) -> tuple[Report, Exploration]:
    with cut(paths, size) as pieces:
        surveyed = reports.survey(pieces, SpecText("en"), Here(), most=most)
        older = read_older(against, "en", lambda older: streamed(older, size)[0]) if against else None
        report = reports.report_of(surveyed, against=older)
        return report, reports.exploration_of(surveyed, report, Here())


@pytest.mark.parametrize("size", [700, 5_000, 1 << 30])
def test_a_report_of_chunks_is_that_of_loaded_captures(size: int, captures: list[Path]) -> None:
    for paths in (captures[:1], captures):
        loaded = [load(path) for path in paths]
        expected = reports.build(loaded, SPEC)
        report, exploration = streamed(paths, size)
        assert reports.to_json(report) == reports.to_json(expected)
        assert exploration == reports.explore(loaded, expected, SPEC)


def test_a_report_of_a_dataset_is_that_of_the_lines_that_it_was_made_of(captures: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(captures[0].read_bytes() + b"\n" + lines(1)[0][:50])
    dataset.write(tmp_path / "a", open_capture(path), SPEC)
    report, exploration = streamed([path], 5000)
    stored = streamed([tmp_path / "a"], 5000)
    assert stored[1] == exploration
    torn = report.captures[0].torn
    assert torn is not None
    part = msgspec.structs.replace(stored[0].captures[0], file="a.jsonl", torn=torn)
    assert stored[0].captures[0].torn == torn.replace("a.jsonl", "a")
    assert msgspec.structs.replace(stored[0], captures=(part,), remarks=report.remarks) == report


def test_what_changed_is_told_without_loading_the_older_captures(captures: list[Path]) -> None:
    one, other = captures
    older = read_older([other])
    expected = reports.build([load(one)], SPEC, against=older)
    assert older.kind == "captures"
    assert streamed([one], 5000, against=[other])[0] == expected
    assert expected.against is not None
    assert expected.against.kind == "captures"


def test_the_sample_of_a_large_capture_is_the_same_however_it_is_cut(captures: list[Path]) -> None:
    samples = [streamed(captures[:1], size, most=80)[1] for size in (900, 20_000, 1 << 30)]
    assert samples[0] == samples[1] == samples[2]
    assert (len(samples[0].exchanges), samples[0].total) == (80, len(load(captures[0]).exchanges))
    assert len({one.command for one in samples[0].exchanges}) > 8


def test_a_sample_adds_up_whatever_the_order_of_its_parts() -> None:
    def part(first: int, last: int) -> Sampling:
        found = Sampling(b"CMD=", 40)
        for at in range(first, last):
            body = f"CMD={'Rare' if at % 50 == 0 else f'Odd{at}' if at % 31 == 0 else 'Often'}&N={at}"
            found.add(at, str(at), Exchange(id=str(at), session="", request=RawMessage(body=body.encode())))
        return found

    edges = [0, 10, 11, 700, 1300, 5000]
    whole = part(0, 5000)
    for order in ((0, 1, 2, 3, 4), (4, 2, 0, 3, 1)):
        merged = Sampling(b"CMD=", 40)
        for at in order:
            merged.merge(part(edges[at], edges[at + 1]))
        assert merged.chosen({}) == whole.chosen({})
        assert merged.chosen({3: b"OFTEN", 99: b"RARE"}) == whole.chosen({3: b"OFTEN", 99: b"RARE"})
    assert len(whole.chosen({})) == 40
    assert sum(len(group.lowest) for group in whole.groups.values()) < 300


def lines(count: int) -> list[bytes]:
    return [encode_line(one, SPEC) for one in large(count)]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda all_of_it: [*all_of_it[:90], b'{"id": 1}\n', *all_of_it[90:]],
        lambda all_of_it: [*all_of_it, all_of_it[2]],
        lambda all_of_it: [*all_of_it[:9], all_of_it[4], *all_of_it[9:]],
        lambda all_of_it: [*all_of_it[:50], all_of_it[4], *all_of_it[50:100], b"{\n", *all_of_it[100:]],
    ],
)
def test_damage_and_ids_that_come_twice_are_told_with_their_line(
    wrong: Callable[[list[bytes]], list[bytes]], tmp_path: Path
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(encode_header(DEMO.header) + b"".join(wrong(lines(5))))
    with pytest.raises(InputError) as expected:
        load(path)
    for size in (3000, 1 << 30):
        with pytest.raises(InputError) as told:
            streamed([path], size)
        assert str(told.value) == str(expected.value)


def test_what_is_missing_is_told_as_a_loaded_capture_tells_it(tmp_path: Path) -> None:
    live = tmp_path / "mine.jsonl"
    with Writer(live, DEMO.header, SPEC, Storage(rotate_bytes=40_000)) as writer:
        for one in large(9):
            writer.append(one)
    sorted(tmp_path.glob("mine.0*"))[1].unlink()
    with live.open("ab") as file:
        file.write(b"\n" + lines(1)[0][:40])
    loaded = load(live)
    assert loaded.torn is not None
    assert loaded.torn.count(";") == 1
    report, _ = streamed([live], 3000)
    assert report == reports.build([loaded], SPEC)
    assert f"qqlab: {loaded.torn}\n" == qqlab("report", live, "--json").stderr


def test_standard_input_is_read_in_chunks_too(captures: list[Path]) -> None:
    told = msgspec.json.decode(qqlab("report", "-", "--json", stdin=captures[0].read_bytes()).stdout)
    named = msgspec.json.decode(reports.to_json(streamed(captures[:1], 5000)[0]))
    assert told["captures"][0]["file"] == "<stdin>"
    assert {**told, "captures": 0} == {**named, "captures": 0}


@pytest.fixture(scope="module")
def loaded_report(captures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("report")
    reports.write(made, [load(path) for path in captures], SPEC)
    return made


@pytest.mark.parametrize("by", [("--workers", "2"), ("--cluster", "local", "--workers", "2")])
def test_whoever_reads_the_report_is_the_same_byte_for_byte(
    by: tuple[str, ...], captures: list[Path], loaded_report: Path, tmp_path: Path
) -> None:
    done = qqlab("report", *captures, "-o", tmp_path / "made", *by)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("index.html", "report.md", "report.json"):
        assert (tmp_path / "made" / name).read_bytes() == (loaded_report / name).read_bytes()


def test_a_worker_of_a_cluster_that_is_killed_changes_nothing_in_a_report(
    captures: list[Path], loaded_report: Path, tmp_path: Path
) -> None:
    script = "import labour; labour.report_under_fire()"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "killed"), *map(str, captures)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        check=True,
        timeout=90,
    )
    assert (tmp_path / "killed").exists()
    assert done.stdout == (loaded_report / "report.json").read_bytes()


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture that takes a while."""
    path = tmp_path_factory.mktemp("endless") / "long.jsonl"
    save(path, HEAD, large(120), SPEC)
    return path


def children(process: int) -> list[int]:
    listed = (task.read_text(encoding="ascii") for task in Path(f"/proc/{process}/task").glob("*/children"))
    return [int(number) for numbers in listed for number in numbers.split()]


def reads(process: int, path: Path) -> bool:
    try:
        return any(link.readlink() == path for link in Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False


@pytest.mark.parametrize("by", [("--workers", "1"), ("--workers", "2"), ("--cluster", "local", "--workers", "2")])
def test_ctrl_c_ends_all_of_it_at_once(
    by: tuple[str, ...], endless: Path, start: Callable[..., Process], tmp_path: Path
) -> None:
    running = start(sys.executable, "-m", "qqlab", "report", endless, "-o", tmp_path / "made", *by)
    alone, begun = by[-1] == "1", list[int]()
    while running.is_alive and not any(reads(one, endless) for one in begun or [running.number] * alone):
        begun = children(running.number)
    assert (running.stop(), running.output) == (130, "")
    assert not (tmp_path / "made").exists()
    assert alone or len(begun) >= 2
    end = time.monotonic() + 10
    while any(Path(f"/proc/{one}").exists() for one in begun):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_progress_shows_on_a_terminal(captures: list[Path]) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "qqlab", "report", str(captures[0]), "--json"]
    done = subprocess.run(command, cwd=ROOT, stderr=theirs, stdout=subprocess.PIPE, check=True, timeout=60)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # the end, where it is a terminal's
        pass
    os.close(ours)
    assert b"exchanges/s" in shown
    assert msgspec.json.decode(done.stdout)


def test_a_cluster_that_is_not_there_is_one_line(captures: list[Path], tmp_path: Path) -> None:
    done = qqlab("report", captures[0], "-o", tmp_path / "made", "--cluster", "127.0.0.1:1")
    assert done.returncode == 4
    assert done.stderr == (
        "qqlab: --cluster 127.0.0.1:1: no scheduler can be reached there (is it HOST:PORT of a dask scheduler?)\n"
    )


def test_a_report_that_is_there_is_refused_before_anything_is_read(captures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "report.md").touch()
    done = qqlab("report", tmp_path / "no.jsonl", "-o", tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "report.md: exists already" in done.stderr
