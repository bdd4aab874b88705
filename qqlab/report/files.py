"""The report's files.

Law: each file is replaced in one step, and all of them or none when the process is asked to end; nothing that exists is
overwritten unasked.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from qqlab.capture import Capture
from qqlab.errors import InputError
from qqlab.files import refuse_existing, replacing
from qqlab.report.build import build
from qqlab.report.explore import Exploration, explore
from qqlab.report.model import Report
from qqlab.report.render import to_html, to_json, to_markdown
from qqlab.spec import Lang, Spec

NAMES = ("index.html", "report.md", "report.json")


def write(
    directory: Path,
    captures: Sequence[Capture],
    spec: Spec,
    lang: Lang = "en",
    *,
    templates: Path | None = None,
    force: bool = False,
) -> list[Path]:
    """Write `index.html`, `report.md` and `report.json` into a directory, which is made where there is none.

    `templates` is a directory with files that stand in for the package's own. Returns the paths. Raises InputError
    where one exists (unless `force`) or cannot be written, or a template cannot be rendered.
    """
    report = build(captures, spec, lang)
    exploration = explore(captures, report, spec)
    return write_report(directory, report, exploration, templates=templates, force=force)


def write_report(
    directory: Path,
    report: Report,
    exploration: Exploration | None = None,
    *,
    templates: Path | None = None,
    force: bool = False,
) -> list[Path]:
    """Write a report that was built, with exchanges to explore where they are given; otherwise as `write`."""
    paths = [directory / name for name in NAMES]
    check_free(directory, force=force)
    texts = [to_html(report, exploration, templates), to_markdown(report, templates), to_json(report)]
    if directory.exists() and not directory.is_dir():
        raise InputError(str(directory), "is no directory", "name a directory to write into")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(directory), error.strerror or str(error)) from error
    with _undisturbed():
        for path, text in zip(paths, texts, strict=True):
            with replacing(path, mode=0o644) as file:
                file.write(text.encode())
    return paths


def check_free(directory: Path, *, force: bool) -> None:
    """Raise InputError where a report stands there already, unless it may be replaced."""
    if not force:
        for name in NAMES:
            refuse_existing(directory / name)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What would end the process waits until all files are written: a report is of one piece."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
