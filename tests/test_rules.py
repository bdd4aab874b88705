"""What is ignored, and what is learned to differ by itself."""

import itertools
from datetime import date
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from conftest import qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture import header, save
from qqlab.diff import RULES, Finding, compare
from qqlab.diff.noise import Kind, Share, learn, learn_from_baseline, observe, rules_of, wilson
from qqlab.diff.rules import IgnoreRule, Rules, dump, parse
from qqlab.errors import InputError
from qqlab.exchange import Exchange

SPEC = specs.builtin()
TODAY = date(2026, 11, 24)
HEAD = "qqlab_rules = 1\n"


def finding(command: str = "List", field: str | None = "UN", rule: str = "value", account: str = "1") -> Finding:
    return Finding(
        exchange="1", command=command, account=account, rule=rule, severity="error", direction="reply", field=field
    )


def one(**scope: object) -> IgnoreRule:
    return msgspec.convert({"name": "r", "reason": "why", **scope}, IgnoreRule)


@pytest.mark.parametrize(
    ("scope", "matches"),
    [
        ({"command": "LIST"}, True),
        ({"command": "GetInfo"}, False),
        ({"direction": "reply", "field": "un"}, True),
        ({"direction": "request"}, False),
        ({"field": "SN"}, False),
        ({"rule": "value"}, True),
        ({"rule": "val.*"}, False),
        ({"rule": "row.*"}, False),
        ({"account": "1", "rule": "value", "command": "List", "field": "UN", "direction": "reply"}, True),
        ({"account": "2"}, False),
    ],
)
def test_a_rule_has_a_scope(scope: dict[str, object], matches: bool) -> None:
    kept, suppressed, unused = Rules((one(**scope),)).apply([finding()], TODAY)
    assert (len(kept), len(suppressed), len(unused)) == ((0, 1, 0) if matches else (1, 0, 1))


def test_a_group_of_rules() -> None:
    rules = Rules((one(rule="row.*"),))
    found = [finding(rule=rule) for rule in ("row.missing", "row.extra", "value")]
    assert [kept.rule for kept in rules.apply(found, TODAY).kept] == ["value"]


def test_the_first_rule_takes_it_all_that_match_are_used_and_expired_ones_do_nothing() -> None:
    narrow, wide = one(name="narrow", field="UN"), one(name="wide", command="List", reason="all of it")
    old = one(name="old", command="GetInfo", expires="2026-11-23")
    last_day = one(name="last", command="GetInfo", expires="2026-11-24")
    other = one(name="other", account="77")
    rules = Rules((narrow, wide, old, other))
    found = [finding(), finding(field="SN"), finding(command="GetInfo", field="NK")]
    applied = rules.apply(found, TODAY)
    assert list(applied.kept) == found[2:]
    assert [(s.finding, s.by, s.reason) for s in applied.suppressed] == [
        (found[0], "narrow", "why"),
        (found[1], "wide", "all of it"),
    ]
    assert list(applied.unused) == ["other"]
    assert rules.expired(TODAY) == (old,)
    assert list(Rules((last_day,)).apply(found, TODAY).unused) == []


def test_a_comparison_leaves_out_what_is_ignored_and_counts_it() -> None:
    expected = [exchange("1", "SN=1&UN=2,"), exchange("2", "SN=0&UN=")]
    actual = [exchange("1", "SN=1&UN=3,"), exchange("2", "SN=0&UN=")]
    assert compare(expected, actual, SPEC).different == 1
    ignored = compare(expected, actual, SPEC, rules=Rules((one(rule="row.*"), one(field="ZZ"))), today=TODAY)
    assert (ignored.equal, ignored.different, len(ignored.suppressed), len(ignored.findings)) == (2, 0, 1, 0)
    assert len(ignored.unused) == 1


