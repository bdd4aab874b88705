"""A capture that grows is shown whole: torn lines, segments that end, recorders that crash and go on, Ctrl-C."""

import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Process

from qqlab import spec as specs
from qqlab.capture import Storage, Writer, follow, header, save
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage

SPEC = specs.builtin()
HEAD = header(SPEC, redacted="secrets")
Step = Callable[[], object]


def exchange(number: int) -> Exchange:
    return Exchange(id=str(number), session="s", request=RawMessage(body=b"CMD=Logout&VER=1.1&UIN=1&SEQ=%d" % number))


def followed(path: Path, *steps: Step) -> tuple[list[int], list[str]]:
    """The ids that are seen, where these things happen one after the other, each once nothing is new."""
    left: Iterator[Step] = iter(steps)
    told: list[str] = []

    def go_on() -> bool:
        step = next(left, None)
        if step is not None:
            step()
        return step is not None

    return [int(found.id) for found in follow(path, go_on, told.append)], told


def test_exchanges_come_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    with Writer(path, HEAD, SPEC) as writer:
        writer.append(exchange(1))
        steps: list[Step] = [lambda: writer.append(exchange(2)), lambda: None, lambda: writer.append(exchange(3))]
        assert followed(path, *steps) == ([1, 2, 3], [])


@pytest.mark.parametrize("seed", range(5))
def test_a_recording_that_is_rotated_however_often(tmp_path: Path, seed: int) -> None:
    """Several segments may begin and end between two looks."""
    path = tmp_path / "mine.jsonl"
    chance = random.Random(seed)
    with Writer(path, HEAD, SPEC, Storage(rotate_bytes=2000)) as writer:

        def some() -> None:
            for _ in range(chance.choice([0, 1, 2, 5, 12])):
                writer.append(exchange(writer.count + 1))

        some()
        seen, told = followed(path, *[some] * 12)
        assert (seen, told) == (list(range(1, writer.count + 1)), [])
        assert writer.count > 20


def test_a_line_that_is_not_whole_yet(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    save(path, HEAD, [exchange(1), exchange(2)], SPEC)
    whole = path.read_bytes()
    path.write_bytes(whole[:30])

    def more(end: int) -> Step:
        def write() -> None:
            with path.open("ab") as file:
                file.write(whole[path.stat().st_size : end])

        return write

    ends = [60, len(whole) - 50, len(whole) - 1, len(whole)]
    assert followed(path, *map(more, ends)) == ([1, 2], [])
    path.write_bytes(whole[:-5])
    assert followed(path) == ([1], [f"{path}:3: the last line is cut off and was skipped ({_last(whole) - 4} bytes)"])


def _last(whole: bytes) -> int:
    return len(whole.splitlines()[-1])


def test_a_recorder_that_crashed_and_goes_on(tmp_path: Path) -> None:
    """What it cut off is not taken for the beginning of what it writes then."""
    path = tmp_path / "mine.jsonl"
    save(path, HEAD, [exchange(1), exchange(2)], SPEC)
    path.write_bytes(path.read_bytes()[:-20])

    def go_on() -> None:
        with Writer(path, HEAD, SPEC, Storage(append=True)) as writer:
            for number in (2, 3, 4):
                writer.append(exchange(number))

    assert followed(path, go_on) == ([1, 2, 3, 4], [])


def test_another_recording_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    save(path, HEAD, [exchange(1), exchange(2)], SPEC)

    def replace() -> None:
        save(path, HEAD, [exchange(5)], SPEC, force=True)

    def remove() -> None:
        path.unlink()

    seen, told = followed(path, replace, remove, lambda: None, lambda: save(path, HEAD, [exchange(6)], SPEC))
    assert seen == [1, 2, 5, 6]
    assert told == [f"{path}: is another recording now"] * 2


def test_a_segment_that_is_gone_is_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    with Writer(path, HEAD, SPEC, Storage(rotate_bytes=2000)) as writer:
        for number in range(1, 9):
            writer.append(exchange(number))
    (tmp_path / "mine.0001.jsonl.zst").unlink()
    seen, told = followed(path)
    assert (seen[-1], told) == (8, [f"{path}: segment 1 of this recording does not stand beside it"])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", None),
        (b"hello\n", ":1: is no qqlab capture"),
        (b"\x28\xb5\x2f\xfd....", ": is compressed, and so is finished"),
    ],
)
def test_what_cannot_be_followed(tmp_path: Path, data: bytes, said: str | None) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    if said is None:
        assert followed(path) == ([], [])
        return
    with pytest.raises(InputError) as caught:
        followed(path)
    assert str(caught.value).startswith(str(path) + said)


def test_lines_that_are_damaged_or_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save(path, HEAD, [exchange(1)], SPEC)
    whole = path.read_bytes()

    def damage() -> None:
        with path.open("ab") as file:
            file.write(b"{}\n")

    with pytest.raises(InputError, match=r"a\.jsonl:3: the line is damaged"):
        followed(path, damage)
    path.write_bytes(whole)
    with pytest.raises(InputError, match="became shorter"):
        followed(path, lambda: os.truncate(path, 10))
    with pytest.raises(InputError, match="is no file of this machine"):
        followed(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        followed(tmp_path / "such.jsonl")


@pytest.mark.parametrize("ends", [signal.SIGINT, signal.SIGTERM])
def test_the_command_line_until_ctrl_c(start: Callable[..., Process], tmp_path: Path, ends: signal.Signals) -> None:
    path = tmp_path / "mine.jsonl"
    with Writer(path, HEAD, SPEC, Storage(rotate_bytes=2000)) as writer:
        writer.append(exchange(1))
        command = [sys.executable, "-m", "qqlab", "show", str(path), "-f"]
        plain = start(*command, "--where", "sequence != 3")
        lines = start(*command, "--json")
        plain.wait_for("1  -  1  Logout  no reply")
        for number in range(2, 9):
            writer.append(exchange(number))
        plain.wait_for("8  -  1  Logout  no reply")
        lines.wait_for('"id":"8"')
        assert plain.stop(ends) == lines.stop(ends) == 0
    assert [line[0] for line in plain.output.splitlines()] == ["1", "2", "4", "5", "6", "7", "8", "q"]
    assert plain.output.endswith("qqlab: 7 exchanges shown\n")
    assert [json.loads(line)["id"] for line in lines.output.splitlines()[:-1]] == [str(n) for n in range(1, 9)]


def test_the_sample_is_followed_as_it_is_read() -> None:
    assert followed(ROOT / "captures/demo.jsonl")[0] == list(range(1, 37))
