"""mitmproxy's reader of flows. Argument: a file of flows, which are counted."""

import sys
from pathlib import Path

from mitmproxy.io import FlowReader
from timed.saying import timed


def _read() -> int:
    with Path(sys.argv[1]).open("rb") as source:
        return sum(1 for _ in FlowReader(source).stream())


if __name__ == "__main__":
    timed(_read)
