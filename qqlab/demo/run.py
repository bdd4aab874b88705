"""The run of the demonstration: record through mitmproxy, replay against two servers, compare, report.

Law: real parts only, each on a free port of the loopback interface, and none left when this returns or raises.
What happens is told through a callback; results are values and the files of one directory.
"""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import qqlab
from qqlab import http1
from qqlab.capture import Capture, load, save
from qqlab.capture import header as capture_header
from qqlab.demo.children import MITMDUMP, QQLAB, child
from qqlab.demo.session import STEPS, bodies
from qqlab.diff import Comparison, compare
from qqlab.errors import InputError, TargetError
from qqlab.exchange import Exchange
from qqlab.files import check_writable, refuse_existing, replacing
from qqlab.findings import FORMATS, Context, Seen
from qqlab.net.client import Client
from qqlab.net.replay import replay
from qqlab.replay import parse_target
from qqlab.report import write as write_report
from qqlab.spec import Spec, text
from qqlab.testserver import accounts

LOOPBACK = "127.0.0.1"
# Named by its path, since importing it would import all of mitmproxy.
ADDON = Path(qqlab.__file__).parent / "proxy" / "script.py"

# What the second server does wrong, and the rules of the comparison that must notice it.
DEVIATIONS: dict[str, tuple[str, ...]] = {
    "code:AddToList.CD=2": ("code",),
    "drop:GetInfo.NK": ("field.missing",),
    "add:List.XX=1": ("field.extra",),
    "reorder:Login": ("field.order",),
    "count:GetMsgEx": ("count",),
    "row-drop:Query_Stat": ("row.missing",),
    "status:Finger=500": ("http.status",),
    "close:DelFromList": ("target.closed",),
    "case:CLTMSG": ("command.case",),
}

NOTE = "recorded from qqlab's own test server, which is built from this spec: it shows the tool, not the protocol"

Tell = Callable[[str], None]
Progress = Callable[[int, int], None]


class Results(NamedTuple):
    """What the demonstration brought.

    `missed` are the deviations of the second server that the comparison did not notice, none if all is well.
    The rest are the files that it wrote: the captures, the page on what the second server did wrong, and the report,
    whose first file is the page to look at.
    """

    recorded: int
    honest: Comparison
    deviating: Comparison
    missed: tuple[str, ...]
    captures: tuple[Path, ...]
    findings: Path
    report: tuple[Path, ...]


