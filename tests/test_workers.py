"""A replay over several processes is one replay: what they share, and what each may not take for itself."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture import header, load, save
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.replay import Sending
from qqlab.net.running import Limits
from qqlab.net.silence import Silence
from qqlab.net.workers import parts, shared_out
from qqlab.replay import plan

SPEC = specs.builtin()
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def exchange(number: int, uin: str, *, line: bool = False) -> Exchange:
    """An account asks something that only reads."""
    version, seq = "1.4" if line else "1.1", 1000 + number
    asked = f"VER={version}&CMD=GetInfo&SEQ={seq}&UIN={uin}&LV=3&UN=20001&M={number}".encode()
    said = f"VER={version}&CMD=GETINFO&SEQ={seq}&UIN={uin}&RES=0".encode()
    return Exchange(
        id=str(number),
        session=f"127.0.0.1/{uin}",
        client=f"127.0.0.1:{uin}" if line else "",
        time=EPOCH + timedelta(seconds=number / 100),
        elapsed=0.001,
        transport="lines" if line else "http",
        request=RawMessage(body=asked, end=b"\n") if line else http1.request(asked, "127.0.0.1"),
        reply=RawMessage(body=said, end=b"\n") if line else http1.reply(said),
    )


def turns(counts: dict[str, int], *, line: bool = False) -> list[Exchange]:
    """Each account asks so often, all beside each other."""
    order = sorted((turn, uin) for uin, count in counts.items() for turn in range(count))
    return [exchange(number, uin, line=line) for number, (_, uin) in enumerate(order, 1)]


class Server:
    """A server in threads of its own. `answers` gives what is said to the fields of a request, None to say nothing for
    as long as the client stays. `asked` counts requests."""

    def __init__(self, answers: Callable[[dict[bytes, bytes]], bytes | None], *, lines: bool = False) -> None:
        self.asked = 0
        self._answers = answers
        self._lines = lines
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.target = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        pattern = rb"([^\n]*)\n" if self._lines else rb"\r\n\r\n(.*&M=\d+)\Z"
        data = b""
        with suppress(OSError), connection:
            while piece := connection.recv(65536):
                data += piece
                while found := re.search(pattern, data, re.DOTALL):
                    data = data[found.end() :]
                    self.asked += 1
                    said = self._answers(dict(pair.split(b"=", 1) for pair in found[1].split(b"&")))
                    if said is not None:
                        connection.sendall(said)
                        if not self._lines:
                            return

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def begin() -> Iterator[Callable[..., Server]]:
    """Begin servers that end with the test."""
    begun: list[Server] = []

    def one(answers: Callable[[dict[bytes, bytes]], bytes | None], *, lines: bool = False) -> Server:
        begun.append(Server(answers, lines=lines))
        return begun[-1]

    yield one
    for server in begun:
        server.close()


def out(fields: dict[bytes, bytes]) -> bytes:
    """What the recording has."""
    echoed = (fields[b"VER"], fields[b"CMD"].upper(), fields[b"SEQ"], fields[b"UIN"])
    return b"VER=%s&CMD=%s&SEQ=%s&UIN=%s&RES=0" % echoed


def over_http(body: bytes) -> bytes:
    message = http1.reply(body)
    return message.head + message.body


def write(path: Path, exchanges: list[Exchange]) -> Path:
    save(path, header(SPEC, redacted="secrets", created=EPOCH), exchanges, SPEC)
    return path


def test_what_is_pushed_to_several_processes_is_kept_once_each(tmp_path: Path, begin: Callable[..., Server]) -> None:
    def pushes(fields: dict[bytes, bytes]) -> bytes:
        note = b"VER=1.4&CMD=Server_Msg&SEQ=0&UIN=%s&MG=note%s" % (fields[b"UIN"], fields[b"M"])
        return out(fields) + b"\n" + note + b"\n"

    capture = write(tmp_path / "recorded.jsonl", turns({"10001": 3, "10002": 3, "10003": 3}, line=True))
    output = tmp_path / "replayed.jsonl"
    server = begin(pushes, lines=True)
    qqlab("replay", capture, "--target", server.target, "-o", output, "--lanes", "3", "--workers", "3")
    pushed = [one for one in load(output).exchanges if one.request is None]
    assert len({one.id for one in pushed}) == 9
    notes = [one.reply.body.partition(b"&MG=note")[2] for one in pushed if one.reply is not None]
    assert sorted(map(int, notes)) == list(range(1, 10))


def test_one_account_without_an_answer_is_no_target_that_is_down(tmp_path: Path, begin: Callable[..., Server]) -> None:
    """Though it is all that one of the processes asks for."""
    capture = write(tmp_path / "recorded.jsonl", turns({"10001": 8, "10002": 1}))
    server = begin(lambda fields: None if fields[b"UIN"] == b"10002" else over_http(out(fields)))
    how = ["--timeout", "2", "--lanes", "2", "--workers", "2", "--json"]
    done = qqlab("replay", capture, "--target", server.target, *how)
    assert (done.returncode, done.stderr) == (1, "")
    assert (server.asked, json.loads(done.stdout)["summary"]["equal"]) == (9, 8)


def test_a_target_that_says_nothing_is_given_up_by_all_processes(tmp_path: Path, begin: Callable[..., Server]) -> None:
    capture = write(tmp_path / "recorded.jsonl", turns({str(10001 + one): 10 for one in range(4)}))
    server = begin(lambda fields: None)
    how = ["--timeout", "0.3", "--lanes", "4", "--workers", "4"]
    assert qqlab("replay", capture, "--target", server.target, *how).returncode == 4
    assert 0 < server.asked <= 5 + 3  # five silences, and one more under way in each of the others


def test_silence_is_counted_once_for_all_and_forgotten_when_something_is_heard() -> None:
    for shared in (False, True):
        silence = Silence(100, shared=shared)
        told = [silence.is_over(silent) for silent in (True, True, True, True, False, True, True, True, True, True)]
        assert told == [False] * 9 + [True]
        assert silence.is_over(False)
        assert [Silence(2, shared=shared).is_over(True), Silence(1, shared=shared).is_over(True)] == [False, True]


@given(st.integers(1, 60), st.lists(st.integers(1, 500), min_size=1, max_size=12))
def test_places_are_shared_out_to_the_last(number: int, loads: list[int]) -> None:
    loads = loads[:number]
    given = shared_out(number, loads)
    assert (sum(given), min(given) >= 1, len(given)) == (number, True, len(loads))
    by_load = [places for _, places in sorted(zip(loads, given, strict=True))]
    assert by_load == sorted(by_load)


@pytest.mark.parametrize(("lanes", "workers"), [(3, 2), (1, 4), (5, 3), (4, 4), (None, 3), (50, 2)])
def test_processes_keep_to_the_lanes_together(lanes: int | None, workers: int) -> None:
    planned = plan(turns({str(10001 + one): 4 for one in range(8)}), SPEC, host="127.0.0.1:1", start=1)
    shares = parts(planned, Sending(rate=80.0, limits=Limits(lanes=lanes)), workers)
    assert sum(one.how.limits.lanes or 0 for one in shares) == min(lanes or planned.at_once, 8)
    assert sum(one.how.rate or 0.0 for one in shares) == pytest.approx(80.0)
    assert sorted(step.recorded.id for one in shares for step in one.planned.steps) == sorted(
        step.recorded.id for step in planned.steps
    )
