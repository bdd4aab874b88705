"""Replays captures with one process and with several, in a process of its own: one that had threads must not fork.

`python tests/apartness.py FOLDER TARGET WORKERS...` replays each capture there and prints, as JSON, what came of it.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qqlab.cli import app, clustered, replaying
from qqlab.cli.replaying import Asked
from qqlab.net import apart
from qqlab.net import whole as whole_of_it


def main(folder: Path, target: str, numbers: list[str]) -> None:
    """Print by the name of each capture and the number of processes what came of it."""
    planned_apart = []
    whole = replaying._told_apart

    def told(asked: Asked) -> Any:
        done = whole(asked)
        planned_apart.append(done is not None)
        return done

    replaying._told_apart = told
    for module in (replaying, clustered):
        setattr(module, "now", lambda: 500_000)  # noqa: B010  # it is not exported
    for module in (whole_of_it, apart, clustered):
        setattr(module, "token_bytes", bytes)  # noqa: B010  # the same pseudonyms in all of them
    found = {}
    for capture in sorted(folder.glob("*.jsonl")):
        for workers in numbers:
            output = folder / f"{capture.name}.{workers if len(workers) == 1 else 'N'}"
            sent_by = ["--cluster", workers] if ":" in workers else ["--workers", workers]
            how = ["--target", target, "-o", output, *sent_by, "--json"]
            code, out, err = _run(folder, "replay", capture, *how)
            found[f"{capture.stem} {workers}"] = [code, out, err, _kept(output), planned_apart[-1:]]
    print(json.dumps(found))


def _run(folder: Path, *arguments: object) -> tuple[object, str, str]:
    sys.argv = ["qqlab", *map(str, arguments)]
    code: object = None
    with _written(1, folder / "out") as out, _written(2, folder / "err") as err:
        try:
            app.main()
        except SystemExit as end:
            code = end.code
    return code, out.read_text("utf-8"), err.read_text("utf-8")


@contextlib.contextmanager
def _written(number: int, path: Path) -> Iterator[Path]:
    """What goes to standard output or error goes to a file."""
    before = os.dup(number)
    with path.open("w") as file:
        os.dup2(file.fileno(), number)
    try:
        yield path
    finally:
        (sys.stdout, sys.stderr)[number - 1].flush()
        os.dup2(before, number)
        os.close(before)


def _kept(output: Path) -> list[object]:
    """What was kept, but for what two replays never have in common."""
    _, *lines = output.read_text("utf-8").splitlines() if output.exists() else [""]
    kept = [json.loads(line) for line in lines]
    return [{key: one[key] for key in one if key not in ("time", "elapsed", "client")} for one in kept]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
