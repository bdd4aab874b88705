"""The benchmarks run, and tell what they measured. What they measured is no test's business."""

import json
import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def bench(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks/run.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=ROOT,
    )


def test_a_benchmark_runs_and_writes_its_figures(tmp_path: Path) -> None:
    run = bench("memory", "--scale", "0.005", "--json", tmp_path / "bench.json")
    assert run.returncode == 0, run.stderr
    assert "after 200 less after 20" in run.stdout
    results = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))["results"]
    assert [result["name"] for result in results] == ["memory, TCP", "memory, HTTP"]
    assert min(result["figures"]["late"] for result in results) > 10


def test_an_unknown_benchmark_is_refused_by_name() -> None:
    run = bench("speed")
    assert run.returncode == 2
    assert "no benchmark speed; there are addon, " in run.stderr
