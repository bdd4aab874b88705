"""Exchanges that are counted at once by their kind give the profile that they give one by one."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest
from alike import START, exchanges
from auction import traffic
from hypothesis import given, settings
from hypothesis import strategies as st
from test_profile_parts import differing, order, tight

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.capture import load, open_capture
from qqlab.codec import Kinds
from qqlab.exchange import Exchange
from qqlab.profile import Fold, Profile, bulk

CAPTURES = Path(__file__).parent.parent / "captures"


def folded(seen: Sequence[Exchange], *, at_once: bool = True, spec: Path | None = None) -> Profile:
    """The profile of exchanges, with nothing known of others that were seen before."""
    fold = Fold(specs.builtin() if spec is None else specs.load(spec))
    with ExitStack() as stack:
        if not at_once:
            stack.enter_context(patch.object(Kinds, "find", return_value=None))
        for at, one in enumerate(seen):
            fold.add(at, str(at), one)
        return fold.part().profile()


def check(seen: Sequence[Exchange], spec: Path | None = None) -> None:
    one, other = folded(seen, spec=spec), folded(seen, at_once=False, spec=spec)
    assert list(differing(one, other)) == []
    assert order(one) == order(other)
    assert list(one.commands) == list(other.commands)


@pytest.mark.parametrize("limits", [ExitStack, tight])
@settings(max_examples=60, deadline=None)
@given(seen=st.lists(exchanges(), min_size=2, max_size=12), times=st.lists(st.integers(0, 11), max_size=60))
def test_kinds_counted_at_once_give_the_profile_of_all_one_by_one(
    limits: Callable[[], AbstractContextManager[object]], seen: list[Exchange], times: list[int]
) -> None:
    with limits(), patch.object(bulk, "MOST", 7):
        check([*seen, *seen, *(seen[time % len(seen)] for time in times)])


def test_all_that_the_demonstration_has_is_counted_at_once_as_one_by_one() -> None:
    seen = list(open_capture(CAPTURES / "demo.jsonl").exchanges())
    times = [
        msgspec.structs.replace(one, time=START + timedelta(seconds=round * 60 + place), session=f"{round // 2}")
        for round in range(5)
        for place, one in enumerate(seen)
    ]
    check(times)


def test_traffic_of_another_protocol_is_counted_at_once_as_one_by_one() -> None:
    check(list(traffic(800)), Path(__file__).parent / "auction.toml")


def test_a_report_is_the_same_to_the_byte(tmp_path: Path) -> None:
    """Though what is counted at once is counted in another order."""
    lines = (CAPTURES / "demo.jsonl").read_bytes().splitlines(keepends=True)
    again = [line.replace(b'{"id":"', b'{"id":"%d-' % time) for time in range(4) for line in lines[1:]]
    path = tmp_path / "long.jsonl"
    path.write_bytes(lines[0] + b"".join(again))
    capture = load(path)
    at_once = msgspec.json.encode(reports.build([capture], specs.builtin()))
    with patch.object(Kinds, "find", return_value=None):
        assert msgspec.json.encode(reports.build([capture], specs.builtin())) == at_once


def test_no_more_exchanges_wait_than_there_is_room_for() -> None:
    seen = list(open_capture(CAPTURES / "demo.jsonl").exchanges())
    fold = Fold(specs.builtin())
    with patch.object(bulk, "MOST", 10):
        for at, one in enumerate(seen * 5):
            fold.add(at, str(at), one)
            assert len(fold.bulk.rows) < 10
    assert fold.part().profile().exchanges == 5 * len(seen)
