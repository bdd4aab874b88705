"""What is to be ignored: rules in a file that people review, each with its scope, its reason and perhaps its end.

Law: pure. A file is read strictly: whole, or refused with the path of its first mistake. A rule says where it applies
(command, direction, field, rule of the comparison, account), where what is left out means any; one that says nothing of
it would ignore everything, and is refused. Nothing is ignored silently: what a rule took out is kept beside it, rules
that matched nothing are named, and one whose end has come is applied no more. What `dump` writes, `parse` reads.
"""

import tomllib
from collections.abc import Iterable, Sequence
from datetime import date as Day  # a rule has a field of that name
from typing import NamedTuple

import msgspec

from qqlab.diff.finding import RULES, Finding, Suppressed
from qqlab.errors import InputError
from qqlab.spec import Direction
from qqlab.visible import visible

FORMAT = 1

_HINT = "what may stand there: qqlab diff --help"
_SCOPE = ("command", "direction", "field", "rule", "account")
_HEAD = """\
# What comparisons of qqlab are to ignore: read by `qqlab diff --rules FILE` and `qqlab replay --rules FILE`.
# Each rule says where it applies (command, direction, field, rule, account; what is left out means any), and why.
# Take out, narrow or correct what you do not agree with; `expires` is the last day on which a rule holds.
"""


class IgnoreRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Findings to ignore, and why.

    `rule` is a rule of the comparison (`value`, `row.missing`), or a group of them (`row.*`). `expires` is the last day
    on which this holds, None for ever. `support` says in how many pairs of exchanges it was seen, of how many, None
    for a rule that nobody measured; `date` is when it was written.
    """

    name: str = ""
    reason: str
    command: str | None = None
    direction: Direction | None = None
    field: str | None = None
    rule: str | None = None
    account: str | None = None
    expires: Day | None = None
    support: tuple[int, int] | None = None
    date: Day | None = None

    def matches(self, finding: Finding) -> bool:
        """Whether the finding is in this rule's scope; commands and fields are the same in any case."""
        return (
            (self.command is None or self.command.upper() == finding.command.upper())
            and (self.direction is None or self.direction == finding.direction)
            and (self.field is None or self.field.upper() == (finding.field or "").upper())
            and (self.account is None or self.account == finding.account)
            and (self.rule is None or _is_of(finding.rule, self.rule))
        )

    def has_expired(self, today: Day) -> bool:
        """Whether the rule's last day is over."""
        return self.expires is not None and self.expires < today


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The document: its version, and the rules."""

    qqlab_rules: int
    ignore: tuple[IgnoreRule, ...] = ()


class Applied(NamedTuple):
    """What became of findings: those that stay, those that a rule took out, and the names of rules that matched none
    of them."""

    kept: Sequence[Finding]
    suppressed: Sequence[Suppressed]
    unused: Sequence[str]


class Rules(msgspec.Struct, frozen=True):
    """Rules in order: the first that matches takes a finding out."""

    rules: tuple[IgnoreRule, ...] = ()

    def __add__(self, other: "Rules") -> "Rules":
        return Rules(self.rules + other.rules)

    def apply(self, findings: Sequence[Finding], today: Day) -> Applied:
        """Take out what is to be ignored; rules that have expired `today` are not applied, and not named as unused."""
        holding = [rule for rule in self.rules if not rule.has_expired(today)]
        matching: dict[tuple[object, ...], list[IgnoreRule]] = {}
        kept: list[Finding] = []
        suppressed: list[Suppressed] = []
        used: set[int] = set()
        for finding in findings:
            place = (finding.command, finding.direction, finding.field, finding.rule, finding.account)
            rules = matching.get(place)
            if rules is None:
                rules = matching[place] = [rule for rule in holding if rule.matches(finding)]
                used.update(map(id, rules))
            if rules:
                suppressed.append(Suppressed(finding, rules[0].name, rules[0].reason))
            else:
                kept.append(finding)
        return Applied(kept, suppressed, [rule.name for rule in holding if id(rule) not in used])

    def expired(self, today: Day) -> tuple[IgnoreRule, ...]:
        """The rules whose last day is over."""
        return tuple(rule for rule in self.rules if rule.has_expired(today))

    def covers(self, rule: IgnoreRule) -> bool:
        """Whether a rule of these ignores all that the other does, for as long."""
        return any(
            all(getattr(one, scope) in (None, getattr(rule, scope)) for scope in _SCOPE) and one.expires is None
            for one in self.rules
        )


def parse(text: str, where: str) -> Rules:
    """Make rules of TOML text; `where` stands in errors. Raises InputError with the first mistake and its path."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(where, f"is not TOML: {error}", "see what qqlab replay --save-rules writes") from error
    version = document.get("qqlab_rules")
    if version is None:
        raise InputError(where, "is no file of rules", f"such a file says qqlab_rules = {FORMAT}")
    if isinstance(version, int) and version > FORMAT:
        raise InputError(where, f"has format {version}, and this qqlab reads up to {FORMAT}", "use a newer qqlab")
    try:
        file = msgspec.convert(document, _File)
    except msgspec.ValidationError as error:
        raise InputError(where, _told(error), _HINT) from error
    rules = tuple(_named(rule, number) for number, rule in enumerate(file.ignore, 1))
    mistake = _mistake(rules)
    if mistake is not None:
        raise InputError(where, mistake, _HINT)
    return Rules(rules)


