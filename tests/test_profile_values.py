"""What is counted of values and durations: exact where it is said to be, bounded, and the same in any order."""

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab.profile import Example, Histogram, Values
from qqlab.profile.values import DISTINCT, fitting
from qqlab.report.build.fields import shape_of


def values(*told: str | int, masked: bool = False) -> Values:
    made = Values(masked=masked)
    for one in told:
        made.add(one)
    return made


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("0", {"int", "digits", "version", "hex"}),
        ("-3", {"int"}),
        ("007", {"digits", "version", "hex"}),
        ("12345678901234567890", {"digits", "version", "hex"}),
        ("ab12", {"hex"}),
        ("1.10", {"version"}),
        (" 5 ", {"int", "digits", "version", "hex"}),
        ("1.", set()),
        ("\u0665", set()),
        ("\u00b2", set()),
        ("word", set()),
        ("", set()),
    ],
)
def test_types_that_a_value_is_of(text: str, types: set[str]) -> None:
    bits = {"int": 1, "digits": 2, "version": 4, "hex": 8}
    assert {kind for kind, bit in bits.items() if fitting(text) & bit} == types


@pytest.mark.parametrize(
    ("told", "narrowest", "low", "high", "shortest", "longest"),
    [
        ((60, 300, -1), "int", -1, 300, 2, 3),
        (("007", "10"), "digits", 7, 10, 2, 3),
        (("ab", "10"), "hex", None, None, 2, 2),
        (("1.1", "2"), "version", None, None, 1, 3),
        (("x", 10), "text", None, None, 1, 2),
        ((10, "x"), "text", None, None, 1, 2),
        ((), None, None, None, None, 0),
    ],
)
def test_looks(told: tuple[str | int, ...], narrowest: str, low: int, high: int, shortest: int, longest: int) -> None:
    for order in permutations(told):
        seen = values(*order)
        assert (seen.narrowest, seen.low, seen.high) == (narrowest, low, high)
        assert (seen.shortest, seen.longest, seen.total) == (shortest, longest, len(told))


def test_masked_values_are_told_apart_but_not_kept() -> None:
    seen = values("hunter2", "hunter2", "138001380", "138001380", masked=True)
    assert (seen.distinct, seen.complete, seen.total, seen.counts) == (2, True, 4, {})
    assert (seen.low, seen.high, seen.examples.first) == (None, None, [Example(None, 7), Example(None, 9)])


def test_many_values_are_bounded_and_said_to_be_more() -> None:
    seen = values(*range(10 * DISTINCT), *("x" * 1_000_000 + str(n) for n in range(3)))
    assert (seen.distinct, seen.complete, seen.total) == (DISTINCT, False, 10 * DISTINCT + 3)
    assert (seen.longest, len(seen.counts), seen.hashes) == (1_000_001, DISTINCT, set())


@pytest.mark.parametrize(
    ("told", "shape"),
    [
        ((1,), None),
        ((1, 1), "constant"),
        ((1, 2), None),
        ((1, 2) * 3, "enum"),
        (tuple(range(9)), None),
        (tuple(range(10)), "free"),
        (tuple(range(17)) * 9, "free"),
        (tuple(range(DISTINCT + 1)) * 9, "free"),
        (("x" * 500,) * 2, "constant"),
    ],
)
def test_shapes(told: tuple[str | int, ...], shape: str | None) -> None:
    assert shape_of(values(*told)) == shape


durations = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=50)


@given(durations, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_right_to_a_hundredth(told: list[float], share: float) -> None:
    histogram = Histogram()
    for one in told:
        histogram.add(one)
    exact = sorted(told)[max(1, math.ceil(share * len(told))) - 1]
    found = histogram.percentile(share)
    assert found is not None
    assert abs(found - exact) <= max(0.01 * exact, 1e-6)


@given(durations, durations)
def test_two_histograms_add_up(one: list[float], other: list[float]) -> None:
    whole, first, second = Histogram(), Histogram(), Histogram()
    for histogram, told in ((whole, other + one), (first, one), (second, other)):
        for seconds in told:
            histogram.add(seconds)
    first.merge(second)
    assert first == whole


def test_what_is_no_duration_is_none() -> None:
    histogram = Histogram()
    assert histogram.percentile(0.5) is None
    for odd in (-1.0, math.nan, math.inf):
        histogram.add(odd)
    assert (histogram.count, histogram.percentile(1), len(histogram.buckets)) == (3, 0.0, 1)
