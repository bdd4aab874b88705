"""What a body of traffic shows, counted: the fold over exchanges, and the verdict on each fact of the spec."""

from qqlab.profile.fold import (
    CodeTally,
    CommandTally,
    Contradiction,
    FieldTally,
    MessageTally,
    NoteExample,
    NoteTally,
    Profile,
    profile,
)
from qqlab.profile.tally import KEPT, Evidence, Example, Examples, Names, clip
from qqlab.profile.verdict import VERDICTS, Verdict, code_verdict, field_verdict

__all__ = [
    "KEPT",
    "VERDICTS",
    "CodeTally",
    "CommandTally",
    "Contradiction",
    "Evidence",
    "Example",
    "Examples",
    "FieldTally",
    "MessageTally",
    "Names",
    "NoteExample",
    "NoteTally",
    "Profile",
    "Verdict",
    "clip",
    "code_verdict",
    "field_verdict",
    "profile",
]
