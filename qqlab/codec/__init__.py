"""Pairs and the spec to messages, and back. Total: content raises nothing, problems become notes."""

from qqlab.codec.again import decode
from qqlab.codec.decode import Certainty, Decoded, is_of, succeeded, tells_success
from qqlab.codec.message import (
    MOST_FIELDS,
    MOST_ITEMS,
    Field,
    Message,
    Row,
    Table,
    case_code,
    case_of,
    decode_message,
    encode_message,
    recognise,
)
from qqlab.codec.notes import CATALOGUE, Note, Severity, describe, note
from qqlab.codec.shapes import Cell, Column, Kind, Kinds, Parts, kinds_of
from qqlab.codec.values import Scalar, Value, derive

__all__ = [
    "CATALOGUE",
    "MOST_FIELDS",
    "MOST_ITEMS",
    "Cell",
    "Certainty",
    "Column",
    "Decoded",
    "Field",
    "Kind",
    "Kinds",
    "Message",
    "Note",
    "Parts",
    "Row",
    "Scalar",
    "Severity",
    "Table",
    "Value",
    "case_code",
    "case_of",
    "decode",
    "decode_message",
    "derive",
    "describe",
    "encode_message",
    "is_of",
    "kinds_of",
    "note",
    "recognise",
    "succeeded",
    "tells_success",
]
