"""The fold over exchanges, and the verdicts on what it saw."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import profile as profiles
from qqlab import spec as specs
from qqlab.exchange import Exchange, RawMessage
from qqlab.profile import Evidence, Example, Examples, Names, Profile, clip, code_verdict, field_verdict, profile
from qqlab.spec import Direction, Spec

LAMP = specs.load(Path(__file__).parent / "golden" / "report" / "lamp.toml")
ASK = "V=1&C=Look&N=5&A=9&KEY=ab12&MODE=full"
SAY = "V=1&C=Look&N=5&A=9&S=0&SN=1&ID=3,&ST=1,&TX=Ann,"


def exchange(request: str | bytes | None, reply: str | bytes | None, name: str = "1") -> Exchange:
    def raw(body: str | bytes | None) -> RawMessage | None:
        return None if body is None else RawMessage(body=body.encode() if isinstance(body, str) else body)

    return Exchange(id=name, session="s", request=raw(request), reply=raw(reply))


def folded(*exchanges: Exchange, spec: Spec = LAMP) -> Profile:
    return profile(((each.id, each) for each in exchanges), spec)


def verdict(seen: Profile, command: str, direction: Direction, field: str) -> str:
    tally = seen.commands[command]
    messages = tally.request if direction == "request" else tally.reply
    known = LAMP.field(LAMP.command(command), direction, field)
    return field_verdict(messages.fields.get(field), known is not None)


@pytest.mark.parametrize(
    ("request_body", "reply_body", "direction", "field", "expected"),
    [
        (ASK, SAY, "request", "KEY", "confirmed"),
        (ASK, SAY, "reply", "ST", "confirmed"),
        (ASK, SAY, "reply", "OLD", "never seen"),
        (ASK, SAY + "&OLD=", "reply", "OLD", "only empty"),
        (ASK, SAY + "&OLD", "reply", "OLD", "only empty"),
        (ASK, SAY + "&NEW=1", "reply", "NEW", "undocumented"),
        (ASK, SAY + "&NEW=", "reply", "NEW", "undocumented"),
        (ASK, SAY + "&SN=1", "reply", "SN", "confirmed"),
        (ASK + "&ID=1", SAY, "request", "ID", "undocumented"),
        (ASK.replace("ab12", "xyz"), SAY, "request", "KEY", "contradicted"),
        (ASK.replace("full", "half"), SAY, "request", "MODE", "contradicted"),
        (ASK, SAY.replace("ST=1", "ST=5"), "reply", "ST", "contradicted"),
        (ASK, SAY.replace("ST=1", "ST=on"), "reply", "ST", "contradicted"),
        (ASK, SAY.replace("SN=1", "SN=2"), "reply", "SN", "contradicted"),
        (ASK, SAY.replace("SN=1", "SN=2"), "reply", "ID", "confirmed"),
        (ASK, SAY.replace("N=5", "N=6"), "reply", "N", "contradicted"),
        (ASK, SAY.replace("N=5", "N=6"), "request", "N", "confirmed"),
        (ASK, SAY.replace("C=Look", "C=LOOK"), "reply", "C", "confirmed"),
        (ASK, SAY.replace("ST=1,&TX=Ann", "ST=2,&TX=7"), "reply", "TX", "confirmed"),
        (ASK, SAY.replace("ST=1,&TX=Ann", "ST=2,&TX=8"), "reply", "TX", "contradicted"),
        (ASK.replace("&KEY=ab12", ""), SAY, "request", "KEY", "contradicted"),
        (ASK, SAY.replace("&ID=3,", ""), "reply", "ID", "contradicted"),
        (ASK, SAY.replace("&TX=Ann,", ""), "reply", "TX", "never seen"),
        (ASK, "V=1&C=Look&N=5&A=9&S=1", "reply", "ID", "never seen"),
        (ASK, SAY.replace("ID=3,", "ID=3,4,"), "reply", "ID", "contradicted"),
        (ASK, SAY.replace("ID=3,", "ID=3,4,"), "reply", "TX", "contradicted"),
        (ASK, SAY.replace("ID=3,", "ID=3,4,"), "reply", "S", "confirmed"),
        (ASK, SAY.replace("TX=Ann,", "TX"), "reply", "TX", "contradicted"),
    ],
)
def test_verdict(request_body: str, reply_body: str, direction: Direction, field: str, expected: str) -> None:
    assert verdict(folded(exchange(request_body, reply_body)), "Look", direction, field) == expected


def test_verdicts_of_code_values() -> None:
    assert [code_verdict(seen, known) for seen, known in ((True, True), (True, False), (False, True))] == [
        "confirmed",
        "undocumented",
        "never seen",
    ]


def test_a_contradiction_names_its_exchanges_and_the_first_case() -> None:
    wrong = SAY.replace("SN=1", "SN=2")
    seen = folded(exchange(ASK, SAY, "a"), exchange(ASK, wrong, "b"), exchange(ASK, wrong, "c"))
    assert seen.commands["Look"].reply.fields["SN"].contradictions == {
        "list.count": profiles.Contradiction(
            text="SN says 2, there are 1", evidence=Evidence(count=2, ids=["b", "c"], ats=[1, 2], more=False)
        )
    }


def test_a_required_field_that_is_absent_somewhere_is_contradicted_there() -> None:
    without = SAY.replace("&ID=3,", "")
    seen = folded(exchange(ASK, SAY, "a"), exchange(ASK, without, "b"))
    field = seen.commands["Look"].reply.fields["ID"]
    assert (field.seen.count, field.contradictions) == (
        1,
        {
            "field.missing": profiles.Contradiction(
                text="Look: the reply has no ID", evidence=Evidence(count=1, ids=["b"], ats=[1])
            )
        },
    )


def test_lists_of_different_lengths_speak_against_all_of_them() -> None:
    fields = (
        folded(exchange(ASK, SAY.replace("ID=3,", "ID=3,4,").replace("SN=1", "SN=2"))).commands["Look"].reply.fields
    )
    found = profiles.Contradiction(
        text="lists of one table differ: ID has 2, ST has 1, TX has 1", evidence=Evidence(count=1, ids=["1"], ats=[0])
    )
    assert {name: field.contradictions for name, field in fields.items() if field.contradictions} == {
        name: {"list.length": found} for name in ("ID", "ST", "TX")
    }


def test_a_reply_that_broke_off_tells_nothing_by_what_it_lacks() -> None:
    cut = msgspec.structs.replace(exchange(ASK, "V=1&C=Look&N=6&A=9&S=0&SN=4&ID=3,4,&ST=5,"), error="broke off")
    fields = folded(cut).commands["Look"].reply.fields
    assert {name: list(field.contradictions) for name, field in fields.items() if field.contradictions} == {
        "ST": ["code.unknown"],
        "N": ["echo.n"],
    }


@pytest.mark.parametrize(
    ("request_body", "reply_body", "counts", "proven"),
    [
        (ASK, SAY, (1, 0, 0), True),
        (ASK, SAY.replace("N=5", "N=6"), (0, 1, 0), False),
        (ASK, SAY.replace("N=5", "N="), (0, 1, 0), False),
        (ASK.replace("N=5", "N="), SAY, (0, 0, 1), False),
        (ASK.replace("&N=5", ""), SAY, (0, 0, 1), False),
        (ASK.replace("N=5", "N="), SAY.replace("N=5", "N=-1"), (0, 1, 0), False),
        (None, SAY, (0, 0, 1), False),
        ("a page", SAY, (0, 0, 1), False),
    ],
)
def test_repetitions_are_counted_as_held_broken_or_not_checkable(
    request_body: str | None, reply_body: str, counts: tuple[int, int, int], proven: bool
) -> None:
    field = folded(exchange(request_body, reply_body)).commands["Look"].reply.fields["N"]
    assert (field.echo.held, field.echo.broken, field.echo.unchecked) == counts
    assert profiles.is_proven(field, echo=True) is proven
    assert profiles.is_proven(field, echo=False)


PAGE = '<html><body><a href="x?a=1&b=2">Bad gateway&nbsp;for user Zhang San, zhang@example.org</body></html>'


@pytest.mark.parametrize("page", [PAGE, "hello", "x=y&z", "\r\n", b"\xff\xfe&\x00=\x01"])
def test_a_message_without_any_known_field_is_not_of_the_protocol(page: str | bytes) -> None:
    seen = folded(exchange(ASK, SAY, "a"), exchange(ASK, page, "b"), exchange(page, page, "c"))
    look, nameless = seen.commands["Look"], seen.commands[""]
    assert (look.reply.messages, look.reply.foreign) == (1, Evidence(count=1, ids=["b"], ats=[1]))
    assert (nameless.request.foreign, nameless.reply.foreign) == (Evidence(count=1, ids=["c"], ats=[2]),) * 2
    assert (nameless.request.messages, nameless.request.fields, nameless.reply.fields) == (0, {}, {})
    assert all(field.contradictions == {} for field in look.reply.fields.values())
    assert list(look.reply.fields) == ["V", "C", "N", "A", "S", "SN", "ID", "ST", "TX"]
    assert (seen.foreign, {code: tally.count for code, tally in seen.notes.items()}) == (3, {"body.foreign": 3})


def test_what_looks_like_no_name_is_shown_by_its_length() -> None:
    talk = (
        "V=1&C=Look&N=5&A=9&KEY=ab & my password is hunter2& hunter2=hunter2&hunter2&NEW=1&OLD-1.x_=2&"
        + "z" * 33
        + "=3"
    )
    seen = folded(exchange(talk, talk))
    assert [name for name in seen.commands["Look"].request.fields if name not in ("V", "C", "N", "A", "KEY")] == [
        "(no field name, 23 characters)",
        "(no field name, 8 characters)",
        "(no field name, 7 characters)",
        "NEW",
        "OLD-1.x_",
        "(no field name, 33 characters)",
    ]
    assert seen.commands["Look"].request.fields["(no field name, 8 characters)"].examples == Examples(
        first=[Example(None, 7)], ats=[0]
    )
    assert seen.notes["field.bare"].examples[0] == profiles.NoteExample(
        where="Look request (no field name, 23 characters)", text=None, exchange="1"
    )
    assert "hunter2" not in msgspec.json.encode(seen).decode()


def test_a_documented_field_without_an_equals_sign_keeps_its_name() -> None:
    seen = folded(exchange(ASK, SAY + "&OLD"))
    assert seen.notes["field.bare"].examples[0].where == "Look reply OLD"


def test_values_of_a_masked_code_outside_its_table_are_counted_only() -> None:
    reply = SAY.replace("ST=1,&TX=Ann,", "ST=2,2,2,&TX=7,138001380,12,").replace("SN=1&ID=3", "SN=3&ID=3,4,5")
    codes = folded(exchange(ASK, reply)).commands["Look"].reply.fields["TX"].codes
    assert {case: ({v: e.count for v, e in codes.values.items()}, codes.more) for case, codes in codes.items()} == {
        0: ({7: 1}, 2)
    }


def test_codes_are_counted_by_item_and_by_case() -> None:
    reply = "V=1&C=Look&N=5&A=9&S=0&SN=4&ID=1,2,3,4,&ST=1,2,2,1,&TX=Ann,7,8,7,"
    fields = folded(exchange(ASK, reply)).commands["Look"].reply.fields
    assert {case: {v: e.count for v, e in codes.values.items()} for case, codes in fields["ST"].codes.items()} == {
        -1: {1: 2, 2: 2}
    }
    assert {case: {v: e.count for v, e in codes.values.items()} for case, codes in fields["TX"].codes.items()} == {
        0: {7: 1}
    }


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("V=1&C=Look&N=5&A=9&KEY=5ec3e7", "a secret field"),
        ("V=1&C=Look&N=5&A=9&KEY=5ec3e7zz", "a secret field with a wrong value"),
        ("V=1&C=Nobody&N=5&A=9&KEY=5ec3e7", "a field of an unknown command that is secret elsewhere"),
        ("V=1&C=Look&N=5&A=9&TX=5ec3e7", "a field that is personal in the other direction"),
        ("V=1&C=Look&N=5&A=9&tx=5ec3e7", "the same in another case"),
        ("V=1&N=5&A=9&KEY=5ec3e7", "a message without a command"),
        ("V=1&C=Look&N=5&A=9&KEY=%5ec3e7%zz+5ec3e7&KEY=5ec3e7&KEY=5ec3e7\r\n", "with whatever else is odd about it"),
        ("V=1&C=Look&N=5&A=9&S=0&SN=3&ID=1,2,&ST=2,2,1&TX=5ec3e7,5ec3e7", "a personal list with a case"),
    ],
)
def test_masked_values_are_not_kept(body: str, where: str) -> None:
    assert "5ec3e7" not in msgspec.json.encode(folded(exchange(body, body))).decode(), where


def test_a_reply_belongs_to_the_command_that_it_names() -> None:
    seen = folded(exchange(ASK, "V=1&C=Ring&ST=1"), exchange("V=1&C=Odd&N=1&A=2", "S=0"), exchange(None, SAY))
    assert {
        name: (tally.exchanges.count, tally.request.messages, tally.reply.messages, tally.unanswered, tally.unasked)
        for name, tally in seen.commands.items()
    } == {"Look": (2, 1, 1, 0, 1), "Ring": (0, 0, 1, 0, 0), "ODD": (1, 1, 1, 0, 0)}
    assert (seen.exchanges, seen.requests, seen.replies, seen.failed, seen.unasked) == (3, 2, 3, 0, 1)


def test_an_exchange_that_failed_is_another_thing_than_one_without_a_reply() -> None:
    lone = exchange(ASK, None)
    failed, broken = (msgspec.structs.replace(one, error="broke off") for one in (lone, exchange(ASK, SAY)))
    seen = folded(lone, failed, broken)
    look = seen.commands["Look"]
    assert (seen.failed, seen.unanswered, look.failed, look.unanswered) == (2, 1, 2, 1)


def test_versions_are_those_of_the_request() -> None:
    seen = folded(exchange(ASK.replace("V=1", "V=2"), SAY), exchange(ASK.replace("V=1", "V=3"), SAY))
    assert seen.commands["Look"].versions == {"2": 1}
    assert seen.commands["Look"].reply.fields["SN"].versions == {"2": True}
    assert seen.versions == Names(counts={"2": 1, "3": 1})


def test_memory_is_bounded() -> None:
    names = "&".join(f"x{number}=1" for number in range(900))
    commands = [exchange(f"V=1&C=c{number}&N=1&A=1", None, str(number)) for number in range(100)]
    codes = SAY.replace("ST=1", "ST=" + ",".join(map(str, range(9_000))))
    large = SAY + "&BIG=" + "x" * 1_000_000
    seen = folded(exchange(ASK + "&" + names, codes), exchange(ASK, large), *commands)
    look = seen.commands["Look"]
    assert (len(look.request.fields), look.request.more) == (56, 850)
    assert (len(seen.commands), seen.more_commands) == (21, 80)
    assert (len(look.reply.fields["ST"].codes[-1].values), look.reply.fields["ST"].codes[-1].more) == (53, 8_947)
    assert look.reply.fields["BIG"].examples == Examples(first=[Example("x" * 80, 1_000_000)], ats=[1])
    assert len(msgspec.json.encode(seen)) < 200_000


def test_documented_names_are_kept_however_many_others_came_first() -> None:
    names = "&".join(f"x{number}=1" for number in range(900))
    seen = folded(exchange(names + "&" + ASK, None))
    assert verdict(seen, "Look", "request", "KEY") == "confirmed"


def test_examples_keep_the_first_distinct_values() -> None:
    examples = Examples()
    for at, text in enumerate(("a", "b", "a", "c", "d", "e")):
        examples.add(text, masked=False, at=at)
    assert examples == Examples(first=[Example(t, 1) for t in "abcde"], ats=[0, 1, 3, 4, 5], more=False)
    examples.add("f", masked=False)
    assert examples.more


def test_evidence_names_each_exchange_once() -> None:
    evidence = Evidence()
    for at, name in enumerate(("1", "1", "2", "3", "4", "5")):
        evidence.add(name, at=at)
    assert evidence == Evidence(count=6, ids=["1", "2", "3", "4", "5"], ats=[0, 2, 3, 4, 5], more=False)
    evidence.add("6")
    assert evidence == Evidence(count=7, ids=["1", "2", "3", "4", "5"], ats=[0, 2, 3, 4, 5], more=True)


def test_long_text_is_cut() -> None:
    assert clip("x" * 81) == "x" * 80 + "… (81 characters)"


bodies = st.none() | st.binary(max_size=200)


@given(bodies, bodies, st.text(max_size=20) | st.none())
def test_a_profile_raises_for_no_bytes(request_body: bytes | None, reply_body: bytes | None, error: str | None) -> None:
    odd = msgspec.structs.replace(exchange(request_body, reply_body), error=error)
    seen = folded(odd, odd, spec=specs.builtin())
    assert seen.exchanges == 2


@given(st.lists(st.sampled_from([*SAY.split("&"), "ST", "ST=", "TX=1,2,", "SN=x", "=", "C=look", "C=Ring"])))
def test_a_profile_raises_for_no_order_of_fields(parts: list[str]) -> None:
    seen = folded(exchange(ASK, "&".join(parts)))
    assert seen.replies == 1
