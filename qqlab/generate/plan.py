"""What is to be generated, and whether it can be.

Law: pure. A plan is whole and possible: who made one can generate it.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from qqlab.errors import UsageError

START = datetime(2005, 3, 1, tzinfo=UTC)
"""Eight in the morning in China."""

# What a visit comes to on average, from login to logout, with a poll a minute: measured on what is generated.
VISIT_EXCHANGES = 58.0
VISIT_SECONDS = 2290.0

DAY = 86400.0
_USUAL_PER_DAY = 2 * VISIT_EXCHANGES
_FEWEST, _MOST_USUAL = 8, 20_000
_EXCHANGES_PER_ACCOUNT = 1000
# Whoever comes back sooner than that never leaves.
_LEAST_GAP = 600.0


class Plan(NamedTuple):
    """A capture to be: how many exchanges of how many accounts, beginning when, with the visits of an account so many
    seconds apart on average, and the share of exchanges in which something goes wrong."""

    exchanges: int
    accounts: int
    seed: int
    gap: float
    errors: float
    start: datetime = START


def plan(
    exchanges: int,
    *,
    accounts: int | None = None,
    days: float | None = None,
    seed: int = 1,
    errors: float = 0.0,
    start: datetime = START,
) -> Plan:
    """A plan, with accounts and days that fit the exchanges where none are given: an account comes about twice a day.

    Raises UsageError where so many exchanges of so few accounts take longer than that.
    """
    per_day = exchanges / days / (accounts or 1) if days else _USUAL_PER_DAY
    if accounts is None:
        per_day = _USUAL_PER_DAY
        wanted = exchanges / (days * per_day) if days else exchanges / _EXCHANGES_PER_ACCOUNT
        accounts = max(_FEWEST, round(wanted) if days else min(round(wanted), _MOST_USUAL))
        per_day = exchanges / days / accounts if days else per_day
    gap = DAY * VISIT_EXCHANGES / per_day - VISIT_SECONDS
    if gap < _LEAST_GAP:
        most = int(accounts * DAY * (days or 0) / (VISIT_SECONDS + _LEAST_GAP) * VISIT_EXCHANGES)
        raise UsageError(
            f"-n {exchanges}",
            f"{accounts} accounts make at most about {most} exchanges in that time",
            "give more accounts or more days",
        )
    return Plan(exchanges, accounts, seed, gap, errors, start)
