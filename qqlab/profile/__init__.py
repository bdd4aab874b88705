"""What a body of traffic shows, counted: the fold over exchanges, and the verdict on each fact of the spec."""

from qqlab.profile.adding import KEPT
from qqlab.profile.behaviour import BehaviourTally, PollingTally, SessionTally, TransitionTally
from qqlab.profile.fold import CAPTURE, Fold, aware, profile
from qqlab.profile.histogram import Histogram
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
    Sample,
    ShownMessage,
)
from qqlab.profile.names import Names
from qqlab.profile.part import Part
from qqlab.profile.samples import MASK
from qqlab.profile.tally import Evidence, Example, Examples, Held, clip
from qqlab.profile.values import Values
from qqlab.profile.verdict import VERDICTS, Verdict, bound, code_verdict, field_verdict, is_proven

__all__ = [
    "CAPTURE",
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
    "Part",
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
