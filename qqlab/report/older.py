"""What a report is held against besides the spec: older captures, a report that was made of them, or an older spec.

Law: what kind it is, is told by its name: a spec ends in `.toml`, a report in `.json` (or is a directory that holds a
`report.json`), all else is a capture. A report of another format is refused: it can be made anew from its captures.
"""

from collections.abc import Sequence
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
    """The older side: of its three kinds the one that was given."""

    name: str
    captures: tuple[Capture, ...] = ()
    report: Report | None = None
    spec: Spec | None = None

    @property
    def kind(self) -> Literal["captures", "report", "spec"]:
        """Which of them it is."""
        return "spec" if self.spec is not None else "report" if self.report is not None else "captures"


def read_older(paths: Sequence[Path], lang: Lang = "en") -> Older:
    """Read the older side. Several files must be captures, all of them.

    Raises InputError for what cannot be read, UsageError for a spec or a report beside something else.
    """
    names = ", ".join(visible(path.name) for path in paths)
    others = [path for path in paths if path.suffix in (".toml", ".json") or (path / "report.json").is_file()]
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
