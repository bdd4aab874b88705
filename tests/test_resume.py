"""A replay that is killed under way, and gone on with: nothing is written twice, and every outcome is there."""

import errno
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from conftest import Process, free_port, qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab import failures, http1
from qqlab import spec as specs
from qqlab.capture import encode_line, header, load, save
from qqlab.capture.live import write_all
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.net.kept import UNKNOWN, Keeping, ask_again, left_over
from qqlab.replay import Options, plan
from qqlab.replay import journal as journals
from qqlab.replay.changes import Changes, Setting
from qqlab.replay.journal import (
    Head,
    Journal,
    Kept,
    Outcomes,
    fingerprint,
    fingerprint_of,
    journal_path,
    new_path,
    present,
)

SPEC = specs.builtin()


class Counting:
    """A server in threads of its own that counts what it was asked, by the number in each request, and takes its
    time: `asked` tells how often each number came."""

    def __init__(self, delay: float) -> None:
        self.asked: Counter[int] = Counter()
        self._delay = delay
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.target = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            data = b""
            while not (found := re.search(rb"\r\n\r\n.*&M=(\d+)\Z", data, re.DOTALL)):
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
            self.asked[int(found[1])] += 1
            time.sleep(self._delay)
            fields = dict(pair.split(b"=", 1) for pair in data.partition(b"\r\n\r\n")[2].split(b"&"))
            said = b"VER=1.1&CMD=%s&SEQ=%s&UIN=%s&RES=0" % (fields[b"CMD"].upper(), fields[b"SEQ"], fields[b"UIN"])
            reply = http1.reply(said)
            try:
                connection.sendall(reply.head + reply.body)
            except OSError:
                return

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def server() -> Iterator[Counting]:
    counting = Counting(delay=0.02)
    yield counting
    counting.close()


def exchange(number: int) -> Exchange:
    """Five accounts, turn by turn; every third request only reads."""
    uin, seq = 10001 + number % 5, 1000 + number
    command = "GetInfo" if number % 3 == 0 else "CLTMSG"
    fields = "LV=3&UN=20001" if number % 3 == 0 else "UN=20001&MG=x"
    return Exchange(
        id=str(number),
        session=f"127.0.0.1/{uin}",
        request=http1.request(f"VER=1.1&CMD={command}&SEQ={seq}&UIN={uin}&{fields}&M={number}".encode(), "127.0.0.1"),
        reply=http1.reply(f"VER=1.1&CMD={command.upper()}&SEQ={seq}&UIN={uin}&RES=0".encode()),
    )


EXCHANGES = [exchange(number) for number in range(1, 101)]


def write(path: Path) -> Path:
    save(path, header(SPEC, redacted="secrets", created=datetime.now(UTC)), EXCHANGES, SPEC)
    return path


def killed(start: Callable[..., Process], server: Counting, capture: Path, output: Path, after: int) -> None:
    """A replay that is killed once so many requests have come."""
    command = ["replay", capture, "--target", server.target, "-o", output]
    process = start(sys.executable, "-m", "qqlab", *command)
    while server.asked.total() < after:
        time.sleep(0.002)
    process.stop(signal.SIGKILL)


def said_of(output: Path, unknown: int) -> str:
    return (
        f"qqlab: {output}: what became of {unknown} exchange{'s'[: unknown != 1]} when the replay broke off is "
        "not known (send what is unknown again: --resume --resend-unknown; or begin anew: --force)\n"
    )


