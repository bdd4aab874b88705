"""A replay that is kept as it happens, and can be gone on with.

Law: what is kept lies in journals beside the capture until that is whole; then they go. An interrupted replay, or one
whose target went down, leaves the capture as far as it came, and its journals. To go on, what has an outcome is not
sent again, and neither is what may have been done unasked.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from qqlab.capture import Header
from qqlab.codec import decode, succeeded
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.net.logins import Logins
from qqlab.replay import Options, Plan, Produced, Step, produced
from qqlab.replay.journal import (
    VERSION,
    Head,
    Journal,
    Kept,
    Ordered,
    OrderedOutcomes,
    Outcomes,
    Written,
    discard,
    fingerprint,
    fingerprint_of,
    journal_number,
    journal_path,
    new_path,
    present,
    put_together,
)
from qqlab.replay.passwords import verdict
from qqlab.spec import Spec

UNKNOWN = "it was sent before the replay broke off, and what became of it is not known (--resume --resend-unknown)"

BROKEN = "the replay broke off while its connection stood, and what was pushed since is lost"

_AS_RECORDED = Options()


_EACH_PART = 10_000  # so many journals may have one part


class Keeping:
    """Where one replay is kept: its capture, and the journals until that is whole."""

    def __init__(
        self,
        output: Path,
        recorded: Sequence[Exchange] | str,
        target: str,
        *,
        resume: bool,
        force: bool,
        options: Options = _AS_RECORDED,
    ) -> None:
        """`recorded` is the capture, or its fingerprint.

        Raises InputError where there is nothing to go on with, or something that nobody said to go on with."""
        self.output = output
        self._replay = recorded if isinstance(recorded, str) else fingerprint(recorded)
        self._target = target
        self._options = fingerprint_of(options)
        there = self._present()
        if resume and not there:
            what = "there is no interrupted replay to go on with"
            raise InputError(str(journal_path(output)), what, "leave out --resume to begin one")
        if there and not (resume or force):
            what = "an interrupted replay is kept here"
            raise InputError(str(there[0]), what, "go on with it: --resume; or begin anew: --force")
        self.before = self._kept(there if resume else ())
        self._force = force or resume
        self._written: dict[Path, Written] = {}
        if not resume:
            discard(there)

    def _present(self) -> list[Path]:
        return present(self.output)

    def _new_path(self) -> Path:
        return new_path(self.output)

    def _kept(self, paths: Sequence[Path]) -> Kept:
        return Kept(paths, replay=self._replay, target=self._target, options=self._options)

    def journals(self, start: int, number: int) -> list[Journal]:
        """So many new journals; `start` is the number that fresh sequence numbers follow on. Raises InputError where
        one cannot be begun; those before it are let go of."""
        head = self.head(start)
        begun: list[Journal] = []
        try:
            for _ in range(number):
                begun.append(Journal(self._new_path(), head))
        except InputError:
            for journal in begun:
                journal.close()
            raise
        return begun

    def head(self, start: int) -> Head:
        """The first line of its journals; `start` is the number that fresh sequence numbers follow on."""
        return Head(qqlab_journal=VERSION, replay=self._replay, target=self._target, start=start, options=self._options)

    def wrote(self, written: Written | None) -> None:
        """A journal is written to its end; None where what stands there is to be read."""
        if written is not None:
            self._written[written.path] = written

    def all(self) -> Outcomes:
        """All that was kept so far."""
        paths = self._present()
        written = [self._written[path] for path in paths if path in self._written]
        return Outcomes.of(written) if len(written) == len(paths) else self._kept(paths)

    def exchanges(self, planned: Plan) -> Iterator[Exchange]:
        """What was kept so far, in recorded order."""
        return self.all().exchanges(_places(planned))

    def finish(self, planned: Plan, head: Header, *, whole: bool) -> frozenset[str]:
        """Put the capture together from what was kept, if anything was; the journals go where it is `whole`. Returns
        the ids of what was sent, and of which nobody knows what became: as long as there are any, the journals stay."""
        kept = self.all()
        return self._finished(kept, head, kept.pieces(_places(planned)), whole)

    def finish_parts(self, parts: Sequence[Ordered], head: Header, *, whole: bool) -> frozenset[str]:
        """The same, of what each process says that it has kept."""
        kept = OrderedOutcomes(parts)
        return self._finished(kept, head, map(b"".join, kept.pieces()), whole)

    def _finished(
        self, kept: Outcomes | OrderedOutcomes, head: Header, lines: Iterable[bytes], whole: bool
    ) -> frozenset[str]:
        if kept.count:
            put_together(self.output, head, lines, force=self._force)
        if not kept.unknown and (whole or not kept.count):
            kept.remove()
        return frozenset(kept.unknown)


class PartKeeping(Keeping):
    """Where one part of a replay is kept, by whoever sends it: it is always gone on with, if anything was begun.

    Journals of parts have numbers of their own, so that each part knows its own, and who goes on with the whole replay
    finds all of them.
    """

    def __init__(self, output: Path, replay: str, target: str, part: "PartKept") -> None:
        """Raises InputError for what is damaged, or still being written."""
        self._part = part
        super().__init__(output, replay, target, resume=bool(part.paths(output)), force=True, options=part.options)

    def _present(self) -> list[Path]:
        return self._part.paths(self.output)

    def _new_path(self) -> Path:
        return self._part.new_path(self.output)

    def _kept(self, paths: Sequence[Path]) -> Kept:
        kept = super()._kept(paths)
        others = kept.ids - self._part.ids if paths else set()
        # A push is named by the replay: whose it is, its session says.
        pushes = {one.id for one in kept.exchanges({}) if one.id in others and one.session in self._part.sessions}
        kept.keep(self._part.ids | pushes)
        return kept

    def all(self) -> Outcomes:
        """All that was kept of this part so far."""
        return self._kept(self._present())


class PartKept(NamedTuple):
    """Which part of a replay it is: its number from 0, the ids and sessions of all its exchanges, the journals of an
    earlier replay that is gone on with, and how requests differ from the recording."""

    number: int
    ids: frozenset[str]
    sessions: frozenset[str]
    earlier: Sequence[Path]
    options: Options

    def paths(self, output: Path) -> list[Path]:
        """Its journals, those of the earlier replay first."""
        own = [path for path in present(output) if journal_number(path) // _EACH_PART == self.number + 1]
        return [*self.earlier, *(path for path in own if path not in self.earlier)]

    def new_path(self, output: Path) -> Path:
        """Where its next journal goes."""
        first = (self.number + 1) * _EACH_PART
        taken = [journal_number(path) for path in present(output)]
        last = max([number for number in taken if number // _EACH_PART == self.number + 1], default=first)
        return journal_path(output).with_name(f"{journal_path(output).name}.{last + 1}")


def _places(planned: Plan) -> dict[str, int]:
    return {step.recorded.id: place for place, step in enumerate(planned.steps)}


def ask_again(planned: Plan, before: Kept) -> None:
    """What only reads, and had no answer in time, is no outcome to stay with: the target may have been gone."""
    before.done.difference_update(
        step.recorded.id for step in planned.steps if step.effect == "read" and step.recorded.id in before.silent
    )


def log_in_again(planned: Plan, before: Kept, spec: Spec) -> None:
    """A new connection of bare lines knows of no login, and nothing is pushed over it: the logins on lines that stood
    are no outcomes to stay with, where anything is left. One that was refused is: servers lock accounts."""
    left = {step.line for step in planned.steps if step.recorded.id not in before.done | before.unknown}
    stood = {step.lane: step.line for step in planned.steps if step.recorded.id in before.done}
    lines = {line for line in {*left, *stood.values()} if line is not None} if left else set()
    over: dict[str, list[Step]] = {}
    for step in planned.steps:
        if step.line in lines and step.effect == "auth" and step.recorded.id in before.done:
            over.setdefault(step.line or "", []).append(step)
    logins = {steps[-1].recorded.id: steps for steps in (_standing(steps, spec) for steps in over.values()) if steps}
    for exchange in before.exchanges(_places(planned)) if logins else ():
        if exchange.id in logins and succeeded(decode(exchange, spec), spec):
            before.done.difference_update(step.recorded.id for step in logins[exchange.id])


def _standing(steps: Sequence[Step], spec: Spec) -> Sequence[Step]:
    """By which of these a line is logged in after them, none where it is not: a picture may put a login off, what
    failed is not tried again, and what succeeds otherwise is a logout."""
    standing: Sequence[Step] = ()
    put_off: list[Step] = []
    for step in steps:
        decoded = decode(step.recorded, spec)
        if step.login:
            standing, put_off = [*put_off, step], []
        elif succeeded(decoded, spec):
            standing, put_off = (), []
        elif verdict(decoded, spec) is None:
            put_off.append(step)
    return standing


def left_over(planned: Plan, before: Kept, *, resend: bool) -> Plan:
    """What is still to be sent of a plan. What may have been done already is left out with its reason, unless it is to
    be sent again."""
    if not before.sent:
        return planned
    unknown, sent = set() if resend else before.unknown, before.sent
    skipped = dict.fromkeys(before.unknown, UNKNOWN) if unknown else {}
    begun = {step.line for step in planned.steps if step.recorded.id in sent}
    skipped |= {push: BROKEN for line, pushes in planned.pushes.items() if line in begun for push in pushes}
    steps = tuple(s for s in planned.steps if s.recorded.id not in before.done and s.recorded.id not in unknown)
    return msgspec.structs.replace(planned, steps=steps, skipped=planned.skipped | skipped)


def logins_before(planned: Plan, before: Kept, spec: Spec, logins: Logins, *, resend: bool) -> None:
    """Count the logins that failed before the replay broke off. One of which nobody knows what came of it may have
    failed, but where it is to be sent again."""
    tried = {step.recorded.id: step.account or "" for step in planned.steps if step.login}
    for exchange in before.exchanges(_places(planned)) if tried.keys() & before.done else ():
        if exchange.id in tried:
            logins.note(tried[exchange.id], exchange, decode(exchange, spec), spec)
    for identifier in () if resend else tried.keys() & before.unknown:
        logins.lost(tried[identifier])


def found_before(planned: Plan, before: Kept, spec: Spec) -> dict[Produced, str]:
    """The values of replies that were kept and later steps need."""
    wanted = {step.recorded.id: step for step in planned.steps if step.wanted and step.recorded.id in before.done}
    found: dict[Produced, str] = {}
    for exchange in before.exchanges(_places(planned)) if wanted else ():
        step = wanted.get(exchange.id)
        if step is not None:
            found.update(produced(step, decode(exchange, spec)))
    return found
