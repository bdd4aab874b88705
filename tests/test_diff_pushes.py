"""Comparison of what nobody asked for: pushes belong together by what they are, whatever their place and id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.diff import Finding, compare
from qqlab.exchange import Exchange, RawMessage

SPEC = specs.builtin()
Told = tuple[str, str, str | None, str | None, str | None]


def push(body: str | bytes, *, id: str = "1", uin: str = "10001", end: bytes = b"\r\n") -> Exchange:
    """A pushed line; of its body only what follows on UIN is given, unless it is bytes."""
    if isinstance(body, str):
        command, _, rest = body.partition("&")
        body = f"VER=1.1&CMD={command}&SEQ={len(id)}&UIN={uin}&RES=0&{rest}".encode()
    return Exchange(
        id=id, session=f"127.0.0.1/{uin}", transport="lines", reply=RawMessage(body=body, end=end), client="127.0.0.1:9"
    )


def message(text: str, sender: str = "10002") -> str:
    return f"Server_Msg&UN={sender}&MG={text}"


def presence(code: int, friend: str = "10002") -> str:
    return f"update_stat&ST={code}&UN={friend}"


def asked(id: str, end: bytes = b"\r\n", seq: int = 1) -> Exchange:
    request = RawMessage(body=f"VER=1.4&CMD=Logout&SEQ={seq}&UIN=10001".encode(), end=b"\n")
    reply = RawMessage(body=f"VER=1.1&CMD=LOGOUT&SEQ={seq}&UIN=10001&RES=0".encode(), end=end)
    return Exchange(id=id, session="127.0.0.1/10001", transport="lines", request=request, reply=reply, pairing="echo")


def pushes(*bodies: str, ids: str = "p") -> list[Exchange]:
    return [push(body, id=f"{ids}{number}") for number, body in enumerate(bodies)]


CASES: dict[str, tuple[list[str], list[str], list[Told]]] = {
    "the same": ([message("a"), presence(10)], [message("a"), presence(10)], []),
    "kinds in another order": ([message("a"), presence(10)], [presence(10), message("a")], []),
    "senders in another order": (
        [message("a"), message("b", "10003")],
        [message("b", "10003"), message("a")],
        [],
    ),
    "a missing one": (
        [message("a"), message("b"), message("c")],
        [message("a"), message("c")],
        [("push.missing", "p1", None, "UN 10002, MG b", None)],
    ),
    "one too many": (
        [presence(10), presence(20)],
        [presence(10), presence(30), presence(20)],
        [("push.extra", "q1", None, None, "ST 30 busy, UN 10002")],
    ),
    "a changed one": (
        [message("a"), message("b"), message("c")],
        [message("a"), message("x"), message("c")],
        [("value", "p1", "MG", "b", "x")],
    ),
    "a changed code": ([presence(10)], [presence(20)], [("code", "p0", "ST", "10 online", "20 offline")]),
    "of another friend": (
        [presence(10)],
        [presence(10, "10003")],
        [
            ("push.missing", "p0", None, "ST 10 online, UN 10002", None),
            ("push.extra", "q0", None, None, "ST 10 online, UN 10003"),
        ],
    ),
    "two of one sender in another order": (
        [message("a"), message("b")],
        [message("b"), message("a")],
        [
            ("push.missing", "p1", None, "UN 10002, MG b", None),
            ("push.extra", "q0", None, None, "UN 10002, MG b"),
        ],
    ),
    "a command that nobody knows": (["Fly&UN=1"], ["Fly&UN=2"], [("value", "p0", "UN", "1", "2")]),
}


def place(finding: Finding) -> str:
    """The exchange that a finding is of, whichever capture has it."""
    return finding.exchange or finding.actual_exchange


@pytest.mark.parametrize("name", CASES)
def test_pushes(name: str) -> None:
    left, right, wanted = CASES[name]
    comparison = compare(pushes(*left), pushes(*right, ids="q"), SPEC)
    assert [(f.rule, place(f), f.field, f.expected, f.actual) for f in comparison.findings] == wanted
    assert comparison.total == len(left) + len([rule for rule, *_ in wanted if rule == "push.extra"])


def test_whose_push_it_is_matters_and_its_id_and_place_do_not() -> None:
    left = [asked("1"), push(message("a"), id="2"), asked("3", seq=3), push(message("a"), id="4", uin="10003")]
    right = [asked("1"), asked("3", seq=9), push(message("a"), id="1000"), push(message("a"), id="2", uin="10003")]
    comparison = compare(left, right, SPEC)
    assert (comparison.equal, comparison.total, comparison.findings) == (4, 4, ())


def test_an_id_that_is_a_push_here_and_a_request_there_is_two_things() -> None:
    comparison = compare([push(message("a"), id="1")], [asked("1")], SPEC)
    assert [(f.rule, f.exchange, f.actual_exchange) for f in comparison.findings] == [
        ("push.missing", "1", ""),
        ("exchange.extra", "", "1"),
    ]
    assert comparison.skipped == {"only in the first capture": ("1",), "only in the second capture": ("1",)}


def test_a_push_that_could_not_come_is_skipped() -> None:
    left = [push(message("a"), id="1"), push(presence(10), id="2")]
    comparison = compare(left, [push(presence(20))], SPEC, skipped={"1": "the target is down", "2": "the same"})
    assert (comparison.total, comparison.skipped) == (2, {"the target is down": ("1",)})
    assert [(f.rule, f.exchange, f.field) for f in comparison.findings] == [("code", "2", "ST")]


def test_the_end_of_a_line_matters() -> None:
    for left, right in ((asked("1"), asked("1", b"\n")), (push(message("a")), push(message("a"), end=b"\n"))):
        assert [(f.rule, f.expected, f.actual) for f in compare([left], [right], SPEC).findings] == [
            ("line.end", "CR LF", "LF")
        ]


BODIES = st.binary(max_size=60) | st.sampled_from([message("a"), message("b"), presence(10), "Fly&UN=1"])


@given(st.lists(BODIES, max_size=6), st.lists(BODIES, max_size=6))
def test_comparing_raises_for_no_pushes_and_finds_nothing_in_the_same(
    left: list[str | bytes], right: list[str | bytes]
) -> None:
    sides = [[push(body, id=f"{number}") for number, body in enumerate(side)] for side in (left, right)]
    assert compare(sides[0], sides[1], SPEC).total >= max(len(left), len(right))
    assert compare(sides[0], sides[0], SPEC).findings == ()


def test_a_push_too_many_has_the_same_id_whenever_it_comes() -> None:
    """The second capture numbers what was pushed by when it came."""
    said = [(message("a"), "10001"), (message("a"), "10002"), (message("b"), "10001"), (message("a"), "10001")]

    def ids(order: list[int]) -> dict[str, tuple[str, str | None]]:
        came = [push(said[place][0], id=f"push-{number}", uin=said[place][1]) for number, place in enumerate(order)]
        found = compare([], came, SPEC).findings
        assert {finding.rule for finding in found} == {"push.extra"}
        return {finding.id: (finding.account, finding.actual) for finding in found}

    first = ids([0, 1, 2, 3])
    assert len(first) == 4
    assert first == ids([3, 2, 1, 0]) == ids([1, 0, 3, 2])
