"""A replay over the workers of a real cluster: what it does is what one process does, and a death changes nothing."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import ROOT, qqlab
from test_apart import UINS, Writing, alone, friends, replayed, said, short, tokens, told_of
from test_workers import Server, over_http, write

from qqlab.capture import load
from qqlab.cli.console import counted
from qqlab.errors import InputError, RefusedError
from qqlab.net import cluster as clusters
from qqlab.net.cluster import Errand
from qqlab.net.replay import Sending
from qqlab.replay import Options, parse_target
from qqlab.replay.passwords import no_passwords

SHAPES = [alone, friends, tokens, short]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the scheduler of a cluster listens."""
    with subprocess.Popen(
        [sys.executable, ROOT / "tests" / "clusters.py"],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.communicate(timeout=20)


def test_a_cluster_does_what_one_process_does(address: str, tmp_path: Path) -> None:
    found = replayed(tmp_path, SHAPES, "1", address)
    for shape in SHAPES:
        code, out, err, kept, _ = found[f"{shape.__name__} 1"]
        other_code, other_out, other_err, other_kept, _ = found[f"{shape.__name__} {address}"]
        assert (other_code, other_err, other_kept, told_of(other_out)) == (code, err, kept, told_of(out))
        assert len(kept) > 5
    assert not list(tmp_path.glob("*.journal*"))


class Counting:
    """A server that counts what it is asked, by the number of the request. It says nothing to `held` until `free`."""

    def __init__(self, held: int = 0) -> None:
        self.got: Counter[int] = Counter()
        self.free = threading.Event()
        self._held = held
        self.server = Server(self._answer)

    def _answer(self, fields: dict[bytes, bytes]) -> bytes:
        number = int(fields[b"M"])
        self.got[number] += 1
        if number == self._held:
            self.free.wait(20)
        else:
            time.sleep(0.005)
        return over_http(said(fields, recorded=True))

    def close(self) -> None:
        self.free.set()
        self.server.close()


def many() -> Writing:
    """Eight who have to do with each other in pairs, and much to say."""
    day = Writing()
    for turn in range(20):
        for one, other in zip(UINS[::2], UINS[1::2], strict=True):
            day.ask(one, "CLTMSG", f"UN={other}&MG=hello {turn}")
            day.ask(other, "GetInfo", f"UN={turn}")
    return day


def writer_of(path: Path) -> int | None:
    """The process that has a file open."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink() == path:
                return int(link.parts[2])
        except OSError:
            continue
    return None


def wait_for(what: Any, seconds: float = 30) -> Any:
    """What it gives, once that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"never came: {what}")


