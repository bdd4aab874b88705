"""Who waits for whom in a replay: what must keep its order does, and nothing else has one."""

import random
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from test_lanes import exchange

from qqlab import spec as specs
from qqlab.replay import plan
from qqlab.replay.order import Placed, afters, groups, near, related
from qqlab.replay.schedule import Span

SPEC = specs.builtin()
HOST = "127.0.0.1:9999"

STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(0, 3), st.booleans()), min_size=1, max_size=40
)
RELATED = st.sets(st.sampled_from(list(combinations(range(6), 2))))


def placed(times: list[tuple[int, int, int, bool]]) -> list[Placed]:
    steps = [Placed(lane, Span(begin, begin + long), changes) for lane, begin, long, changes in times]
    return sorted(steps, key=lambda step: step.span.begin)


def relations(pairs: set[tuple[int, int]]) -> dict[int, set[int]]:
    return {lane: {*(b for a, b in pairs if a == lane), *(a for a, b in pairs if b == lane)} for lane in range(6)}


@given(STEPS, RELATED)
@settings(max_examples=300)
def test_what_must_keep_its_order_does_and_nothing_else_has_one(
    times: list[tuple[int, int, int, bool]], pairs: set[tuple[int, int]]
) -> None:
    steps, related_to = placed(times), relations(pairs)
    found = afters(steps, related_to)
    beside = near(related_to)

    def may_see(one: Placed, other: Placed) -> bool:
        """Whether one of them, or a third, may see in which order they came."""
        if one.lane in related_to[other.lane]:
            return one.changes or other.changes
        return one.lane in beside[other.lane] and one.changes and other.changes

    before: list[set[int]] = []  # all that surely is over before each step begins
    for place, step in enumerate(steps):
        assert all(other < place for other in found[place])
        own = [other for other in range(place) if steps[other].lane == step.lane]
        direct = {*own, *found[place]}
        before.append(direct | {far for near in direct for far in before[near]})
        must = {
            other
            for other, earlier in enumerate(steps[:place])
            if may_see(earlier, step) and earlier.span.end <= step.span.begin
        }
        assert must <= before[place]
        # One that is waited for stands for its lane: what comes later in it had not all ended before.
        assert all(may_see(steps[other], step) for other in found[place])


def test_lanes_that_all_know_each_other_need_few_edges() -> None:
    rng = random.Random(1)
    steps = placed([(rng.randrange(100), rng.randrange(20_000), rng.randrange(3), True) for _ in range(5_000)])
    everyone = {lane: set(range(100)) - {lane} for lane in range(100)}
    found = afters(steps, everyone)
    assert sum(map(len, found)) < 4 * len(steps)


def test_lanes_are_related_by_what_they_name() -> None:
    found = related({0: {"1"}, 1: {"2"}, 2: {"3"}, 3: {"3"}, 4: set()}, {0: {"2", "77"}, 4: {"1"}})
    assert found == {0: {1, 4}, 1: {0}, 2: {3}, 3: {2}, 4: {0}}
    assert groups(found) == {0: 0, 1: 0, 2: 1, 3: 1, 4: 0}


def test_a_message_is_sent_before_it_is_fetched() -> None:
    recorded = [
        exchange("a", "10001", 0.0, 1.0),
        exchange("b", "10001", 2.0, 1.0, body="CMD=CLTMSG&UIN={}&UN=10002&MG=x", reply="CMD=CLTMSG&UIN={}&RES=0"),
        exchange("c", "10002", 2.5, 1.0),
        exchange("d", "10002", 4.0, 1.0),
        exchange("e", "10003", 4.0, 1.0),
        exchange("f", "10001", 6.0, 1.0),
    ]
    planned = plan(recorded, SPEC, host=HOST, start=1)
    assert [(step.recorded.id, step.after) for step in planned.steps] == [
        ("a", ()),
        ("b", ()),
        ("c", ()),
        ("d", ("b",)),
        ("e", ()),
        ("f", ()),
    ]
    assert [(lane.accounts, lane.group) for lane in planned.lanes] == [
        (("10001",), 0),
        (("10002",), 0),
        (("10003",), 1),
    ]


def test_two_who_write_to_the_same_do_so_in_order() -> None:
    """They have nothing to do with each other, but whoever hears of both hears of them one after the other."""
    write = "CMD=CLTMSG&UIN={}&UN=10003&MG=x"
    recorded = [
        exchange("a", "10001", 0.0, 1.0, body=write),
        exchange("b", "10002", 2.0, 1.0, body=write),
        exchange("c", "10003", 4.0, 1.0),
    ]
    planned = plan(recorded, SPEC, host=HOST, start=1)
    assert [step.after for step in planned.steps] == [(), ("a",), ("b",)]


def test_without_times_all_that_is_related_keeps_the_order_of_the_file() -> None:
    write = "CMD=CLTMSG&UIN={}&UN=10002&MG=x"
    recorded = [
        exchange("a", "10001", None, body=write),
        exchange("b", "10002", None),
        exchange("c", "10001", None, body=write),
        exchange("d", "10002", None),
    ]
    planned = plan(recorded, SPEC, host=HOST, start=1)
    assert [step.after for step in planned.steps] == [(), ("a",), ("b",), ("c",)]


def test_an_account_on_two_machines_fetches_its_messages_in_order() -> None:
    recorded = [exchange("a", "10001", 0.0, client="a:1"), exchange("b", "10001", 1.0, client="b:1")]
    planned = plan(recorded, SPEC, host=HOST, start=1)
    assert [(step.lane, step.after) for step in planned.steps] == [(0, ()), (1, ("a",))]
