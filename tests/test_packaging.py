"""What a checkout, a wheel and the lock file hold, and what the set-up decides.

The set-up scripts run here against pretended Pythons: shell scripts that answer what a real one would, so that a broken
set-up is found in milliseconds and without the network.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import qqlab

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PEERS = (ROOT / "benchmarks/peers.lock").read_text(encoding="utf-8")
TOP_LEVEL = {
    "pyproject.toml",
    "README.md",
    "Makefile",
    "requirements.lock",
    "LICENSE",
    "CHANGELOG.md",
    "qqlab",
    "addons",
    "captures",
    "reports",
    "tests",
    "docs",
    "benchmarks",
    "fuzz",
}


def run(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program without input, and keep what it says."""
    return subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


# The lock file


def locked(lock: str = LOCK) -> dict[str, list[str]]:
    """Each requirement of the lock (`name==version` and its marker) with its hashes."""
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", lock, flags=re.MULTILINE).strip())
    return {entry.split(" \\\n")[0]: re.findall(r"--hash=(\S+)", entry) for entry in entries}


@pytest.mark.parametrize("lock", [LOCK, PEERS], ids=["requirements", "peers"])
def test_the_lock_names_no_address_and_no_path_of_a_machine(lock: str) -> None:
    assert re.findall(r"\w+://\S*|(?<![\w.])/\w\S*|--(?!hash=sha256:[0-9a-f]{64}\b)\S*| @ .*", lock) == []


@pytest.mark.parametrize("lock", [LOCK, PEERS], ids=["requirements", "peers"])
def test_every_requirement_of_the_lock_is_pinned_and_hashed(lock: str) -> None:
    assert [
        entry for entry, hashes in locked(lock).items() if not re.match(r"[a-z0-9-]+==\S+( ;|$)", entry) or not hashes
    ] == []


def test_what_is_compared_with_is_of_the_same_version_where_both_locks_have_it() -> None:
    ours, theirs = set(locked()), locked(PEERS)
    assert {entry for entry in ours if entry.startswith(("mitmproxy==", "pandas=="))} <= theirs.keys()


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    named = [entry for entries in (project["dependencies"], *extras) for entry in entries]
    direct = {re.split(r"[^\w-]", entry)[0] for entry in named} - {project["name"]}  # an extra may take in another
    assert direct - {entry.split("==")[0] for entry in locked()} == set(), "run `make lock`"


# The checkout and the wheel


def test_the_top_level_holds_only_what_belongs_there() -> None:
    listed = run("git", "-c", "safe.directory=*", "ls-files", "-z")
    if listed.returncode:
        pytest.skip("not a git checkout")
    tops = {name.split("/")[0] for name in listed.stdout.split("\0") if name}
    assert {name for name in tops if not name.startswith(".")} - TOP_LEVEL == set()


def test_the_wheel_holds_the_whole_package_and_nothing_else(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(tmp_path / f"qqlab-{qqlab.__version__}-py3-none-any.whl") as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
        entry_points = wheel.read(f"qqlab-{qqlab.__version__}.dist-info/entry_points.txt").decode()
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "qqlab").rglob("*") if path.is_file()}
    assert inside == {name for name in package if "__pycache__" not in name}
    assert "qqlab/py.typed" in inside
    assert entry_points.split() == ["[console_scripts]", "qqlab", "=", "qqlab.__main__:main"]


# The interpreter


def script(path: Path, body: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with a shell, its usual tools and no Python at all."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("awk", "cksum", "cp", "dirname", "mkdir", "mv", "rm", "sed", "sh", "sort"):
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)
    return {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{tools}", "HOME": str(tmp_path / "home")}


def test_a_python_that_fails_when_run_is_passed_over(tmp_path: Path, machine: dict[str, str]) -> None:
    script(tmp_path / "bin/python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    script(tmp_path / "bin/python3.12", "echo 'Python 3.12.1'")
    script(tmp_path / "bin/python3", f"exec '{sys.executable}' \"$@\"")
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    found = run("sh", ".ci/find-python", env=machine)
    assert (found.stdout, found.stderr) == (f"{sys.version_info[0]}.{sys.version_info[1]} {base}\n", "")


def test_the_newest_is_taken_from_path_and_from_pyenv(tmp_path: Path, machine: dict[str, str]) -> None:
    script(tmp_path / "bin/python3.11", "echo ok 3.11 /usr/bin/python3.11")
    script(tmp_path / "bin/python3", "echo ok 3.12 /usr/bin/python3.12")
    script(tmp_path / "home/.pyenv/versions/3.11.7/bin/python", "echo ok 3.11 /pyenv/3.11")
    script(tmp_path / "elsewhere/versions/3.13.0/bin/python", "echo ok 3.13 /pyenv/3.13")
    machine["PYENV_ROOT"] = str(tmp_path / "elsewhere")
    every = ["3.13 /pyenv/3.13", "3.12 /usr/bin/python3.12", "3.11 /usr/bin/python3.11"]
    assert run("sh", ".ci/find-python", "--all", env=machine).stdout.splitlines() == every
    assert run("sh", ".ci/find-python", env=machine).stdout.splitlines() == every[:1]


def test_the_stub_does_not_hide_the_real_one_behind_it_on_path(tmp_path: Path, machine: dict[str, str]) -> None:
    script(tmp_path / "bin/python3.13", "exit 127")
    script(tmp_path / "tools/python3.13", "echo ok 3.13 /usr/bin/python3.13")
    assert run("sh", ".ci/find-python", env=machine).stdout == "3.13 /usr/bin/python3.13\n"


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ("exit 127", "no Python 3.11, 3.12 or 3.13 that works was found (install one, or name it:"),
        ("echo no it is Python 3.10", "no Python 3.11, 3.12 or 3.13 that works was found (install one, or name it:"),
        ("echo no Python 3.11 lacks venv or ensurepip", "was found: Python 3.11 lacks venv or ensurepip"),
    ],
)
def test_no_python_is_one_line_that_says_what_to_do(
    tmp_path: Path, machine: dict[str, str], python: str, says: str
) -> None:
    script(tmp_path / "bin/python3", python)
    found = run("sh", ".ci/find-python", env=machine)
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1)
    assert says in found.stderr


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ("exit 127", "it does not run"),
        ("echo no it is Python 3.14, and 3.11, 3.12 or 3.13 is needed", "it is Python 3.14, and"),
    ],
)
def test_an_unsuitable_python_is_refused_by_name(
    tmp_path: Path, machine: dict[str, str], python: str, says: str
) -> None:
    named = script(tmp_path / "named", python)
    found = run("sh", ".ci/find-python", "--check", named, env=machine)
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1)
    assert f"PYTHON={named} will not do: {says}" in found.stderr


