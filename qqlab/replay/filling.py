"""What replies give to later requests while a replay runs: values taken out, holes filled.

Law: pure, and the same on `--resume`, where the replies come from what was kept. What a reply does not say stays out,
and a hole that nothing fills keeps what was recorded.
"""

from collections.abc import Collection, Mapping

from qqlab.codec import Decoded, Scalar, values
from qqlab.exchange import RawMessage
from qqlab.replay.correlate import Produced
from qqlab.replay.plan import Step
from qqlab.replay.rewrite import one_value, patched
from qqlab.spec import Spec


def produced(step: Step, decoded: Decoded) -> dict[Produced, str]:
    """The values of a step's new reply that later steps need, as far as it says them. `decoded` is its exchange."""
    found: dict[Produced, str] = {}
    for wanted in step.wanted:
        field = None if decoded.reply is None else decoded.reply.get(wanted.field)
        if field is None:
            continue
        if wanted.item is None:
            text = field.text.strip(" \r\n")
        else:
            text = _item(field.value if isinstance(field.value, tuple) else (), wanted, step.known)
        if text:
            found[wanted] = text
    return found


def _item(items: tuple[Scalar, ...], wanted: Produced, known: Collection[str]) -> str:
    """The item of a list at that place. The last of a page is whatever is the last now; of other lists, what was
    recorded stays as long as it is there, or another one that the recording knows has only taken its place."""
    texts = ["" if item is None else str(item).strip(" ") for item in items]
    if wanted.item is None or not -len(texts) <= wanted.item < len(texts):
        return ""
    new = texts[wanted.item]
    return wanted.recorded if wanted.item >= 0 and (wanted.recorded in texts or new in known) else new


def fill(step: Step, found: Mapping[Produced, str], spec: Spec) -> RawMessage:
    """The request to send: each hole filled with what was found for it."""
    new = [
        (hole.position, one_value(values.write(found[hole.produced], None, spec.wire)))
        for hole in step.holes
        if found.get(hole.produced, hole.recorded) != hole.recorded
    ]
    return patched(step.request, new) if new else step.request