def test_a_file_says_all_of_a_rule() -> None:
    text = HEAD + (
        '[[ignore]]\nreason = "a clock"\ncommand = "Login"\nfield = "HI"\nexpires = 2027-01-31\n'
        '[[ignore]]\nname = "n"\nreason = "w"\nrule = "target.silent"\naccount = "10001"\nsupport = [2, 3]\n'
        'date = "2026-11-01"\ndirection = "reply"\n'
    )
    if "target.silent" not in RULES:
        text = text.replace("target.silent", "row.*")
    first, second = parse(text, "r.toml").rules
    assert first == IgnoreRule(name="rule 1", reason="a clock", command="Login", field="HI", expires=date(2027, 1, 31))
    assert (second.support, second.date, second.account) == ((2, 3), date(2026, 11, 1), "10001")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "r.toml: is not TOML: "),
        ("", "r.toml: is no file of rules (such a file says qqlab_rules = 1)"),
        ("qqlab_rules = 2", "r.toml: has format 2, and this qqlab reads up to 1 (use a newer qqlab)"),
        ('qqlab_rules = "1"', "r.toml: $.qqlab_rules: expected `int`, got `str`"),
        (HEAD + "[[ignored]]", "r.toml: $: object contains unknown field `ignored`"),
        (HEAD + '[[ignore]]\nfield = "A"', "r.toml: $.ignore[0]: object missing required field `reason`"),
        (
            HEAD + '[[ignore]]\nreason = " "\nfield = "A"',
            "r.toml: $.ignore[0].reason: says no reason, a sentence of why",
        ),
        (HEAD + '[[ignore]]\nreason = "x"', "r.toml: $.ignore[0]: ignores everything, since it names none of command,"),
        (HEAD + '[[ignore]]\nreason = "x"\nfeild = "A"', "r.toml: $.ignore[0]: object contains unknown field `feild`"),
        (
            HEAD + '[[ignore]]\nreason = "x"\nexpires = "soon"',
            "r.toml: $.ignore[0].expires: invalid RFC3339 encoded date",
        ),
        (HEAD + '[[ignore]]\nreason = "x"\nexpires = 2026-13-01', "r.toml: is not TOML: "),
        (
            HEAD + '[[ignore]]\nreason = "x"\nrule = "vlaue"',
            "r.toml: $.ignore[0].rule: a comparison has no rule 'vlaue'",
        ),
        (HEAD + '[[ignore]]\nreason = "x"\ndirection = "up"', "r.toml: $.ignore[0].direction: invalid enum value 'up'"),
        (
            HEAD + '[[ignore]]\nreason = "x"\nfield = "A"\nsupport = [3, 2]',
            "r.toml: $.ignore[0].support: is no [seen, of]",
        ),
        (
            HEAD + '[[ignore]]\nname = "a"\nreason = "x"\nfield = "A"\n' * 2,
            "r.toml: $.ignore[1].name: two rules are called 'a'",
        ),
    ],
)
def test_a_file_is_read_strictly(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text.replace('x"\n[[', 'x"\n[['), "r.toml")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
NAMES = st.one_of(st.none(), WORDS)
DAYS = st.one_of(st.none(), st.dates())


@st.composite
def rules(draw: st.DrawFn) -> IgnoreRule:
    seen = draw(st.integers(0, 50))
    return IgnoreRule(
        name=draw(st.uuids().map(str)),
        reason="because " + draw(WORDS),
        command=draw(WORDS),
        direction=draw(st.sampled_from([None, "request", "reply"])),
        field=draw(NAMES),
        rule=draw(st.sampled_from([None, "row.*", *RULES])),
        account=draw(NAMES),
        expires=draw(DAYS),
        support=draw(st.one_of(st.none(), st.just((seen, seen + 1)))),
        date=draw(DAYS),
    )


@given(st.lists(rules(), max_size=3))
def test_what_is_written_is_read_again(written: list[IgnoreRule]) -> None:
    text = dump(written, "a note\nof two lines\x1b[31m")
    assert parse(text, "r.toml").rules == tuple(written)
    assert all(character.isprintable() or character == "\n" for character in text)