def begun(*arguments: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "qqlab", "replay", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_worker_that_is_killed_loses_and_doubles_nothing(address: str, tmp_path: Path) -> None:
    """A write of which nobody knows whether it was done is not sent again, but where that is asked for."""
    day = many()
    capture, output = write(tmp_path / "recorded.jsonl", day.made), tmp_path / "replayed.jsonl"
    writes = {n for n, one in enumerate(day.made, 1) if one.request and b"CLTMSG" in one.request.body}
    held = min(number for number in writes if number > 80)
    counting = Counting(held)
    how: list[str | Path] = [capture, "--target", counting.server.target, "-o", output, "--timeout", "30"]
    try:
        sender = begun(*how, "--cluster", address)
        wait_for(lambda: counting.got[held])
        holding = [path for path in tmp_path.glob("*.journal.*") if b'{"sent":"%d"}' % held in path.read_bytes()]
        killed = writer_of(holding[0])
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        out, err = sender.communicate(timeout=40)
        assert sender.returncode == 3, (out, err)
        kept = [one.id for one in load(output).exchanges]
        unknown = {int(one.id) for one in day.made if one.id not in kept}
        assert f"what became of {counted(len(unknown), 'exchange')} when the replay broke off is not known" in err
        assert held in unknown <= writes
        assert kept == [one.id for one in day.made if int(one.id) not in unknown]
        got = {number: counting.got[number] for number in writes}
        assert got == dict.fromkeys(writes, 1) | {number: got[number] for number in unknown}
        assert (max(got.values()), got[held]) == (1, 1)
        assert sum(counting.got.values()) <= len(day.made) + len(UINS)  # what only reads may go out again
        counting.free.set()
        done = qqlab("replay", *how, "--resume", "--resend-unknown")
        assert (done.returncode, counting.got[held]) == (0, 2), done.stderr
        assert [one.id for one in load(output).exchanges] == [one.id for one in day.made]
        assert not list(tmp_path.glob("*.journal*"))
    finally:
        counting.close()


def test_ctrl_c_ends_it_and_it_can_be_gone_on_with(address: str, tmp_path: Path) -> None:
    day = many()
    capture, output = write(tmp_path / "recorded.jsonl", day.made), tmp_path / "replayed.jsonl"
    counting = Counting()
    how: list[str | Path] = [capture, "--target", counting.server.target, "-o", output]
    try:
        sender = begun(*how, "--cluster", address, "--rate", "40")
        wait_for(lambda: sum(counting.got.values()) > 20)
        sender.send_signal(signal.SIGINT)
        out, err = sender.communicate(timeout=20)
        assert (sender.returncode, "interrupted" in err) == (130, True), (out, err)
        sent = sum(counting.got.values())
        assert 0 < sent < len(day.made)
        unknown = sent - len(load(output).exchanges)
        assert unknown <= 2  # one that was under way in each worker
        done = qqlab("replay", *how, "--resume", "--resend-unknown", "--cluster", address)
        assert done.returncode == 0, done.stderr
        assert re.match(r"compared 160 of 160 exchanges: 160 equal", done.stdout)
        assert sum(counting.got.values()) == len(day.made) + unknown  # nobody had gone on
        assert len(load(output).exchanges) == len(day.made)
        assert not list(tmp_path.glob("*.journal*"))
    finally:
        counting.close()


def test_reports_that_show_both_sides_are_made_of_what_workers_kept(address: str, tmp_path: Path) -> None:
    capture, output, report = write(tmp_path / "recorded.jsonl", friends()), tmp_path / "x.jsonl", tmp_path / "x.xml"
    server = Server(lambda fields: over_http(said(fields, recorded=False)))
    try:
        how = ["--target", server.target, "-o", str(output), "--cluster", address, "--report", f"junit={report}"]
        done = qqlab("replay", capture, *how)
    finally:
        server.close()
    assert done.returncode == 1, done.stderr
    assert report.read_text("utf-8").count("<testcase ") == len(load(output).exchanges) == 33


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "workers keep what they send beside the capture"),
        (["-o", "x.jsonl", "--control", "1"], "what differs by itself is not learned on a cluster"),
    ],
)
def test_what_a_cluster_cannot_do_is_said_at_once(options: list[str], says: str, tmp_path: Path) -> None:
    capture = write(tmp_path / "recorded.jsonl", friends())
    done = qqlab("replay", capture, "--target", "127.0.0.1:1", "--cluster", "127.0.0.1:1", *options, cwd=tmp_path)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def errand(tmp_path: Path, **other: object) -> Errand:
    tmp_path.mkdir(exist_ok=True)
    asked: dict[str, object] = {
        "captures": (write(tmp_path / "recorded.jsonl", friends()),),
        "spec": None,
        "target": parse_target("127.0.0.1:1"),
        "hosts": (),
        "effects": None,
        "secrets": lambda: (no_passwords, no_passwords),
        "options": Options(),
        "how": Sending(),
        "start": 1,
        "output": tmp_path / "replayed.jsonl",
        "machine": clusters.this_machine(),
        "key": b"k" * 32,
        "number": 2,
    }
    return Errand(**(asked | other))  # type: ignore[arg-type]


def test_loopback_is_this_machine_not_that_of_a_worker(tmp_path: Path) -> None:
    asked = errand(tmp_path)
    assert clusters.survey(asked).exchanges == 33
    elsewhere = Errand(**{name: getattr(asked, name) for name in asked.__struct_fields__} | {"machine": "elsewhere"})
    with pytest.raises(RefusedError, match="is another machine on the worker"):
        clusters.survey(elsewhere)


def test_what_another_machine_does_not_have_is_said_with_its_name(tmp_path: Path) -> None:
    missing = errand(tmp_path, captures=(tmp_path / "gone.jsonl",))
    with pytest.raises(InputError, match=r"gone\.jsonl: No such file or directory$"):
        clusters.survey(missing)
    elsewhere = errand(tmp_path / "x", captures=(tmp_path / "gone.jsonl",), machine="elsewhere")
    with pytest.raises(
        InputError, match=r"No such file or directory, says the worker .*storage that all workers share"
    ):
        clusters.survey(elsewhere)


def test_a_capture_that_has_changed_since_it_was_planned_is_sent_by_nobody(tmp_path: Path) -> None:
    asked = errand(tmp_path)
    found = clusters.survey(asked)
    same = msgspec.structs.replace(asked, surveyed=(found.fingerprint, found.loads))
    lines = asked.captures[0].read_bytes().splitlines(keepends=True)
    asked.captures[0].write_bytes(b"".join(lines[:-1]))
    with pytest.raises(InputError, match=r"reads otherwise on the worker .* than when the replay was planned"):
        clusters.do_part(same, 0)
    assert not list(tmp_path.glob("*.journal*"))


def test_times_follow_from_one_moment_whatever_a_worker_has_for_a_clock(tmp_path: Path) -> None:
    asked = errand(tmp_path, begin=time.time() + 5)
    for behind in (0.0, 2.0, -2.0):
        begin = clusters.begin(asked, behind)
        assert begin is not None
        assert begin - time.monotonic() == pytest.approx(5 - behind, abs=0.5)


def test_each_worker_checks_the_target_and_what_may_be_done_there(tmp_path: Path) -> None:
    asked = errand(tmp_path, target=parse_target("192.0.2.1:80"))
    for work in (clusters.survey, lambda one: clusters.do_part(one, 0)):
        with pytest.raises(RefusedError, match="is not on this machine"):
            work(asked)
