"""What is wanted of each ratio, and the floor that it must not fall below: `floors.toml`, and how a report is held
against it.

Law: what the file names must be measured, or be told as skipped with the reason; whatever it does not name is context
and fails nothing.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from measure import Result
from report import Report

FILE = Path(__file__).with_name("floors.toml")


class Floor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is `wanted`, and the `floor`, which has a `reason` where it lies under what is wanted. `sense` says which
    side is the good one; `long` that only long runs measure it."""

    wanted: float
    floor: float
    sense: Literal["at least", "at most"] = "at least"
    reason: str = ""
    long: bool = False

    def is_met(self, value: float) -> bool:
        """Whether that is as wanted."""
        return self._holds(value, self.wanted)

    def is_kept(self, value: float) -> bool:
        """Whether that is not below the floor."""
        return self._holds(value, self.floor)

    def _holds(self, value: float, limit: float) -> bool:
        return value >= limit if self.sense == "at least" else value <= limit


Floors = Mapping[str, Mapping[str, Floor]]
"""By benchmark, and by key."""


def floors(file: Path = FILE) -> Floors:
    """What the file says. Raises ValueError for a floor that is stricter than what is wanted, or lower without a
    reason, and msgspec.ValidationError for one that is none."""
    found = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), dict[str, dict[str, Floor]])
    for benchmark, keys in found.items():
        for key, floor in keys.items():
            if not floor.is_kept(floor.wanted):
                raise ValueError(f"{file}: {benchmark}.{key}: the floor is stricter than what is wanted")
            if floor.floor != floor.wanted and not floor.reason:
                raise ValueError(f"{file}: {benchmark}.{key}: a floor under what is wanted needs a reason")
    return found


def failures(report: Report, wanted: Floors) -> Iterator[str]:
    """One line about each ratio that is below its floor, or that was to be measured and was not."""
    sections = {section.name: section for section in report.sections}
    for benchmark, keys in wanted.items():
        section = sections.get(benchmark)
        measured = {one.key: one for one in section.results} if section else {}
        skipped = {one.key for one in section.skipped} if section else set()
        for key, floor in keys.items():
            if key in measured:
                if not floor.is_kept(measured[key].median):
                    yield f"{benchmark}.{key}: {_below(measured[key], floor)}"
            elif key not in skipped and (report.long or not floor.long):
                error = section.error if section else "its benchmark did not run"
                yield f"{benchmark}.{key}: was not measured{f' ({error})' if error else ''}"


def _below(result: Result, floor: Floor) -> str:
    value = f"{result.median:.3g} {result.value_unit}".rstrip()
    return f"{result.what}: {value}, and the floor is {floor.sense} {floor.floor:g}"
