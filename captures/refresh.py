"""Writes captures anew with what decoding gives now; the raw bytes stay as they are. See `make samples`."""

import sys
from pathlib import Path

from qqlab import spec
from qqlab.capture import load, save

for argument in sys.argv[1:]:
    path = Path(argument)
    capture = load(path)
    save(path, capture.header, capture.exchanges, spec.builtin(), force=True)
