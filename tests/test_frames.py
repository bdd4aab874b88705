"""The frames of fields and of rows, and the words about all three."""

import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.capture import Capture, frame, header, load
from qqlab.codec import decode
from qqlab.exchange import Exchange, RawMessage

SPEC = specs.builtin()
DEMO = load(ROOT / "captures/demo.jsonl")


def documented(number: int) -> dict[str, str]:
    """The columns of one of the tables in the docstring, with their types."""
    text = frame.__doc__ or ""
    tables = re.findall(r"\| column \|.*?\n\|---.*?\n((?:\|.*\n)+)", text)
    assert len(tables) == 3
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in tables[number].splitlines()]
    return {name: kind for names, kind, _ in rows for name in re.findall(r"`([^`]+)`", names)}


def types(table: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in table.dtypes.items()}


EMPTY = Capture(header=header(SPEC, redacted="none"), exchanges=(), path="x")


@pytest.mark.parametrize(
    "capture", [DEMO, EMPTY, load(ROOT / "captures/forum-2005.jsonl"), load(ROOT / "captures/lines.jsonl")]
)
def test_doc_and_code_are_equal(capture: Capture) -> None:
    found = types(capture.frame())
    wanted = documented(0)
    assert (capture.frame().index.name, str(capture.frame().index.dtype)) == ("id", wanted.pop("id"))
    open_ended = {name for name in wanted if "NAME" in name}
    assert {name: kind for name, kind in found.items() if "." not in name} == {
        name: kind for name, kind in wanted.items() if name not in open_ended
    }
    assert types(capture.fields_frame()) == documented(1)
    found = types(capture.rows_frame())
    wanted = {name: kind for name, kind in documented(2).items() if "NAME" not in name}
    assert {name: found[name] for name in wanted} == wanted
    for name in set(found) - set(wanted):
        numbers = {"ST", "FC", "MT"}
        assert found[name] == ("Int64" if name in numbers else "str"), name


def test_a_row_for_each_field() -> None:
    table = DEMO.fields_frame()
    assert len(table) == sum(len(m.fields) for one in DEMO.exchanges for m in decode(one, SPEC).messages())
    first = table[table["id"] == "1"]
    assert first["name"].tolist()[:4] == ["VER", "CMD", "SEQ", "UIN"]
    assert first["position"].tolist() == [*range(1, 8), *range(1, 8)]
    refused = first[(first["name"] == "RS") & (first["direction"] == "reply")].iloc[0]
    assert (refused["number"], refused["meaning"], refused["text"], refused["documented"]) == (1, "refused", "1", True)
    listed = table[(table["command"] == "List") & (table["direction"] == "reply") & (table["name"] == "UN")].iloc[0]
    assert (listed["items"], listed["text"].count(",")) == (listed["items"], listed["items"])
    odd = RawMessage(body=b"CMD=Login&UIN=01&UIN=2&ZZ=1&M5=x&bare")
    table = _capture(Exchange(id="1", session="s", request=odd)).fields_frame()
    assert table["name"].tolist() == ["CMD", "UIN", "UIN", "ZZ", "M5", "bare"]
    assert table["documented"].tolist() == [True, True, True, False, True, False]
    assert table["text"].tolist()[:5] == ["Login", "01", "2", "1", "x"]
    assert table["text"].isna().tolist() == [False] * 5 + [True]
    assert table["number"].isna().all()


def _capture(*exchanges: Exchange) -> Capture:
    return Capture(header=header(SPEC, redacted="none"), exchanges=exchanges, path="x")


def test_a_row_for_each_friend_and_message() -> None:
    table = DEMO.rows_frame()
    messages = table[table["table"] == "message"]
    assert messages["MT.meaning"].isna().sum() == 0
    told = messages[messages["MT"] == 99]
    assert set(told["MG.meaning"]) <= {"came online", "went offline", "is now busy"}
    assert messages[messages["MT"] == 9]["MG.meaning"].isna().all()
    friends = table[table["command"] == "Query_Stat"]
    assert friends["NK"].tolist()[0] == "山, 水 & 100%"
    assert friends["ST.meaning"].tolist()[0] == "online"
    assert friends["MT"].isna().all()
    count = sum(len(t.rows) for one in DEMO.exchanges for m in decode(one, SPEC).messages() for t in m.tables)
    assert len(table) == count > 10


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["CMD", "UN", "MT", "MG", "ST", "row", "id", ""]), st.text("1,x%9", max_size=5)),
            max_size=6,
        ),
        max_size=4,
    ),
    st.sampled_from(["List", "GETMSGEX", "Query_Stat", "Dance"]),
)
def test_any_capture_has_these_frames(bodies: list[list[tuple[str, str]]], command: str) -> None:
    exchanges = [
        Exchange(
            id=str(number),
            session="s",
            reply=RawMessage(body=f"CMD={command}&{'&'.join(f'{k}={v}' for k, v in pairs)}".encode()),
        )
        for number, pairs in enumerate(bodies)
    ]
    capture = _capture(*exchanges)
    assert types(capture.fields_frame()) == documented(1)
    assert set(capture.rows_frame()["id"]) <= {one.id for one in exchanges}


def test_the_notebook_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell by cell, as a notebook does it; each ends in a table that holds something."""
    monkeypatch.chdir(ROOT)
    blocks = re.findall(
        r"^```python\n(.*?)^```", Path("README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 1
    first, *cells = blocks[0].strip().split("\n\n")
    names: dict[str, object] = {}
    exec(first, names)
    for cell in cells:
        *before, last = cell.splitlines()
        exec("\n".join(before), names)
        assert len(eval(last, names)) > 0
