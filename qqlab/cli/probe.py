"""`qqlab probe`: one command in many variations, and what each changes in the reply."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich import box
from rich.table import Table

from qqlab import http1, wording
from qqlab.cli.arguments import (
    TIMEOUT,
    AllowEffects,
    AllowHost,
    Force,
    Json,
    SpecOption,
    TargetUrl,
    Timeout,
    check_output,
    finite,
    read_spec,
)
from qqlab.cli.asking import (
    Account,
    CommandName,
    Escaped,
    Fields,
    FromFile,
    KeptAs,
    LinesOption,
    Unknown,
    Without,
    check_command,
    check_effects,
    effect_of,
    keep,
    read_fields,
    refuse_secret,
)
from qqlab.cli.console import counted, out, print_json, talk
from qqlab.cli.passwords import AccountsFile, read_passwords
from qqlab.codec import decode
from qqlab.diff import Finding
from qqlab.errors import TargetError, UsageError
from qqlab.exchange import Exchange
from qqlab.findings.words import outcome
from qqlab.net.caller import Caller, Secrets
from qqlab.net.probe import Probe, Probed, Tried
from qqlab.net.replay import resolve
from qqlab.replay import parse_target
from qqlab.replay.compose import Draft, Ways, compose, spelled
from qqlab.replay.effects import allowed_effects
from qqlab.replay.probe import KINDS, Kind, Variation, parse_vary, variations
from qqlab.spec import Effect, Spec
from qqlab.visible import visible

_MOST_SHOWN = 4


def probe(
    command: CommandName,
    target: TargetUrl,
    fields: Fields = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="FIELD=VALUES",
            help=r"Try these values: v1,v2 or 0..5; \, is a comma in a value. May be repeated.",
        ),
    ] = None,
    omit: Annotated[bool, typer.Option("--omit", help="Leave each field out.")] = False,
    double: Annotated[bool, typer.Option("--double", help="Send each field twice.")] = False,
    empty: Annotated[bool, typer.Option("--empty", help="Send each field without a value.")] = False,
    reorder: Annotated[
        bool, typer.Option("--reorder", help="Send each field first, last, and all in reverse.")
    ] = False,
    case: Annotated[bool, typer.Option("--case", help="Write each name, and each value, in the other case.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="FIELD", help="Change these fields alone; may be repeated.")
    ] = None,
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="Send no more variations than these.")] = 200,
    rate: Annotated[
        float, typer.Option("--rate", metavar="N", min=0.1, callback=finite, help="Requests a second, at most.")
    ] = 20.0,
    login: Annotated[
        bool | None,
        typer.Option(
            "--login/--no-login",
            help="Log in first, or never; by default where the baseline is refused. A lost session is begun anew.",
            show_default=False,
        ),
    ] = None,
    account: Account = None,
    from_file: FromFile = None,
    without: Without = None,
    escaped: Escaped = False,
    unknown: Unknown = False,
    accounts: AccountsFile = None,
    lines: LinesOption = False,
    output: KeptAs = None,
    allow_host: AllowHost = None,
    allow_effects: AllowEffects = None,
    timeout: Timeout = TIMEOUT,
    plan: Annotated[bool, typer.Option("--dry-run", help="List the variations, and send nothing.")] = False,
    json: Json = False,
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Send one command in many variations, and table what each changes in the reply.

    The command goes out as it is (the baseline), then with one thing changed at a time; without --vary and the like,
    with fields left out, doubled, empty, in other orders and in other cases. A field that is needed and only varied has
    the first of its values in the baseline. The baseline is sent again before and after: what changes by itself is told
    from what a variation changes. A command that writes does so each time, so probe a server whose memory may be lost.
    In the capture each exchange has its variation's name: qqlab show CAPTURE omit-UN.

    Safety rules are those of `qqlab send`; what a variation asks for counts as well.

    Exit code 0: the server was probed; 4: it does not answer; 5: refused.

    \b
    Examples:
      qqlab probe GetInfo UIN=10001 UN=10002 --vary LV=1..5 --target 127.0.0.1:8000
      qqlab probe List UIN=10001 TN=160 UN=0 --omit --case -o probed.jsonl --target 127.0.0.1:8000
    """
    known = read_spec(spec)
    aim = parse_target(target)
    check_command(command, known, unknown=unknown)
    given = read_fields(fields or [], from_file or [], account, command, known, escaped=escaped)
    values = _values(vary or [], command, known, most)
    kinds = _kinds(omit=omit, double=double, empty=empty, reorder=reorder, case=case, vary=bool(values))
    check_output(output, force)
    secrets = Secrets(*read_passwords(accounts))
    addresses = [] if plan else asyncio.run(resolve(aim, allow_host or ()))
    caller = Caller(aim, addresses, known, lines=lines, timeout=timeout)
    first = {name: texts[0] for name, texts in values.items()}
    draft = compose(command, given, known, Ways(caller.number(), *secrets, without or (), lines, first))
    names = {spelled(name, draft.command, known) for name in only or ()}
    _check_names(names, draft)
    planned = variations(draft, known, kinds=kinds, vary=values, fields=names, escaped=escaped)
    if len(planned) > most:
        raise UsageError(command, f"that makes {len(planned)} variations", f"--most {len(planned)} allows them")
    if plan:
        _print_plan(planned)
        return
    is_auth = effect_of(draft, known) == "auth"
    login = None if is_auth else login
    effects: list[Effect] = ["auth"] if login else []
    effects += [effect_of(one, known) for one in (draft, *(variation.draft for variation in planned))]
    check_effects(aim, effects, allow_effects)
    usable = None if login is False or is_auth or "auth" not in allowed_effects(aim, allow_effects) else secrets
    try:
        probed = asyncio.run(_probe(caller, draft, planned, known, usable, rate, login=bool(login)))
    finally:
        keep(caller, output, f"probe of {command} at {aim}", known, force=force)
    _print(probed, command, str(aim), known, json=json)
    if probed.down is not None:
        raise TargetError(str(aim), probed.down, "is the server running?")


