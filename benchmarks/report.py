"""What one run of the benchmarks says: the machine, the versions, and a section for each benchmark.

Law: it is data. It is written as JSON, replaced whole after each benchmark, so that what is there can always be read.
"""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from measure import Result, Skipped

import qqlab
from qqlab.files import replacing

FORMAT = 1
_OWN = ("msgspec", "pandas", "pyarrow", "mitmproxy", "dask", "distributed", "uvloop")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured. `memory` is in bytes."""

    processor: str
    processors: int
    memory: int
    system: str


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What one benchmark says. `load` is the machine's before and after; `error` is why it broke, empty if it did not;
    `seconds` is how long it took, at which `scale`."""

    name: str
    about: str
    began: datetime
    scale: float = 1
    seconds: float
    load: tuple[float, float]
    results: tuple[Result, ...]
    skipped: tuple[Skipped, ...] = ()
    error: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    qqlab_bench: int
    began: datetime
    seconds: float
    scale: float
    long: bool
    machine: Machine
    versions: dict[str, str]
    peers: dict[str, str]
    sections: tuple[Section, ...]

    def find(self, benchmark: str, key: str) -> Result | None:
        """What was measured under that key."""
        for section in self.sections:
            for result in section.results:
                if (section.name, result.key) == (benchmark, key):
                    return result
        return None


def now() -> datetime:
    """This second."""
    return datetime.now(UTC).replace(microsecond=0)


def machine() -> Machine:
    """This one."""
    return Machine(
        processor=_processor(),
        processors=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.release()}",
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def versions() -> dict[str, str]:
    """The versions of what is measured."""
    found = {"qqlab": qqlab.__version__, "Python": platform.python_version()}
    return found | {name: version(name) for name in _OWN}


def merged(old: Report, new: Report) -> Report:
    """The old report with new sections: in the place of old ones of the same name, or behind all others."""
    fresh = {section.name: section for section in new.sections}
    kept = [fresh.pop(section.name, section) for section in old.sections]
    return msgspec.structs.replace(old, sections=(*kept, *fresh.values()))


def encode(report: Report) -> bytes:
    """As it is stored: figures to six digits, since no more of them mean anything."""
    return msgspec.json.format(msgspec.json.encode(_rounded(msgspec.to_builtins(report))), indent=1) + b"\n"


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.6g}")
        case dict():
            return {key: _rounded(one) for key, one in value.items()}
        case list() | tuple():
            return [_rounded(one) for one in value]
        case _:
            return value


def write(path: Path, report: Report) -> None:
    """Write it to that file."""
    with replacing(path) as file:
        file.write(encode(report))


def read(path: Path) -> Report:
    """What is stored there."""
    return msgspec.json.decode(path.read_bytes(), type=Report)
