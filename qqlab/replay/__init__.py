"""What a replay sends and to whom it may: pure decisions, taken before the first byte leaves."""

from qqlab.replay.correlate import Hole, Link, Produced
from qqlab.replay.expecting import Expectation, renamed
from qqlab.replay.filling import fill, produced
from qqlab.replay.lanes import Lane
from qqlab.replay.passwords import Passwords
from qqlab.replay.plan import Options, Plan, Step, plan
from qqlab.replay.target import Target, check_address, check_name, parse_target

__all__ = [
    "Expectation",
    "Hole",
    "Lane",
    "Link",
    "Options",
    "Passwords",
    "Plan",
    "Produced",
    "Step",
    "Target",
    "check_address",
    "check_name",
    "fill",
    "parse_target",
    "plan",
    "produced",
    "renamed",
]
