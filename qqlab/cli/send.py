"""`qqlab send`: one command to a server, request and reply decoded."""

import asyncio
from typing import Annotated

import typer

from qqlab import failures, wording
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
)
from qqlab.cli.console import print_json, talk
from qqlab.cli.passwords import AccountsFile, read_passwords
from qqlab.cli.show import as_json, print_exchange
from qqlab.codec import decode, succeeded
from qqlab.errors import TargetError, UsageError
from qqlab.net.caller import Caller, Secrets
from qqlab.net.replay import resolve
from qqlab.replay import parse_target
from qqlab.replay.compose import Draft, Ways, compose
from qqlab.spec import Effect, Spec
from qqlab.visible import visible

_LOGIN = "login"
_SENT = "1"
# A reply that came whole may be told to be like that.
_WHOLE = ("length", "redirect", "coding", "charset")


def send(
    command: CommandName,
    target: TargetUrl,
    fields: Fields = None,
    account: Account = None,
    from_file: FromFile = None,
    without: Without = None,
    escaped: Escaped = False,
    unknown: Unknown = False,
    login: Annotated[bool, typer.Option("--login", help="Log the account in first.")] = False,
    accounts: AccountsFile = None,
    lines: LinesOption = False,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, callback=finite, help="With --lines: listen so long for pushes."
        ),
    ] = 0.1,
    output: KeptAs = None,
    allow_host: AllowHost = None,
    allow_effects: AllowEffects = None,
    timeout: Timeout = TIMEOUT,
    json: Json = False,
    force: Force = False,
    spec: SpecOption = None,
) -> None:
    """Send one command to a server, and show request and reply decoded.

    Fields go out in the spec's order, their values escaped as the spec says. What only one thing can be meant by is
    filled in: version, a fresh sequence number, constants, and what is made from the account's password, which comes
    from the accounts file or the environment variable QQLAB_PASSWORD_<account>: secrets stand on no command line.
    A server knows a client by its address, so a login is good for later commands; --login does one before. Only servers
    on this machine are contacted, unless --allow-host names others, and those are only read from unless
    --allow-effects says more.

    Exit code 0: a reply came, whatever it says; 4: none came, or what came is no whole reply, or the login was refused;
    5: refused.

    \b
    Examples:
      qqlab send Login UIN=10001 --target 127.0.0.1:8000
      qqlab send GetInfo UIN=10001 LV=3 UN=10002 --login --target 127.0.0.1:8000
    """
    known = read_spec(spec)
    aim = parse_target(target)
    check_command(command, known, unknown=unknown)
    given = read_fields(fields or [], from_file or [], account, command, known, escaped=escaped)
    check_output(output, force)
    secrets = Secrets(*read_passwords(accounts))
    caller = Caller(aim, asyncio.run(resolve(aim, allow_host or ())), known, lines=lines, timeout=timeout)
    draft = compose(command, given, known, Ways(caller.number(), *secrets, without or (), newest=lines))
    if login and not draft.account:
        raise UsageError("--login", "nobody is named who could log in", f"say who: {known.roles.account}=NUMBER")
    login = login and effect_of(draft, known) != "auth"
    effects: list[Effect] = ["auth", effect_of(draft, known)] if login else [effect_of(draft, known)]
    check_effects(aim, effects, allow_effects)
    try:
        asyncio.run(_talk(caller, draft, secrets if login else None, wait if lines else 0.0))
    finally:
        keep(caller, output, f"{command} sent to {aim}", known, force=force)
    _show(caller, known, json=json)


async def _talk(caller: Caller, draft: Draft, secrets: Secrets | None, wait: float) -> None:
    """Log in first where secrets are given, send, and listen for what is pushed."""
    try:
        if secrets is not None:
            await caller.log_in(draft.account, draft.version, secrets, _LOGIN)
        await caller.ask(draft, _SENT)
        await caller.listen(wait)
    finally:
        await caller.close()


def _show(caller: Caller, known: Spec, *, json: bool) -> None:
    """Print what was said, but for a login that went well. Raises TargetError where no whole reply came."""
    sent = next(exchange for exchange in caller.exchanges if exchange.id == _SENT)
    if json:
        print_json([as_json(exchange, known) for exchange in caller.exchanges])
    else:
        for exchange in caller.exchanges:
            if not exchange.id.startswith(_LOGIN):
                print_exchange(exchange, known)
    if sent.reply is None:
        raise TargetError(str(caller.target), sent.error or "no reply came", "is the server running?")
    if sent.error is not None and (failure := failures.named(sent.error)) not in _WHOLE:
        hint = "is it the right port?" if failure == "no-http" else "what came is shown"
        raise TargetError(str(caller.target), visible(sent.error), hint)
    decoded = decode(sent, known)
    is_login = decoded.spec is not None and decoded.spec.effect == "auth"
    if len(caller.exchanges) == 1 and not is_login and succeeded(decoded, known) is False:
        talk.say(f"qqlab: the server says {wording.status(decoded, known)}; --login logs an account in first")