@given(st.lists(rules(), max_size=4), st.lists(st.builds(finding, st.sampled_from(["List", "GetInfo"])), max_size=4))
def test_nothing_is_lost(some: list[IgnoreRule], found: list[Finding]) -> None:
    applied = Rules(tuple(some)).apply(found, TODAY)
    assert len(applied.kept) + len(applied.suppressed) == len(found)
    assert {suppressed.by for suppressed in applied.suppressed}.isdisjoint(applied.unused)


# ------------------------------------------------------------------------------------------------------- noise


def exchange(identifier: str, says: str, command: str = "List", seq: int = 1) -> Exchange:
    begin = f"VER=1.1&CMD={command}&SEQ={seq}&UIN=1"
    return Exchange(
        id=identifier,
        session="a/1",
        request=http1.request(f"{begin}&TN=9&UN=0".encode(), "h:1"),
        reply=http1.reply(f"{begin}&RES=0&FN=1&{says}".encode()),
    )


def run(*infos: str) -> list[Exchange]:
    return [exchange(str(n), f"LV=1&AG={ag}&UN=2&NK=x", "GetInfo") for n, ag in enumerate(infos)]


AGE = Kind("GetInfo", "reply", "AG", "value")


def verdicts(recorded: list[Exchange], *runs: list[Exchange]) -> dict[Kind, tuple[Share, str]]:
    controls = [observe(before, after, SPEC) for before, after in itertools.pairwise(runs)]
    learned = learn(observe(recorded, runs[0], SPEC), controls)
    return {one.kind: (one.share, one.verdict) for one in learned}


def test_what_differs_between_two_runs_is_noise() -> None:
    found = verdicts(run("1", "2"), run("5", "2"), run("6", "2"), run("7", "2"))
    assert found == {AGE: (Share(2, 4), "noise")}


def test_what_is_always_the_same_other_thing_is_none() -> None:
    assert verdicts(run("1", "2"), run("9", "9"), run("9", "9"), run("9", "9")) == {}


def test_what_changed_with_the_first_control_alone_is_the_replays_own_doing() -> None:
    found = verdicts(run("1", "2"), run("1", "2"), run("1", "3"), run("1", "3"))
    assert found == {AGE: (Share(1, 4), "once")}
    # With a single control nobody can tell.
    assert verdicts(run("1", "2"), run("1", "2"), run("1", "3")) == {AGE: (Share(1, 2), "noise")}


def test_rare_noise_does_not_excuse_what_always_differs() -> None:
    same = ["1"] * 30
    found = verdicts(run(*same), run(*["9"] * 30), run(*["9"] * 30), run("8", *["9"] * 29))
    assert found == {AGE: (Share(1, 60), "often")}
    found = verdicts(run(*same), run("9", *same[1:]), run(*same), run("8", *same[1:]))
    assert found == {AGE: (Share(2, 60), "noise")}


def test_who_answers_now_and_then_is_no_noise() -> None:
    silent = [msgspec.structs.replace(run("1")[0], reply=None, error="no reply within 5 s")]
    found = verdicts(run("1"), silent, run("1"), silent)
    assert {verdict for _, verdict in found.values()} == {"whole"}


def test_a_baseline_is_held_against_the_recording() -> None:
    recorded = run("1", "2")
    target, baseline = observe(recorded, run("5", "6"), SPEC), observe(recorded, run("7", "8"), SPEC)
    assert [(one.kind, one.verdict) for one in learn_from_baseline(target, baseline)] == [(AGE, "noise")]
    agreeing = observe(recorded, run("9", "9"), SPEC)
    assert [one.verdict for one in learn_from_baseline(agreeing, agreeing)] == ["noise"]
    assert [one.verdict for one in learn_from_baseline(observe(recorded, run("5", "5"), SPEC), agreeing)] == ["other"]
    assert learn_from_baseline(target, observe(recorded, recorded, SPEC)) == ()


