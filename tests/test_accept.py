"""Chosen findings become what is expected: `qqlab.diff.accepting` and `qqlab accept`."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from conftest import Process, qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture import header, load, save
from qqlab.cli.app import app
from qqlab.diff import compare
from qqlab.diff.accepting import accept
from qqlab.errors import QqlabError
from qqlab.exchange import Exchange

SPEC = specs.builtin()
THEN = datetime(2005, 6, 30, tzinfo=UTC)
LATER = datetime(2026, 1, 1, tzinfo=UTC)


def exchange(identifier: str, says: str | None, *, seq: int = 1, time: datetime = THEN) -> Exchange:
    begin = f"VER=1.1&CMD=GetInfo&SEQ={seq}&UIN=1"
    return Exchange(
        id=identifier,
        session="a/1",
        time=time + timedelta(seconds=seq),
        client="a:1" if time is THEN else "b:2",
        request=http1.request(f"{begin}&LV=1&UN=2".encode(), "h:1"),
        reply=None if says is None else http1.reply(f"{begin}&RES=0&{says}".encode()),
        error="no reply within 5 s" if says is None else None,
    )


def push(identifier: str, text: str) -> Exchange:
    body = f"VER=1.1&CMD=Server_Msg&SEQ=1&UIN=1&RES=0&UN=2&MG={text}".encode()
    return Exchange(id=identifier, session="a/1", time=THEN, client="a:1", transport="lines",
                    reply=msgspec.structs.replace(http1.reply(body), head=b"", end=b"\r\n"))  # fmt: skip


def test_an_exchange_is_taken_whole_and_stays_in_its_place() -> None:
    old = [exchange("1", "AG=1&NK=x"), exchange("2", "AG=2&NK=y", seq=2)]
    new = [exchange("1", "AG=7&NK=z", seq=91, time=LATER), exchange("2", "AG=8&NK=y", seq=92, time=LATER)]
    findings = compare(old, new, SPEC).findings
    chosen = {finding.id for finding in findings if finding.exchange == "1" and finding.field == "AG"}
    accepted = accept(old, new, findings, chosen)
    first, second = accepted.exchanges
    assert second == old[1]
    assert first == msgspec.structs.replace(old[0], request=new[0].request, reply=new[0].reply)
    [taken] = accepted.taken
    assert (taken.exchange, taken.how) == ("1", "replaced")
    assert [finding.field for finding in taken.chosen] == ["AG"]
    assert [finding.field for finding in taken.along] == ["NK"]
    left = compare(accepted.exchanges, new, SPEC).differences
    assert [(finding.exchange, finding.field) for finding in left] == [("2", "AG")]


def test_what_one_side_lacks_is_added_or_removed() -> None:
    old = [exchange("1", "AG=1"), exchange("2", "AG=1", seq=2), push("push-1", "gone")]
    new = [exchange("1", "AG=1", seq=9, time=LATER), exchange("3", "AG=1", seq=8, time=LATER), push("push-1", "new")]
    findings = compare(old, new, SPEC).findings
    accepted = accept(old, new, findings, {finding.id for finding in findings})
    assert {(taken.exchange, taken.how) for taken in accepted.taken} >= {("2", "removed"), ("3", "added")}
    assert compare(accepted.exchanges, new, SPEC).differences == ()
    assert len({one.id for one in accepted.exchanges}) == len(accepted.exchanges)
    assert max(one.time for one in accepted.exchanges if one.time is not None) < LATER


ROUND = st.dictionaries(st.sampled_from("12345"), st.sampled_from([None, "AG=1", "AG=2", "AG=1&NK=x", ""]), max_size=5)


@given(ROUND, ROUND, st.integers(0))
def test_what_is_accepted_is_no_difference_and_the_rest_stays(
    old: dict[str, str | None], new: dict[str, str | None], which: int
) -> None:
    first = [exchange(identifier, says) for identifier, says in old.items()]
    second = [exchange(identifier, says, seq=9, time=LATER) for identifier, says in new.items()]
    findings = compare(first, second, SPEC).findings
    everything = accept(first, second, findings, {finding.id for finding in findings})
    assert compare(everything.exchanges, second, SPEC).differences == ()
    some = {finding.id for number, finding in enumerate(findings) if which >> number & 1}
    accepted = accept(first, second, findings, some)
    taken = {one.exchange for one in accepted.taken}
    assert [one for one in accepted.exchanges if one.id not in taken] == [one for one in first if one.id not in taken]
    left = {finding.id for finding in compare(accepted.exchanges, second, SPEC).findings}
    assert left.isdisjoint(some)


# ------------------------------------------------------------------------------------------------ as a process


def kept(path: Path, *exchanges: Exchange) -> Path:
    save(path, header(SPEC, redacted="secrets", created=THEN), exchanges, SPEC)
    return path


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    old = kept(tmp_path / "old.jsonl", exchange("1", "AG=1&NK=x"), exchange("2", "AG=2&NK=y", seq=2))
    new = kept(tmp_path / "new.jsonl", exchange("1", "AG=7&NK=z", seq=8), exchange("2", "AG=2", seq=9))
    return old, new


def test_what_is_taken_is_listed_and_the_rest_is_counted(two: tuple[Path, Path], tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.jsonl"
    [first, *_] = compare(load(two[0]).exchanges, load(two[1]).exchanges, SPEC).findings
    done = qqlab("accept", *two, "--finding", first.id, "-o", baseline)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.sub(r"\([^)]*\)", "()", done.stdout).splitlines()[0] == "replaced: exchange 1, account 1"
    assert f"  {first.id}  GetInfo's reply has another AG" in done.stdout
    assert "along with it: GetInfo's reply has another NK" in done.stdout
    assert done.stdout.endswith("taken into " + str(baseline) + "; differences that remain: 1\n")
    assert qqlab("diff", two[1], baseline).returncode == 1
    made = load(baseline)
    assert made.header.created == THEN
    assert "1 exchange accepted from" in made.header.note
    assert baseline.stat().st_mode & 0o777 == 0o600


def test_what_is_ignored_is_not_taken_along_unsaid(two: tuple[Path, Path], tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('qqlab_rules = 1\n[[ignore]]\nname = "noisy"\nreason = "noise"\nfield = "NK"\n')
    baseline = tmp_path / "baseline.jsonl"
    done = qqlab("accept", *two, "--rule", "value", "--rules", rules, "-o", baseline)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.strip()[10:].partition(" (")[0] for line in done.stdout.splitlines()[1:-1]] == [
        "GetInfo's reply has another AG",
        "along with it, though ignored by noisy: GetInfo's reply has another NK",
    ]


def chosen(two: tuple[Path, Path], *options: str) -> None:
    app(["accept", *map(str, two), *options], standalone_mode=False)


def test_choices(two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out.jsonl")
    chosen(two, "--rule", "field.*", "-o", out)
    assert capsys.readouterr().out.startswith("replaced: exchange 2")
    chosen(two, "--command", "getinfo", "-o", out, "--force")
    assert "differences that remain: 0" in capsys.readouterr().out
    chosen(two, "--rule", "value", "--command", "GetInfo", "-o", out, "--force", "--dry-run")
    assert "1 exchange would be taken" in capsys.readouterr().out
    rules = tmp_path / "rules.toml"
    rules.write_text('qqlab_rules = 1\n[[ignore]]\nreason = "age"\nfield = "AG"\n')
    chosen(two, "--all", "--rules", str(rules), "-o", out, "--force")
    about_age = [line for line in capsys.readouterr().out.splitlines() if "AG" in line]
    assert [" along with it, though ignored by " in line for line in about_age] == [True]
    chosen(two, "--all", "-o", str(two[0]), "--force")
    assert qqlab("diff", *two).returncode == 0


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "qqlab accept: nothing is chosen (choose: --finding ID, --rule RULE, --command COMMAND, or --all)"),
        (["--finding", "00000000"], 2, "--finding 00000000: no finding has this id (qqlab diff lists them)"),
        (["--rule", "row.*"], 2, "--rule row.*: no finding matches (qqlab diff lists them)"),
        (["--rule", "value", "--command", "List"], 2, "--rule value --command List: no finding matches"),
        (["--all", "--rule", "value"], 2, "--all: chooses everything already"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(
    two: tuple[Path, Path], tmp_path: Path, options: list[str], code: int, message: str
) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(QqlabError) as error:
        chosen(two, *options, "-o", str(out))
    assert (error.value.exit_code, str(error.value)[: len(message)]) == (code, message)
    assert not out.exists()


def test_nothing_is_written_over_unasked(two: tuple[Path, Path], tmp_path: Path) -> None:
    before = two[0].read_bytes()
    with pytest.raises(QqlabError, match="exists already"):
        chosen(two, "--all", "-o", str(two[0]))
    assert two[0].read_bytes() == before
    with pytest.raises(QqlabError, match="do not differ"):
        chosen((two[0], two[0]), "--all", "-o", str(tmp_path / "out.jsonl"))
    with pytest.raises(QqlabError, match="standard output"):
        chosen(two, "--all", "-o", "-")


def test_what_was_accepted_is_expected_of_a_server(tmp_path: Path, start: Callable[..., Process]) -> None:
    def served(*options: str) -> str:
        process = start(sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0", *options)
        match = re.search(r"http://\S+", process.wait_for("serving on"))
        assert match is not None
        return match[0]

    recorded, replayed, baseline = (tmp_path / f"{name}.jsonl" for name in ("recorded", "replayed", "baseline"))
    right, wrong = served(), served("--deviate", "drop:GetInfo.NK")
    arguments = ["GetInfo", "UIN=10001", "LV=2", "UN=10002", "--login"]
    assert qqlab("send", *arguments, "--target", right, "-o", recorded).returncode == 0
    assert qqlab("replay", recorded, "--target", wrong, "-o", replayed).returncode == 1
    assert qqlab("accept", recorded, replayed, "--rule", "field.missing", "-o", baseline).returncode == 0
    assert qqlab("replay", baseline, "--target", wrong).returncode == 0
    assert qqlab("replay", baseline, "--target", right).returncode == 1
