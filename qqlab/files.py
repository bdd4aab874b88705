"""Files written in one step.

Law: a file is either what it was or what it is to be, never half of it; nothing that exists is replaced unasked, and
nothing but regular files ever: a device stays a device, a link leads where it led. A file that a recorder has locked
(`qqlab.capture.live`) stays where it is: what came after would be in no folder.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from qqlab.errors import InputError

# What is put together of many lines goes to the system in few pieces.
_BUFFER = 1 << 20


def refuse_existing(path: Path, hint: str = "choose another name, or --force to replace it") -> None:
    """Raise InputError, with this hint, where something stands at that path already."""
    if os.path.lexists(path):
        raise InputError(str(path), "exists already", hint)


def are_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file; `-` leads to none."""
    return str(path) != "-" and path.exists() and other.exists() and path.samefile(other)


def check_writable(path: Path) -> None:
    """Raise InputError now for what `replacing` would raise later, as far as it can be known."""
    try:
        target = path.resolve()
        kind = "a directory" if target.is_dir() else "no regular file" if os.path.lexists(target) else ""
        if kind and not target.is_file():
            raise InputError(str(path), f"is {kind}", "name a file to write")
        if target.is_file() and _is_locked(target):
            raise InputError(str(path), "another recorder is writing it", "name another file, or end that recorder")
        if not target.parent.is_dir():
            raise InputError(str(path), "its directory does not exist", f"make it: mkdir -p {path.parent}")
        with contextlib.suppress(FileNotFoundError):
            target.lstat()  # a name that no file can have shows here
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise InputError(str(path), f"cannot be written: {error.strerror or error}") from error


def check_replaceable(path: Path, force: bool) -> None:
    """Raise InputError now where something stands there that is not to be replaced by `force`, and for what
    `check_writable` finds."""
    if not force:
        refuse_existing(path)
    check_writable(path)


def _is_locked(path: Path) -> bool:
    """Whether somebody is writing this file; one that cannot be read cannot be told."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file to write that takes the path's place once the block ends well, with these permissions.

    Raises InputError where it cannot be written; after that, or any other exception, all is as it was.
    """
    check_writable(path)
    target = path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".qqlab-")
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error)) from error
    try:
        with os.fdopen(handle, "wb", _BUFFER) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        if isinstance(error, OSError):
            raise InputError(str(path), error.strerror or str(error)) from error
        raise
