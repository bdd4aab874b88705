"""What a body of traffic shows, counted: the fold over exchanges, and the verdict on each fact of the spec."""

from qqlab.profile.fold import Fold, aware, profile
from qqlab.profile.histogram import Histogram
from qqlab.profile.model import (
    BehaviourTally,
    CodeTally,
    CommandTally,
    Contradiction,
    EchoTally,
    FieldTally,
    MessageTally,
    NoteExample,
    NoteTally,
    PollingTally,
    Profile,
    Sample,
    SessionTally,
    ShownMessage,
    TransitionTally,
)
from qqlab.profile.samples import MASK
from qqlab.profile.tally import KEPT, Evidence, Example, Examples, Held, Names, clip
from qqlab.profile.values import Values
from qqlab.profile.verdict import VERDICTS, Verdict, bound, code_verdict, field_verdict, is_proven

__all__ = [
    "KEPT",
    "MASK",
    "VERDICTS",
    "BehaviourTally",
    "CodeTally",
    "CommandTally",
    "Contradiction",
    "EchoTally",
    "Evidence",
    "Example",
    "Examples",
    "FieldTally",
    "Fold",
    "Held",
    "Histogram",
    "MessageTally",
    "Names",
    "NoteExample",
    "NoteTally",
    "PollingTally",
    "Profile",
    "Sample",
    "SessionTally",
    "ShownMessage",
    "TransitionTally",
    "Values",
    "Verdict",
    "aware",
    "bound",
    "clip",
    "code_verdict",
    "field_verdict",
    "is_proven",
    "profile",
]
