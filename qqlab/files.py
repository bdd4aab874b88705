"""Files written in one step.

Law: a file is either what it was or what it is to be, never half of it; nothing that exists is replaced unasked, and
nothing but regular files ever: a device stays a device, a link leads where it led.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from qqlab.errors import InputError


def refuse_existing(path: Path) -> None:
    """Raise InputError where something stands at that path already."""
    if path.exists() or path.is_symlink():
        raise InputError(str(path), "exists already", "choose another name, or --force to replace it")


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file to write that takes the path's place once the block ends well, with these permissions.

    Raises InputError where it cannot be written; after that, or any other exception, all is as it was.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        kind = "a directory" if target.is_dir() else "no regular file"
        raise InputError(str(path), f"is {kind}", "name a file to write")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".qqlab-")
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error)) from error
    try:
        with os.fdopen(handle, "wb") as file:
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
