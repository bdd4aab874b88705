"""The structured command/reply record of an exchange: the `decoded` part of a capture's line.

Law: derived, never loaded. Its names and shapes are for people who write `jq` and pandas, so they are stable;
a change of them is a new version of the capture's format.
"""

import msgspec

from qqlab.codec import Decoded, Message, Note, Scalar, Value


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange as people read it.

    `command` is empty where none is named. `request` and `reply` map field names to typed values in the wire's
    order, the first of doubled ones (null for an empty value, a list for a list; null as a whole where there is
    no message). `rows` holds the reply's tables by name, a list of rows each. `notes` say what is odd.
    """

    command: str
    version: str | None
    account: str | None
    sequence: str | None
    status: Scalar
    request: dict[str, Value] | None
    reply: dict[str, Value] | None
    rows: dict[str, list[dict[str, Scalar]]]
    notes: tuple[Note, ...]


def record(decoded: Decoded) -> Record:
    """The record of a decoded exchange."""
    return Record(
        command=decoded.command,
        version=decoded.version,
        account=decoded.account,
        sequence=decoded.sequence,
        status=decoded.status,
        request=_values(decoded.request),
        reply=_values(decoded.reply),
        rows={
            table.spec.name: [row.cells for row in table.rows]
            for message in decoded.messages()
            for table in message.tables
        },
        notes=decoded.notes,
    )


def _values(message: Message | None) -> dict[str, Value] | None:
    return None if message is None else message.values()
