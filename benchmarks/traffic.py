"""Generated captures that all benchmarks of a run share, each made once.

Law: the same size is the same capture, byte for byte, whoever asks for it first: what is compared reads the same.
"""

from itertools import islice
from pathlib import Path

from children import qqlab, ran
from measure import Setting


def traffic(setting: Setting, number: int) -> Path:
    """A capture of so many exchanges, as `qqlab generate` makes it."""
    path = setting.shared / f"traffic-{number}.jsonl"
    if not path.exists():
        made = path.with_suffix(".made")
        ran(qqlab("generate", "-n", str(number), "-o", made), setting.folder)
        made.rename(path)
    return path


def beginning(setting: Setting, capture: Path, number: int) -> Path:
    """The first so many exchanges of a capture, as a capture."""
    path = setting.shared / f"{capture.stem}-first-{number}.jsonl"
    if not path.exists():
        with capture.open("rb") as source, path.open("wb") as target:
            target.writelines(islice(source, number + 1))
    return path


def flows(setting: Setting, capture: Path) -> Path:
    """The same exchanges as mitmproxy's flows."""
    path = capture.with_suffix(".flows")
    if not path.exists():
        ran(qqlab("export", capture, "--format", "flows", "-o", path), setting.folder)
    return path


def columns(setting: Setting, capture: Path) -> Path:
    """The same exchanges as a Parquet dataset."""
    path = capture.with_suffix(".parquet")
    if not path.exists():
        ran(qqlab("export", capture, "--format", "parquet", "-o", path), setting.folder)
    return path


def has(setting: Setting, command: str, option: str = "") -> bool:
    """Whether qqlab has this command, and the command this option."""
    try:
        return option in ran([*qqlab(command, "--help")], setting.folder).output
    except RuntimeError:
        return False
