"""What is said of an exchange by its kind is what decoding says of it."""

from pathlib import Path

from alike import exchanges
from hypothesis import given, settings
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture import open_capture
from qqlab.codec import Kinds
from qqlab.codec.decode import decode_anew
from qqlab.exchange import Exchange

CAPTURES = Path(__file__).parent.parent / "captures"
SPEC = specs.builtin()


def exchange(asked: str, said: str) -> Exchange:
    return Exchange(id="1", session="s", request=http1.request(asked.encode(), "h"), reply=http1.reply(said.encode()))


@settings(max_examples=150, deadline=None)
@given(st.lists(exchanges(), min_size=4, max_size=30))
def test_an_exchange_of_a_kind_is_understood_as_decoding_understands_it(seen: list[Exchange]) -> None:
    kinds = Kinds(SPEC)
    for one in [*seen, *seen, *seen]:
        understood = kinds.decode(one)
        assert understood in (None, decode_anew(one, SPEC))


def test_nearly_all_of_ordinary_traffic_is_of_a_kind_from_the_third_time_on() -> None:
    seen = list(open_capture(CAPTURES / "demo.jsonl").exchanges())
    kinds = Kinds(SPEC)
    times = [sum(kinds.find(one) is not None for one in seen) for _ in range(4)]
    assert times[0] < 10
    assert times[3] == len(seen)


LOGIN = "VER=1.1&CMD=Login&SEQ={0}&UIN={1}&PS=00&M5=1&LC=9326B87B234E7235"
SAID = "VER=1.1&CMD=Login&SEQ={0}&UIN={1}&RES=0&RS=0&HI={2}&LI=300"


def known() -> Kinds:
    kinds = Kinds(SPEC)
    for number in ("1", "2", "3"):
        kinds.find(exchange(LOGIN.format(number, "7"), SAID.format(number, "7", "60")))
    return kinds


def test_an_exchange_with_other_values_is_of_the_same_kind() -> None:
    kinds = known()
    one = kinds.find(exchange(LOGIN.format("4", "7"), SAID.format("4", "7", "60")))
    other = kinds.find(exchange(LOGIN.format("555", "10001"), SAID.format("555", "10001", "120")))
    assert one is not None
    assert other is not None
    assert one[0] is other[0]


def test_an_exchange_of_which_there_is_more_to_be_said_is_of_no_kind() -> None:
    kinds = known()
    for asked, said in (
        (LOGIN.format("4", "7"), SAID.format("5", "7", "60")),  # repeats another number
        (LOGIN.format("4", "7"), SAID.format("4", "7", "soon")),  # is of another type
        (LOGIN.format("4", "7"), SAID.format("4", "7", "60") + "&X=1"),
        (LOGIN.format("4", "7"), SAID.format("4", "7", "60").replace("&RS=0", "&RS&=0")),
        (LOGIN.format("4", "7").replace("VER=", "VER&").replace("&CMD=", "=CMD="), SAID.format("4", "7", "60")),
        (LOGIN.format("4", "7").replace("9326B", "9326C"), SAID.format("4", "7", "60")),
        (LOGIN.format("4", "7").replace("PS=00", "PS=xx"), SAID.format("4", "7", "60")),
    ):
        assert kinds.find(exchange(asked, said)) is None
