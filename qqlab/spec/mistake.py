"""What is wrong in a file that somebody wrote, as data."""

from typing import NamedTuple


class Mistake(NamedTuple):
    """What is wrong in a spec file or in its translation, and where: a path from the root `$`."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def quoted(name: str) -> str:
    """A key as a path has it: quoted where TOML wants quotes."""
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'
