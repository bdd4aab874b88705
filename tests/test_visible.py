"""Captured text made harmless."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab.visible import csv_plain, csv_safe, json_safe, visible


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("小程, hello", "小程, hello"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_what_acts_is_shown(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_a_limit_cuts_before_it_escapes() -> None:
    assert visible("abcdef", 4) == "abc…"
    assert visible("abcd", 4) == "abcd"


@given(st.text(st.characters()))
def test_nothing_that_acts_remains(text: str) -> None:
    assert {unicodedata.category(character) for character in visible(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()


@given(st.text(st.characters(codec="utf-8")))
def test_json_keeps_its_meaning(text: str) -> None:
    safe = json_safe(json.dumps(text, ensure_ascii=False))
    assert json.loads(safe) == text
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert [character for character in safe if unicodedata.category(character) in hidden] == []


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "－1", "\ufeff=1", '"=1', "'=1", "%0=1"]
)
def test_a_formula_is_no_formula_in_a_table(text: str) -> None:
    assert csv_safe(text) == "'" + text
    assert csv_plain(csv_safe(text)) == text


@pytest.mark.parametrize("text", ["", "10001", "a=b", "小程", "you@me", "1-2"])
def test_what_is_no_formula_stays_in_a_table(text: str) -> None:
    assert csv_safe(text) == text


@given(st.text(st.characters()))
def test_a_guarded_cell_comes_back(text: str) -> None:
    assert csv_plain(csv_safe(text)) == text
    assert csv_safe(text)[:1] not in tuple("=+-@\t\r\n＝＋－＠")
