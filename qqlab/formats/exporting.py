"""Captures as other people's material."""

from collections.abc import Iterable
from typing import BinaryIO, Literal

from qqlab.capture import Redacted
from qqlab.exchange import Exchange
from qqlab.formats import csv, flows, har, transcripts
from qqlab.formats.tally import Tally
from qqlab.spec import Spec

Export = Literal["flows", "har", "csv", "transcripts"]


def export(
    file: BinaryIO, kind: Export, exchanges: Iterable[Exchange], redacted: Redacted, spec: Spec, tally: Tally
) -> None:
    """Write exchanges in that format; what it cannot take over is counted. `redacted` is what their capture says."""
    match kind:
        case "flows":
            flows.write(file, exchanges, redacted, tally)
        case "har":
            har.write(file, exchanges, redacted, tally)
        case "csv":
            csv.write(file, exchanges, spec, tally)
        case "transcripts":
            transcripts.write(file, exchanges, redacted, tally)