def test_noise_becomes_a_rule_with_its_support() -> None:
    recorded, runs = run("1", "2"), [run("5", "2"), run("6", "2"), run("7", "2")]
    learned = learn(observe(recorded, runs[0], SPEC), [observe(a, b, SPEC) for a, b in itertools.pairwise(runs)])
    learnt = rules_of(learned, TODAY, "between replays")
    [rule] = learnt.rules
    assert rule == IgnoreRule(
        name="noise GetInfo reply AG value",
        command="GetInfo",
        direction="reply",
        field="AG",
        rule="value",
        reason="differs between replays in 2 of 4 pairs (most likely in 15% to 85% of all)",
        support=(2, 4),
        date=TODAY,
    )
    assert compare(recorded, runs[0], SPEC, rules=learnt, today=TODAY).different == 0
    assert parse(dump(learnt.rules), "x") == learnt
    assert learnt.covers(rule)
    assert Rules((one(command="GetInfo"),)).covers(rule)
    assert not Rules((one(field="NK"),)).covers(rule)


@given(st.integers(0, 500), st.integers(0, 500))
def test_an_interval_holds_its_share_and_narrows(seen: int, more: int) -> None:
    of = seen + more
    low, high = wilson(seen, of)
    assert 0.0 <= low <= high <= 1.0
    if of:
        assert low <= seen / of <= high
        assert (low > 0) == (seen > 0)
        assert (high < 1) == (seen < of)
        wider = wilson(seen * 4, of * 4)
        assert wider[1] - wider[0] <= high - low


def test_intervals_are_those_of_the_books() -> None:
    assert [round(end, 4) for end in wilson(1, 10)] == [0.0179, 0.4042]
    assert [round(end, 4) for end in wilson(3, 3)] == [0.4385, 1.0]
    assert wilson(0, 0) == (0.0, 1.0)


Say = Literal["1", "2", "3"]
RUN = st.lists(st.sampled_from(["1", "2", "3"]), min_size=3, max_size=3)


@given(RUN, st.lists(RUN, min_size=2, max_size=4))
def test_nothing_is_noise_that_no_control_had(recorded: list[str], runs: list[list[str]]) -> None:
    found = verdicts(run(*recorded), *(run(*says) for says in runs))
    pairs = [(a, b) for before, after in itertools.pairwise(runs) for a, b in zip(before, after, strict=True)]
    differing = sum(a != b for a, b in pairs)
    assert found.get(AGE, (Share(0, len(pairs)), ""))[0] == Share(differing, len(pairs))


# ------------------------------------------------------------------------------------------------ as a process


def kept(path: Path, exchanges: list[Exchange]) -> Path:
    save(path, header(SPEC, redacted="secrets"), exchanges, SPEC)
    return path


def test_a_comparison_reads_rules_from_files(tmp_path: Path) -> None:
    first, second = kept(tmp_path / "a.jsonl", run("1", "2")), kept(tmp_path / "b.jsonl", run("1", "3"))
    rules = tmp_path / "rules.toml"
    rules.write_text(
        HEAD + '[[ignore]]\nreason = "they grow older"\nfield = "AG"\n'
        '[[ignore]]\nname = "spare"\nreason = "none"\nfield = "NK"\n'
        '[[ignore]]\nname = "old"\nreason = "over"\nfield = "AG"\nexpires = 2020-02-29\n'
    )
    assert qqlab("diff", first, second).returncode == 1
    done = qqlab("diff", first, second, "--rules", rules)
    assert (done.returncode, done.stderr) == (0, "qqlab: old expired on 2020-02-29, and is not applied\n")
    assert "suppressed: 1 by rule 1 (they grow older)" in done.stdout
    assert "rules that matched nothing: spare" in done.stdout
    assert "AG" not in done.stdout
    assert "AG" in qqlab("diff", first, second, "--rules", rules, "--show-suppressed").stdout
    rules.write_bytes(b"\xff")
    done = qqlab("diff", first, second, "--rules", rules)
    assert (done.returncode, done.stderr) == (3, f"qqlab: {rules}: is not UTF-8 (rules are a TOML file)\n")
    done = qqlab("diff", first, second, "--rules", tmp_path / "none.toml")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
