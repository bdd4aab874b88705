"""What a report says, in another language."""

import pytest

from qqlab.report.say import Say, words


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> Say:
    said = Say("zh")
    catalogue = {"{a} before {b}": "{b}在{a}之后", "{count:,} messages": "{count:,} 条消息", ", ": "、"}
    monkeypatch.setattr(said, "_words", catalogue)
    return said


def test_english_is_as_it_stands() -> None:
    said = Say()
    assert said("in {count} of {whole}", count=3, whole=9) == "in 3 of 9"
    assert (said.count(1, "message"), said.count(2000, "message")) == ("1 message", "2,000 messages")
    assert said.several(["a", "b"]) == "a, b"


def test_values_go_where_the_language_has_them(chinese: Say) -> None:
    assert chinese("{a} before {b}", a="{b}", b=1) == "1在{b}之后"


def test_another_language_counts_without_a_plural(chinese: Say) -> None:
    assert (chinese.count(1, "message"), chinese.count(2000, "message")) == ("1 条消息", "2,000 条消息")
    assert chinese.several(["a", "b"]) == "a、b"


def test_what_is_not_translated_stays_english(chinese: Say) -> None:
    assert chinese("never {what}", what="seen") == "never seen"


def test_english_has_no_catalogue() -> None:
    assert words("en") == {}
