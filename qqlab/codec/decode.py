"""One exchange: both messages, and what only shows when they are held against each other.

Law: total. What `Decoded` says is a function of the exchange and the spec, so a better spec re-reads old
captures; nothing of it is ever needed to load one.
"""

from typing import Literal

import msgspec

from qqlab import http1
from qqlab.codec import values
from qqlab.codec.message import Message, decode_message, recognise
from qqlab.codec.notes import Note, note
from qqlab.codec.values import Scalar
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.spec import Command, Direction, Field, Spec

# How sure it is that a reply belongs to its request.
Certainty = Literal["sure", "likely", "doubtful"]


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange, understood.

    `command` is the spec's spelling, or the wire's where the spec has no such command, or empty. `version`,
    `account` and `sequence` are the request's, or the reply's where the request says none; None where neither
    does. `status` is the reply's. `certainty` is how sure it is that the reply belongs to the request, None where there
    are not both: `sure` where the reply repeats the sequence number and nothing of what it repeats differs, `doubtful`
    where the number differs, or more than the command's name does; else `likely`. `notes` are the request's, the
    reply's, then those of both together.
    """

    command: str
    spec: Command | None
    version: str | None
    account: str | None
    sequence: str | None
    status: Scalar
    request: Message | None
    reply: Message | None
    notes: tuple[Note, ...]
    certainty: Certainty | None = None

    def messages(self) -> tuple[Message, ...]:
        """The request and the reply, as far as there are any."""
        return tuple(message for message in (self.request, self.reply) if message is not None)


def is_of(exchange: Exchange, spec: Spec) -> bool:
    """Whether an exchange is of the protocol: HTTP by its request, relayed bytes by either message. One whose content
    coding cannot be undone is told by its bytes as they are."""
    asked, said = exchange.request, exchange.reply
    if asked is not None and recognise(http1.content(asked) or asked.body, spec):
        return True
    told_by_reply = asked is None or exchange.transport != "http"
    return told_by_reply and said is not None and recognise(http1.content(said) or said.body, spec)


def decode_anew(exchange: Exchange, spec: Spec) -> Decoded:
    """Understand an exchange as if it was the first: see `qqlab.codec.again`."""
    notes: list[Note] = []
    request = _message(exchange.request, "request", spec, None, notes)
    fallback = None if request is None else request.command
    bodiless = exchange.reply is not None and http1.has_no_body(exchange.reply, exchange.request)
    reply = _message(exchange.reply, "reply", spec, fallback, notes, bodiless=bodiless)
    notes.extend(_both(exchange, request, reply, spec))
    first = request or reply
    status = None if reply is None else reply.value(spec.roles.status)
    known = None if first is None else first.command
    return Decoded(
        command=known.name if known is not None else first.name if first is not None else "",
        spec=known,
        version=role_text(spec.roles.version, request, reply),
        account=role_text(spec.roles.account, request, reply),
        sequence=role_text(spec.roles.sequence, request, reply),
        status=None if isinstance(status, tuple) else status,
        request=request,
        reply=reply,
        notes=tuple(notes),
        certainty=None if request is None or reply is None else _certainty(request, reply, spec),
    )


def _certainty(request: Message, reply: Message, spec: Spec) -> Certainty:
    roles = spec.roles
    differing, repeats = set(), False
    for field in spec.layout(None, "reply").echoed:
        if not request.text(field.name) or reply.text(field.name) is None:
            continue
        if _echo(field, request, reply, spec):
            differing.add(field.name)
        elif field.name == roles.sequence:
            repeats = True
    if not differing:
        return "sure" if repeats else "likely"
    return "likely" if repeats and differing == {roles.command} else "doubtful"


def role_text(name: str, request: Message | None, reply: Message | None) -> str | None:
    """What the request says in the field of a role, or the reply where it says nothing."""
    said = None if request is None else request.text(name)
    return said if said is not None or reply is None else reply.text(name)


def succeeded(decoded: Decoded, spec: Spec) -> bool | None:
    """Whether the server did what was asked, by those codes of its reply whose tables tell success from failure.

    None where the reply has no such code, or one with a value that its table does not know.
    """
    return None if decoded.reply is None else tells_success(decoded.reply, spec)


def tells_success(reply: Message, spec: Spec) -> bool | None:
    """What `succeeded` says, of a reply alone."""
    verdicts = [
        code.ok if (code := spec.code(field.spec, field.value)) is not None else None
        for field in reply.fields
        if field.spec is not None and field.spec.codes is not None and spec.codes[field.spec.codes].judges
    ]
    if False in verdicts:
        return False
    return None if None in verdicts or not verdicts else True


def _message(
    raw: RawMessage | None,
    direction: Direction,
    spec: Spec,
    fallback: Command | None,
    notes: list[Note],
    *,
    bodiless: bool = False,
) -> Message | None:
    if raw is None:
        return None
    if raw.cut is not None:
        notes.append(note("body.cut", _cut(len(raw.body), raw.cut), direction))
    notes.extend(note("http.framing", wrong, direction) for wrong in http1.framing(raw, bodiless=bodiless))
    content = http1.content(raw)
    if content is None:
        notes.append(note("http.encoding", "the content coding cannot be undone", direction))
        content = raw.body
    message = decode_message(content, direction, spec, fallback)
    notes.extend(message.notes)
    return message


def _cut(length: int, cut: Cut) -> str:
    return f"only the first {length} of {cut.length} bytes are in the capture (SHA-256 of all: {cut.sha256})"


def _both(exchange: Exchange, request: Message | None, reply: Message | None, spec: Spec) -> list[Note]:
    notes = []
    if exchange.error is not None:
        notes.append(note("exchange.error", exchange.error))
    if reply is None or exchange.reply is None:
        notes.append(note("reply.missing", "no reply was recorded"))
        return notes
    status = http1.status(exchange.reply)
    if status is not None and status != http1.OK:
        notes.append(note("http.status", f"HTTP status {status}", "reply"))
    if exchange.reply.body == b"" or (exchange.reply.chunked and not reply.fields):
        notes.append(note("reply.empty", "the reply's body is empty", "reply"))
    if request is None:
        notes.append(note("request.missing", "a reply without a request"))
        return notes
    for field in spec.layout(reply.command, "reply").echoed if reply.command is not None else ():
        if problem := _echo(field, request, reply, spec):
            notes.append(note(f"echo.{field.name.lower()}", problem, "reply", field.name))
    return notes


def _echo(field: Field, request: Message, reply: Message, spec: Spec) -> str | None:
    """What is wrong with a repeated field, or None. Most are the same to the byte, and nothing more need be asked."""
    of_request, of_reply = request.get(field.name), reply.get(field.name)
    if of_request is None or of_reply is None or of_request.text == of_reply.text:
        return None
    asked, said = request.text(field.name), reply.text(field.name)
    if asked is None:
        # A request with an empty value (as printed templates have it) can be held against nothing, but for a
        # value that no request can have carried.
        if said is None or values.parse(said, field)[1]:
            return None
        return f"{field.name}: the reply says {said!r}, not the request's: no request can have said that"
    same = said is not None and asked.upper() == said.upper() if field.name == spec.roles.command else asked == said
    return None if same else f"{field.name}: the request says {asked!r}, the reply {said or ''!r}"
