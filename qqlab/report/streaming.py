"""A report of captures that are never in memory: one look at all of them, and a second one at what is shown.

Law: the report is that of the loaded captures (`qqlab.report.build`), whoever looks at the chunks, and so are the
exchanges beside it; memory does not grow with the captures. Damage is told as reading from the beginning tells it, and
what is missing is said.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, Protocol, TypeVar

from qqlab.capture.chunks import At, Chunk, Pieces, first_trouble
from qqlab.capture.ids import Met
from qqlab.errors import InputError
from qqlab.profile import Profile
from qqlab.report.build import About, assembled, names
from qqlab.report.explore import Exploration, Known, Shown, Wanted, cited, drawn, gathered, show
from qqlab.report.glance import MOST, How, Looked, Seen, SpecText, Tally, look
from qqlab.report.model import Report
from qqlab.report.older import Older
from qqlab.report.places import places
from qqlab.report.sampling import Sampling

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class Runs(Protocol):
    """Does the same work on many tasks (`qqlab.engine.Engine`)."""

    def run(
        self, work: Callable[[_Task], _Result], tasks: Iterable[_Task], told: Callable[[_Result], None], /
    ) -> Iterator[_Result]:
        """The result of each task, in their order."""


class Surveyed(NamedTuple):
    """Captures that were looked at. `places` says where the exchanges stand that the profile names."""

    captures: Sequence[Pieces]
    how: How
    about: Sequence[About]
    profile: Profile
    tallies: Mapping[int, Tally]
    sample: Sampling
    places: Mapping[str, list[At]]


def _nobody(looked: Looked) -> None:
    pass


def survey(
    captures: Sequence[Pieces],
    spec: SpecText,
    runs: Runs,
    told: Callable[[Looked], None] = _nobody,
    *,
    most: int = MOST,
) -> Surveyed:
    """Look at captures; `told` is called for each chunk that is done. So many exchanges are shown at most.

    Raises InputError for damage, with the number of the line, and what `runs` raises.
    """
    how = How(spec, tuple(names(captures)), most)
    whole: Seen | None = None
    met = [Met() for _ in captures]
    ends: list[tuple[Chunk, int, int | str | None]] = []
    try:
        for looked in runs.run(partial(look, how), (chunk for one in captures for chunk in one.chunks), told):
            met[looked.chunk.capture].add(looked.ids)
            ends.append((looked.chunk, looked.lines, looked.torn))
            if whole is None:
                whole = looked.seen
            else:
                whole.merge(looked.seen)
    except InputError as error:
        raise first_trouble(captures) or error from error
    if any(one.clash() for one in met) and (trouble := first_trouble(captures)) is not None:
        raise trouble
    if whole is None:
        raise ValueError("there is nothing to look at")
    profile = whole.part.profile()
    about = [
        About(name, one.path, one.header, "; ".join(_missing(one, ends)) or None)
        for name, one in zip(how.names, captures, strict=True)
    ]
    return Surveyed(captures, how, about, profile, whole.tallies, whole.sample, places(profile))


def report_of(surveyed: Surveyed, *, against: Older | None = None) -> Report:
    """The report of captures that were looked at."""
    spec = surveyed.how.spec
    return assembled(surveyed.profile, surveyed.tallies, surveyed.about, spec.read(), spec.lang, against=against)


def exploration_of(surveyed: Surveyed, report: Report, runs: Runs) -> Exploration:
    """The exchanges that are shown beside the report: those that it cites, and a sample. Raises as `survey`."""
    ids = cited(report)
    first = sorted({at for name, ats in surveyed.places.items() if name in ids for at in ats})
    first = first[: surveyed.how.room]
    known = Known.of(report)
    found = _shown(surveyed, known, first, runs)
    rest = surveyed.sample.chosen({at: found[at].kind for at in first})
    found |= _shown(surveyed, known, rest, runs)
    return gathered(
        ((at, found[at]) for at in chain(first, drawn(rest))), surveyed.sample.total, surveyed.how.spec.read()
    )


def _shown(surveyed: Surveyed, known: Known, ats: Sequence[At], runs: Runs) -> dict[At, Shown]:
    chunks = (chunk for one in surveyed.captures for chunk in one.chunks)
    tasks = list(_wanted(chunks, sorted(ats)))
    done = runs.run(partial(show, surveyed.how, known), tasks, lambda _: None)
    return {at: shown for each in done for at, shown in each}


def _wanted(chunks: Iterable[Chunk], ats: Sequence[At]) -> Iterator[Wanted]:
    """Which exchanges are to be read of which chunk; both are in order."""
    begin = 0
    for chunk in chunks:
        end = begin
        while end < len(ats) and ats[end] < chunk.span[1]:
            end += 1
        if end > begin:
            yield Wanted(chunk, tuple(ats[begin:end]))
        begin = end


def _missing(capture: Pieces, ends: Iterable[tuple[Chunk, int, int | str | None]]) -> Iterator[str]:
    """A line about each thing that is missing in a capture, in order."""
    before: dict[int, list[str]] = {}
    for number, line in capture.missing:
        before.setdefault(number, []).append(line)
    line_of = dict.fromkeys(range(len(capture.files)), 1)  # the header's
    torn: dict[int, str] = {}
    for chunk, lines, size in ends:
        if chunk.capture == capture.number:
            line_of[chunk.file] += lines
            if size is not None:
                where = f"{chunk.where}:{line_of[chunk.file]}"
                cut_off = f"{where}: the last line is cut off and was skipped ({size} bytes)"
                torn[chunk.file] = size if isinstance(size, str) else cut_off
    for number in range(len(capture.files) + 1):
        yield from before.get(number, ())
        if number in torn:
            yield torn[number]
