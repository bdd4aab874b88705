"""What a body of traffic shows, counted: the fold over exchanges, and the verdict on each fact of the spec."""

from qqlab.profile.fold import profile
from qqlab.profile.model import (
    CodeTally,
    CommandTally,
    Contradiction,
    EchoTally,
    FieldTally,
    MessageTally,
    NoteExample,
    NoteTally,
    Profile,
)
from qqlab.profile.tally import KEPT, Evidence, Example, Examples, Names, clip
from qqlab.profile.verdict import VERDICTS, Verdict, code_verdict, field_verdict, is_proven

__all__ = [
    "KEPT",
    "VERDICTS",
    "CodeTally",
    "CommandTally",
    "Contradiction",
    "EchoTally",
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
    "is_proven",
    "profile",
]
