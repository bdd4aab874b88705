"""qqlab as it reads a capture into exchanges. Argument: a capture."""

import sys

from timed.saying import timed

from qqlab.capture import open_capture


def _read() -> int:
    return sum(1 for _ in open_capture(sys.argv[1]).exchanges())


if __name__ == "__main__":
    timed(_read)
