"""Standard output that fails well.

Law: whoever reads our output may go away at any time, and that is no error; a full disk behind it is one clear line.
Characters that its encoding lacks become escapes.
"""

import io
import os
import sys
from typing import Any

from qqlab.errors import ExitCode, InputError

_STDOUT = 1


class _Output(io.FileIO):
    """The descriptor itself; after a failure it leads nowhere, so that nothing fails a second time at exit."""

    def write(self, data: Any) -> int:
        """Write bytes, or end the process as fits."""
        try:
            return super().write(data)
        except BrokenPipeError:
            self._abandon()
            sys.exit(ExitCode.OK)
        except OSError as error:
            self._abandon()
            raise InputError("standard output", error.strerror or str(error)) from error

    def _abandon(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def prepare() -> None:
    """Put it in the place of `sys.stdout`."""
    if sys.stdout is None:  # closed by whoever started us
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        return
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(_STDOUT, "w", closefd=False)),
        encoding=sys.stdout.encoding,
        errors="backslashreplace",
        line_buffering=sys.stdout.isatty(),
    )