@pytest.mark.parametrize("resend", [False, True])
def test_a_replay_that_is_killed_goes_on(
    tmp_path: Path, start: Callable[..., Process], server: Counting, resend: bool
) -> None:
    capture, output = write(tmp_path / "recorded.jsonl"), tmp_path / "replayed.jsonl"
    killed(start, server, capture, output, 30)
    assert not output.exists()
    kept = Kept(
        present(output),
        replay=fingerprint(EXCHANGES),
        target=server.target,
        options=fingerprint_of(Options()),
    )
    assert kept.done
    assert not kept.done & kept.unknown
    refused = qqlab("replay", capture, "--target", server.target, "-o", output)
    assert (refused.returncode, refused.stderr) == (
        3,
        f"qqlab: {journal_path(output)}: an interrupted replay is kept here "
        "(go on with it: --resume; or begin anew: --force)\n",
    )
    again = ["--resend-unknown"] if resend else []
    done = qqlab("replay", capture, "--target", server.target, "-o", output, "--resume", *again)
    unsure = not resend and len(kept.unknown)
    assert (done.returncode, done.stderr) == ((3, said_of(output, unsure)) if unsure else (0, ""))
    written = {number for number in range(1, 101) if number % 3}
    twice = {number for number in written if server.asked[number] > 1}
    assert twice <= {int(identifier) for identifier in kept.unknown} if resend else not twice
    left_out = set() if resend else kept.unknown
    assert {one.id for one in load(output).exchanges} == {one.id for one in EXCHANGES} - left_out
    assert [one.id for one in load(output).exchanges] == [one.id for one in EXCHANGES if one.id not in left_out]
    assert {number for number in range(1, 101) if not server.asked[number]} <= set(map(int, left_out))
    if unsure:
        done = qqlab("replay", capture, "--target", server.target, "-o", output, "--resume", "--resend-unknown")
        assert (done.returncode, done.stderr) == (0, "")
        assert [one.id for one in load(output).exchanges] == [one.id for one in EXCHANGES]
    assert present(output) == []


def test_the_command_that_sends_again_what_is_unknown_works(tmp_path: Path, server: Counting) -> None:
    capture, output = write(tmp_path / "recorded.jsonl"), tmp_path / "replayed.jsonl"
    head = Head(qqlab_journal=1, replay=fingerprint(load(capture).exchanges), target=server.target, start=7)
    journal = Journal(new_path(output), head)
    journal.intent("11")
    journal.close()
    command = ("replay", capture, "--target", server.target, "-o", output, "--resume")
    for _ in range(2):
        done = qqlab(*command)
        assert (done.returncode, done.stderr) == (3, said_of(output, 1))
        assert (server.asked[11], len(load(output).exchanges)) == (0, 99)
    done = qqlab(*command, "--resend-unknown")
    assert (done.returncode, done.stderr, present(output)) == (0, "", [])
    assert [one.id for one in load(output).exchanges] == [one.id for one in EXCHANGES]
    assert set(server.asked.values()) == {1}


def test_a_replay_whose_target_was_down_goes_on_when_it_is_up(tmp_path: Path, server: Counting) -> None:
    capture, output = write(tmp_path / "recorded.jsonl"), tmp_path / "replayed.jsonl"
    port = free_port()
    down = qqlab("replay", capture, "--target", f"127.0.0.1:{port}", "-o", output)
    assert (down.returncode, down.stderr.splitlines()[-1]) == (
        4,
        f"qqlab: 127.0.0.1:{port}: cannot connect: connection refused (is the server running? then go on: --resume)",
    )
    # What never got a connection was never sent.
    other = qqlab("replay", capture, "--target", server.target, "-o", output, "--resume")
    assert (other.returncode, other.stderr) == (
        3,
        f"qqlab: {journal_path(output)}: is the journal of another replay "
        "(name the same capture and target as then, or begin anew: --force)\n",
    )
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen(100)
        server._listening.close()
        server._listening = taken
        threading.Thread(target=server._accept, daemon=True).start()
        done = qqlab("replay", capture, "--target", f"127.0.0.1:{port}", "-o", output, "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    assert [one.id for one in load(output).exchanges] == [one.id for one in EXCHANGES]
    assert set(server.asked.values()) == {1}
    assert present(output) == []


OTHERWISE = "was begun with other options, and what is left would not fit what was sent"


def test_a_replay_goes_on_as_it_was_begun(tmp_path: Path) -> None:
    """What was sent and what is left would be of two different replays. How fast it goes is another matter."""
    capture, output = write(tmp_path / "recorded.jsonl"), tmp_path / "replayed.jsonl"
    command: list[str | Path] = ["replay", capture, "--target", f"127.0.0.1:{free_port()}", "--retries", "0"]
    setting = ["--set", "GetInfo.LV=2", "-o", str(output)]
    assert qqlab(*command, *setting).returncode == 4
    refused = qqlab(*command, "-o", output, "--resume")
    assert (refused.returncode, refused.stderr) == (
        3,
        f"qqlab: {journal_path(output)}: {OTHERWISE} "
        "(give --set, --map-account, --pin and --no-correlate as then, or begin anew: --force)\n",
    )
    assert qqlab(*command, *setting, "--resume", "--speed", "5").returncode == 4


@pytest.mark.parametrize(
    "options",
    [
        Options(changes=Changes((Setting("GetInfo", "LV", "3"),))),
        Options(changes=Changes((), {"10001": "10009"})),
        Options(pins=(("CLTMSG", "UN"),)),
        Options(pins=((None, "UN"),)),
        Options(correlate=False),
    ],
)
def test_each_option_that_changes_requests_has_to_be_given_again(tmp_path: Path, options: Options) -> None:
    output = tmp_path / "out.jsonl"
    for journal in Keeping(output, EXCHANGES, "t", resume=False, force=False, options=options).journals(7, 1):
        journal.close()
    for other in (Options(), Options(changes=Changes((Setting("GetInfo", "LV", "4"),)))):
        with pytest.raises(InputError, match=OTHERWISE):
            Keeping(output, EXCHANGES, "t", resume=True, force=False, options=other)
    same = options._replace(max_gap=1.0, only=("1",))
    assert Keeping(output, EXCHANGES, "t", resume=True, force=False, options=same).before.start == 7


@pytest.mark.parametrize("kept", [True, False])
def test_processes_share_the_work(tmp_path: Path, server: Counting, kept: bool) -> None:
    capture, output = write(tmp_path / "recorded.jsonl"), tmp_path / "replayed.jsonl"
    keep: list[str | Path] = ["-o", output] if kept else []
    done = qqlab("replay", capture, "--target", server.target, "--workers", "3", "--json", *keep)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["summary"]["equal"], told["replay"]["sent"]) == (100, 100)
    assert (told["replay"]["connections_opened"], told["replay"]["late"]) == (100, None)
    assert set(server.asked.values()) == {1}
    if kept:
        assert [one.id for one in load(output).exchanges] == [one.id for one in EXCHANGES]
        assert present(output) == []


