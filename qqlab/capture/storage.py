"""How a recording is kept: what may be replaced, what reaches the disk when, how large a file and a body may grow."""

from typing import Literal

import msgspec

Sync = Literal["never", "interval", "always"]

SYNC_SECONDS = 1.0
LIMIT = 1 << 20

# What each promises, for help texts. What the client has had a reply for is recorded in all of them.
PROMISES: dict[Sync, str] = {
    "never": "an exchange is with the operating system before its client has the reply: it survives a kill of the "
    "recorder, not a power cut",
    "interval": f"the same, and it is on the disk at most {SYNC_SECONDS:g} s later: a power cut loses no more",
    "always": "an exchange is on the disk before its client has the reply: it survives a power cut",
}


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """How a `Writer` keeps a recording.

    `append` goes on with a recording that exists (or begins one), `force` replaces it; without either, a file that
    exists is refused. `sync` is one of `PROMISES`. A segment ends before it would exceed `rotate_bytes`, or before
    an exchange that comes `rotate_seconds` after its first one; None is never. Bodies are cut to `limit` bytes.
    """

    append: bool = False
    force: bool = False
    sync: Sync = "never"
    rotate_bytes: int | None = None
    rotate_seconds: float | None = None
    limit: int = LIMIT
