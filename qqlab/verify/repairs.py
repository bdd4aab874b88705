"""A good copy of a damaged capture.

Law: nothing that is good is left out, nothing is changed but ids that two exchanges have, and the copy is written in
one step. What was dropped is in the problems.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from qqlab.capture import header, save
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.spec import Spec
from qqlab.verify.examination import Examination
from qqlab.verify.problems import Problems


class Repaired(NamedTuple):
    """How many exchanges are in the copy, and how many of them have another id there."""

    exchanges: int
    renamed: int


class _Copy:
    def __init__(self, examinations: Sequence[Examination]) -> None:
        self._examinations = examinations
        self._ids: set[str] = set()
        self.renamed = 0

    def __iter__(self) -> Iterator[Exchange]:
        for examination in self._examinations:
            for exchange, _ in examination:
                yield self._named(exchange)

    def _named(self, exchange: Exchange) -> Exchange:
        if exchange.id not in self._ids:
            self._ids.add(exchange.id)
            return exchange
        self.renamed += 1
        number = 2
        while (fresh := f"{exchange.id}.{number}") in self._ids:
            number += 1
        self._ids.add(fresh)
        return msgspec.structs.replace(exchange, id=fresh)


def repair(
    paths: Sequence[Path], output: Path, spec: Spec, problems: Sequence[Problems], *, force: bool = False
) -> tuple[Repaired, tuple[Examination, ...]]:
    """Write the good exchanges of captures into one, in their order; `problems` takes those of each.

    Raises InputError where one cannot be read at all, they are not redacted alike, or the copy cannot be written.
    """
    examinations = tuple(Examination(path, spec, found) for path, found in zip(paths, problems, strict=True))
    first = examinations[0].header
    for examination in examinations:
        if examination.header.redacted != first.redacted:
            what = f"is redacted {examination.header.redacted!r}, and {examinations[0].path} {first.redacted!r}"
            raise InputError(examination.path, what, "repair them one by one")
    head = header(spec, redacted=first.redacted, created=first.created, note=first.note)
    copy = _Copy(examinations)
    save(output, msgspec.structs.replace(head, spec=first.spec), copy, spec, force=force)
    return Repaired(sum(one.exchanges for one in examinations), copy.renamed), examinations
