"""A spec from traffic alone: what it recovers of a true one, what it must not claim, and what it says of its doubts."""

import random
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import auction
import pytest
import variety
from conftest import ROOT, qqlab
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.capture import header, load, save
from qqlab.exchange import Exchange, RawMessage
from qqlab.infer import Learned, infer, learn, roles, separator, shapes, support, tally
from qqlab.infer.message import read, see
from qqlab.infer.score import Score, score
from qqlab.spec import Field, Spec

AUCTION = Path(__file__).parent / "auction.toml"


def labelled(exchanges: Iterable[Exchange]) -> list[tuple[str, Exchange]]:
    return [(exchange.id, exchange) for exchange in exchanges]


class Case:
    """Traffic, and all that is made of it."""

    def __init__(self, exchanges: Iterable[Exchange], truth: Spec) -> None:
        self.exchanges = labelled(exchanges)
        self.learned: Learned = learn(self.exchanges)
        self.text = infer(self.exchanges)
        self.spec = specs.parse(self.text, "inferred")
        self.score: Score = score(self.spec, truth, self.learned)

    def field(self, command: str, direction: specs.Direction, name: str) -> Field:
        found = self.spec.field(self.spec.command(command), direction, name)
        assert found is not None
        return found


@cache
def days() -> Case:
    return Case(variety.days(12), specs.builtin())


@cache
def house() -> Case:
    return Case(auction.traffic(), specs.load(AUCTION))


# ------------------------------------------------------------------------------------------------ what is recovered


def test_nearly_all_that_the_packaged_spec_says_is_recovered_and_nothing_false() -> None:
    found = days().score
    assert found.false == ()
    assert found.recall >= 0.95, found.missed
    assert found.missed == ("secret VERIFYCODE request VC: True",)  # four letters that somebody read: no entropy
    assert found.told > 1200


def test_a_protocol_never_seen_before_is_recovered_too() -> None:
    found = house().score
    assert found.false == ()
    assert found.missed == ()
    assert found.told > 400


def test_of_little_traffic_little_is_claimed() -> None:
    """The committed captures hold each command a few times: what is claimed there is nearly all true."""
    for name in ("demo", "lines"):
        case = Case(load(ROOT / f"captures/{name}.jsonl").exchanges, specs.builtin())
        assert case.score.precision > 0.99, case.score.false
        assert {line.split()[0] for line in case.score.false} <= {"presence"}
        assert "under-sampled" in case.text


def test_the_score_counts_each_false_and_each_missing_claim() -> None:
    case = house()
    text = case.text.replace("echo = true", "fresh = true", 1).replace('key = "lots"', 'key = "prices"')
    found = score(specs.parse(text, "spoilt"), specs.load(AUCTION), case.learned)
    assert len(found.missed) == len({*found.missed}) > 1
    assert "key BROWSE reply lots prices titles: 'prices', not 'lots'" in found.false
    assert found.recall < 1 > found.precision


def test_the_roles_are_told_by_what_fields_do() -> None:
    assert days().spec.roles == specs.builtin().roles
    assert house().spec.roles == specs.load(AUCTION).roles


def test_success_and_failure_are_told_apart() -> None:
    codes = {name: {one.value: one.ok for one in table.values} for name, table in days().spec.codes.items()}
    assert codes["RES"] == {0: True, 20: False}
    assert codes["RS"] == {0: True, 1: False}
    other = {name: {one.value: one.ok for one in table.values} for name, table in house().spec.codes.items()}
    assert other["result"] == {200: True, 403: False}
    assert other["outcome"] == {1: True, 7: False}
    assert other["verdict"] == {0: None, 1: None, 2: None}


def test_conditions_are_found() -> None:
    assert days().field("Login", "reply", "HI").when == {"RS": (0,)}
    assert days().field("Login", "reply", "RA").when == {"RS": (1,)}
    assert days().field("GetInfo", "reply", "AD").when == {"LV": (2, 3)}
    assert days().field("Login", "request", "LG").versions == ("1.4",)


def test_what_a_command_does_is_told_by_what_follows() -> None:
    effects = {name: command.effect for name, command in house().spec.commands.items()}
    assert effects == {
        "enter": "auth", "leave": "auth", "browse": "read", "inspect": "read", "offer": "write", "notices": "consume",
        "outbid": "push",
    }  # fmt: skip


def test_every_claim_has_its_evidence_beside_it() -> None:
    lines = days().text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(("[[commands.", "[[common.", "[roles]", "[wire]")):
            assert lines[number - 1].startswith("# "), line
    docs = [field.doc for _, _, field in days().spec.every_field()]
    assert all("messages: " in doc for doc in docs)


