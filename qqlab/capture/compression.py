"""A finished segment is compressed, a little at a time.

Law: nobody waits for it, since it is done in slices between other work; and whenever it is broken off, every exchange
is in one whole file. The compressed file takes its name once it is on the disk, and only then the other one goes.
"""

import contextlib
import os
from pathlib import Path

import zstandard

from qqlab.capture.live import sync_directory, write_all
from qqlab.capture.segments import compressed

_LEVEL = 3
# The disk is waited for after so many bytes, so that there is never much to wait for.
_SYNC = 1 << 20


class Compression:
    """The compression of one file. Every method raises OSError where it fails; `abandon` then cleans up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{compressed(path).name}.part")
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        self._from = path.open("rb", buffering=0)
        try:
            self._to = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError:
            self._from.close()
            raise
        self._unsynced = 0

    def step(self, size: int) -> bool:
        """Compress the next `size` bytes; whether that was all."""
        data = self._from.read(size)
        if data:
            self._write(self._zstd.compress(data))
            return False
        self._write(self._zstd.flush())
        os.fsync(self._to)
        self._part.replace(compressed(self.path))
        sync_directory(self.path.parent)
        self.path.unlink()
        self._close()
        return True

    def abandon(self) -> None:
        """Leave the file as it was."""
        self._close()
        with contextlib.suppress(OSError):
            self._part.unlink()

    def _write(self, data: bytes) -> None:
        write_all(self._to, data)
        self._unsynced += len(data)
        if self._unsynced >= _SYNC:
            os.fsync(self._to)
            self._unsynced = 0

    def _close(self) -> None:
        self._from.close()
        if self._to >= 0:
            os.close(self._to)
        self._to = -1
