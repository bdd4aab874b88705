"""qqlab as it makes a frame of exchanges of a capture, whatever that is stored as. Argument: a capture."""

import sys

from timed.saying import timed

import qqlab.capture.framing  # loads pandas and pyarrow, which are no part of what is timed
from qqlab.capture import read_frame
from qqlab.spec import builtin


def _read() -> int:
    return len(read_frame(sys.argv[1]))


if __name__ == "__main__":
    assert qqlab.capture.framing
    builtin()
    timed(_read)
