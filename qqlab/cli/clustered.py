"""One replay from the command line, sent by the workers of a cluster.

Law: this process reads no capture and sends nothing; it asks one worker what there is to send, says what is to be said
of it, has each worker send its part, and tells and keeps what comes of it as if it had been sent from here.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from secrets import token_bytes

import msgspec

from qqlab.cli.arguments import say_renamed, say_torn
from qqlab.cli.console import talk
from qqlab.cli.passwords import read_passwords
from qqlab.cli.replaying import Asked, all_told, broken_off, kept_before, shown, warn
from qqlab.engine import Engine, opened, processors
from qqlab.errors import UsageError
from qqlab.net.cluster import Errand, PartDone, Survey, Whole, do_part, put_together, survey, this_machine
from qqlab.net.kept import Keeping
from qqlab.net.replay import now
from qqlab.replay.journal import present

# Seconds from asking for the parts to the moment that times follow from, beside what it takes to read and plan.
_AHEAD = 1.0


def carry_out_on_cluster(asked: Asked, address: str, accounts: Path | None, spec: Path | None) -> None:
    """Replay, compare, tell. Leaves with the exit code that fits, and raises what says why there is nothing to tell."""
    check(asked)
    errand = _errand(asked, accounts, spec)
    broken: Exception | KeyboardInterrupt | None = None
    keeping: Keeping | None = None
    workers = processors() if address == "local" and asked.workers == 1 else asked.workers
    with opened(workers, address) as engine:
        number = min(asked.workers, engine.workers) if asked.workers > 1 else engine.workers
        errand = msgspec.structs.replace(errand, number=number)
        found = _surveyed(engine, errand)
        keeping = kept_before(asked, found.fingerprint)
        start = errand.start if keeping.before.start is None else keeping.before.start
        errand = msgspec.structs.replace(
            errand,
            start=start,
            earlier=tuple(map(Path.resolve, present(keeping.output))),
            surveyed=(found.fingerprint, found.loads),
        )
        if asked.how.speed is not None:
            errand = msgspec.structs.replace(errand, begin=time.time() + 1.5 * found.took + _AHEAD)
        try:
            whole = _sent(engine, errand, found, asked)
        except (Exception, KeyboardInterrupt) as error:
            broken = error
    if broken is not None:
        told = broken_off(asked, broken)
    else:
        furthest = max(map(abs, whole.behind), default=0.0)
        talk.detail(
            f"qqlab: the workers' clocks are up to {furthest * 1000:.1f} ms away from this one, by which they go"
        )
        told = all_told(asked, found.plan, whole, keeping)
    told.end(asked)


def check(asked: Asked) -> None:
    """Raise UsageError for what a cluster cannot do."""
    if asked.output is None:
        raise UsageError("--cluster", "workers keep what they send beside the capture", "name one that all reach: -o")
    if asked.controls.wanted:
        what = "what differs by itself is not learned on a cluster"
        raise UsageError("--cluster", what, "learn it from a part of the capture: --control 2 --save-rules FILE")
    if any(str(path) == "-" for path in asked.recording.paths):
        raise UsageError("--cluster", "workers cannot read standard input", "name a file that all reach")


def _errand(asked: Asked, accounts: Path | None, spec: Path | None) -> Errand:
    assert asked.output is not None
    return Errand(
        captures=tuple(path.resolve() for path in asked.recording.paths),
        spec=None if spec is None else spec.resolve(),
        target=asked.target,
        hosts=tuple(asked.hosts),
        effects=asked.effects,
        secrets=partial(read_passwords, None if accounts is None else accounts.resolve()),
        options=asked.options,
        how=asked.how,
        start=now(),
        output=asked.output.resolve(),
        machine=this_machine(),
        key=token_bytes(32),
        number=1,
        resend=asked.resend,
    )


def _surveyed(engine: Engine, errand: Errand) -> Survey:
    """What a worker found; what is to be said of it is said."""
    found = next(iter(engine.run(survey, [errand])))
    say_torn(found.torn)
    say_renamed(found.renamed)
    warn(found.header, found.plan)
    return found


def _sent(engine: Engine, errand: Errand, found: Survey, asked: Asked) -> Whole:
    done: list[PartDone] = []
    loads: Sequence[int] = found.loads
    with shown(found.exchanges, asked) as over:
        for part in engine.run(partial(do_part, errand), range(len(loads))):
            over(loads[len(done)], None)
            done.append(part)
    return put_together(done)