def dump(rules: Iterable[IgnoreRule], note: str = "") -> str:
    """Rules as a file that `parse` reads; `note` is a line on where they come from."""
    blocks = [_HEAD + (f"# {visible(note)}\n" if note else "") + f"\nqqlab_rules = {FORMAT}\n"]
    blocks += [_block(rule) for rule in rules]
    return "\n".join(blocks)


def _named(rule: IgnoreRule, number: int) -> IgnoreRule:
    return rule if rule.name else msgspec.structs.replace(rule, name=f"rule {number}")


def _mistake(rules: Sequence[IgnoreRule]) -> str | None:
    """The first mistake in rules of the right shape, or None."""
    names: set[str] = set()
    for index, rule in enumerate(rules):
        path = f"$.ignore[{index}]"
        if rule.name in names:
            return f"{path}.name: two rules are called {visible(rule.name, 40)!r}"
        names.add(rule.name)
        if not rule.reason.strip():
            return f"{path}.reason: says no reason, a sentence of why"
        if all(getattr(rule, scope) is None for scope in _SCOPE):
            return f"{path}: ignores everything, since it names none of {', '.join(_SCOPE)}"
        if rule.rule is not None and not any(_is_of(known, rule.rule) for known in RULES):
            return f"{path}.rule: a comparison has no rule {visible(rule.rule, 40)!r}"
        if rule.support is not None and not 0 <= rule.support[0] <= rule.support[1]:
            return f"{path}.support: is no [seen, of]"
    return None


def _is_of(rule: str, wanted: str) -> bool:
    """Whether a rule is the one that is wanted, or of the group."""
    return rule == wanted or (wanted.endswith(".*") and rule.startswith(wanted[:-1]))


def _told(error: msgspec.ValidationError) -> str:
    """A mistake of shape, its path first; msgspec says it last."""
    what, _, path = str(error).partition(" - at `")
    return f"{path.rstrip('`') or '$'}: {what[:1].lower()}{what[1:]}"


def _block(rule: IgnoreRule) -> str:
    """One rule as a table of the file."""
    lines = ["[[ignore]]"]
    for key in ("name", *_SCOPE, "reason"):
        value = getattr(rule, key)
        if value is not None and value != "":
            lines.append(f"{key} = {_quoted(value)}")
    if rule.support is not None:
        lines.append(f"support = [{rule.support[0]}, {rule.support[1]}]  # so many pairs of exchanges, of so many")
    lines += [f"{key} = {day.isoformat()}" for key in ("expires", "date") if (day := getattr(rule, key)) is not None]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string of TOML, with what acts on a screen escaped; half a character outside Unicode's planes, which no
    TOML file can hold, becomes a question mark."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        return "?"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
