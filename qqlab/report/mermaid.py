"""Diagrams that Markdown readers draw: Mermaid's states and sequences.

Law: pure and bounded. Of a captured name only letters, digits and a few marks get into a diagram, since Mermaid's own
grammar has no escape that holds everywhere; the tables beside it have the names as they are.
"""

import re
from collections.abc import Iterable, Sequence

from qqlab.report.model import Behaviour, SessionPart, Step
from qqlab.report.say import Say

_MOST_TRANSITIONS = 60
_MOST_STEPS = 30
_LONGEST = 40
_MOST_SESSIONS = 3


def chosen(sessions: Iterable[SessionPart]) -> Sequence[SessionPart]:
    """The sessions to draw: those that show the most different commands."""
    telling = [one for one in sessions if one.steps]
    return sorted(telling, key=lambda one: -len({step.command for step in one.steps}))[:_MOST_SESSIONS]


def states(behaviour: Behaviour, say: Say) -> str:
    """Which command follows which, as a state diagram: the most frequent steps."""
    shown = behaviour.transitions[:_MOST_TRANSITIONS]
    names = list(dict.fromkeys(name for step in shown for name in (step.before, step.after)))
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{_name(name, say)}" as s{at}' for at, name in enumerate(names)]
    lines += [f"    s{names.index(step.before)} --> s{names.index(step.after)}: {step.count}×" for step in shown]
    return "\n".join(lines)


def sequence(session: SessionPart, status: str, say: Say) -> str:
    """The beginning of a session as a sequence diagram; `status` is the field that tells a reply's status."""
    steps = session.steps[:_MOST_STEPS]
    lines = [
        "sequenceDiagram",
        f"    participant C as {_name(session.account or say('client'), say)}",
        f"    participant S as {say('server')}",
    ]
    for step in steps:
        lines += (f"    {line}" for line in _step(step, status, say))
    more = session.exchanges - len(steps)
    if more > 0:
        lines.append(f"    Note over C,S: {say('and {count:,} more exchanges', count=more)}")
    return "\n".join(lines)


def _step(step: Step, status: str, say: Say) -> list[str]:
    name = _name(step.command, say)
    if step.way == "pushed":
        return [f"S-)C: {name}"]
    asked = f"C->>S: {name}"
    if step.way == "answered":
        told = say("reply") if step.status is None else f"{_plain(status)} {step.status}"
        return [asked, f"S-->>C: {told}"]
    return [asked, f"S--xC: {say('no reply') if step.way == 'unanswered' else say('broke off')}"]


def _name(name: str, say: Say) -> str:
    return _plain(name) or say("(no command)").strip("()（）")


def _plain(text: str) -> str:
    """What of a text means nothing to Mermaid."""
    plain = re.sub(r"[^\w .+-]+", " ", text[:_LONGEST]).strip(" -")
    return f"{plain} " if plain.lower() in ("end", "note", "state") else plain
