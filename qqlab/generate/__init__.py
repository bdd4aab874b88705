"""Captures that nobody recorded: made-up users with clients of the time, and the test server's replies to them.

Law: pure, and decided by the plan alone: the same plan and version give the same bytes. What a server says is the
state machine's (`qqlab.testserver`) to decide, what users do is `life`'s, how clients write is that of `clients`;
`crowd` lets all of them happen in order of time, `lines` writes it down as the recorder would. Memory grows with the
accounts, never with the exchanges. Nothing here is anybody's: numbers beyond any that was ever given out, names and
texts made up.
"""

from qqlab.generate.crowd import generate
from qqlab.generate.people import PASSWORD, people, written
from qqlab.generate.plan import Plan, plan

__all__ = ["PASSWORD", "Plan", "generate", "people", "plan", "written"]
