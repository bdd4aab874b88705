"""How often the logins of each account failed that had succeeded when recorded: servers lock accounts.

Law: nothing is sent here. An account whose login was refused so often as is allowed is left alone. Where it did not
succeed in any other way (an unknown code, an error page, no reply), only what would try a secret again is: the server
may count it as a failed login, and yet go on.
"""

from collections import Counter
from collections.abc import Iterable

from qqlab import failures
from qqlab.codec import Decoded, succeeded
from qqlab.exchange import Exchange
from qqlab.replay import Step
from qqlab.replay.passwords import verdict
from qqlab.spec import Spec
from qqlab.visible import visible


class Logins:
    """The budget of each account: `most` failed logins."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._refused: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    @property
    def refused(self) -> tuple[str, ...]:
        """The accounts that the server says it refused."""
        return tuple(self._refused)

    @property
    def failed(self) -> tuple[str, ...]:
        """The accounts of whose logins not all succeeded."""
        return tuple(self._failed)

    def note(self, account: str, exchange: Exchange, decoded: Decoded, spec: Spec) -> None:
        """A login is over that had succeeded when recorded; what never went out is none."""
        if exchange.reply is None and failures.named(exchange.error) in failures.UNSENT:
            return
        if verdict(decoded, spec) is False:  # None: a picture is to be read first
            self._failed[account] += 1
            self._refused.update([account] if succeeded(decoded, spec) is False else [])

    def lost(self, account: str) -> None:
        """A login was sent, and nobody knows what became of it."""
        self._failed[account] += 1

    def leave_alone(self, refused: Iterable[str], failed: Iterable[str]) -> None:
        """The budget of these accounts is spent."""
        self._refused.update(dict.fromkeys(refused, self._most))
        self._failed.update(dict.fromkeys(failed, self._most))

    def why_not(self, step: Step) -> str | None:
        """Why a step is not to be sent; None where it may be."""
        if not self._failed:
            return None
        account = step.account or ""
        if self._refused[account] >= self._most:
            return f"the login of account {visible(account, 30)} was refused"
        if step.tries and self._failed[account] >= self._most:
            return f"the login of account {visible(account, 30)} did not succeed"
        return None
