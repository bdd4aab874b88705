"""The captures that a report is made of, and how it cites their exchanges.

Law: files are named without their directories, so that a report is the same wherever they lie. What an error quotes of
a message is masked in it as it is there.
"""

from collections.abc import Iterator, Sequence
from pathlib import PurePath

import msgspec

from qqlab.capture import Capture
from qqlab.exchange import Exchange
from qqlab.profile import CAPTURE, Fold, Profile, aware, clip
from qqlab.redact import Redactor
from qqlab.report import model
from qqlab.report.build.basis import LISTED
from qqlab.spec import Spec
from qqlab.visible import visible


def names(captures: Sequence[Capture]) -> list[str]:
    """A distinct name for each capture; the second of the same name is `NAME#2`."""
    found: list[str] = []
    for capture in captures:
        # A file's name may hold bytes that are no text, which no JSON can carry.
        name = plain = clip(visible(capture.name))
        number = 2
        while name in found:
            name, number = f"{plain}#{number}", number + 1
        found.append(name)
    return found


def profiled(captures: Sequence[Capture], named: Sequence[str], spec: Spec) -> Profile:
    """The profile of all captures together; a session is one capture's."""
    fold, redactor = Fold(spec), Redactor(spec, policy="all", masks=True)
    for number, (capture, name) in enumerate(zip(captures, named, strict=True)):
        fold.begin(number, name if len(captures) > 1 else "")
        told = labelled(capture, name, many=len(captures) > 1)
        for at, (label, exchange) in enumerate(told, number * CAPTURE):
            fold.add(at, label, exchange if exchange.error is None else _unquoted(exchange, redactor))
    return fold.part().profile()


def _unquoted(exchange: Exchange, redactor: Redactor) -> Exchange:
    """The exchange, its error without what is masked in its messages."""
    return msgspec.structs.replace(exchange, error=redactor.exchange(exchange).error)


def labelled(capture: Capture, name: str, *, many: bool) -> Iterator[tuple[str, Exchange]]:
    """The exchanges with the ids by which the report cites them."""
    for exchange in capture.exchanges:
        yield f"{name}:{exchange.id}" if many else exchange.id, exchange


def capture_part(capture: Capture, name: str) -> model.CapturePart:
    """One capture, as the report has it."""
    file = visible(PurePath(capture.path).name)
    transports: dict[str, int] = {}
    for exchange in capture.exchanges:
        transport = clip(exchange.transport)
        if transport in transports or len(transports) < LISTED:
            transports[transport] = transports.get(transport, 0) + 1
    times = [time for exchange in capture.exchanges if (time := aware(exchange.time)) is not None]
    return model.CapturePart(
        name=name,
        file=clip(file),
        exchanges=len(capture.exchanges),
        first=min(times, default=None),
        last=max(times, default=None),
        transports=transports,
        redacted=capture.header.redacted,
        spec=clip(capture.header.spec),
        tool=clip(capture.header.tool),
        note=clip(capture.header.note, 500),
        torn=None if capture.torn is None else clip(visible(capture.torn).replace(visible(capture.path), file), 500),
    )