def _values(vary: Sequence[str], command: str, known: Spec, most: int) -> dict[str, tuple[str, ...]]:
    values: dict[str, tuple[str, ...]] = {}
    for text in vary:
        refuse_secret(text.partition("=")[0], command, known)
        name, texts = parse_vary(text, most)
        name = spelled(name, known.command(command), known)
        values[name] = tuple(dict.fromkeys([*values.get(name, ()), *texts]))
    return values


def _kinds(*, vary: bool, **wanted: bool) -> tuple[Kind, ...]:
    """The kinds that are asked for; all of them where nothing is, not even values to vary."""
    asked = tuple(kind for kind in KINDS if wanted[kind])
    return asked or (() if vary else KINDS)


def _check_names(names: set[str], draft: Draft) -> None:
    lacking = sorted(names - {part.field for part in draft.parts})
    if lacking:
        has = ", ".join(dict.fromkeys(part.field for part in draft.parts))
        raise UsageError(f"--only {lacking[0]}", "is no field of the request", f"it has {has}")


async def _probe(
    caller: Caller,
    draft: Draft,
    planned: Sequence[Variation],
    known: Spec,
    secrets: Secrets | None,
    rate: float,
    *,
    login: bool,
) -> Probed:
    try:
        with talk.bar() as bar:
            task = bar.add_task("", total=len(planned))
            probe = Probe(caller, known, secrets=secrets, rate=rate, told=lambda _: bar.advance(task))
            return await probe.run(draft, planned, login=login)
    finally:
        await caller.close()


def _print_plan(planned: Sequence[Variation]) -> None:
    table = Table("id", "variation", box=box.SIMPLE_HEAD, pad_edge=False)
    for variation in planned:
        table.add_row(visible(variation.id, 40), visible(variation.what, 60))
    out().print(table)
    print(counted(len(planned), "variation"))