# The set-up

PRETENDED = """
case "$*" in
*ensurepip*) echo "ok VERSION SELF" ;;
"-m venv "*) echo "VERSION venv" >>"$LOG"; mkdir -p "$3/bin"; cp SELF "$3/bin/python" ;;
*"pip install"*requirements.lock) echo "VERSION lock" >>"$LOG"; [ ! -e "$LOG.breaks" ] ;;
*"pip install"*) echo "VERSION project" >>"$LOG" ;;
*version_info*) echo VERSION ;;
*) exit 9 ;;
esac"""


class Checkout:
    """A checkout with the real set-up scripts and two pretended interpreters, 3.12 on PATH and 3.11 elsewhere."""

    def __init__(self, folder: Path, machine: dict[str, str]) -> None:
        self.folder = folder / "a checkout"
        shutil.copytree(ROOT / ".ci", self.folder / ".ci")
        (self.folder / "requirements.lock").write_text("one==1\n", encoding="utf-8")
        (self.folder / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
        self.log = folder / "log"
        self.env = machine | {"LOG": str(self.log)}
        self.newest = self.pretend(folder / "bin/python3.12", "3.12")
        self.older = self.pretend(folder / "older", "3.11")

    @staticmethod
    def pretend(path: Path, version: str) -> Path:
        """Write an interpreter of that version which notes in the log what it is asked to do."""
        return script(path, PRETENDED.replace("VERSION", version).replace("SELF", str(path)))

    def set_up(self, python: Path | str = "", *, fails: bool = False) -> list[str]:
        """Run the set-up, and return what it did."""
        self.log.write_text("", encoding="utf-8")
        done = run("sh", ".ci/setup", cwd=self.folder, env=self.env | {"PYTHON": str(python)})
        assert (bool(done.returncode), done.stdout) == (fails, ""), done.stderr
        return self.log.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def checkout(tmp_path: Path, machine: dict[str, str]) -> Checkout:
    """A checkout in which nothing has been set up."""
    return Checkout(tmp_path, machine)


WHOLE = ["3.12 venv", "3.12 lock", "3.12 project"]
WHOLE_OLDER = ["3.11 venv", "3.11 lock", "3.11 project"]


def test_the_second_set_up_has_nothing_to_do(checkout: Checkout) -> None:
    assert [checkout.set_up(), checkout.set_up(), checkout.set_up(checkout.newest)] == [WHOLE, [], []]


def test_a_changed_lock_or_project_is_installed_into_the_venv_there_is(checkout: Checkout) -> None:
    checkout.set_up()
    (checkout.folder / "requirements.lock").write_text("one==2\n", encoding="utf-8")
    assert [checkout.set_up(), checkout.set_up()] == [["3.12 lock", "3.12 project"], []]
    (checkout.folder / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    assert [checkout.set_up(), checkout.set_up()] == [["3.12 project"], []]


def test_another_interpreter_makes_another_venv_which_then_stays(checkout: Checkout) -> None:
    checkout.set_up()
    assert [checkout.set_up(checkout.older), checkout.set_up(), checkout.set_up(checkout.newest)] == [
        WHOLE_OLDER,
        [],
        WHOLE,
    ]


def test_a_set_up_cut_short_is_done_again(checkout: Checkout) -> None:
    breaks = Path(f"{checkout.log}.breaks")
    breaks.touch()
    assert checkout.set_up(fails=True) == WHOLE[:2]
    breaks.unlink()
    assert [checkout.set_up(), checkout.set_up()] == [WHOLE, []]


def test_a_venv_that_no_longer_runs_or_was_moved_is_made_again(checkout: Checkout) -> None:
    checkout.set_up()
    (checkout.folder / ".venv/bin/python").unlink()
    assert checkout.set_up() == WHOLE
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    assert [checkout.set_up(), checkout.set_up()] == [WHOLE, []]


def test_a_refused_interpreter_leaves_the_venv_alone(checkout: Checkout) -> None:
    checkout.set_up()
    assert checkout.set_up("/nonexistent", fails=True) == []
    assert checkout.set_up() == []
