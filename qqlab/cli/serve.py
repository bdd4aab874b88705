"""`qqlab serve`: the reference test server until Ctrl-C.

Law: arguments in, `qqlab.net.server` does the rest. A password is never shown.
"""

import asyncio
import ipaddress
import signal
from pathlib import Path
from typing import Annotated

import typer

from qqlab.cli.arguments import SpecOption, listen_address, read_spec
from qqlab.cli.console import talk
from qqlab.net.server import Server
from qqlab.net.server import serve as listen
from qqlab.spec import Spec
from qqlab.testserver import Accounts, Answer, Rule, State, accounts, deviate
from qqlab.visible import visible

# A paragraph that begins with \b keeps its line ends in a help text.
EPILOG = "\b\nRules of --deviate, where COMMAND may be * for every command:\n" + deviate.table()


def serve(
    address: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:8000",
    accounts_file: Annotated[
        Path | None,
        typer.Option("--accounts", metavar="FILE", help="TOML file of accounts in place of the built-in sample."),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option("--deviate", metavar="RULE", help="Answer wrongly on purpose (see below); may be repeated."),
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Speak VER 1.4 as bare lines too, with pushes; the first bytes tell.")
    ] = False,
    spec: SpecOption = None,
) -> None:
    """Serve made-up accounts as a server of HTTP QQ does, until Ctrl-C.

    Example: qqlab serve --listen 127.0.0.1:0 --deviate drop:GetInfo.NK

    Example: qqlab serve --listen 127.0.0.1:14000 --lines

    Rules change what is pushed, too: its command is the push's. With `qqlab -v serve` each request is told in one line.
    """
    protocol = read_spec(spec)
    known = accounts.sample(protocol) if accounts_file is None else accounts.load(accounts_file, protocol)
    host, port = listen_address(address)
    deviations = [deviate.parse(rule, protocol) for rule in rules or ()]
    asyncio.run(_serve(host, port, known, deviations, protocol, lines))


async def _serve(host: str, port: int, known: Accounts, rules: list[Rule], spec: Spec, lines: bool) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with listen(State(known, spec), host, port, rules=rules, lines=lines) as server:
        server.on_answer = _tell
        _announce(server, known)
        await ended.wait()
    talk.say(f"qqlab: ended; requests answered: {server.answered}")


def _announce(server: Server, known: Accounts) -> None:
    if not ipaddress.ip_address(server.host).is_loopback:
        talk.say(f"qqlab: warning: {server.host} is no loopback address: whoever reaches this machine can log in")
    count = len(known.accounts)
    spoken = ", HTTP and lines" if server.lines else ""
    print(f"qqlab: serving on {server.url} ({count} account{'s'[: count != 1]}{spoken}; Ctrl-C ends)", flush=True)


def _tell(answer: Answer) -> None:
    command = "-" if answer.command is None else answer.command.name
    talk.detail(f"{visible(answer.account, 20) or '-'} {command}: {answer.outcome}")
