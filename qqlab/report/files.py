"""The report's files.

Law: each file is replaced in one step; nothing that exists is overwritten unasked.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from qqlab.capture import Capture
from qqlab.errors import InputError
from qqlab.report.build import build
from qqlab.report.model import Report
from qqlab.report.render import to_html, to_json, to_markdown
from qqlab.spec import Spec

_RENDERERS = {"index.html": to_html, "report.md": to_markdown, "report.json": to_json}


def write(directory: Path, captures: Sequence[Capture], spec: Spec, *, force: bool = False) -> list[Path]:
    """Write `index.html`, `report.md` and `report.json` into a directory, which is made where there is none.

    Returns their paths. Raises InputError where one exists (unless `force`) or cannot be written.
    """
    return write_report(directory, build(captures, spec), force=force)


def write_report(directory: Path, report: Report, *, force: bool = False) -> list[Path]:
    """Write a report that was built; otherwise as `write`."""
    paths = [directory / name for name in _RENDERERS]
    if not force:
        for path in paths:
            if path.exists() or path.is_symlink():
                raise InputError(str(path), "exists already", "choose another directory, or --force to replace it")
    texts = [render(report) for render in _RENDERERS.values()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(directory), error.strerror or str(error)) from error
    for path, text in zip(paths, texts, strict=True):
        _replace(path, text)
    return paths


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise InputError(str(path), error.strerror or str(error)) from error
