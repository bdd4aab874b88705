"""The laws that fuzzing holds, over the inputs that it found, the committed captures, and what Hypothesis makes."""

import sys
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(ROOT / "fuzz"))

import laws

from qqlab import capture

LAWS = {"streams": laws.streams, "conversations": laws.conversations, "lines": laws.lines, "codec": laws.codec}
VECTORS = sorted((ROOT / "fuzz" / "vectors").glob("*/*"))
WORDS = [
    b"POST / HTTP/1.1\r\n",
    b"POST HTTP/1.0\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"\r\n",
    b"\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"VER=1.4&CMD=Login&SEQ=1&UIN=1",
    b"&RES=0",
    b"\xff>",
    b"\xff<",
]


@pytest.mark.parametrize("path", VECTORS, ids=[f"{path.parent.name}-{path.name}" for path in VECTORS])
def test_what_fuzzing_found(path: Path) -> None:
    LAWS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("law", LAWS)
def test_the_committed_captures_keep_the_laws(law: str) -> None:
    for exchange in capture.load(ROOT / "captures" / "demo.jsonl").exchanges[:20]:
        sides = [(b"\xff>", exchange.request), (b"\xff<", exchange.reply)]
        LAWS[law](b"\x06" + b"".join(mark + one.head + one.body for mark, one in sides if one is not None))


@given(st.sampled_from(sorted(LAWS)), st.lists(st.sampled_from(WORDS) | st.binary(max_size=9), max_size=12))
def test_any_bytes_keep_the_laws(law: str, words: list[bytes]) -> None:
    LAWS[law](b"".join(words))
