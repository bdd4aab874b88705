"""One benchmark in a process of its own: what it says goes to a file as it is known, a line each.

Law: it ends by itself or is ended from outside, with all that it started; what it has said until then stands. Its
arguments are the benchmark's name, the file, the folders (its own, and the run's), the scale, and `long` or nothing.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import differing
import generating
import importing
import msgspec
import reading
import recording
import replaying
import reporting
import scheduling
from measure import Setting, Told

BENCHMARKS: dict[str, Callable[[Setting], Iterator[Told]]] = {
    "addon": recording.addon,
    "tcp": recording.tcp,
    "record": recording.record,
    "memory": recording.memory,
    "import": importing.flows,
    "replay": replaying.replay,
    "pace": replaying.pace,
    "diff": differing.diff,
    "generate": generating.generate,
    "read": reading.read,
    "frames": reading.frames,
    "report": reporting.report,
    "swagger": reporting.swagger,
    "chunk": scheduling.chunk,
    "cluster": scheduling.cluster,
}


def main() -> None:
    """Run it."""
    name, file, folder, shared, scale, *long = sys.argv[1:]
    setting = Setting(Path(folder), Path(shared), float(scale), bool(long))
    with Path(file).open("ab", buffering=0) as told:
        for one in BENCHMARKS[name](setting):
            told.write(msgspec.json.encode(one) + b"\n")


if __name__ == "__main__":
    main()
