"""Real exchanges, kept to be shown: the first of each command that succeeded, that failed, that is odd.

Law: bounded, whatever the exchange: so many fields of a message, so many characters of each. What is masked stands
there as `MASK`, in the raw text as well.
"""

from typing import Literal

from qqlab import http1, wire
from qqlab.codec import Decoded, Field, Message
from qqlab.exchange import Exchange, RawMessage
from qqlab.profile.masking import Masking, shown
from qqlab.profile.model import Sample, ShownField, ShownMessage
from qqlab.profile.tally import Cited, clip

MASK = "••••"
FIELDS = 60
TEXT = 300

Kind = Literal["success", "failure", "odd"]


def kind_of(exchange: Exchange, decoded: Decoded, ok: bool | None) -> Kind:
    """What an exchange is an example of; what cannot be told to have failed counts as a success."""
    if exchange.error is not None or ok is False or (decoded.reply is None and exchange.request is not None):
        return "failure"
    return "odd" if _oddity(decoded) is not None else "success"


def sample(cited: Cited, exchange: Exchange, decoded: Decoded, masking: Masking) -> Sample:
    """What is shown of an exchange."""
    status = decoded.status
    return Sample(
        exchange=clip(cited.label),
        at=cited.at,
        time=cited.time,
        elapsed=exchange.elapsed,
        status=status if isinstance(status, int) else None,
        note=_oddity(decoded),
        error=None if exchange.error is None else exchange.error[:TEXT],
        request=_message(exchange.request, decoded.request, masking),
        reply=_message(exchange.reply, decoded.reply, masking),
    )


def _oddity(decoded: Decoded) -> str | None:
    """The code of the most severe note; the first of several. None where none is a warning, or worse."""
    codes = {note.severity: note.code for note in reversed(decoded.notes)}
    return codes.get("error") or codes.get("warning")


def _message(raw: RawMessage | None, message: Message | None, masking: Masking) -> ShownMessage | None:
    if raw is None or message is None:
        return None
    body = http1.content(raw)
    pairs = wire.split(raw.body if body is None else body)
    fields = [_field(field, pairs[field.position], message, masking) for field in message.fields[:FIELDS]]
    return ShownMessage(
        command=message.command.name if message.command is not None else None,
        fields=fields,
        more=len(message.fields) - len(fields),
        cut=raw.cut is not None or any(len(field.raw) > TEXT for field in fields),
    )


def _field(field: Field, pair: wire.Pair, message: Message, masking: Masking) -> ShownField:
    name = shown(field)
    masked = masking.hides(message, name)
    key = MASK if name != field.name else _text(pair.key)
    value = MASK if masked else _text(pair.value or b"")
    raw = key if pair.value is None else f"{key}={value}"
    return ShownField(
        name=name,
        raw=raw if len(raw) <= TEXT else raw[:TEXT] + "…",
        text=None if masked or field.text == "" else field.text[:TEXT],
        length=len(field.text),
        masked=masked,
    )


def _text(raw: bytes) -> str:
    """Bytes as they may be shown: what is no UTF-8 as escapes."""
    return raw[: 4 * TEXT].decode("utf-8", "backslashreplace")
