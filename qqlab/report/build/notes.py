"""What was odd about the traffic, by the notes of the codec."""

from collections.abc import Iterator

from qqlab.codec import describe
from qqlab.profile import Profile
from qqlab.report import model
from qqlab.report.build.basis import evidence
from qqlab.report.retold import retold, where
from qqlab.report.say import Say


def notes(profile: Profile, say: Say) -> Iterator[model.NotePart]:
    """The notes, errors first, then warnings, then the rest; by code within each."""
    order = ("error", "warning", "info")
    for code, tally in sorted(profile.notes.items(), key=lambda item: (order.index(item[1].severity), item[0])):
        yield model.NotePart(
            code=code,
            severity=tally.severity,
            doc=say.translated(describe(code)),
            count=tally.count,
            exchanges=evidence(tally.exchanges),
            examples=tuple(
                model.NoteExamplePart(
                    where=where(example.where, say),
                    text=None if example.text is None else retold(code, example.text, say),
                    exchange=example.exchange,
                )
                for example in tally.examples
            ),
            more=tally.more,
        )