def test_no_value_of_a_person_and_no_secret_reaches_the_spec() -> None:
    """What is quoted are small codes and what several accounts share."""
    case = days()
    for command, tallied in case.learned.commands.items():
        for name, field in tallied.request.fields.items() | tallied.reply.fields.items():
            for text, _ in field.whole_values.texts():
                quoted = len(text) > 4 and text in case.text
                assert not quoted or text in ("9326B87B234E7235", "812822641C978097", "65535") or name in (
                    "CMD", "VER", "FN",
                ), (command, name, text)  # fmt: skip


def test_the_same_traffic_gives_the_same_spec_and_a_good_one(tmp_path: Path) -> None:
    assert infer(days().exchanges) == days().text
    assert infer(house().exchanges) == house().text
    path = tmp_path / "inferred.toml"
    path.write_text(days().text, encoding="utf-8")
    assert specs.check(path) == []


# ------------------------------------------------------------------------------------------- the guard, and the limits


def made(bodies: Iterable[tuple[str, str]]) -> list[tuple[str, Exchange]]:
    """Exchanges with these requests and replies."""
    return [
        (
            str(n),
            Exchange(id=str(n), session="s", request=RawMessage(body=q.encode()), reply=RawMessage(body=r.encode())),
        )
        for n, (q, r) in enumerate(bodies, 1)
    ]


def test_three_messages_make_nothing_required_and_no_code() -> None:
    head = "V=1.0&C=look&N={}&A=ann"
    text = infer(made((head.format(n), f"{head.format(n)}&S=0&K=1") for n in range(3)))
    spec = specs.parse(text, "few")
    field = spec.field(spec.command("look"), "reply", "K")
    if field is not None:
        assert not field.required
        assert field.codes is None
        assert not field.constants
    assert "under-sampled" in text


def test_equal_by_coincidence_is_no_echo() -> None:
    """A reply that always says what the request always says, repeats nothing that was seen to vary."""
    head = "V=1.0&C={}&N={}&A=ann"
    rows = [("look" if n % 2 else "find", n) for n in range(60)]
    pairs = [(head.format(*row) + "&M=5", head.format(*row) + "&S=0&M=5") for row in rows]
    spec = specs.parse(infer(made(pairs)), "same")
    field = spec.field(spec.command("look"), "reply", "M")
    assert field is not None
    assert not field.echo


def test_a_setting_is_no_code() -> None:
    """A number that rests for long differs between servers, not between messages."""
    head = "V=1.0&C={}&N={}&A=u{}"
    rows = [("look" if n % 2 else "find", n, n % 5) for n in range(300)]
    pairs = [
        (head.format(*row) + ("&X=1" if n % 2 else ""), head.format(*row) + f"&S=0&T={30 + n // 100}")
        for n, row in enumerate(rows)
    ]
    spec = specs.parse(infer(made(pairs)), "setting")
    fields = [field for _, _, field in spec.every_field() if field.name == "T"]
    assert [field.type for field in fields] == ["int"] * len(fields)
    assert fields


def test_without_any_role_the_spec_says_so_and_is_a_good_one() -> None:
    text = infer(made([("a=1&b=2", "c=3")] * 20))
    spec = specs.parse(text, "roles")
    assert spec.roles.account == "NO-ACCOUNT-SEEN"
    assert "No field was found for: account" in text


@pytest.mark.parametrize("exchanges", [[], made([("", "")]), made([("<html>", "no, &&&")] * 9)])
def test_nothing_to_learn_from_gives_an_empty_spec(exchanges: list[tuple[str, Exchange]]) -> None:
    assert specs.parse(infer(exchanges), "empty").commands == {}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MOST_FIELDS", 10)
    monkeypatch.setattr(tally, "MOST_VALUES", 20)
    head = "V=1.0&C={}&N={}&A=u{}"
    rows = [("look" if n % 2 else "find", n, n % 5) for n in range(400)]
    learned = learn(made((head.format(*row) + f"&F{row[1]}=1", head.format(*row) + "&S=0") for row in rows))
    for own in learned.commands.values():
        assert len(own.request.fields) == 10
        assert own.request.more > 0
        assert len(own.request.layouts) <= tally.MOST_LAYOUTS
        assert own.request.condition_values.keys() <= {"", *own.request.fields}
        assert all(len(field.whole_values.counts) <= 20 for field in own.request.fields.values())
    assert infer(made([("a=1", "b=2")]))


