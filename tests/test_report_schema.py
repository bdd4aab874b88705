"""`report.json` is as its schema says, and the schema as the model: for the committed reports and for odd ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import ROOT
from jsonschema import Draft202012Validator

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.report import Older, model

SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_text(encoding="utf-8"))
COMMITTED = [*sorted((ROOT / "reports").glob("*/report.json")), ROOT / "tests/golden/report/report.json"]


def wrong(report: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(report)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_a_committed_report_is_as_the_schema_says(path: Path) -> None:
    assert wrong(json.loads(path.read_text(encoding="utf-8"))) == []


def test_a_report_of_nothing_is_as_the_schema_says() -> None:
    known = specs.builtin()
    built = reports.build([], known, "zh", against=Older("httpqq.toml", spec=known))
    assert wrong(json.loads(reports.to_json(built))) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("summary"),
        lambda report: report.update(qqlab_report=1),
        lambda report: report["commands"][0].update(verdict="perhaps"),
        lambda report: report["commands"][0]["exchanges"].update(count="1"),
        lambda report: report["commands"][0]["directions"]["reply"]["fields"][0].pop("name"),
    ],
)
def test_what_is_no_report_is_not(spoil: Callable[[Any], object]) -> None:
    report = json.loads(COMMITTED[-1].read_text(encoding="utf-8"))
    spoil(report)
    assert wrong(report) != []


def test_every_part_is_described() -> None:
    parts = {kind.__name__ for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, model.Part)}
    assert parts - {"Part"} == SCHEMA["$defs"].keys()
    assert all(SCHEMA["$defs"][name].get("description") for name in parts - {"Part"})
    assert msgspec.json.schema(model.Report)["$defs"].keys() == SCHEMA["$defs"].keys()
