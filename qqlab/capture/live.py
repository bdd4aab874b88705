"""The file that a recording is being written to: one at a time, locked, and never there without its header.

Law: whoever writes a file holds an exclusive lock (flock) on it, from before it has its name until it is closed, so
that its name leads to a locked file at every moment. All functions raise OSError, and InputError where they say so.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from qqlab.errors import InputError
from qqlab.files import refuse_existing


def lock(path: Path) -> int:
    """A descriptor of the file that exists, locked; where its name came to stand for another file meanwhile, of that.

    Raises InputError where another recorder has it.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BlockingIOError as error:
            os.close(file)
            hint = "name another file, or end that recorder"
            raise InputError(str(path), "another recorder is writing it", hint) from error
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def make(directory: Path, beginning: bytes, place: Callable[[Path], None], *, durable: bool) -> int:
    """A locked descriptor of a new file that begins so; `place` gives it its name. All or nothing is done; what is
    done is on the disk with `durable`."""
    file, name = tempfile.mkstemp(dir=directory, prefix=".qqlab-")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
        write_all(file, beginning)
        if durable:
            os.fsync(file)
        place(Path(name))
        if durable:
            sync_directory(directory)
    except BaseException:
        os.close(file)
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return file


def take_name(made: Path, path: Path) -> None:
    """Give a file this name. Raises InputError where something has it already."""
    try:
        os.link(made, path)
        made.unlink()
    except FileExistsError:
        refuse_existing(path)
    except OSError:  # a file system without links
        refuse_existing(path)
        made.replace(path)


def succeed(made: Path, path: Path, finished: Path) -> None:
    """Give a file the name of another, which is called `finished` from now on. Raises FileExistsError where something
    is called that."""
    try:
        os.link(path, finished)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        path.rename(finished)
    made.replace(path)


def write_all(file: int, data: bytes) -> None:
    """Write all of it, however many calls that takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def sync_directory(path: Path) -> None:
    """Bring the names in a directory to the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