def test_commands_versions_and_spellings_without_end_are_bounded() -> None:
    look = [("LOOK".translate({ord("O"): "oO"[n % 2]}) + "x" * (n // 2), n) for n in range(600)]
    head = "V=1.{}&C={}&N={}&A=u{}"
    rows = [(n, name, n, n % 5) for name, n in look]
    learned = learn(made((head.format(*row), head.format(*row) + "&S=0") for row in rows))
    assert len(learned.commands) <= tally.MOST_COMMANDS
    assert all(len(own.versions) <= tally.MOST_NAMES for own in learned.commands.values())


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=60), st.binary(max_size=60)), max_size=12))
def test_whatever_the_bytes_a_good_spec_comes_of_them(bodies: list[tuple[bytes, bytes]]) -> None:
    prefix = b"V=1.0&C=x&N=1&A=ann&"
    exchanges = [
        (
            str(n),
            Exchange(id=str(n), session="s", request=RawMessage(body=prefix + q), reply=RawMessage(body=prefix + r)),
        )
        for n, (q, r) in enumerate(bodies)
    ]
    specs.parse(infer(exchanges), "any")


def test_hostile_text_stays_in_its_comment() -> None:
    """A name of a capture, or an id, cannot end a comment or a string."""
    exchange = made([("V=1&C=x&N=1&A=ann", "V=1&C=x&N=1&A=ann&S=0")] * 20)
    text = infer([('1"\n[evil]\n#\x1b[31m', one) for _, one in exchange], title='x"\n[worse]')
    document = tomllib.loads(text)
    assert "evil" not in document
    assert "worse" not in document
    assert "\x1b" not in text


# ------------------------------------------------------------------------------------------------------- the parts


def test_the_separator_is_found() -> None:
    rng = random.Random(1)
    for mark in ",;|":
        rows = [[str(rng.randint(1, 99)) for _ in range(rng.randint(1, 6))] for _ in range(40)]
        bodies = [f"n={len(row)}&a={mark.join(row)}&b={mark.join(reversed(row))}&t=a,b;c" for row in rows]
        messages = [message for body in bodies if (message := read(body.encode())) is not None]
        assert separator.find(("reply", message) for message in messages).mark == mark


def test_a_message_that_is_mostly_no_fields_is_none() -> None:
    assert read(b"<html><a href=x&y") is None
    assert read(b"SEQ is no number.\n") is None
    message = read(b"A=1&b=%252c&A=2&&broken")
    assert message is not None
    assert (message.values, message.odd) == ({"A": "1", "B": "%2c"}, 1)


def test_torn_replies_and_cut_bodies_teach_nothing() -> None:
    exchange = made([("a=1", "b=2")])[0][1]
    torn = Exchange(id="1", session="s", request=exchange.request, reply=exchange.reply, error="broke off")
    assert see("1", torn).reply is None


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("30 ", (True, False, False, True)),
        ("007", (True, True, False, True)),
        ("deadbeef", (False, False, True, False)),
        ("12345678", (True, True, True, False)),
        ("-5", (True, False, False, True)),
    ],
)
def test_shapes(text: str, tests: tuple[bool, ...]) -> None:
    kinds: tuple[Callable[[str], object], ...] = (
        lambda one: shapes.number(one) is not None,
        shapes.is_digits,
        shapes.is_hex,
        shapes.is_code,
    )
    assert tuple(bool(kind(text)) for kind in kinds) == tests


def test_what_holds_needs_enough_behind_it() -> None:
    assert not support.holds(7, 0)
    assert support.holds(8, 0)
    assert not support.holds(50, 1)
    assert support.holds(500, 2)


def test_one_command_alone_is_still_known_as_one() -> None:
    window = [
        see(*one) for one in made((f"V=1.0&C=look&N={n}&A=ann", f"V=1.0&C=LOOK&N={n}&A=ann&S=0") for n in range(9))
    ]
    found = roles.find(window)
    assert (found.command, found.version, found.sequence) == ("C", "V", "N")
    assert "under-sampled" in found.why["command"]


# ------------------------------------------------------------------------------------------------- the command line


def test_the_command_line_infers_and_scores(tmp_path: Path) -> None:
    capture, output = tmp_path / "auction.jsonl", tmp_path / "auction.toml"
    save(capture, header(specs.builtin(), redacted="none"), list(auction.traffic(400)), specs.builtin())
    done = qqlab("spec", "infer", capture, "-o", output, "--name", "auction", "--score", AUCTION)
    assert done.returncode == 0, done.stderr
    assert "recall 9" in done.stderr
    assert specs.load(output).name == "auction"
    assert qqlab("spec", "check", output).returncode == 0
    assert qqlab("spec", "infer", capture, "-o", output).returncode == 3
    assert qqlab("spec", "infer", capture, capture).stdout.startswith("# Made from ")


def test_a_capture_without_pairs_teaches_nothing(tmp_path: Path) -> None:
    capture = tmp_path / "empty.jsonl"
    save(capture, header(specs.builtin(), redacted="none"), [], specs.builtin())
    done = qqlab("spec", "infer", capture)
    assert done.returncode == 3
    assert "no message of pairs" in done.stderr
