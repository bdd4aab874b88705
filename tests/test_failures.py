"""The table of what a bad target can do: each sentence is known again by its name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import failures
from qqlab.failures import Code, say

SAID: list[tuple[Code, dict[str, object], str]] = [
    ("refused", {}, "cannot connect: connection refused"),
    ("unreachable", {"how": ": no route to host"}, "cannot connect: no route to host"),
    ("unreachable", {"how": " within 0.2 s"}, "cannot connect within 0.2 s"),
    ("closed", {}, "the connection was closed without a reply"),
    (
        "cut",
        {"where": "within the body of the reply (3 bytes came)"},
        "the connection was closed within the body of the reply (3 bytes came)",
    ),
    ("silent", {"seconds": "1e+06"}, "no reply within 1e+06 s"),
    ("slow", {"seconds": 0.5, "count": 7}, "the reply was not complete within 0.5 s (7 bytes came)"),
    ("long", {"count": 1048576}, "the reply is longer than 1048576 bytes"),
    ("length", {}, "more bytes follow the end of the reply"),
    ("no-http", {"how": "the first line is not HTTP/1's"}, "the reply is no HTTP: the first line is not HTTP/1's"),
    ("flood", {"count": 10000, "things": "lines"}, "more than 10000 lines came that nobody asked for"),
    ("flood", {"count": 16777216, "things": "bytes"}, "more than 16777216 bytes came that nobody asked for"),
    ("late", {}, "the reply to a request that was given up"),
    (
        "reset",
        {"how": "connection reset by peer", "where": "without a reply"},
        "connection reset by peer without a reply",
    ),
    ("redirect", {}, "the reply sends its client to another place, which is never followed"),
    ("coding", {}, "the reply's body is left out: its content coding cannot be undone to look for secrets"),
    ("charset", {}, "the reply is in no charset of the protocol"),
]


def test_each_failure_is_here() -> None:
    assert {code for code, _, _ in SAID} == failures.FAILURES.keys()


@pytest.mark.parametrize(("code", "slots", "sentence"), SAID)
def test_a_sentence_has_its_name(code: Code, slots: dict[str, object], sentence: str) -> None:
    assert say(code, **slots) == sentence
    assert failures.named(sentence) == code
    assert failures.named(f"{sentence}; the reply's body is left out: it holds more than 20000 values") == code


@pytest.mark.parametrize("error", [None, "", "the HAR has no reply", "the connection ended before the reply"])
def test_what_else_went_wrong_has_no_name(error: str | None) -> None:
    assert failures.named(error) is None


@given(st.text())
def test_any_text_is_taken(error: str) -> None:
    failures.named(error)
