"""What a bad target can do: one name, one sentence and one explanation for each.

Law: a table. `say` makes the sentence that stands as an exchange's `error`, `named` finds the name in such a sentence
again: `named(say(code, ...)) == code` for all of them. Sentences quote no bytes of the target. Imports nothing of the
package.
"""

import re
from typing import Literal, NamedTuple

Code = Literal[
    "refused",
    "unreachable",
    "closed",
    "cut",
    "silent",
    "slow",
    "long",
    "length",
    "no-http",
    "flood",
    "late",
    "reset",
    "redirect",
    "coding",
    "charset",
]


# What ended so was never sent.
UNSENT: tuple[Code, ...] = ("refused", "unreachable")


class Failure(NamedTuple):
    """One thing that a target can do. `sentence` has `{slots}` (see `_SLOTS`); `meaning` tells a newcomer what it says
    of the target and what to look at."""

    sentence: str
    meaning: str


# What ends early ends somewhere.
_WHERE = r"without a reply|within the (?:head|body) of the reply \([0-9]+ bytes came\)"
_SLOTS = {"where": _WHERE, "how": ".+?", "seconds": "[0-9.e+-]+", "count": "[0-9]+", "things": "lines|bytes"}

FAILURES: dict[Code, Failure] = {
    "refused": Failure(
        "cannot connect: connection refused",
        "Nobody listens at that address and port: the server is not running, or runs elsewhere.",
    ),
    "unreachable": Failure(
        "cannot connect{how}",
        "No connection came about: the network, a firewall, or a server whose queue of connections is full.",
    ),
    "closed": Failure(
        "the connection was closed without a reply",
        "The server took the request and closed the connection without a byte: its code most likely died of it.",
    ),
    "cut": Failure(
        "the connection was closed {where}",
        "The reply breaks off: a Content-Length that is too large, or code that died while it wrote.",
    ),
    "silent": Failure(
        "no reply within {seconds} s",
        "The server took the request and sent not a byte in time: it hangs, waits for more, or needs a longer "
        "--timeout.",
    ),
    "slow": Failure(
        "the reply was not complete within {seconds} s ({count} bytes came)",
        "The reply began and did not end in time: it drips, a Content-Length is too large, or --timeout is too short.",
    ),
    "long": Failure(
        "the reply is longer than {count} bytes",
        "The reply did not end within the limit; what came until then is kept.",
    ),
    "length": Failure(
        "more bytes follow the end of the reply",
        "The reply goes on behind the end that its head states: a Content-Length that is too small, or two replies to "
        "one request.",
    ),
    "no-http": Failure("the reply is no HTTP: {how}", "What came does not begin as an HTTP reply does."),
    "flood": Failure(
        "more than {count} {things} came that nobody asked for",
        "The server pushes without end over a connection of lines.",
    ),
    "late": Failure(
        "the reply to a request that was given up", "The reply came when its time was over, and nobody waited any more."
    ),
    "reset": Failure(
        "{how} {where}",
        "The connection broke off: the server's process died, or it closed the connection with the request unread.",
    ),
    "redirect": Failure(
        "the reply sends its client to another place, which is never followed",
        "Clients of this protocol followed no redirects, and a replay contacts nobody but its target.",
    ),
    "coding": Failure(
        "the reply's body is left out: its content coding cannot be undone to look for secrets",
        "The body is not what Content-Encoding says: clients that can read gzip see a broken reply.",
    ),
    "charset": Failure(
        "the reply is in no charset of the protocol",
        "Texts of this protocol are UTF-8 (or GB18030, in older clients): clients show what else there is as rubbish.",
    ),
}
"""All that a target can do, the more particular first. The last three are told of replies that came whole."""


def say(code: Code, **slots: object) -> str:
    """The sentence of a failure, its slots filled."""
    return FAILURES[code].sentence.format(**slots)


def named(error: str | None) -> Code | None:
    """The name of the failure that an exchange's error tells of; None where there is none, or it is none of these."""
    if error is None:
        return None
    return next((code for code, pattern in _PATTERNS.items() if pattern.match(error)), None)


def _pattern(sentence: str) -> "re.Pattern[str]":
    """What matches a sentence with any filling; more may follow it behind a semicolon."""
    literal = re.sub(r"\\\{([a-z]+)\\\}", lambda slot: f"(?:{_SLOTS[slot[1]]})", re.escape(sentence))
    return re.compile(literal + r"(?:; .*)?\Z", re.DOTALL)


_PATTERNS = {code: _pattern(failure.sentence) for code, failure in FAILURES.items()}
