"""The protocol's behaviour as a pure state machine: what a server of HTTP QQ would say, and wrong answers on purpose.

Law: no I/O, no asyncio, no clock and no chance in here: the same accounts, requests, addresses and times always
give the same replies. Only `accounts` opens a file, the one it is given. The shell that listens is
`qqlab.net.server`.
"""

from qqlab.testserver.accounts import Account, Accounts
from qqlab.testserver.deviate import Deviated, Rule
from qqlab.testserver.state import Answer, Push, State

__all__ = ["Account", "Accounts", "Answer", "Deviated", "Push", "Rule", "State"]