def children(process: Process) -> list[Path]:
    """The processes that a process has begun, as what stands for them in /proc."""
    pid = process._child.pid
    return [Path("/proc") / child for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(process: Path) -> bool:
    """Whether it runs still; one that has ended may wait for somebody to hear of it."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="children are looked up in /proc"
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGHUP, 130), (signal.SIGKILL, -9)])
def test_no_process_goes_on_sending_when_a_replay_is_ended(
    tmp_path: Path, start: Callable[..., Process], server: Counting, number: int, code: int
) -> None:
    capture, output = write(tmp_path / "recorded.jsonl"), tmp_path / "replayed.jsonl"
    command: list[str | Path] = ["replay", capture, "--target", server.target, "-o", output, "--workers", "3"]
    process = start(sys.executable, "-m", "qqlab", *command, "--rate", "20/s")
    while server.asked.total() < 5:
        time.sleep(0.002)
    workers = children(process)
    assert len(workers) == 3
    assert process.stop(number) == code
    end = time.monotonic() + 20
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < end, "a worker goes on"
        time.sleep(0.01)
    assert server.asked.total() < 100
    assert output.exists() == (code > 0)


@pytest.mark.parametrize("options", [["--report", "html=out.html"], ["--report", "html=out.html", "--workers", "2"]])
def test_a_replay_that_is_ended_leaves_nothing_behind_elsewhere(
    tmp_path: Path, start: Callable[..., Process], server: Counting, options: list[str]
) -> None:
    """As in the background of a script, where Ctrl-C is ignored."""
    capture, folder = write(tmp_path / "recorded.jsonl"), tmp_path / "temporary"
    folder.mkdir()
    line = [sys.executable, "-m", "qqlab", "replay", str(capture), "--target", server.target, "--rate", "20/s"]
    ignoring = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", "env", f"TMPDIR={folder}"]
    process = start(*ignoring, *line, *options, cwd=tmp_path)
    while server.asked.total() < 5:
        time.sleep(0.002)
    assert list(folder.glob("qqlab-*/*"))
    assert process.stop(signal.SIGTERM) == 130
    assert list(folder.iterdir()) == []


def test_processes_that_are_interrupted_leave_what_they_have_and_go_on(
    tmp_path: Path, start: Callable[..., Process], server: Counting
) -> None:
    capture, output = write(tmp_path / "recorded.jsonl"), tmp_path / "replayed.jsonl"
    command: list[str | Path] = ["replay", capture, "--target", server.target, "-o", output, "--workers", "2"]
    process = start(sys.executable, "-m", "qqlab", *command)
    while server.asked.total() < 30:
        time.sleep(0.002)
    assert process.stop(signal.SIGINT) == 130
    assert len(load(output).exchanges) >= 10
    done = qqlab(*command, "--resume", "--resend-unknown")
    assert (done.returncode, done.stderr) == (0, "")
    assert [one.id for one in load(output).exchanges] == [one.id for one in EXCHANGES]


@pytest.mark.parametrize("kept", [True, False])
def test_processes_that_are_interrupted_tell_what_they_have(
    tmp_path: Path, start: Callable[..., Process], server: Counting, kept: bool
) -> None:
    capture = write(tmp_path / "recorded.jsonl")
    options: list[str | Path] = ["-o", tmp_path / "replayed.jsonl"] if kept else []
    command = ["-m", "qqlab", "replay", capture, "--target", server.target, "--workers", "2", "--rate", "50/s"]
    process = start(sys.executable, *command, *options)
    while server.asked.total() < 12:
        time.sleep(0.002)
    assert process.stop(signal.SIGINT) == 130
    told = re.search(r"compared ([0-9]+) of 100 exchanges: \1 equal, 0 equivalent, 0 different\n", process.output)
    assert told
    assert 8 <= int(told[1]) < 100
    assert "the replay was interrupted" in process.output


def test_the_pace_is_told(tmp_path: Path, server: Counting) -> None:
    capture = write(tmp_path / "recorded.jsonl")
    done = qqlab("replay", capture, "--target", server.target, "--speed", "2.5", "--lanes", "4", "--rate", "1000/s")
    assert done.returncode == 0
    first, second = done.stderr.splitlines()
    rate = re.search(r", ([0-9]+)/s", first)
    assert rate
    assert int(rate[1]) <= 1000
    assert re.fullmatch(
        r"qqlab: sent 100 requests in [0-9.]+ s, [0-9]+/s; 100 connections opened, 0 reused(; [0-9]+ in another "
        r"order than recorded, where that matters to nobody)?",
        first,
    )
    assert re.fullmatch(r"qqlab: late by [0-9.]+ ms \(median\), .* ms \(95 %\), .* ms \(99 %\), .* ms \(most\)", second)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--resume"], 2, "--resume: goes on with what was kept (name it: -o CAPTURE)"),
        (
            ["--resume", "-o", "out.jsonl"],
            3,
            "out.jsonl.journal: there is no interrupted replay to go on with (leave out --resume to begin one)",
        ),
        (["--resend-unknown"], 2, "--resend-unknown: goes with a replay that broke off (add --resume)"),
        (["--speed", "0"], 2, "--speed 0: is no number above 0 (max, or a number such as 1 or 2.5)"),
        (["--timeout", "inf"], 2, "--timeout inf: is no number"),
        (["--max-gap", "inf"], 2, "--max-gap inf: is no number"),
        (["--rate", "many"], 2, "--rate many: is no number above 0 (for example 50/s)"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: list[str], code: int, said: str) -> None:
    capture = write(tmp_path / "recorded.jsonl")
    done = qqlab("replay", capture, "--target", "127.0.0.1:1", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (code, f"qqlab: {said}\n")


@pytest.mark.parametrize("known", [True, False])
def test_a_login_that_failed_before_is_not_tried_again(tmp_path: Path, server: Counting, known: bool) -> None:
    """Neither is one of which nobody knows what came of it."""
    capture, output = tmp_path / "recorded.jsonl", tmp_path / "replayed.jsonl"
    body = "VER=1.1&CMD=Login&SEQ={0}&UIN=10001&PS=0123456789abcdef0123456789abcdef&M5=1&LC=9326B87B234E7235&M={0}"
    said = http1.reply(b"VER=1.1&CMD=LOGIN&SEQ=1&UIN=10001&RES=0&RS=0&HI=60&LI=300")
    logins = [
        Exchange(id=str(n), session="127.0.0.1/10001", request=http1.request(body.format(n).encode(), "h"), reply=said)
        for n in (1, 2)
    ]
    recorded = [*logins, exchange(3), exchange(5)]  # of another account, and of that one
    save(capture, header(SPEC, redacted="secrets", created=datetime.now(UTC)), recorded, SPEC)
    head = Head(qqlab_journal=1, replay=fingerprint(recorded), target=server.target, start=7)
    journal = Journal(new_path(output), head)
    refused = msgspec.structs.replace(logins[0], reply=http1.reply(said.body.replace(b"RS=0", b"RS=1")))
    journal.intent("1")
    if known:
        journal.outcome(refused.id, encode_line(refused, SPEC))
    journal.close()
    done = qqlab("replay", capture, "--target", server.target, "-o", output, "--resume")
    assert f"the login of account 10001 {'was refused' if known else 'did not succeed'}" in done.stdout
    assert sorted(server.asked) == ([3] if known else [3, 5])


# ------------------------------------------------------------------------------------------------------- the journal

HEAD = Head(qqlab_journal=1, replay="x", target="t", start=7)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20)), max_size=30), st.data())
def test_a_journal_that_is_torn_anywhere_tells_what_it_holds(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[bool, int]], data: st.DataObject
) -> None:
    output = tmp_path_factory.mktemp("journal") / "out.jsonl"
    journal = Journal(new_path(output), HEAD)
    lines: list[tuple[bool, str]] = []
    for is_intent, number in events:
        if is_intent:
            journal.intent(str(number))
        else:
            journal.outcome(str(number), encode_line(exchange(number), SPEC))
        lines.append((is_intent, str(number)))
    journal.close()
    path = journal_path(output)
    assert journal.written is not None
    read, told = Kept([path], replay="x", target="t"), Outcomes.of([journal.written])
    everywhere = {str(number): number for number in range(1, 21)}
    for places in (everywhere, {}, {"7": 1, "3": 2}):  # who wrote it need not read it again
        assert list(told.lines(places)) == list(read.lines(places))
    assert (told.count, told.unknown, told.sent) == (read.count, read.unknown, read.sent)
    first, _, rest = path.read_bytes().partition(b"\n")
    torn = data.draw(st.integers(0, len(rest)))
    path.write_bytes(first + b"\n" + rest[:torn])
    whole = lines[: rest[:torn].count(b"\n")]
    kept = Kept([path], replay="x", target="t")
    done = {identifier for is_intent, identifier in whole if not is_intent}
    assert (kept.start, kept.done) == (7, done)
    last = {identifier: is_intent for is_intent, identifier in whole}
    assert kept.unknown == {identifier for identifier, is_intent in last.items() if is_intent}
    places = {str(number): number for number in range(1, 21)}
    assert [one.id for one in kept.exchanges(places)] == sorted(done, key=int)
    kept.remove()
    assert present(output) == []


def test_who_could_not_write_all_does_not_say_what_stands_there(tmp_path: Path) -> None:
    journal = Journal(new_path(tmp_path / "out.jsonl"), HEAD)
    journal.outcome("1", encode_line(exchange(1), SPEC))
    with journal.path.open("ab") as file:  # as one of two writers, or half of a line
        file.write(b"{")
    journal.close()
    assert journal.written is None


def test_what_only_reads_and_had_no_answer_is_asked_again(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    journal = Journal(new_path(output), HEAD)
    for number in (1, 2, 3, 6):
        error = failures.say("silent", seconds=1) if number in (1, 3) else None
        journal.outcome(str(number), encode_line(msgspec.structs.replace(exchange(number), error=error), SPEC))
    journal.intent("4")
    journal.close()
    before = Kept(present(output), replay="x", target="t")
    planned = plan(EXCHANGES, SPEC, host="127.0.0.1:1", start=7)
    ask_again(planned, before)
    assert before.done == {"1", "2", "6"}
    left = left_over(planned, before, resend=False)
    assert [step.recorded.id for step in left.steps][:3] == ["3", "5", "7"]
    assert left.skipped == {"4": UNKNOWN}
    assert [step.recorded.id for step in left_over(planned, before, resend=True).steps][:3] == ["3", "4", "5"]


def test_a_journal_that_is_being_written_is_not_thrown_away(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    journal = Journal(new_path(output), HEAD)
    with pytest.raises(InputError, match="a replay is writing it"):
        Keeping(output, EXCHANGES, "t", resume=False, force=True)
    journal.close()
    Keeping(output, EXCHANGES, "t", resume=False, force=True)
    assert present(output) == []


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let so many more writes be, then there is room for no more than the beginning of one."""

    def after(writes: int) -> None:
        left = [writes]

        def write(file: int, data: bytes) -> None:
            left[0] -= 1
            write_all(file, data if left[0] >= 0 else data[:9])
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(journals, "write_all", write)

    return after


def test_a_journal_that_cannot_be_begun_leaves_nothing(tmp_path: Path, full_disk: Callable[[int], None]) -> None:
    """Nor does it lock those beside it, which are put together then."""
    output = tmp_path / "out.jsonl"
    keeping = Keeping(output, EXCHANGES, "t", resume=False, force=False)
    full_disk(1)
    with pytest.raises(InputError, match=r"journal\.2: cannot be written: No space left on device"):
        keeping.journals(7, 2)
    assert [path.name for path in present(output)] == ["out.jsonl.journal"]
    assert keeping.all().count == 0


@pytest.mark.parametrize("torn", [b"", b'{"qq', b'{"qqlab_journal":1,"replay":"x"'])
def test_a_journal_that_breaks_off_in_its_first_line_holds_nothing(tmp_path: Path, torn: bytes) -> None:
    journal = Journal(new_path(tmp_path / "out.jsonl"), HEAD)
    journal.outcome("1", encode_line(exchange(1), SPEC))
    journal.intent("2")
    journal.close()
    new_path(tmp_path / "out.jsonl").write_bytes(torn)
    kept = Kept(present(tmp_path / "out.jsonl"), replay="x", target="t")
    assert (kept.start, kept.done, kept.unknown, kept.count) == (7, {"1"}, {"2"}, 1)
    assert [one.id for one in kept.exchanges({"1": 1})] == ["1"]
    kept.remove()
    assert present(tmp_path / "out.jsonl") == []


@pytest.mark.parametrize("line", [2, 3, 4])
@pytest.mark.parametrize("damage", [b"X", b"\xff", b'{"sent":1}\n'])
def test_a_damaged_line_is_named(tmp_path: Path, line: int, damage: bytes) -> None:
    journal = Journal(new_path(tmp_path / "out.jsonl"), HEAD)
    journal.intent("1")
    journal.unsent("1")
    journal.outcome("1", encode_line(exchange(1), SPEC))
    journal.close()
    lines = journal.path.read_bytes().splitlines(keepends=True)
    lines[line - 1] = damage + lines[line - 1]
    journal.path.write_bytes(b"".join(lines))
    with pytest.raises(InputError) as caught:
        Kept([journal.path], replay="x", target="t")
    assert str(caught.value) == (
        f"{journal.path}:{line}: is damaged; the {line - 1} lines before it are whole "
        "(put back what stood there, or begin anew: --force, which sends all again)"
    )


@pytest.mark.parametrize("damage", [b"x", b"x\n", b'{"qqlab_journal":2,"replay":"x","target":"t","start":7}\n'])
def test_what_is_no_journal_is_refused(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "out.jsonl.journal"
    path.write_bytes(damage)
    with pytest.raises(InputError, match="journal"):
        Kept([path], replay="x", target="t")


def test_pushes_stay_in_their_order_whatever_is_over_when(tmp_path: Path) -> None:
    journal = Journal(new_path(tmp_path / "out.jsonl"), HEAD)
    for identifier in ("2", "push-1", "1", "push-2", "3"):
        line = encode_line(exchange(1), SPEC).replace(b'"id":"1"', b'"id":"%s"' % identifier.encode(), 1)
        journal.outcome(identifier, line)
    journal.close()
    kept = Kept([journal.path], replay="x", target="t")
    told = [one.id for one in kept.exchanges({"1": 1, "2": 2, "3": 3})]
    assert told == ["1", "2", "push-1", "push-2", "3"]


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    journal = Journal(new_path(tmp_path / "out.jsonl"), HEAD)
    with pytest.raises(InputError, match="a replay is writing it"):
        Kept([journal.path], replay="x", target="t")
    second = Journal(new_path(tmp_path / "out.jsonl"), HEAD)
    assert [path.name for path in present(tmp_path / "out.jsonl")] == ["out.jsonl.journal", "out.jsonl.journal.2"]
    journal.close()
    second.close()
