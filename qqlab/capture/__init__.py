"""Captures: exchanges in files. Reading, writing, importing, and a frame of them for pandas.

Law: only raw bytes are stored to be loaded again; the `decoded` part of each line is there for readers without
qqlab (`jq`, pandas) and is never read back.
"""

from qqlab.capture.file import Header, Redacted, encode_line, header
from qqlab.capture.following import follow
from qqlab.capture.reading import Capture, Located, Stream, load, open_capture, read_frame
from qqlab.capture.record import Record, record
from qqlab.capture.session import session, with_session
from qqlab.capture.storage import PROMISES, Storage, Sync
from qqlab.capture.together import joined, together
from qqlab.capture.where import Condition
from qqlab.capture.writing import Writer, check, save

__all__ = [
    "PROMISES",
    "Capture",
    "Condition",
    "Header",
    "Located",
    "Record",
    "Redacted",
    "Storage",
    "Stream",
    "Sync",
    "Writer",
    "check",
    "encode_line",
    "follow",
    "header",
    "joined",
    "load",
    "open_capture",
    "read_frame",
    "record",
    "save",
    "session",
    "together",
    "with_session",
]
