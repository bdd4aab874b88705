"""The errors a user can meet, each with its exit code.

Law: an error is one line, `<where>: <what> (<what to do>)`, and is raised only for what stops the work:
an unreadable file, a broken spec, a target that cannot be reached, a safety rule. Odd traffic is never an
error; it becomes a note (see `qqlab.codec.notes`). This floor imports nothing.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller; the same for every command."""

    OK = 0
    DIFFERENCES = 1
    USAGE = 2
    UNREADABLE = 3
    TARGET = 4
    REFUSED = 5
    BUG = 70
    INTERRUPTED = 130


class QqlabError(Exception):
    """Something stops the work. `where` names the place, `what` the trouble, `hint` what to do about it."""

    exit_code = ExitCode.UNREADABLE

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        super().__init__(where, what, hint)
        self.where = where
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class UsageError(QqlabError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class InputError(QqlabError):
    """A file cannot be read, written or understood; `where` holds its path, with the line where one is known."""

    exit_code = ExitCode.UNREADABLE


class TargetError(QqlabError):
    """A server cannot be reached, or an address cannot be listened on."""

    exit_code = ExitCode.TARGET


class RefusedError(QqlabError):
    """A safety rule forbids it; `hint` says how to allow it."""

    exit_code = ExitCode.REFUSED
