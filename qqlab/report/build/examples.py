"""Real exchanges of a command, decoded: one that succeeded, one that failed, one that is odd."""

from collections.abc import Iterator

from qqlab.codec import describe
from qqlab.profile import CommandTally, Sample
from qqlab.profile.model import ShownField, ShownMessage
from qqlab.report import model
from qqlab.report.build.basis import Basis
from qqlab.spec import CodeValue, Direction, Field


def examples(tally: CommandTally, basis: Basis) -> Iterator[model.ExchangeExample]:
    """The examples of a command, those that succeeded first."""
    for kind in ("success", "failure", "odd"):
        sample = tally.samples.get(kind)
        if sample is not None:
            yield model.ExchangeExample(
                kind=kind,
                exchange=sample.exchange,
                time=sample.time,
                elapsed=sample.elapsed,
                why=_why(kind, sample, basis),
                request=_message(sample.request, "request", basis),
                reply=_message(sample.reply, "reply", basis),
                error=sample.error,
            )


def _why(kind: str, sample: Sample, basis: Basis) -> str:
    """What makes it an example of its kind."""
    if kind == "odd":
        return basis.say.translated(describe(sample.note)) if sample.note is not None else ""
    if sample.error is not None:
        return basis.say("the exchange broke off")
    if sample.reply is None:
        return basis.say("no reply came")
    wanted = kind == "success"
    for field in sample.reply.fields:
        known = _known(field, sample.reply.command, "reply", basis)
        code = _code(field, known, basis)
        if code is not None and code.ok is wanted:
            told = f"{field.name} = {code.value}"
            return basis.say("{name}: {what}", name=told, what=code.name)
    return basis.say("a reply came")


def _message(shown: ShownMessage | None, direction: Direction, basis: Basis) -> model.MessageExample | None:
    if shown is None:
        return None
    return model.MessageExample(
        raw="&".join(field.raw for field in shown.fields),
        cut=shown.cut or shown.more > 0,
        fields=tuple(_field(field, _known(field, shown.command, direction, basis), basis) for field in shown.fields),
        more=shown.more,
    )


def _field(field: ShownField, known: Field | None, basis: Basis) -> model.ShownField:
    code = _code(field, known, basis)
    return model.ShownField(
        name=field.name,
        raw=field.raw,
        text=field.text,
        length=field.length,
        masked=field.masked,
        documented=known is not None,
        doc="" if known is None else known.doc,
        meaning=None if code is None else code.name,
    )


def _known(field: ShownField, command: str | None, direction: Direction, basis: Basis) -> Field | None:
    known = None if command is None else basis.spec.command(command)
    return basis.spec.field(known, direction, field.name)


def _code(field: ShownField, known: Field | None, basis: Basis) -> CodeValue | None:
    """What a single value means."""
    if known is None or known.codes is None or field.text is None:
        return None
    text = field.text.strip(" ")
    return basis.spec.codes[known.codes].by_value.get(int(text)) if text.isdecimal() and len(text) < 10 else None
