"""Other people's material as the exchanges of a capture.

Law: the format is told from the content. Only exchanges of the protocol are taken, others are counted, and so is all
that could not be taken over. Secrets become pseudonyms as in a recording, but not a second time: a mark tells where
they are pseudonyms already. Memory does not grow with the files.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from qqlab.capture.session import with_session
from qqlab.codec import is_of
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.formats import flows, har, pcap, transcripts
from qqlab.formats.mark import Found
from qqlab.formats.order import Ids, by_time
from qqlab.formats.sniff import Format, sniff
from qqlab.formats.source import Source, opened
from qqlab.formats.tally import Tally
from qqlab.redact import Policy, Redactor
from qqlab.spec import Spec

_STRICTNESS = {None: 0, "none": 0, "secrets": 1, "all": 2}


class Wanted(NamedTuple):
    """What is imported: in which format (None: told from the content), with what replaced by pseudonyms, exchanges of
    other kinds too (`everything`), and what is whole of a file that is damaged (`partial`)."""

    format: Format | None = None
    policy: Policy = "none"
    everything: bool = False
    partial: bool = False


def imported(
    paths: Iterable[Path], wanted: Wanted, spec: Spec, tally: Tally, key: bytes | None = None
) -> Iterator[Exchange]:
    """The exchanges of files, one after the other, each in the order of time. `key` is that of pseudonyms, random
    without one.

    Raises InputError where a file cannot be read, is damaged, or where none of them holds any exchange.
    """
    ids, redactor = Ids(), Redactor(spec, policy=wanted.policy, key=key)
    where = ""
    for path in paths:
        with opened(path) as source:
            where = where or source.where
            for found in by_time(_found(source, wanted, spec, tally)):
                tally.taken += 1
                yield _finished(found, ids, spec, redactor, wanted.policy)
    if not tally.taken:
        seen = "; ".join(tally.lines()) or "there is nothing in it"
        raise InputError(where, f"holds no exchange of {spec.name}: {seen}", "--all takes exchanges of any kind")


def _found(source: Source, wanted: Wanted, spec: Spec, tally: Tally) -> Iterator[Found]:
    """The exchanges that are wanted of one file."""
    where, file = source.where, source.file

    def keep(found: Found) -> bool:
        torn = found.ours and found.exchange.error is not None
        return wanted.everything or torn or is_of(found.exchange, spec)

    kind = wanted.format or sniff(source.first, where)
    if kind == "flows":
        return flows.read(file, where, keep, spec, tally, partial=wanted.partial)
    if kind == "transcripts":
        return transcripts.read(file, where)  # whoever wrote the lines meant them
    if kind == "pcap":
        return _kept(pcap.read(file, where, spec, tally, partial=wanted.partial), keep, tally)
    return _kept(har.read(file, where, tally), keep, tally)


def _kept(found: Iterable[Found], keep: Callable[[Found], bool], tally: Tally) -> Iterator[Found]:
    for one in found:
        if keep(one):
            yield one
        else:
            tally.add("exchange", "of another kind: left out")


def _finished(found: Found, ids: Ids, spec: Spec, redactor: Redactor, policy: Policy) -> Exchange:
    exchange = msgspec.structs.replace(found.exchange, id=ids.take(found.exchange.id))
    if _STRICTNESS[found.redacted] < _STRICTNESS[policy]:
        exchange = redactor.exchange(exchange)
    return exchange if exchange.session else with_session(exchange, spec)
