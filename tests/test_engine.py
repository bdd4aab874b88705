"""Who does the work makes no difference: this process, several of this machine, or a cluster of real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from conftest import ROOT, free_port
from labour import doubled, refusing

from qqlab.engine import Here, is_wanted, opened
from qqlab.errors import InputError, TargetError, UsageError


def program(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a process of its own: one that had threads must not fork."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


@pytest.fixture(scope="module")
def labours(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """What came of the work of `labour.main`, by who did it."""
    known: dict[str, dict[str, Any]] = {}

    def find(cluster: str) -> dict[str, Any]:
        if cluster not in known:
            done = program("import labour; labour.main()", cluster, str(tmp_path_factory.mktemp("labour")))
            assert (done.returncode, done.stderr) == (0, "")
            known[cluster] = json.loads(done.stdout)
        return known[cluster]

    return find


EVERYWHERE = pytest.mark.parametrize("cluster", ["", "local"])


@EVERYWHERE
def test_results_come_in_order_and_each_once(cluster: str, labours: Callable[[str], dict[str, Any]]) -> None:
    found = labours(cluster)
    assert (found["doubled"], found["told"], found["workers"], found["at once"]) == (True, True, 2, [2, 4])
    assert found["late"] == ["TimeoutError", "7 took too long"]


@EVERYWHERE
def test_what_a_task_raises_comes_after_the_results_before_it(
    cluster: str, labours: Callable[[str], dict[str, Any]]
) -> None:
    assert labours(cluster)["refusing"] == [
        ["InputError", "mine.jsonl:3: the line is damaged (mend it)"],
        [0, 1, 2],
    ]


def test_a_worker_of_a_cluster_that_is_killed_loses_and_doubles_nothing(
    labours: Callable[[str], dict[str, Any]],
) -> None:
    assert labours("local")["dying"] == list(range(12))


def test_a_process_that_is_killed_is_an_error(labours: Callable[[str], dict[str, Any]]) -> None:
    found = labours("")
    what = "a process that did part of the work: has died of signal 9 (is there too little memory? try fewer --workers)"
    assert found["dying"] == found["deadly"] == found["at once, deadly"] == ["TargetError", what]


def test_work_that_kills_every_worker_is_an_error_in_the_end(labours: Callable[[str], dict[str, Any]]) -> None:
    found = labours("local")
    assert found["deadly"] == [
        "TargetError",
        "--cluster local: each of 4 workers that tried the same piece of work has died "
        "(have they too little memory? see their logs)",
    ]
    assert found["at once, deadly"][0] == "TargetError"
    assert "has died in the midst of its work" in found["at once, deadly"][1]


@EVERYWHERE
def test_more_tasks_at_once_than_workers_are_refused(cluster: str, labours: Callable[[str], dict[str, Any]]) -> None:
    assert labours(cluster)["too many"][0] == "TargetError"


@EVERYWHERE
def test_work_that_was_interrupted_goes_on_nowhere(cluster: str, labours: Callable[[str], dict[str, Any]]) -> None:
    found = labours(cluster)
    assert (found["interrupted"], found["over"], found["left"]) == (True, cluster == "local", 0)


def test_workers_of_other_versions_are_refused(labours: Callable[[str], dict[str, Any]]) -> None:
    found = labours("local")
    assert "qqlab" in found["other versions"][1]
    assert "and here is 9.9" in found["other versions"][1]
    assert "who asks has qqlab 9.9, Python 2.7, msgspec 0.1" in found["later worker"][1]


@pytest.mark.parametrize(
    ("address", "kind"),
    [("nope://x", UsageError), ("what", UsageError), ("127.0.0.1:99999", TargetError), (None, TargetError)],
)
def test_an_address_without_a_scheduler_is_an_error_at_once(address: str | None, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised, opened(cluster=address or f"tcp://127.0.0.1:{free_port()}"):
        pass
    assert str(raised.value).startswith("--cluster ")


def test_without_the_package_for_clusters_a_line_says_what_to_install() -> None:
    done = program(
        "import sys; sys.modules['dask'] = sys.modules['distributed'] = None\n"
        "from qqlab.engine import opened\nfrom qqlab.errors import UsageError\n"
        "try: opened(cluster='local').__enter__()\nexcept UsageError as error: print(error)"
    )
    assert done.stdout == "--cluster: Dask distributed is not installed (install it: pip install 'qqlab[cluster]')\n"


def test_this_process_is_an_engine_too() -> None:
    told: list[int] = []
    assert list(Here().run(doubled, range(3), told.append)) == told == [0, 2, 4]
    with pytest.raises(InputError, match="damaged"):
        list(Here().run(refusing, range(9)))
    with opened() as engine:
        assert (engine.workers, engine.at_once(doubled, [1, 2]), is_wanted()) == (1, [2, 4], True)