class Demo:
    """One run; `tell` is called with each step's line, `progress` with how much of a step is done."""

    def __init__(self, directory: Path, spec: Spec, *, force: bool, tell: Tell, progress: Progress) -> None:
        self._directory = directory
        self._spec = spec
        self._force = force
        self._tell = tell
        self._progress = progress
        self._accounts = accounts.sample()

    async def run(self) -> Results:
        """Do it all. Raises InputError where files exist already (unless forced) or cannot be written, and
        TargetError where a part does not start or the session breaks off."""
        captures = tuple(self._directory / f"{name}.jsonl" for name in ("session", "honest", "deviating"))
        findings, report = self._directory / "findings.html", self._directory / "report"
        self._make_room(*captures, findings)
        recorded = await self._record(captures[0])
        honest = await self._replay(recorded, captures[1], ())
        deviating = await self._replay(recorded, captures[2], tuple(DEVIATIONS))
        self._tell("Writing what the wrong server did, and the report of what was recorded.")
        self._write_findings(recorded, load(captures[2]), findings)
        written = write_report(report, [recorded], self._spec, force=self._force)
        return Results(
            recorded=len(recorded.exchanges),
            honest=honest,
            deviating=deviating,
            missed=missed(deviating),
            captures=captures,
            findings=findings,
            report=tuple(written),
        )

    def _write_findings(self, recorded: Capture, deviating: Capture, path: Path) -> None:
        """Both sides of all that differs, as one page."""
        html = FORMATS["html"]
        seen = Seen(self._spec, cases=html.cases, sides=html.sides)
        comparison = compare(recorded.exchanges, deviating.exchanges, self._spec, witness=seen)
        context = Context(
            spec=self._spec,
            spec_text=text(None),
            expected=recorded.path,
            actual=deviating.path,
            time=datetime.now(UTC),
            command=("qqlab", "diff", recorded.path, deviating.path),
            sides=seen.sides,
        )
        with replacing(path, mode=0o644) as file:
            file.writelines(piece.encode() for piece in html.render(comparison, context))

    def _make_room(self, *files: Path) -> None:
        if not self._force:
            for path in (*files, self._directory / "report" / "index.html"):
                refuse_existing(path)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(str(self._directory), f"cannot be made a directory: {error.strerror or error}") from error
        for path in files:
            check_writable(path)
            path.unlink(missing_ok=True)

    async def _record(self, path: Path) -> Capture:
        self._tell("Starting the test server, and mitmdump with the addon in front of it.")
        with tempfile.TemporaryDirectory(prefix="qqlab-demo-") as configuration:
            async with (
                child([*QQLAB, "serve", "--listen", f"{LOOPBACK}:0"]) as server,
                child(_mitmdump(server, path, configuration)) as proxy,
            ):
                self._tell(
                    f"Driving a session of {len(STEPS)} requests, every command among them, "
                    f"through the proxy on port {proxy} to the server on port {server}."
                )
                await self._drive(proxy)
        return load(path)

    async def _drive(self, port: int) -> None:
        client = Client([(LOOPBACK, port)])
        try:
            for number, (step, body) in enumerate(bodies(self._spec, self._accounts.password), 1):
                target = "" if step.style == "no target" else "/"
                outcome = await client.send(http1.request(body, f"{LOOPBACK}:{port}", target=target))
                if outcome.reply is None:
                    raise TargetError(f"demo, request {number} ({step.command})", outcome.error or "no reply came")
                self._progress(number, len(STEPS))
        finally:
            await client.close()

    async def _replay(self, recorded: Capture, path: Path, deviations: tuple[str, ...]) -> Comparison:
        kind = f"one that answers wrongly in {len(deviations)} ways" if deviations else "a fresh server"
        self._tell(f"Replaying the recording against {kind}.")
        rules = [part for rule in deviations for part in ("--deviate", rule)]
        done: list[Exchange] = []

        def told(exchange: Exchange) -> None:
            done.append(exchange)
            self._progress(len(done), len(recorded.exchanges))

        async with child([*QQLAB, "serve", "--listen", f"{LOOPBACK}:0", *rules]) as port:
            target = parse_target(f"{LOOPBACK}:{port}")
            replayed = await replay(
                recorded.exchanges, target, spec=self._spec, passwords=self._accounts.password, told=told
            )
        head = capture_header(self._spec, redacted="secrets", note=f"replay of {recorded.name} against {kind}")
        save(path, head, replayed.exchanges, self._spec, force=self._force)
        return compare(recorded.exchanges, replayed.exchanges, self._spec, skipped=replayed.skipped)


def missed(comparison: Comparison) -> tuple[str, ...]:
    """The deviations that no finding of a rule meant for them, on their command, tells of."""
    found = {(finding.command, finding.rule) for finding in comparison.findings}
    return tuple(
        deviation
        for deviation, rules in DEVIATIONS.items()
        if not any((_command(deviation), rule) in found for rule in rules)
    )


def _command(deviation: str) -> str:
    return deviation.partition(":")[2].partition("=")[0].partition(".")[0]


def _mitmdump(server: int, path: Path, configuration: str) -> list[str | Path]:
    """mitmdump with the addon, on a free port, its keys in a folder of their own."""
    return [
        *MITMDUMP,
        *("--mode", f"reverse:http://{LOOPBACK}:{server}", "--listen-host", LOOPBACK, "--listen-port", "0"),
        *("-s", ADDON, "--set", f"qq_capture={path}", "--set", f"qq_note={NOTE}"),
        *("--set", f"confdir={configuration}"),
    ]
