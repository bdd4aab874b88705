"""`qqlab record`: a proxy in front of a server, each exchange decoded and in the file before the client has its reply.

Law: arguments in, `qqlab.proxy.run` does the rest; what is seen is told by `qqlab.cli.live`. mitmproxy takes half a
second to import, so it is only loaded for this command.
"""

import asyncio
import ipaddress
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from qqlab.capture import check
from qqlab.cli.arguments import Json, SpecOption, listen_address, read_spec, refuse_stdout
from qqlab.cli.console import talk
from qqlab.cli.live import Showing, showing, summary
from qqlab.errors import UsageError
from qqlab.proxy.options import TEXTS, read
from qqlab.proxy.tally import Tally
from qqlab.redact import Redactor
from qqlab.replay import parse_target
from qqlab.replay.target import refuse_historical
from qqlab.spec import Spec
from qqlab.visible import visible

_HOW = "name the server: --upstream http://HOST:PORT; or let the client name it: --proxy"


def record(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The capture to write.")],
    upstream: Annotated[
        str | None, typer.Option("--upstream", metavar="URL", help="The server: http://HOST:PORT or HOST:PORT.")
    ] = None,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where clients connect; port 0 takes a free one.")
    ] = "127.0.0.1:8080",
    proxy: Annotated[bool, typer.Option("--proxy", help="Be an HTTP proxy: the client names the server.")] = False,
    tcp: Annotated[bool, typer.Option("--tcp", help="Relay bytes: nothing is put together or refused.")] = False,
    lines: Annotated[bool, typer.Option("--lines", help="VER 1.4 as bare lines on a long TCP connection.")] = False,
    append: Annotated[bool, typer.Option("--append", help=TEXTS["append"])] = False,
    force: Annotated[bool, typer.Option("--force", help=TEXTS["force"])] = False,
    sync: Annotated[str, typer.Option("--sync", metavar="WHEN", help=TEXTS["sync"])] = "never",
    rotate_size: Annotated[str, typer.Option("--rotate-size", metavar="SIZE", help=TEXTS["rotate_size"])] = "",
    rotate_time: Annotated[str, typer.Option("--rotate-time", metavar="TIME", help=TEXTS["rotate_time"])] = "",
    body_limit: Annotated[str, typer.Option("--body-limit", metavar="SIZE", help=TEXTS["body_limit"])] = "1M",
    redact: Annotated[str, typer.Option("--redact", metavar="WHAT", help=TEXTS["redact"])] = "secrets",
    redact_key_file: Annotated[
        str, typer.Option("--redact-key-file", metavar="FILE", help=TEXTS["redact_key_file"])
    ] = "",
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help=TEXTS["note"])] = "",
    duration: Annotated[
        float | None, typer.Option("--duration", metavar="SECONDS", min=0.1, help="End after so many seconds.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=1, help="End once N exchanges are recorded."),
    ] = None,
    json: Json = False,
    spec: SpecOption = None,
) -> None:
    """Record what a client and a server say to each other, until Ctrl-C.

    Example: qqlab record --upstream http://127.0.0.1:8000 -o mine.jsonl

    On a terminal the newest exchanges are shown as a table, elsewhere each is printed as one line, with --json as a
    line of the capture. At the end comes a summary. With -q nothing is printed but errors (and --json).

    Each exchange is in the file before the client has its reply. Without --tcp, mitmproxy reads and writes the HTTP:
    fields, their order, case and bodies stay, but line ends of heads become CR LF, blanks around values one, chunks
    are put together, Expect: 100-continue is answered here and left out, and what is no HTTP is refused, which is
    said and counted. What a client sends behind a request whose reply closes the connection is dropped.
    With --tcp or --lines each byte is relayed as it came, whatever it is, and recorded so; a connection that carries
    nothing of the protocol is counted only. --lines reads lines from the first byte on, where --tcp looks which of
    the two it is.

    The server may be on any host that you name; the protocol's historical servers are refused.

    Exit code 0: ended as asked; 3: the file cannot be written (what is in it stays good); 4: the address is taken.
    """
    known = read_spec(spec)
    if tcp and lines:
        raise UsageError("--tcp", "goes not with --lines", "leave one out: both relay bytes, --tcp looks what they are")
    mode = _mode(upstream, proxy, tcp or lines)
    host, port = listen_address(listen)
    options = {
        "qq_capture": str(output),
        "qq_append": append,
        "qq_force": force,
        "qq_sync": sync,
        "qq_rotate_size": rotate_size,
        "qq_rotate_time": rotate_time,
        "qq_body_limit": body_limit,
        "qq_redact": redact,
        "qq_redact_key_file": redact_key_file,
        "qq_lines": lines,
        "qq_spec": "" if spec is None else str(spec),
        "qq_note": note,
    }
    settings = read(SimpleNamespace(**options), "--")
    settings.redactor(known)
    refuse_stdout(output)
    check(output, settings.storage)
    _warn(host)
    shown = showing(json)(Tally(), known, output)
    try:
        with shown, _logged(known):
            _run(mode, (host, port), options, shown, duration, count)
    finally:
        if shown.where:
            _print_summary(shown.tally, output, json)


def _run(
    mode: str,
    where: tuple[str, int],
    options: dict[str, Any],
    shown: Showing,
    duration: float | None,
    count: int | None,
) -> None:
    from qqlab.proxy.run import Plan, Run  # noqa: PLC0415

    plan = Plan(mode=mode, host=where[0], port=where[1], settings=options, duration=duration, exchanges=count)
    asyncio.run(Run(plan, tally=shown.tally, told=shown.told, began=shown.began).run())


def _print_summary(tally: Tally, output: Path, json: bool) -> None:
    say = talk.say if json or talk.quiet else print
    for line in summary(tally, output):
        say(line)


@contextmanager
def _logged(known: Spec) -> Iterator[None]:
    """What mitmproxy and the recorder log is said: warnings, and with -v the rest."""
    log = _Log(logging.INFO if talk.verbose else logging.WARNING, Redactor(known))
    root = logging.getLogger()
    before = root.level
    root.setLevel(log.level)
    root.addHandler(log)
    try:
        yield
    finally:
        root.removeHandler(log)
        root.setLevel(before)


class _Log(logging.Handler):
    def __init__(self, level: int, redactor: Redactor) -> None:
        super().__init__(level)
        self._redactor = redactor

    def emit(self, record: logging.LogRecord) -> None:
        """Say it in one line, and where it is a bug with its traceback; what it quotes goes without secrets."""
        text = record.getMessage()
        self._say(text if text.startswith("qqlab: ") else f"qqlab: mitmproxy: {text}")
        if record.exc_info and record.exc_info[0] is not None:
            for line in "".join(traceback.format_exception(*record.exc_info)).splitlines():
                self._say(line)

    def _say(self, line: str) -> None:
        talk.say(visible(self._redactor.text(line)))


def _warn(host: str) -> None:
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here:
        talk.say(f"qqlab: warning: {visible(host)} is no loopback address: whoever reaches this machine is relayed")


def _mode(upstream: str | None, proxy: bool, bytewise: bool) -> str:
    """mitmproxy's mode for these options."""
    if proxy and (upstream is not None or bytewise):
        raise UsageError("--proxy", "goes with none of --upstream, --tcp and --lines", "leave one out")
    if proxy:
        return "regular"
    if upstream is None:
        raise UsageError("record", "nothing says where the server is", _HOW)
    target = parse_target(upstream)
    refuse_historical(target.host)
    return f"reverse:{'tcp' if bytewise else 'http'}://{target}"
