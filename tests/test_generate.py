"""Generated captures: the same again, of the protocol, what a recorder would write, and replayed with equal replies."""

import asyncio
import io
import json
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from conftest import qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab.capture import load
from qqlab.capture.file import encode_line
from qqlab.codec import decode
from qqlab.diff import compare
from qqlab.errors import UsageError
from qqlab.exchange import Exchange
from qqlab.generate import PASSWORD, Plan, generate, people, plan, written
from qqlab.net.replay import replay
from qqlab.net.server import serve
from qqlab.replay import parse_target
from qqlab.spec import Spec
from qqlab.testserver import State, accounts


def made(plan: Plan, path: Path) -> list[Exchange]:
    """What is generated, through a file."""
    path.write_bytes(b"".join(generate(plan, people(plan))))
    return list(load(path).exchanges)


def test_the_same_options_give_the_same_bytes_whatever_the_process(tmp_path: Path) -> None:
    wanted = plan(400, accounts=12, seed=5, errors=0.05)
    path, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    exchanges = made(wanted, path)
    options = ("-n", "400", "--accounts", "12", "--seed", "5", "--errors", "0.05")
    qqlab("generate", *options, "-o", str(other))
    assert other.read_bytes() == path.read_bytes()
    assert [exchange.id for exchange in exchanges] == [str(number) for number in range(1, 401)]


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_another_seed_is_another_capture(seed: int, other: int) -> None:
    one, two = (b"".join(generate(wanted, people(wanted))) for wanted in (plan(30, seed=seed), plan(30, seed=other)))
    assert (one == two) is (seed == other)


@pytest.mark.parametrize("errors", [0.0, 0.1])
def test_every_line_is_what_a_recorder_writes(tmp_path: Path, known: Spec, errors: float) -> None:
    path = tmp_path / "a.jsonl"
    exchanges = made(plan(3000, accounts=150, errors=errors), path)
    lines = path.read_bytes().splitlines(keepends=True)[1:]
    assert lines == [encode_line(exchange, known) for exchange in exchanges]


def test_there_is_nothing_but_the_protocol(tmp_path: Path, known: Spec) -> None:
    path = tmp_path / "a.jsonl"
    exchanges = made(plan(6000, accounts=300), path)
    decoded = [decode(exchange, known) for exchange in exchanges]
    assert {note.severity for one in decoded for note in one.notes} <= {"info"}
    assert {one.command for one in decoded} >= set(known.commands) - {"VERIFYCODE", "Server_Msg", "update_stat"}
    assert {one.version for one in decoded} == {"1.0", "1.1", "1.2", "1.4"}
    assert {exchange.transport for exchange in exchanges} == {"http", "tcp"}
    assert qqlab("verify", str(path)).stdout.endswith("all is well\n")
    qqlab("report", str(path), "-o", str(tmp_path / "report"))
    report = json.loads((tmp_path / "report" / "report.json").read_bytes())
    verdicts = report["summary"]["verdicts"]
    assert (verdicts["contradicted"], verdicts["undocumented"]) == (0, 0)


def test_a_share_of_errors_is_of_every_kind(tmp_path: Path, known: Spec) -> None:
    exchanges = made(plan(6000, errors=0.1), tmp_path / "a.jsonl")
    decoded = [decode(exchange, known) for exchange in exchanges]
    silent = sum(exchange.reply is None for exchange in exchanges)
    cut = sum(exchange.reply is not None and exchange.error is not None for exchange in exchanges)
    early = sum(one.status == 20 for one in decoded)
    wrong = sum(one.reply is not None and one.reply.value("RA") is not None for one in decoded)
    assert min(silent, cut, early, wrong) > 30
    assert 240 < silent + cut + early + wrong < 600


def test_a_replay_meets_the_same_replies(tmp_path: Path, known: Spec) -> None:
    """Also where lanes run side by side: what depends on each other is never under way at once."""
    wanted = plan(1500, accounts=25, days=0.3)
    recorded = made(wanted, tmp_path / "a.jsonl")
    (tmp_path / "a.toml").write_bytes(written(people(wanted)))
    loaded = accounts.load(tmp_path / "a.toml", known)
    assert loaded.accounts == people(wanted).accounts

    async def run() -> list[Exchange]:
        async with serve(State(loaded, known), "127.0.0.1", 0) as server:
            target = parse_target(f"{server.host}:{server.port}")
            return list((await replay(recorded, target, spec=known, passwords=loaded.password)).exchanges)

    comparison = compare(recorded, asyncio.run(run()), known)
    assert (comparison.findings, comparison.equal) == ((), 1500)


def test_what_is_received_was_sent(tmp_path: Path, known: Spec) -> None:
    """As a server reads it: whether a plus is a blank hangs on the message that it stands in."""
    sent, received = set(), set()
    for exchange in made(plan(4000, accounts=60, seed=4), tmp_path / "a.jsonl"):
        decoded = decode(exchange, known)
        assert decoded.request is not None
        assert decoded.reply is not None
        if decoded.command == "CLTMSG":
            sent.add((decoded.account, decoded.request.value("UN"), decoded.request.value("MG")))
        for row in (row.cells for table in decoded.reply.tables for row in table.rows):
            if row.get("MT") == 9:
                received.add((row["UN"], decoded.account, row["MG"]))
    assert received
    assert received <= sent


def test_no_password_is_in_it(tmp_path: Path) -> None:
    path, secrets = tmp_path / "a.jsonl", tmp_path / "a.toml"
    made(plan(300, accounts=20), path)
    secrets.write_bytes(written(people(plan(300, accounts=20))))
    assert qqlab("verify", "--secrets-from", str(secrets), str(path)).returncode == 0
    assert PASSWORD.format("") not in path.read_text()


def test_memory_does_not_grow_with_the_exchanges() -> None:
    def peak(exchanges: int) -> int:
        wanted = plan(exchanges, accounts=30)
        users = people(wanted)
        tracemalloc.start()
        try:
            for _ in generate(wanted, users):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(1500), peak(6000)
    # What is remembered of messages has a limit of its own; nothing else may grow.
    assert many < few + 4500 * 900


def test_it_is_compressed_by_name_and_streamed_to_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    qqlab("generate", "-n", "50", "-o", str(path))
    plain = qqlab("generate", "-n", "50", "-o", "-").stdout
    unpacked = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read()
    assert unpacked == plain.encode()
    assert len(load(path).exchanges) == 50


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("mine")
    refused = qqlab("generate", "-n", "5", "-o", str(path))
    assert (refused.returncode, path.read_text()) == (3, "mine")
    assert "exists already" in refused.stderr
    qqlab("generate", "-n", "5", "-o", str(path), "--force")
    assert len(load(path).exchanges) == 5


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="8 accounts make at most about"):
        plan(100_000, accounts=8, days=1)


def test_a_plan_fits_what_is_asked(tmp_path: Path) -> None:
    exchanges = made(plan(4000, days=3), tmp_path / "a.jsonl")
    first, last = exchanges[0].time, exchanges[-1].time
    assert first is not None
    assert last is not None
    assert 1.5 < (last - first).total_seconds() / 86400 < 4.5
