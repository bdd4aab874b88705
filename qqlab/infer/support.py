"""How much traffic a claim needs before it is made: the guard against coincidence.

Law: every number of this kind stands here, with its reason. A claim that has too little behind it is not made; the
spec says `under-sampled` there instead.
"""

from qqlab.profile import Evidence

# "All n messages have it": with n = 8 and none without, a field that is absent in a third of the messages would have
# been missed once in 25 times ((2/3)**8); the rule of three says the rate that can still hide (3/n).
ALWAYS = 8
# Two things that are equal by chance in half of the messages are equal in eight once in 256 times; they must vary, too.
EQUAL = 8
VARIED = 2
# A condition needs so many messages on each side of it.
SIDE = 4
# A code is complete enough when each value came so often on average, and few came once.
EACH = 5
# How many values a code has at most, and how large one is.
CODES = 16
# A code comes back to earlier values in such a share of messages; what does not is a setting of a server or a client.
RESTLESS = 0.05
# A constant came in so many messages, from so many accounts.
CONSTANT = 12
ACCOUNTS = 3
# Secrets: bits of entropy in a value, and how many values must not have come again.
BITS = 56
UNREPEATED = 12
# What follows what: so many times, at such a share.
FOLLOWS = 3
SHARE = 0.8
# What is allowed to go wrong in what otherwise always holds: a message that was damaged on its way.
EXCEPTIONS = 0.01


def holds(good: int, bad: int, least: int = EQUAL) -> bool:
    """Whether something that held so often and failed so often may be claimed."""
    return good >= least and bad <= EXCEPTIONS * (good + bad)


def bound(count: int) -> str:
    """What can still hide behind so many messages without an exception: the rule of three."""
    return f"a rate below {300 / count:.2g} % can hide" if count >= 4 else "next to nothing is known"


def cited(evidence: Evidence) -> str:
    """The first exchanges of an evidence, as a spec names them."""
    return ", ".join(evidence.ids) + (", …" if evidence.more else "")


def times(count: int) -> str:
    """So many times, in words."""
    return "once" if count == 1 else f"{count} times"