def _print(probed: Probed, command: str, target: str, known: Spec, *, json: bool) -> None:
    if json:
        print_json(_document(probed, command, target, known))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("id", "variation", "reply", "changed in the reply"):
        table.add_column(column, overflow="fold")
    table.add_row("baseline", "", _reply(probed.baseline, known), "")
    for tried in probed.tried:
        name, what = visible(tried.variation.id, 40), visible(tried.variation.what, 60)
        table.add_row(name, what, _reply(tried.exchange, known), "\n".join(_changes(tried)))
    out().print(table)
    for line in _remarks(probed):
        print(line)


def _reply(exchange: Exchange, known: Spec) -> str:
    """The status of a reply in words, or what came instead."""
    if exchange.reply is None:
        return visible(exchange.error or "no reply", 60)
    code = http1.status(exchange.reply)
    if code is not None and code != http1.OK:
        return f"HTTP status {code}"
    return wording.status(decode(exchange, known), known) or ("no status in it" if exchange.reply.body else "empty")


def _changes(tried: Tried) -> Iterator[str]:
    """What changed, a line each, what a client acts on first."""
    ordered = sorted(tried.findings, key=lambda finding: finding.severity != "error")
    for finding in ordered[:_MOST_SHOWN]:
        yield _told(finding)
    if len(ordered) > _MOST_SHOWN:
        yield f"and {len(ordered) - _MOST_SHOWN} more (all: --json)"
    for note in tried.notes[:_MOST_SHOWN]:
        yield f"{note.code}{'' if note.field is None else ' ' + visible(note.field, 20)}: {visible(note.text, 60)}"
    if tried.again:
        yield "(sent again after a new login)"


def _told(finding: Finding) -> str:
    place = "" if finding.field is None else f" {visible(finding.field, 20)}"
    place += "" if finding.row is None else f"[{visible(finding.row, 20)}]"
    said = outcome(finding, 60)
    return f"{finding.rule}{place}{': ' if said else ''}{said}"


def _remarks(probed: Probed) -> Iterator[str]:
    changed = sum(tried.changed for tried in probed.tried)
    same = len(probed.tried) - changed
    yield f"{counted(len(probed.tried), 'variation')}: {changed} changed the reply, {same} did not"
    if probed.unsuccessful:
        yield "the baseline itself was no success: what is said to have changed is held against that"
    if probed.unsteady:
        yield f"changes by itself, and was passed over: {_several(probed.unsteady)}"
    if probed.drifted:
        yield f"a variation changed the server: at the end the baseline was answered with {_several(probed.drifted)}"
    if probed.logins:
        yield counted(probed.logins, "login")
    if probed.refused is not None:
        yield f"no login: {visible(probed.refused, 200)}"


def _several(findings: Sequence[Finding]) -> str:
    told = list(dict.fromkeys(_told(finding) for finding in findings))
    return "; ".join(told[:_MOST_SHOWN]) + ("; …" if len(told) > _MOST_SHOWN else "")


def _document(probed: Probed, command: str, target: str, known: Spec) -> dict[str, Any]:
    """The whole result as data; format 1."""
    return {
        "qqlab_probe": 1,
        "command": command,
        "target": target,
        "baseline": {"id": probed.baseline.id, "reply": _reply(probed.baseline, known)},
        "variations": [
            {
                "id": tried.variation.id,
                "what": tried.variation.what,
                "reply": _reply(tried.exchange, known),
                "again": tried.again,
                "findings": msgspec.to_builtins(tried.findings),
                "notes": msgspec.to_builtins(tried.notes),
            }
            for tried in probed.tried
        ],
        "unsteady": msgspec.to_builtins(probed.unsteady),
        "drifted": msgspec.to_builtins(probed.drifted),
        "logins": probed.logins,
        "refused": probed.refused,
        "down": probed.down,
    }
