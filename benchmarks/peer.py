"""The peers: other people's programs, each run from a package of its own.

Law: they stand in an environment of their own (`.peers`, made by `.ci/peers` from `benchmarks/peers.lock`), so that
neither side chooses the other's versions. A peer that is not there is no mistake: who asks for it is told why.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from children import HERE, MITMDUMP, Command, ran
from measure import Figures

VENV = HERE.parent / ".peers"
RATE = "exchanges/s"
EFFORT = "exchanges/CPU s"

# By what it is called in the tables: the distribution that it comes in.
DISTRIBUTIONS = {
    "mitmproxy": "mitmproxy",
    "mitmproxy2swagger": "mitmproxy2swagger",
    "locust": "locust",
    "aiohttp": "aiohttp",
    "pandas": "pandas",
    "DuckDB": "duckdb",
}
_VERSIONS = """
import importlib.metadata, json, sys
found = {one.name.lower(): one.version for one in importlib.metadata.distributions()}
print(json.dumps({name: found.get(name) for name in sys.argv[1:]}))
"""


@cache
def versions() -> Mapping[str, str]:
    """The versions of the peers that are installed."""
    found: dict[str, str] = {}
    python = VENV / "bin/python"
    if python.exists():
        command: Command = [python, "-c", _VERSIONS, *DISTRIBUTIONS.values()]
        told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        found = {name: told[package] for name, package in DISTRIBUTIONS.items() if told[package]}
    if wrk := shutil.which("wrk"):
        said = subprocess.run([wrk, "-v"], capture_output=True, text=True, check=False)
        found["wrk"] = (said.stdout + said.stderr).split()[1]
    return found


def lacking(*names: str) -> str | None:
    """Why there is nothing to compare with, or None where all of these peers are here."""
    absent = [name for name in names if name not in versions()]
    if not absent:
        return None
    hint = "apt install wrk" if absent == ["wrk"] else "make bench installs it, where the Python here is new enough"
    return f"{', '.join(absent)} is not installed ({hint})"


def mitmdump() -> Path:
    """mitmproxy's program."""
    return VENV / "bin/mitmdump" if "mitmproxy" in versions() else MITMDUMP


def figures(folder: Path, what: str, *arguments: str | Path, own: bool = False) -> Figures:
    """What a module of `timed` says, run with our `own` Python or with the peers', and the peak of its memory."""
    python = sys.executable if own else VENV / "bin/python"
    done = ran([python, "-m", f"timed.{what}", *arguments], folder)
    told = json.loads(done.output.splitlines()[-1])
    return {
        RATE: told["done"] / told["seconds"],
        EFFORT: told["done"] / max(told["computed"], 1e-6),
        "done": told["done"],
        "s": told["seconds"],
        "MB": done.peak / 1e6,
    }
