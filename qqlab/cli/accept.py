"""`qqlab accept`: chosen findings become what is expected, in a new baseline capture."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from qqlab.capture import Capture, header, save
from qqlab.capture.places import place
from qqlab.cli.arguments import Force, SpecOption, check_output, read_capture, read_spec
from qqlab.cli.console import counted
from qqlab.cli.judging import RuleFiles, read_rules, this_day
from qqlab.diff import Finding, compare
from qqlab.diff.accepting import Accepted, Taken, accept
from qqlab.diff.rules import IgnoreRule
from qqlab.errors import InputError, UsageError
from qqlab.findings.words import sentence
from qqlab.spec import Spec
from qqlab.visible import visible

_CHOOSE = "choose: --finding ID, --rule RULE, --command COMMAND, or --all"


def accept_(
    recorded: Annotated[
        Path, typer.Argument(metavar="RECORDED", parser=place, help="The capture that says how it should be.")
    ],
    replayed: Annotated[
        Path, typer.Argument(metavar="REPLAYED", parser=place, help="The capture that was held against it.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="BASELINE", help="Write the new baseline there.")],
    finding: Annotated[
        list[str] | None,
        typer.Option("--finding", metavar="ID", help="Accept this finding (its eight hex digits). May be repeated."),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="RULE", help="Accept findings of this rule, or group such as row.*."),
    ] = None,
    command: Annotated[
        list[str] | None, typer.Option("--command", metavar="COMMAND", help="Accept findings of this command.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Accept every difference.")] = False,
    rules: RuleFiles = None,
    plan: Annotated[bool, typer.Option("--dry-run", help="Say what would be taken, and write nothing.")] = False,
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Take chosen findings into a new baseline: from then on, what the server says there is what is expected.

    The baseline is RECORDED with the exchanges of these findings taken from REPLAYED, request and reply; ids, times and
    connections stay as recorded. Given --rule and --command both, a finding must be of both. An exchange is taken
    whole, so its other findings are accepted along, those that --rules ignore, too: all of them are listed, and what
    remains is counted. Look at the findings first: qqlab diff RECORDED REPLAYED.

    Exit code 0: the baseline is written; 2: the choice is empty, or matches nothing; 3: a file is unreadable, or stays.

    Example: qqlab accept recorded.jsonl replayed.jsonl --rule field.extra --command GetInfo -o baseline.jsonl
    """
    if not (finding or rule or command or everything):
        raise UsageError("qqlab accept", "nothing is chosen", _CHOOSE)
    if everything and (finding or rule or command):
        raise UsageError("--all", "chooses everything already", "leave out --finding, --rule and --command")
    check_output(output, force)
    known = read_spec(spec)
    today = this_day()
    first, second = read_capture(recorded), read_capture(replayed)
    ignoring = read_rules(rules, today, known)
    comparison = compare(first.exchanges, second.exchanges, known, rules=ignoring, today=today)
    found = comparison.findings
    if not found:
        raise InputError(f"{recorded}, {replayed}", "do not differ", "there is nothing to accept")
    chosen = _chosen(found, finding or (), rule or (), command or (), everything=everything)
    ignored = {one.finding.id: one.by for one in comparison.suppressed}
    whole = (*found, *(one.finding for one in comparison.suppressed))
    accepted = accept(first.exchanges, second.exchanges, whole, {one.id for one in chosen})
    for line in _told(accepted, ignored, known):
        print(line)
    left = compare(accepted.exchanges, second.exchanges, known, rules=ignoring, today=today).differences
    if not plan:
        _save(output, first, second, accepted, known, force=force)
    done = "would be taken" if plan else f"taken into {visible(str(output))}"
    print(f"{counted(len(accepted.taken), 'exchange')} {done}; differences that remain: {len(left)}")


def _chosen(
    found: Sequence[Finding], ids: Sequence[str], rules: Sequence[str], commands: Sequence[str], *, everything: bool
) -> list[Finding]:
    """The findings that are meant. Raises UsageError where one of the options matches nothing."""
    known = {one.id for one in found}
    unknown = next((identifier for identifier in ids if identifier.lower() not in known), None)
    if unknown is not None:
        raise UsageError(f"--finding {visible(unknown, 40)}", "no finding has this id", "qqlab diff lists them")
    named = {identifier.lower() for identifier in ids}
    scopes = [
        IgnoreRule(reason="accepted", rule=rule, command=command)
        for rule in rules or (None,)
        for command in commands or (None,)
        if rule is not None or command is not None
    ]
    matched = [one for one in found if any(scope.matches(one) and _is_meant(one, scope) for scope in scopes)]
    if scopes and not matched:
        asked = " ".join([*(f"--rule {rule}" for rule in rules), *(f"--command {command}" for command in commands)])
        raise UsageError(visible(asked, 80), "no finding matches", "qqlab diff lists them")
    chosen = {one.id for one in matched} | named
    return [one for one in found if one.id in chosen or (everything and not one.equivalent)]


def _is_meant(finding: Finding, scope: IgnoreRule) -> bool:
    """What is but written otherwise is meant only where its rule is named."""
    return scope.rule is not None or not finding.equivalent


def _told(accepted: Accepted, ignored: Mapping[str, str], known: Spec) -> Iterator[str]:
    """What is taken, a line for each finding; of those that are `ignored`, by which rule."""
    for taken in accepted.taken:
        yield f"{taken.how}: exchange {visible(taken.exchange, 40)}{_of_account(taken)}"
        for finding in taken.chosen:
            yield f"  {finding.id}  {sentence(finding, known)}"
        for finding in taken.along:
            by = f", though ignored by {visible(ignored[finding.id], 60)}" if finding.id in ignored else ""
            yield f"  {finding.id}  along with it{by}: {sentence(finding, known)}"


def _of_account(taken: Taken) -> str:
    account = next((finding.account for finding in taken.chosen if finding.account), "")
    return f", account {visible(account, 30)}" if account else ""


def _save(path: Path, first: Capture, second: Capture, accepted: Accepted, known: Spec, *, force: bool) -> None:
    """Write the baseline; as much is redacted in it as in the capture in which less is."""
    least = min((first.header.redacted, second.header.redacted), key=("none", "secrets", "all").index)
    note = f"{first.path} with {counted(len(accepted.taken), 'exchange')} accepted from {second.path}"
    head = header(known, redacted=least, created=first.header.created, note=note)
    save(path, head, accepted.exchanges, known, force=force)
