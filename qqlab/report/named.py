"""What a code's value means, in words of the report's language."""

from qqlab.report.say import Say
from qqlab.spec import CodeValue
from qqlab.visible import visible


def named(code: CodeValue | None, say: Say) -> str:
    """All readings of a code, each with its sources where they disagree; empty for none."""
    if code is None:
        return ""
    if len(code.readings) == 1:
        return visible(code.name)
    told = (
        say("{meaning} ({sources})", meaning=reading.meaning, sources=say.several(reading.source))
        for reading in code.readings
    )
    return visible(say.translated("; or ").join(told))
