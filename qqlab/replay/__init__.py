"""What a replay sends and to whom it may: pure decisions, taken before the first byte leaves."""

from qqlab.replay.passwords import Passwords, turned_away
from qqlab.replay.plan import Plan, Step, plan
from qqlab.replay.target import Target, check_address, check_name, parse_target

__all__ = ["Passwords", "Plan", "Step", "Target", "check_address", "check_name", "parse_target", "plan", "turned_away"]
