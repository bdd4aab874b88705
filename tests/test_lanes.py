"""What stays in order in a replay: lanes, connections, the line of time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay import plan
from qqlab.replay.lanes import connections
from qqlab.replay.schedule import Span, timeline

SPEC = specs.builtin()
HOST = "127.0.0.1:9999"
START = datetime(2026, 1, 1, tzinfo=UTC)


def exchange(
    id: str,
    account: str = "10001",
    begin: float | None = 0.0,
    elapsed: float | None = 0.0,
    *,
    client: str = "",
    kept: bool = False,
    body: str = "CMD=GetMsgEx&SEQ=1&UIN={}",
    reply: str | None = "CMD=GETMSGEX&UIN={}&RES=0",
) -> Exchange:
    return Exchange(
        id=id,
        session=f"{client.partition(':')[0] or 'host'}/{account}",
        time=None if begin is None else START + timedelta(seconds=begin),
        elapsed=elapsed,
        client=client,
        request=http1.request(body.format(account).encode(), HOST, keep_alive=kept),
        reply=None if reply is None else http1.reply(reply.format(account).encode(), keep_alive=kept),
    )


def test_a_lane_is_a_connection_and_what_one_client_did_for_one_account() -> None:
    recorded = [
        exchange("1", "10001", client="a:1"),
        exchange("2", "10002", client="b:1", kept=True),
        exchange("3", "10001", client="a:2", kept=True),
        exchange("4", "10003", client="a:2", kept=True),
        exchange("5", "10003", client="c:9"),
        exchange("6", "10003", client="a:7"),
    ]
    planned = plan(recorded, SPEC, host=HOST, start=1)
    assert [(step.recorded.id, step.lane, step.connection) for step in planned.steps] == [
        ("1", 0, "a:1"),
        ("2", 1, "b:1"),
        ("3", 0, "a:2"),
        ("4", 0, "a:2"),
        ("5", 2, "c:9"),
        ("6", 0, "a:7"),
    ]
    assert [(lane.name, lane.accounts, lane.steps, lane.connections) for lane in planned.lanes] == [
        ("a/10001", ("10001", "10003"), 4, 3),
        ("b/10002", ("10002",), 1, 1),
        ("c/10003", ("10003",), 1, 1),
    ]


def test_a_port_that_comes_again_after_its_connection_was_closed_is_another_connection() -> None:
    old = msgspec.structs.replace(
        exchange("old", "10001", client="a:1"), request=RawMessage(head=b"POST / HTTP/1.0\r\n\r\n", body=b"CMD=List")
    )
    recorded = [
        exchange("1", "10001", client="a:1", kept=True),
        exchange("2", "10001", client="a:1"),
        exchange("3", "10002", client="a:1", kept=True, reply=None),
        exchange("4", "10003", client="a:1", kept=True),
        old,
        exchange("6", "10004", client="a:1"),
        exchange("7", "10005", kept=True),
        exchange("8", "10005"),
    ]
    assert connections(recorded) == ["a:1", "a:1", "a:1#2", "a:1#3", "a:1#3", "a:1#4", "host/10005", None]


def test_what_is_known_of_a_step() -> None:
    login = "CMD=Login&SEQ=1&UIN={}&PS=0123456789abcdef0123456789abcdef&M5=1&LC=9326B87B234E7235"
    recorded = [
        exchange("1", body=login, reply="CMD=Login&UIN={}&RES=0&RS=1&RA=no"),
        exchange("2", body=login, reply="CMD=Login&UIN={}&RES=0&RS=0&HI=60&LI=300"),
        exchange("3", begin=1.5),
        exchange("4", body="CMD=CLTMSG&UIN={}&UN=10002&MG=x", begin=2.0),
        exchange("5", body="CMD=Unheard", begin=3.0),
    ]
    planned = plan(recorded, SPEC, host=HOST, start=1)
    assert [(step.effect, step.login, step.due, step.account) for step in planned.steps] == [
        ("auth", False, 0.0, "10001"),
        ("auth", True, 0.0, "10001"),
        ("consume", False, 1.5, "10001"),
        ("write", False, 2.0, "10001"),
        ("write", False, 3.0, "10001"),
    ]


def test_steps_stand_in_the_order_in_which_they_began_and_lanes_that_overlap_are_counted() -> None:
    recorded = [
        exchange("b", "2", 1.0, 1.0),
        exchange("a", "1", 0.0, 3.0),
        exchange("c", "3", 2.5, 1.0),
        exchange("d", "4", 3.6, 1.0),
    ]
    planned = plan(recorded, SPEC, host=HOST, start=1)
    assert [(step.recorded.id, step.due, step.lane) for step in planned.steps] == [
        ("a", 0.0, 0),
        ("b", 1.0, 1),
        ("c", 2.5, 2),
        ("d", 3.6, 3),
    ]
    assert planned.at_once == 2


def test_times_that_are_missing_or_go_back() -> None:
    times = [(None, None), (10.0, 2.0), (None, None), (11.0, 4.0), (5.0, 0.5), (6.0, None), (None, 9.0)]
    recorded = [exchange(str(number), begin=begin, elapsed=long) for number, (begin, long) in enumerate(times)]
    assert timeline(recorded) == [
        Span(0.0, 0.0),
        Span(0.0, 2.0),
        Span(2.0, 2.0),
        Span(1.0, 5.0),
        Span(5.0, 5.5),
        Span(6.0, 6.0),
        Span(6.0, 6.0),
    ]


SPANS = st.lists(st.tuples(st.none() | st.floats(-1e6, 1e6), st.none() | st.floats(allow_nan=False)), max_size=20)


@given(SPANS)
def test_whatever_the_clock_said_time_has_a_beginning_and_no_end_before_it(
    times: list[tuple[float | None, float | None]],
) -> None:
    spans = timeline([exchange(str(number), begin=begin, elapsed=long) for number, (begin, long) in enumerate(times)])
    assert min((span.begin for span in spans), default=0.0) == 0.0
    assert all(0 <= span.begin <= span.end < 1e8 for span in spans)
    assert all(later.end >= earlier.begin for earlier, later in pairwise(spans))


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 100)), max_size=30), st.booleans())
@example(times=[(32.5859375, 0.0), (1e-05, 0.0), (0.0, 32.5859375)], by_end=True)
def test_overlapping_is_not_taken_for_a_clock_set_back(times: list[tuple[float, float]], by_end: bool) -> None:
    times.sort(key=lambda one: round(one[0], 6) + (round(one[1], 6) if by_end else 0))
    spans = timeline([exchange("x", begin=round(begin, 6), elapsed=round(long, 6)) for begin, long in times])
    first = min((begin for begin, _ in times), default=0.0)
    for (begin, _), span in zip(times, spans, strict=True):
        assert abs(span.begin - (begin - first)) < 1e-4


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 100)), max_size=20))
def test_the_order_of_the_file_means_nothing_between_sessions(times: list[tuple[float, float]]) -> None:
    """A replay that is kept stands in the order of its plan, whatever came first."""
    recorded = [exchange("x", str(n), round(begin, 6), round(long, 6)) for n, (begin, long) in enumerate(times)]
    spans = timeline(recorded)
    first = min((begin for begin, _ in times), default=0.0)
    for (begin, _), span in zip(times, spans, strict=True):
        assert abs(span.begin - (begin - first)) < 1e-4
