"""The docs cannot drift: reference, help texts and README are held to the code."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from conftest import MITMDUMP, ROOT, Process, free_port, qqlab

README = (ROOT / "README.md").read_text(encoding="utf-8")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(generator().FILES))
def test_the_reference_is_what_the_code_says_now(name: str) -> None:
    """After a change that is meant: make docs."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == generator().FILES[name]()


def test_every_command_has_a_help_text_with_an_example_and_stands_in_the_readme() -> None:
    listing = qqlab("--help").stdout
    names = re.findall(r"^  ([a-z]+) ", listing[listing.index("Commands:") :], re.MULTILINE)
    assert names == sorted(names)
    assert set(names) >= {"demo", "diff", "export", "import", "record", "replay", "report", "serve", "show", "spec"}
    for name in names:
        subcommands = (
            [[name, word] for word in ("show", "check", "export", "infer", "update")] if name == "spec" else [[name]]
        )
        for command in subcommands:
            assert f"qqlab {' '.join(command)} " in qqlab(*command, "--help").stdout.split("Example")[1], command
        assert f"qqlab {name}" in README, name


def test_the_architecture_fits_sixty_lines() -> None:
    section = re.search(r"^## Architecture\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert len(section[1].splitlines()) <= 60


def test_nothing_names_this_machine_or_an_index() -> None:
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"/work/|/root/|pypi\.org|files\.pythonhosted", text) == [], path


@pytest.mark.parametrize("name", ["README.md", "docs/replay.md"])
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    targets = re.findall(r"\]\(([^):]+)\)", page.read_text(encoding="utf-8"))
    assert targets
    for target in targets:
        file, _, place = target.partition("#")
        assert (page.parent / file).exists(), target
        assert place == "" or place in anchors((page.parent / file).read_text(encoding="utf-8")), target


def anchors(text: str) -> list[str]:
    """What leads to each heading of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return [re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings]


def test_the_guide_to_replays_names_options_that_there_are() -> None:
    guide = (ROOT / "docs/replay.md").read_text(encoding="utf-8")
    known = qqlab("replay", "--help").stdout
    assert {option for option in re.findall(r"(?<=[ `(])--[a-z-]+", guide) if option not in known} == {"--listen"}
    code = "".join(re.findall(r"^```sh\n(.*?)^```", guide, re.MULTILINE | re.DOTALL))
    for option in ("--dry-run", "--speed", "--only", "--resume", "--control", "--report"):
        assert option in code, option
    for line in code.splitlines():
        assert shlex.split(line)[:2] in (["qqlab", "replay"], ["qqlab", "serve"])


def shell_lines() -> list[str]:
    """The commands of the README's `sh` blocks, comments taken off."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where the README's commands find `qqlab` and Python, and a copy of what they read."""
    for name in ("addons", "captures", "qqlab"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/qqlab"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m qqlab "$@"\n')
    script.chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PYTHONPATH": str(ROOT), "PATH": path}


def test_every_command_of_the_readme_runs(
    start: Callable[..., Process], require: Callable[[str], str], environment: dict[str, str], tmp_path: Path
) -> None:
    """In order, in a copy: servers in the background, the rest to its end with the exit code that the line says."""
    require("curl")
    ports = {port: str(free_port()) for port in ("8000", "8001", "8002", "8080")}
    ran = 0
    for line in shell_lines():
        command, _, comment = line.partition("  #")
        command = re.sub("|".join(ports), lambda port: ports[port[0]], command)
        if command.startswith(("make ", ". ")):
            continue  # these are how the tests came to run
        words = shlex.split(command)
        if words[0] == "mitmdump":
            start(MITMDUMP, *words[1:], cwd=tmp_path).wait_for("listening at")
        elif words[:2] in (["qqlab", "serve"], ["qqlab", "record"]):
            start(sys.executable, "-m", *words, cwd=tmp_path).wait_for("ing on ")
        else:
            code = re.search(r"exit code (\d+)", comment)
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == int(code[1] if code else 0), f"{command}\n{done.stdout}{done.stderr}"
        ran += 1
    assert ran >= 14
