"""The report's files.

Law: each file is replaced in one step; nothing that exists is overwritten unasked.
"""

from collections.abc import Sequence
from pathlib import Path

from qqlab.capture import Capture
from qqlab.errors import InputError
from qqlab.files import refuse_existing, replacing
from qqlab.report.build import build
from qqlab.report.model import Report
from qqlab.report.render import to_html, to_json, to_markdown
from qqlab.spec import Lang, Spec

_RENDERERS = {"index.html": to_html, "report.md": to_markdown, "report.json": to_json}


def write(
    directory: Path, captures: Sequence[Capture], spec: Spec, lang: Lang = "en", *, force: bool = False
) -> list[Path]:
    """Write `index.html`, `report.md` and `report.json` into a directory, which is made where there is none.

    Returns their paths. Raises InputError where one exists (unless `force`) or cannot be written.
    """
    return write_report(directory, build(captures, spec, lang), force=force)


def write_report(directory: Path, report: Report, *, force: bool = False) -> list[Path]:
    """Write a report that was built; otherwise as `write`."""
    paths = [directory / name for name in _RENDERERS]
    if not force:
        for path in paths:
            refuse_existing(path)
    texts = [render(report) for render in _RENDERERS.values()]
    if directory.exists() and not directory.is_dir():
        raise InputError(str(directory), "is no directory", "name a directory to write into")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(directory), error.strerror or str(error)) from error
    for path, text in zip(paths, texts, strict=True):
        with replacing(path, mode=0o644) as file:
            file.write(text.encode())
    return paths
