"""The benchmarks run, and are held to their floors. What they measured is no test's business."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import capacity
import drawing
import floors
import page
import report
from measure import Skipped, ratio, result, rounds
from report import Report, Section

FLOORS = """
[memory]
tcp = { wanted = 1000, floor = 1000, sense = "at most" }
http = { wanted = 0, floor = -1000, sense = "at least" , reason = "memory may shrink" }
"""


def bench(*arguments: str | Path, program: str = "run.py") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=ROOT,
    )


def test_a_run_writes_its_figures_and_the_check_holds_them_to_the_floors(tmp_path: Path) -> None:
    run = bench("memory", "--scale", "0.005", "--into", tmp_path)
    assert run.returncode == 0, run.stderr
    assert "after 200 less after 20" in run.stdout
    written = report.read(tmp_path / "bench.json")
    (section,) = written.sections
    assert (section.name, section.error, [one.key for one in section.results]) == ("memory", "", ["tcp", "http"])
    assert min(one.figures["late"] for one in section.results) > 10
    assert (tmp_path / "bench.md").read_text(encoding="utf-8") == page.text(written, floors.floors())
    assert (tmp_path / "bench/overview.svg").exists()

    kept = tmp_path / "kept.toml"
    kept.write_text(FLOORS, encoding="utf-8")
    checked = bench(tmp_path / "bench.json", kept, program="check.py")
    assert (checked.returncode, checked.stdout) == (0, "")
    kept.write_text(FLOORS.replace("1000, floor = 1000", "-1000, floor = -1000"), encoding="utf-8")
    checked = bench(tmp_path / "bench.json", kept, program="check.py")
    assert checked.returncode == 1
    assert [line.split(":")[0] for line in checked.stdout.splitlines()] == ["memory.tcp"]


def test_the_page_in_reports_is_what_its_figures_and_the_floors_say() -> None:
    written = page.text(report.read(ROOT / "reports/bench.json"), floors.floors())
    hint = "run `make bench OPTIONS=--again`"
    assert (ROOT / "reports/bench.md").read_text(encoding="utf-8") == written, hint


def test_an_unknown_benchmark_is_refused_by_name() -> None:
    run = bench("speed")
    assert run.returncode == 2
    assert "no benchmark speed; there are addon, " in run.stderr


def made(*sections: Section) -> Report:
    """A report of these sections."""
    return Report(
        qqlab_bench=report.FORMAT,
        began=report.now(),
        seconds=1,
        scale=1,
        long=False,
        machine=report.machine(),
        versions={},
        peers={},
        sections=sections,
    )


def section(name: str, values: Mapping[str, float], error: str = "", skipped: tuple[Skipped, ...] = ()) -> Section:
    """A section that measured these."""
    return Section(
        name=name,
        about="",
        began=report.now(),
        seconds=1,
        load=(0, 0),
        results=tuple(result([one], key=key, what=key, figures={}, unit="x") for key, one in values.items()),
        skipped=skipped,
        error=error,
    )


def test_each_ratio_below_its_floor_or_not_measured_is_one_line() -> None:
    wanted = {
        "read": {key: floors.Floor(wanted=2, floor=1) for key in ("fine", "low", "absent", "lost")},
        "pace": {
            "late": floors.Floor(wanted=5, floor=5, sense="at most"),
            "far": floors.Floor(wanted=1, floor=1, long=True),
        },
        "diff": {"rate": floors.Floor(wanted=1, floor=1)},
    }
    absent = (Skipped(key="absent", why="no such peer"),)
    read = made(section("read", {"fine": 1, "low": 0.9}, "it broke", absent), section("pace", {"late": 6}))
    assert list(floors.failures(read, wanted)) == [
        "read.low: low: 0.9, and the floor is at least 1",
        "read.lost: was not measured (it broke)",
        "pace.late: late: 6, and the floor is at most 5",
        "diff.rate: was not measured (its benchmark did not run)",
    ]
    assert "pace.far: was not measured" in list(floors.failures(msgspec.structs.replace(read, long=True), wanted))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("wanted = 2, floor = 3", "stricter"),
        ("wanted = 2, floor = 1", "needs a reason"),
        ('wanted = 2, floor = 1, sense = "at most", reason = "none"', "stricter"),
    ],
)
def test_a_floor_has_to_make_sense(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "floors.toml"
    file.write_text(f"[read]\nfast = {{ {line} }}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        floors.floors(file)


def test_a_part_replaces_its_own_sections_alone() -> None:
    old, new = (
        made(section("read", {"a": 1}), section("diff", {"b": 2})),
        made(section("read", {"a": 3}), section("pace", {"c": 4})),
    )
    parts = report.merged(old, new).sections
    assert [(one.name, one.results[0].median) for one in parts] == [("read", 3), ("diff", 2), ("pace", 4)]


def test_rounds_begin_with_another_variant_each_time_and_ratios_stay_within_one() -> None:
    order: list[str] = []

    def figures(name: str, values: list[float]) -> dict[str, float]:
        order.append(name)
        return {"x": values.pop(0)}

    one, two = [10.0, 40.0], [1.0, 2.0]
    taken = rounds({"one": lambda: figures("one", one), "two": lambda: figures("two", two)}, 2)
    found = ratio(taken, "one", "two", key="k", unit="x")
    assert (order, found.values, found.median) == (["one", "two", "two", "one"], (10, 20), 15)


def test_the_model_of_a_terabyte_is_computed_from_what_was_measured() -> None:
    figures = {"cost": 20, "size": 1000, "fixed": 2, "scaling": 1.8, "memory-each": 1}
    dask = {f"{kind}-{workers}": 1 if kind == "empty" else 10 for kind in ("empty", "real") for workers in (1, 2, 4, 8)}
    parts = section("report", figures), section("chunk", {"size": 32, "merge": 5}), section("cluster", dask)
    assert capacity.model(made(*parts[:2])) is None
    assert "was measured" in capacity.text(made(*parts[:2]))
    model = capacity.model(made(*parts))
    assert model is not None
    found = capacity.bounds(model, 64)
    assert found == pytest.approx({"work": (20_000 + 312.5) / 57.6, "coordinating": 31_250 * 0.006, "reading": 800})
    assert capacity.breaking(model) == [("reading", 29), ("coordinating", 121)]
    assert "**What breaks first: the storage, which all cores read from (from 29 cores on)**" in page.text(
        made(*parts), {}
    )
    assert set(drawing.plots(made(*parts), {})) == {"overview", "report", "cluster", "capacity"}
