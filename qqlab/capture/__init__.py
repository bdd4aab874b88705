"""Captures: exchanges in files. Reading, writing, importing, and a frame of them for pandas.

Law: only raw bytes are stored to be loaded again; the `decoded` part of each line is there for readers without
qqlab (`jq`, pandas) and is never read back.
"""

from qqlab.capture.file import Capture, Header, Writer, encode_line, header, load, save
from qqlab.capture.record import Record, record
from qqlab.capture.session import session, with_session

__all__ = [
    "Capture",
    "Header",
    "Record",
    "Writer",
    "encode_line",
    "header",
    "load",
    "record",
    "save",
    "session",
    "with_session",
]
