"""qqlab as it makes a frame of exchanges of a capture, whatever that is stored as. Argument: a capture."""

import sys

from timed.saying import timed

from qqlab.capture import load


def _read() -> int:
    return len(load(sys.argv[1]).frame())


if __name__ == "__main__":
    timed(_read)
