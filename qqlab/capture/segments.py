"""How the segments of a recording are named, and which of them stand beside a file.

Law: a name only says where to look; whether a file belongs to a recording, its header says. A segment that a crash
left in two forms (as it was, and compressed) is one segment.
"""

import re
from pathlib import Path

_NUMBER = re.compile(r"\.(\d{4,})\Z")
COMPRESSED = ".zst"


def segment_path(live: Path, number: int) -> Path:
    """Where segment `number` of the recording being written at `live` goes: `mine.0001.jsonl` for `mine.jsonl`."""
    return live.with_name(f"{live.stem}.{number:04d}{live.suffix}")


def compressed(path: Path) -> Path:
    """The same segment's name once it is compressed."""
    return path.with_name(path.name + COMPRESSED)


def beside(live: Path, number: int) -> tuple[Path, Path]:
    """Where this segment may be, the uncompressed one first."""
    plain = segment_path(live, number)
    return plain, compressed(plain)


def present(live: Path) -> list[Path]:
    """All files beside that are named like segments of a recording at `live`, in order."""
    pattern = re.compile(re.escape(live.stem) + r"\.(\d{4,})" + re.escape(live.suffix) + r"(?:\.zst)?")
    try:
        found = [path for path in live.parent.iterdir() if pattern.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(found, key=lambda path: (len(path.name.removesuffix(COMPRESSED)), path.name))


def is_finished(path: Path, number: int) -> bool:
    """Whether a file that says it is segment `number` is called as that one is once it is finished. A recording may be
    called like a segment, too: its own segments then stand beside it."""
    return number_in(path) == number and not present(path)


def number_in(path: Path) -> int | None:
    """The segment's number that a file is named with, or None: 1 for `mine.0001.jsonl.zst`."""
    plain = path.with_suffix("") if path.suffix == COMPRESSED else path
    found = _NUMBER.search(plain.stem) or _NUMBER.search(plain.name)
    return None if found is None else int(found[1])
