"""What a report is held against besides the spec: older captures, a report that was made of them, or an older spec.

Law: what kind it is, is told by its name: a spec ends in `.toml`, a report in `.json` (or is a directory that holds a
`report.json`), all else is a capture. A report of another format is refused: it can be made anew from its captures.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from qqlab import spec as specs
from qqlab.capture import Capture, load, together
from qqlab.errors import InputError, UsageError
from qqlab.report.model import FORMAT, Report
from qqlab.spec import Lang, Spec
from qqlab.visible import visible


class Older(NamedTuple):
    """The older side: of its three kinds the one that was given; of captures there may be a report instead."""

    name: str
    captures: tuple[Capture, ...] = ()
    report: Report | None = None
    spec: Spec | None = None
    is_of_captures: bool = False

    @property
    def kind(self) -> Literal["captures", "report", "spec"]:
        """Which of them it is."""
        if self.spec is not None:
            return "spec"
        return "captures" if self.report is None or self.is_of_captures else "report"


def read_older(
    paths: Sequence[Path], lang: Lang = "en", reported: Callable[[Sequence[Path]], Report] | None = None
) -> Older:
    """Read the older side. Several files must be captures, all of them; `reported` makes the report of these, which are
    loaded where there is nothing that does.

    Raises InputError for what cannot be read, UsageError for a spec or a report beside something else.
    """
    names = ", ".join(visible(path.name) for path in paths)
    others = [path for path in paths if path.suffix in (".toml", ".json") or (path / "report.json").is_file()]
    if not others and reported is not None:
        return Older(names, report=reported(paths), is_of_captures=True)
    if not others:
        return Older(names, captures=tuple(together([load(path) for path in paths])))
    if len(paths) > 1:
        what = f"{visible(str(others[0]))} is no capture"
        raise UsageError("--against", what, "give one spec, one report, or captures alone")
    path = others[0]
    if path.suffix == ".toml":
        return Older(names, spec=specs.load(path, lang))
    return Older(names, report=read_report(path / "report.json" if path.is_dir() else path))


def read_report(path: Path) -> Report:
    """A report from its JSON. Raises InputError where it is none, or is of another format."""
    where = visible(str(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(where, error.strerror or str(error)) from error
    try:
        made = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).get("qqlab_report")
        number = None if made is None else msgspec.json.decode(made, type=int)
        if number == FORMAT:
            return msgspec.json.decode(data, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(where, f"is no report of qqlab: {error}") from error
    if number is None:
        raise InputError(where, "is no report of qqlab", "give a report.json, a capture, or a spec file")
    raise InputError(where, f"is a report of format {number}, not {FORMAT}", "make it anew from its captures")
