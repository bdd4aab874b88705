"""Where captures lie: on this machine, or at a URL that fsspec has a driver for (`s3://`, `http://` and so on).

Law: a URL is a path to all who pass it on, and is opened here alone. `file://` is this machine. Whatever a driver
raises, and that there is none, is one line that names the URL.
"""

import errno
import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from qqlab.errors import InputError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# Some drivers lead through others: simplecache::s3://bucket/name.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+(?:::[A-Za-z][A-Za-z0-9+.-]+)*):/+(.*)", re.DOTALL)
_LOCAL = ("file", "local")


class Url(PosixPath):
    """A URL as a path: its name, its parent and what stands beside it are found as those of a path are."""

    def __str__(self) -> str:
        scheme, _, rest = super().__str__().partition(":/")  # a path has one slash where a URL has two
        return f"{scheme.removesuffix(':')}://{rest}"

    def iterdir(self) -> Generator["Url", None, None]:
        """What stands in it, as `Path.iterdir` has it. Raises OSError where nobody can tell."""
        system, root = _system(self)
        try:
            found = system.ls(root, detail=False)
        except Exception as error:
            raise OSError(str(error)) from error
        yield from (self / str(name).rstrip("/").rpartition("/")[2] for name in found)


def place(path: Path | str) -> Path:
    """A path or a URL as it is written on a command line."""
    found = _URL.fullmatch(str(path)) if "://" in str(path) else None
    if found is None:
        return Path(path)
    if found[1] in _LOCAL:
        return Path(str(path).partition("://")[2])
    return path if isinstance(path, Url) else Url(path)


def is_url(path: Path | str) -> bool:
    """Whether a path is a URL, and not of this machine."""
    return isinstance(place(path), Url)


@contextmanager
def reading(path: Path | str) -> Iterator[BinaryIO]:
    """What lies at a URL, to be read. Raises InputError, also for what fails while it is read."""
    with troubles(str(path)):
        system, root = _system(path)
        with system.open(root, "rb") as file:
            yield cast("BinaryIO", file)


@contextmanager
def troubles(where: str) -> Iterator[None]:
    """Whatever a driver raises becomes an InputError of one line."""
    try:
        yield
    except (InputError, GeneratorExit, KeyboardInterrupt):
        raise
    except FileNotFoundError as error:
        if isinstance(error.__cause__, OSError):  # which stands for a host that is not there, too
            raise InputError(where, f"cannot be reached: {_line(error.__cause__)}") from error
        raise InputError(where, os.strerror(errno.ENOENT)) from error
    except ImportError as error:
        raise InputError(where, "there is no driver for such URLs", _line(error)) from error
    except Exception as error:  # drivers have exceptions of their own, each of them others
        text = error.strerror if isinstance(error, OSError) else None
        raise InputError(where, text or f"cannot be reached: {_line(error)}") from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _system(path: Path | str) -> tuple["AbstractFileSystem", str]:
    """The driver of a URL, and how that one names it."""
    # fsspec is needed for URLs alone; who reads a file need not wait for it.
    from fsspec.core import url_to_fs  # noqa: PLC0415

    system, root = url_to_fs(str(path))
    return system, str(root)


class Folder:
    """A directory of files, here or at a URL; names in it have `/` between their parts."""

    def __init__(self, path: Path | str) -> None:
        self.path = place(path)
        self._at: tuple[Any, str] | None = None
        if isinstance(self.path, Url):
            with troubles(str(self.path)):
                self._at = _system(self.path)

    @property
    def here(self) -> bool:
        """Whether it is on this machine."""
        return self._at is None

    def where(self, name: str) -> str:
        """How errors name a file in it."""
        return f"{str(self.path).rstrip('/')}/{name}"

    def has(self, name: str) -> bool:
        """Whether there is such a file. Raises InputError where nobody can tell."""
        if self._at is None:
            return (self.path / name).is_file()
        with troubles(self.where(name)):
            return bool(self._at[0].isfile(self._inside(name)))

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """A file in it, to be read. Raises InputError where that cannot be."""
        where = self.where(name)
        with troubles(where):
            file = (self.path / name).open("rb") if self._at is None else self._at[0].open(self._inside(name), "rb")
            with file:
                yield file

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """A file in it, to be written: for its owner alone, and on the disk when the block ends."""
        if self._at is not None:
            with troubles(self.where(name)), self._at[0].open(self._inside(name), "wb") as file:
                yield file
            return
        path = self.path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def names(self) -> list[str]:
        """All files in it and in its directories, in order; none where there is nothing yet. Raises InputError where
        nobody can tell, and for what is no directory."""
        if self._at is not None:
            system, root = self._at
            with troubles(str(self.path)):
                found = system.find(root) if system.exists(root) else ()
                return sorted(str(name)[len(root.rstrip("/")) :].lstrip("/") for name in found)
        if not os.path.lexists(self.path):
            return []
        if not self.path.is_dir():
            raise InputError(str(self.path), "is no directory", "name one to write")
        return sorted(
            str(Path(parent, name).relative_to(self.path))
            for parent, inner, outer in os.walk(self.path)
            for name in (*outer, *(one for one in inner if Path(parent, one).is_symlink()))
        )

    def remove(self, name: str) -> None:
        """Take a file away, at a URL. Raises InputError."""
        assert self._at is not None
        with troubles(self.where(name)):
            self._at[0].rm_file(self._inside(name))

    def _inside(self, name: str) -> str:
        assert self._at is not None
        return f"{self._at[1].rstrip('/')}/{name}"
