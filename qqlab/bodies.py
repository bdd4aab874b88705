"""Bodies that come in pieces, and are cut where they grow too long to be kept.

Law: no I/O. However much comes, at most `limit` bytes stay in memory; of a longer body the beginning is kept, and
its whole length and SHA-256 go on being counted, so that what was cut off can still be told from something else.
"""

import hashlib

from qqlab.exchange import Cut

MAX_CONTENT = 16 * 1024 * 1024


class Body:
    """Takes the pieces of one body in order."""

    def __init__(self, limit: int = MAX_CONTENT) -> None:
        self.length = 0
        self._limit = limit
        self._kept = bytearray()
        self._hash: hashlib._Hash | None = None

    def add(self, data: bytes | bytearray) -> None:
        """Take the next piece."""
        self.length += len(data)
        if self._hash is None and self.length > self._limit:
            self._hash = hashlib.sha256(self._kept)
        if self._hash is None:
            self._kept += data
            return
        self._hash.update(data)
        self._kept += data[: max(0, self._limit - len(self._kept))]

    @property
    def kept(self) -> bytes:
        """The body, or the beginning of one that was cut."""
        return bytes(self._kept)

    @property
    def cut(self) -> Cut | None:
        """What the body was, where it was longer than the limit."""
        if self._hash is None or self.length <= self._limit:
            return None
        return Cut(length=self.length, sha256=self._hash.hexdigest())
