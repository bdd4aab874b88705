"""Probing a server: a baseline, then its variations one by one, each reply held against the baseline's.

Law: the baseline is sent again before the variations and after them, so that what changes by itself is told from what
a variation changes. Requests are paced. A session that is lost on the way is begun anew, and the variation that had no
chance is sent once more; one that the server refuses for what it is stays refused. Nothing the server does raises; who
is silent too often is given up.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import NamedTuple

import msgspec

from qqlab.codec import Note, decode, succeeded
from qqlab.diff import Finding, judge
from qqlab.errors import QqlabError
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.caller import Caller, Secrets
from qqlab.replay.compose import Draft
from qqlab.replay.probe import Variation
from qqlab.spec import Spec

GIVE_UP_AFTER = 5
LOGIN = "login"
BASELINE = "baseline"


class Tried(NamedTuple):
    """One variation: what was sent and came of it, what in the reply is not as in the baseline's, and whether it was
    sent once more after a new login. What changes by itself is not among the findings. `notes` are what is odd about
    the reply, and is not about the baseline's, beside what is found."""

    variation: Variation
    exchange: Exchange
    findings: tuple[Finding, ...]
    again: bool = False
    notes: tuple[Note, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the reply is another one."""
        return bool(self.findings or self.notes)


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe brought.

    `unsteady` is what was not the same when the baseline was sent again at once; `drifted` what was not the same at
    the end and had been at first: a variation, or time, changed what the server remembers. `logins` counts them, and
    `refused` says why there was none where one was wanted. `down` says why the server was given up, None where it was
    not. `unsuccessful`: the baseline's own reply does not say that what it asks for was done.
    """

    baseline: Exchange
    tried: tuple[Tried, ...]
    unsteady: tuple[Finding, ...]
    drifted: tuple[Finding, ...]
    logins: int
    refused: str | None
    down: str | None
    unsuccessful: bool


class Probe:
    """One baseline and its variations, sent by a caller at most `rate` times a second.

    `secrets` are for logging in where the baseline is refused as long as nobody is; None where that is not wanted.
    `told` is called with each variation once it was tried.
    """

    def __init__(
        self,
        caller: Caller,
        spec: Spec,
        *,
        secrets: Secrets | None,
        rate: float,
        told: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._caller = caller
        self._spec = spec
        self._secrets = secrets
        self._pause = 1 / rate
        self._told = told
        self._next = monotonic()
        self._logins = 0
        self._refused: str | None = None
        self._controls = 0
        self._needs_session = False
        self._odd: set[tuple[str, str | None]] = set()

    async def run(self, draft: Draft, variations: Sequence[Variation], *, login: bool = False) -> Probed:
        """Send all of it. `login` logs in before the baseline whether that is needed or not. Raises TargetError where
        that login is refused."""
        if login and self._secrets is not None:
            await self._log_in(draft, self._secrets)
        baseline = await self._baseline(draft)
        if baseline.reply is None:
            return self._probed(baseline, [], (), (), baseline.error)
        self._needs_session = not self._is_locked_out(baseline)
        control = await self._control(draft)
        unsteady = self._findings(draft, baseline, control)
        self._odd = {(note.code, note.field) for one in (baseline, control) for note in decode(one, self._spec).notes}
        tried: list[Tried] = []
        silent = 0
        for variation in variations:
            tried.append(await self._try(draft, baseline, variation, unsteady))
            silent = silent + 1 if tried[-1].exchange.reply is None else 0
            if silent == GIVE_UP_AFTER:
                return self._probed(baseline, tried, unsteady, (), tried[-1].exchange.error)
        last = self._findings(draft, baseline, await self._control(draft))
        return self._probed(baseline, tried, unsteady, _beside(last, unsteady), None)

    def _probed(
        self,
        baseline: Exchange,
        tried: Sequence[Tried],
        unsteady: tuple[Finding, ...],
        drifted: tuple[Finding, ...],
        down: str | None,
    ) -> Probed:
        return Probed(
            baseline=baseline,
            tried=tuple(tried),
            unsteady=unsteady,
            drifted=drifted,
            logins=self._logins,
            refused=self._refused,
            down=down,
            unsuccessful=succeeded(decode(baseline, self._spec), self._spec) is not True,
        )

    async def _baseline(self, draft: Draft) -> Exchange:
        """The baseline's exchange, after a login where it is refused without."""
        exchange = await self._send(draft, BASELINE)
        if not self._is_locked_out(exchange) or self._secrets is None or self._logins:
            return exchange
        self._caller.rename(exchange, f"{BASELINE}-refused")
        return (
            await self._send(draft, BASELINE)
            if await self._try_login(draft)
            else self._caller.rename(exchange, BASELINE)
        )

    async def _try(self, draft: Draft, baseline: Exchange, variation: Variation, unsteady: Sequence[Finding]) -> Tried:
        exchange = await self._send(variation.draft, variation.id, fresh=variation.fresh)
        again = False
        if self._needs_session and self._is_locked_out(exchange) and self._is_locked_out(await self._control(draft)):
            again = self._secrets is not None and await self._try_login(draft)
            if again:
                self._caller.rename(exchange, f"{variation.id}-refused")
                exchange = await self._send(variation.draft, variation.id, fresh=variation.fresh)
        if self._told is not None:
            self._told(exchange)
        found = _beside(self._findings(draft, baseline, exchange), unsteady)
        return Tried(variation, exchange, found, again, tuple(self._notes(exchange, found)))

    def _notes(self, exchange: Exchange, found: Sequence[Finding]) -> Iterator[Note]:
        """What is odd about a reply alone: a comparison passes over what is fresh in each, such as the number."""
        fields = {finding.field for finding in found} | ({None} if found else set())
        for note in decode(exchange, self._spec).notes:
            is_new = (note.code, note.field) not in self._odd and note.field not in fields
            if is_new and note.direction == "reply" and note.severity != "info":
                yield note

    async def _control(self, draft: Draft) -> Exchange:
        self._controls += 1
        return await self._send(draft, f"control-{self._controls}")

    async def _try_login(self, draft: Draft) -> bool:
        """Log in; whether that went well. A login that is refused once is not tried again: servers lock accounts."""
        if self._secrets is None or self._refused is not None or not draft.account:
            return False
        try:
            await self._log_in(draft, self._secrets)
        except QqlabError as error:
            self._refused = str(error)
        return self._refused is None

    async def _log_in(self, draft: Draft, secrets: Secrets) -> None:
        self._logins += 1
        await self._wait()
        await self._caller.log_in(draft.account, draft.version, secrets, f"{LOGIN}-{self._logins}")

    async def _send(self, draft: Draft, identifier: str, *, fresh: bool = True) -> Exchange:
        await self._wait()
        draft = draft.numbered(self._caller.number(), self._spec) if fresh else draft
        return await self._caller.ask(draft, identifier)

    async def _wait(self) -> None:
        """Wait until the next request is due; what comes late does not make up for it in a burst."""
        now = monotonic()
        await asyncio.sleep(max(0.0, self._next - now))
        self._next = max(self._next, now) + self._pause

    def _is_locked_out(self, exchange: Exchange) -> bool:
        """Whether the reply's status says no, as it does to who is not logged in."""
        reply = decode(exchange, self._spec).reply
        status = None if reply is None else reply.get(self._spec.roles.status)
        if status is None or status.spec is None:
            return False
        code = self._spec.code(status.spec, status.value)
        return code is not None and code.ok is False

    def _findings(self, draft: Draft, baseline: Exchange, exchange: Exchange) -> tuple[Finding, ...]:
        """What in the reply is not as in the baseline's; that the requests differ is meant."""
        actual = msgspec.structs.replace(exchange, id=baseline.id)
        said = decode(exchange, self._spec)
        if said.command.upper() != decode(baseline, self._spec).command.upper():
            # The reply is to be held against the baseline's all the same, so it must pass for one to the same command.
            asked = draft if said.sequence is None else draft.numbered(said.sequence, self._spec)
            actual = msgspec.structs.replace(actual, request=RawMessage(body=asked.body))
        found = judge(baseline, actual, self._spec).findings
        return tuple(finding for finding in found if finding.direction != "request" and finding.rule != "request")


def _beside(findings: Sequence[Finding], unsteady: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that are not of a kind which the baseline has by itself."""
    known = {_kind(finding) for finding in unsteady}
    return tuple(finding for finding in findings if _kind(finding) not in known)


def _kind(finding: Finding) -> tuple[str, str | None]:
    return finding.rule, finding.field
