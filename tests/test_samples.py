"""The committed samples: reports equal to what the code makes of the committed captures today."""

import re
from pathlib import Path

import pytest
from conftest import ROOT, qqlab

FILES = ("index.html", "report.json", "report.md")


@pytest.fixture(scope="module")
def forum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reports") / "forum-2005"
    result = qqlab("report", "captures/forum-2005.jsonl", "-o", directory)
    assert result.returncode == 0, result.stderr
    return directory


@pytest.mark.parametrize("name", FILES)
def test_the_report_is_what_the_code_makes_now(name: str, forum: Path) -> None:
    """After a change that is meant: make samples."""
    assert (forum / name).read_text(encoding="utf-8") == (ROOT / "reports/forum-2005" / name).read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    "saying",
    [
        r"\bSN says 24, there are 3\b",
        r"Query_Stat reply SEQ.*the reply says '-1', not the request's",
        r"VER 1\.1.*: 11 of 11 commands seen",
        r"RES.*20 not logged in, or logged in elsewhere since",
        r"CD \(add\).*1 needs approval, 2 refused, 3 nobody may add",
    ],
)
def test_the_report_says_what_matters(saying: str, forum: Path) -> None:
    text = (forum / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert re.search(saying, text), saying
