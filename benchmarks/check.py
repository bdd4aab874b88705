"""`make bench-check`: is a ratio of `reports/bench.json` below its floor? One line for each, and then exit code 1."""

import sys
from pathlib import Path

import floors
import report

USUAL = Path(__file__).parent.parent / "reports/bench.json"


def main() -> int:
    """Check the report that the command line names, or the usual one, against the floors, or those named after it."""
    named = [Path(argument) for argument in sys.argv[1:]]
    path, file = (*named, *(USUAL, floors.FILE)[len(named) :])
    if not path.exists():
        print(f"{path}: is not there (make bench writes it)", file=sys.stderr)
        return 1
    read = report.read(path)
    wanted = floors.floors(file)
    failed = list(floors.failures(read, wanted))
    for line in failed:
        print(line)
    for section in read.sections:
        for one in section.skipped:
            print(f"{section.name}.{one.key}: skipped, {one.why}", file=sys.stderr)
    total = sum(map(len, wanted.values()))
    print(f"{len(failed)} of {total} below their floor or not measured", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
