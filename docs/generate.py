"""Writes the reference in this folder from the code: `make docs`; the guide `replay.md` alone is written by hand.

Law: all that is written here comes out of docstrings, tables and help texts, so that it cannot say other than the code
does; `tests/test_docs.py` holds the committed files to what this makes now.
"""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from qqlab import failures, sheet
from qqlab.capture import (
    PROMISES,
    Header,
    Record,
    Storage,
    columns,
    dataset,
    following,
    frame,
    manifest,
    places,
    where,
)
from qqlab.capture import file as capture_file
from qqlab.codec import CATALOGUE, Note
from qqlab.diff import RULES, accepting, noise, rules
from qqlab.errors import ExitCode
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.findings import FORMATS, document
from qqlab.formats import csv, flows, har, mark, pcap, transcripts
from qqlab.infer import conclude as infer_conclude
from qqlab.infer import effects as infer_effects
from qqlab.infer import outcome as infer_outcome
from qqlab.infer import presence as infer_presence
from qqlab.infer import roles as infer_roles
from qqlab.infer import score as infer_score
from qqlab.infer import separator as infer_separator
from qqlab.infer import support as infer_support
from qqlab.infer import tables as infer_tables
from qqlab.infer import tally as infer_tally
from qqlab.infer import update as infer_update
from qqlab.infer import values as infer_values
from qqlab.infer.score import UNTOLD
from qqlab.net import apart, cluster, http, kept, pace, running, workers
from qqlab.net import lines as net_lines
from qqlab.profile import histogram, verdict
from qqlab.proxy import choice
from qqlab.proxy import commands as typed
from qqlab.proxy.alone import HARMLESS
from qqlab.proxy.script import OPTIONS
from qqlab.publish import EXPORTS, markdown
from qqlab.publish.markdown import table
from qqlab.replay import (
    Lane,
    Link,
    changes,
    correlate,
    dryrun,
    effects,
    journal,
    lanes,
    order,
    rewrite,
    schedule,
    selection,
)
from qqlab.report import changes as report_changes
from qqlab.report import findings as report_findings
from qqlab.report import model as report_model
from qqlab.report import older
from qqlab.report.build import disputes, invariants
from qqlab.report.model import Part
from qqlab.spec import builtin, languages, model
from qqlab.testserver import deviate
from qqlab.verify import RULES as VERIFICATION

HERE = Path(__file__).parent


def commands() -> str:
    """The command line, as its help texts have it."""
    made = subprocess.run(
        [sys.executable, "-m", "typer", "qqlab.cli.app", "utils", "docs", "--name", "qqlab"],
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE.parent,
        env={"PYTHONPATH": str(HERE.parent), "COLUMNS": "120", "PATH": ""},
    ).stdout
    codes = table(("code", "meaning"), ((str(code.value), _EXITS[code]) for code in ExitCode))
    addon = table(("option", "type", "what"), ((f"`{name}`", kind.__name__, text) for name, kind, _, text in OPTIONS))
    return (
        _fenced(made.rstrip())
        + "\n\n## Exit codes\n\n"
        + codes
        + "\n\n## Options of the mitmproxy addon\n\n"
        + "Given as `--set NAME=VALUE` to mitmdump, mitmproxy or mitmweb.\n\n"
        + addon
        + "\n\n## When the mitmproxy addon relays bytes\n\n"
        + (inspect.getdoc(choice) or "")
        + f"\n\nOptions of mitmproxy that may be set all the same: {', '.join(sorted(HARMLESS))}."
        + "\n\n## Commands of the mitmproxy addon\n\n"
        + "Typed behind `:` in mitmproxy, or into mitmweb's command bar. FLOWS is `@focus`, `@all` or a filter.\n\n"
        + table(("command", "what"), ((f"`{command}`", text) for command, text in typed.table()))
        + "\n\n## Editing in the view QQ\n\n"
        + (inspect.getdoc(sheet) or "")
        + "\n"
    )


def _fenced(text: str) -> str:
    """Paragraphs whose line ends a help text keeps (they begin with a backspace) as code."""
    kept = re.compile(r"(?:\x08|\\b)\n([^\n]*:)\n((?:[^\n]+\n)+)")
    return kept.sub(lambda match: f"{match[1]}\n\n```\n{inspect.cleandoc(match[2])}\n```\n", text + "\n").rstrip()


_EXITS = {
    ExitCode.OK: "fine; no differences",
    ExitCode.DIFFERENCES: "differences were found",
    ExitCode.USAGE: "the command line makes no sense",
    ExitCode.UNREADABLE: "a file cannot be read or written",
    ExitCode.TARGET: "a server cannot be reached, or an address cannot be listened on",
    ExitCode.REFUSED: "refused by a safety rule",
    ExitCode.BUG: "a bug in qqlab, with a traceback",
    ExitCode.INTERRUPTED: "interrupted",
}


def codes() -> str:
    """Notes, rules of the comparison, and deviations of the test server."""
    head = ("code", "severity", "meaning")
    notes = table(head, ((f"`{code}`", severity, text) for code, (severity, text) in CATALOGUE.items()))
    rules = table(
        ("rule", "severity", "meaning", "why"),
        ((f"`{name}`", rule.severity, rule.text, rule.reason) for name, rule in RULES.items()),
    )
    wrong = table(
        ("rule", "severity", "meaning"),
        ((f"`{rule}`", severity, text) for rule, (severity, text) in VERIFICATION.items()),
    )
    return (
        "# Codes\n\n## Notes\n\nWhat can be odd about traffic. `echo` stands for `echo.seq`, `echo.uin` and so on.\n\n"
        f"{notes}\n\n"
        "## Rules of the comparison\n\nSeverity `info` means that both sides mean the same.\n\n"
        f"{rules}\n\n"
        "## Rules of the verification\n\nWhat `qqlab verify` finds; an `error` makes it fail.\n\n"
        f"{wrong}\n\n"
        "## Deviations of the test server\n\nFor `qqlab serve --deviate RULE`; COMMAND may be `*`.\n\n"
        f"```\n{deviate.table()}\n```\n"
    )


def findings() -> str:
    """How a comparison tells what it found."""
    formats = table(("format", "for", "use"), ((f"`{name}`", one.about, one.use) for name, one in FORMATS.items()))
    keys, fields = (
        table(("key", "what"), ((f"`{name}`", text) for name, text in told.items()))
        for told in (document.KEYS, document.FINDING)
    )
    return (
        "# Findings\n\nHow `qqlab diff` and `qqlab replay` tell what they found: `--report FORMAT=FILE`, as often as "
        "needed; FILE may be `-`.\nWhat cannot be written is said before anything is sent, and no file is replaced "
        "without `--force`.\n\n"
        f"{formats}\n\n"
        "SARIF and the annotations of GitHub point at a line of the spec file, which code scanning shows only where "
        "that file is in the repository that is scanned. Keep one there and name it by its path from the root of the "
        "repository (a copy of `qqlab/spec/httpqq.toml` to begin with):\n\n```sh\nqqlab replay recorded.jsonl "
        "--target 127.0.0.1:8001 --spec protocol.toml --report sarif=findings.sarif\n```\n\n"
        "The exit code is 1 where a finding is as severe as `--fail-on` says (`warning` without it), 3 where nothing "
        "could be compared.\n\n"
        f"## The JSON document\n\n{keys}\n\n"
        f"## A finding\n\n{fields}\n\n"
        f"## What is ignored\n\n{inspect.getdoc(rules)}\n\n```toml\n{rules.dump(_EXAMPLE)}```\n\n"
        f"{_described(rules.IgnoreRule)}\n\n"
        f"## What differs by itself\n\n{inspect.getdoc(noise)}\n\n"
        f"## A new baseline\n\n{inspect.getdoc(accepting)}\n"
    )


_EXAMPLE = [
    rules.IgnoreRule(
        name="the polling interval is configured",
        command="Login",
        direction="reply",
        field="HI",
        rule="value",
        reason="Ours polls every two minutes.",
        expires=date(2027, 6, 30),
    ),
    rules.IgnoreRule(name="messages of the tester", account="10006", rule="row.*", reason="He writes to himself."),
]


def captures() -> str:
    """The capture file and the frame."""
    parts = [
        ("The file", inspect.getdoc(capture_file) or ""),
        ("The header line", _described(Header)),
        ("A line", _described(Exchange)),
        (
            "A message in a line",
            (inspect.getdoc(RawMessage) or "")
            + "\n\nIn the file a head or body that is UTF-8 stands as text under `head` or `body`, any other as base64 "
            "under `head_base64` or `body_base64`.",
        ),
        ("A body that was cut", _described(Cut)),
        ("The `decoded` part", _described(Record)),
        ("A note", _described(Note)),
        ("A dataset", _dataset()),
        ("Frames for pandas", inspect.getdoc(frame) or ""),
        ("Conditions", _conditions()),
        ("A capture that grows", inspect.getdoc(following) or ""),
    ]
    promises = "\n".join(f"* `{sync}`: {text}." for sync, text in PROMISES.items())
    parts.insert(1, ("How a recording is kept", f"{_described(Storage)}\n\nWhat `sync` promises:\n\n{promises}"))
    return "# Captures\n\n" + "\n\n".join(f"## {title}\n\n{text}" for title, text in parts) + "\n"


def _dataset() -> str:
    """The form in columns."""
    kinds = "\n\n".join(
        _described(kind) for kind in (manifest.Manifest, manifest.Segment, manifest.Block, manifest.File)
    )
    return (
        f"For `qqlab export --format parquet`.\n\n{inspect.getdoc(dataset)}\n\n{inspect.getdoc(columns)}\n\n"
        f"The list, `{manifest.NAME}`:\n\n{kinds}\n\n{inspect.getdoc(places)}"
    )


def _conditions() -> str:
    """The language of `--where`."""
    names = table(("name", "what"), ((f"`{name}`", one.about) for name, one in where.NAMES.items()))
    functions = table(
        ("function", "what"), ((f"`{name}(…)`", about) for name, (_, about, _) in where.FUNCTIONS.items())
    )
    return f"For `qqlab show --where`.\n\n{inspect.getdoc(where)}\n\n{names}\n\n{functions}"


def other_formats() -> str:
    """What each of the other formats carries."""
    modules = (
        ("mitmproxy flows", flows),
        ("HAR", har),
        ("pcap and pcapng", pcap),
        ("Transcripts", transcripts),
        ("CSV", csv),
        ("The mark", mark),
    )
    parts = "\n\n".join(f"## {title}\n\n{inspect.getdoc(module)}" for title, module in modules)
    return (
        "# Other people's formats\n\nFor `qqlab import` and `qqlab export`. The format of what is imported is told "
        "from its content, not from its name.\n\n" + parts + "\n"
    )


def replaying() -> str:
    """How a replay is planned and run."""
    modules = (
        ("Lanes", lanes),
        ("Order between lanes", order),
        ("What is changed", rewrite),
        ("`--set`, `--map-account`", changes),
        ("What replies give to later requests", correlate),
        ("When requests are due", schedule),
        ("`--only`", selection),
        ("What may be sent to whom", effects),
    )
    parts = "\n\n".join(f"## {title}\n\n{(inspect.getdoc(module) or '').strip()}" for title, module in modules)
    kinds = table(("kind", "what"), ((f"`{kind}`", text) for kind, text in dryrun.KINDS.items()))
    tables = (dryrun.Outline, dryrun.Asked, dryrun.Rewritten, rewrite.Example, dryrun.Left, dryrun.More, Lane, Link)
    document = "\n\n".join(f"### {table.__name__}\n\n{_described(table)}" for table in tables)
    return (
        "# Replays: the reference\n\nThe exact rules; [the guide](replay.md) says how to go about it.\n\n"
        "# How a replay is planned\n\nAll of this is decided before the first byte is sent; `qqlab replay --dry-run` "
        "shows it, with `--json` as a document.\n\n"
        f"{parts}\n\n## The document\n\n{document}\n\n### Kinds of changes\n\n{kinds}\n\n"
        f"{_running()}\n"
    )


def _running() -> str:
    """How a replay is run."""
    modules = (
        ("Lanes under way", running),
        ("Connections", http),
        ("Lines", net_lines),
        ("Pace", pace),
        ("What is kept, and `--resume`", kept),
        ("The journal", journal),
        ("`--workers`", workers),
        ("Lanes read and planned apart", apart),
        ("`--cluster`", cluster),
    )
    parts = "\n\n".join(f"## {title}\n\n{(inspect.getdoc(module) or '').strip()}" for title, module in modules)
    rows = table(
        ("name", "what is said", "what it means"),
        ((f"`{code}`", failure.sentence, failure.meaning) for code, failure in failures.FAILURES.items()),
    )
    return (
        f"# How a replay is run\n\n{parts}\n\n## Bad targets\n\nWhat a target does becomes the `error` of an exchange, "
        "and the finding `target.NAME`; the other lanes go on.\n\n"
        f"{rows}"
    )


def report() -> str:
    """What `report.json` holds."""
    tables = [kind for kind in vars(report_model).values() if isinstance(kind, type) and issubclass(kind, Part)]
    tables.remove(Part)
    tables.sort(key=lambda kind: kind is not report_model.Report)
    parts = "\n\n".join(f"### {table.__name__}\n\n{_described(table)}" for table in tables)
    return (
        "# Reports\n\nWhat `qqlab report` writes for programs: `report.json`, which `qqlab report --json` prints. "
        f"`qqlab_report` is {report_model.FORMAT}: names and meanings stay while that number does; new keys may come. "
        "[The JSON Schema](report.schema.json) holds a whole report, and a test holds the committed ones to it.\n\n"
        "```sh\nqqlab report captures/demo.jsonl --json | jq '.top[] | .title + \": \" + .text'\n"
        "qqlab report tuesday.jsonl --against monday.jsonl --json | jq '.changes'\n```\n\n"
        "Times are RFC 3339, durations seconds. Secret and personal values are null, or `••••` in the raw text of an "
        "example.\n\n"
        f"## Verdicts\n\n{_law(verdict)}\n\n"
        f"## What matters most\n\n{_law(report_findings)}\n\n"
        f"## What traffic says for a side of a dispute\n\n{_law(disputes)}\n\n"
        f"## Changes (`--against`)\n\n{_law(report_changes)}\n\n{_law(older)}\n\n"
        f"## Rules that hold, or not\n\n{_law(invariants)}\n\n"
        f"## Durations\n\n{_law(histogram)}\n\n"
        f"## The document\n\n{parts}\n"
    )


def _law(module: ModuleType) -> str:
    """A module's docstring."""
    return (inspect.getdoc(module) or "").strip()


def report_schema() -> str:
    """The JSON Schema of `report.json`."""
    made = msgspec.json.schema(report_model.Report)
    for shape in made["$defs"].values():
        # Python keeps the indentation of docstrings up to 3.12.
        if "description" in shape:
            shape["description"] = inspect.cleandoc(shape["description"])
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"qqlab report, format {report_model.FORMAT}",
    }
    made["$defs"]["Report"]["properties"]["qqlab_report"] = {"const": report_model.FORMAT}
    return json.dumps(head | made, indent=1, ensure_ascii=False) + "\n"


def _translation() -> str:
    about, _, law = inspect.cleandoc(languages.__doc__ or "").partition("\n\nLaw: ")
    return f"{about}\n\n```toml\n{_OVERLAY}```\n\nA{law.removeprefix('a')}"


_OVERLAY = """\
format = 1
title = "HTTP QQ 1.0、1.1 与 1.4"

[codes.presence]
doc = "用户的在线状态（ST）。"
values.30.readings = [{ meaning = "忙碌" }, { meaning = "离开" }]

[commands.Login]
doc = "登录。"
reply.RS.doc = "登录是否成功。"
"""


def spec() -> str:
    """What may stand in a spec file."""
    tables: list[type[msgspec.Struct]] = [
        model.Spec, model.Source, model.Version, model.Roles, model.Wire, model.Fact, model.Common, model.Command,
        model.Field, model.Case, model.Rows, model.Paging, model.State, model.CodeTable, model.CodeValue, model.Reading,
    ]  # fmt: skip
    parts = "\n\n".join(f"## {table.__name__}\n\n{_described(table)}" for table in tables)
    exports = table(
        ("`--format`", "what is written"), ((f"`{name}`", one.about) for name, one in sorted(EXPORTS.items()))
    )
    return (
        "# Spec files\n\nA spec is one TOML file; the built-in one is `qqlab/spec/httpqq.toml`. "
        "`qqlab spec check FILE` names every mistake in yours, and each command takes it with `--spec FILE`. "
        "Every `source` names entries of `[sources]`.\n\n"
        + parts
        + f"\n\n## In another language\n\n{_translation()}"
        + f"\n\n## For other tools\n\n`qqlab spec export` writes any spec for them. {_EXPORTED}\n\n{exports}\n"
    )


def inferring() -> str:
    """How a spec is learned from traffic, and how well."""
    told = (
        ("The roles of fields", infer_roles),
        ("Lists", infer_separator),
        ("Values", infer_values),
        ("Presence", infer_presence),
        ("Rows", infer_tables),
        ("Success and failure", infer_outcome),
        ("Effects and pages", infer_effects),
        ("How much is enough", infer_support),
        ("What is quoted", infer_conclude),
        ("What is held in memory", infer_tally),
        ("How well it does", infer_score),
    )
    parts = "\n\n".join(f"## {title}\n\n{_law(module)}" for title, module in told)
    untold = table(("what counts neither way", "why"), UNTOLD.items())
    return (
        "# From traffic to a spec\n\n`qqlab spec infer CAPTURE... -o my.toml` writes a spec from traffic alone. Every "
        "claim has its evidence beside it: how many messages, the first exchanges, what could still hide. Meanings "
        "are for you to write: the names of codes, what fields are for, which text is personal.\n\n"
        "```sh\nqqlab spec infer monday.jsonl tuesday.jsonl -o my.toml\nqqlab spec check my.toml\n"
        "qqlab report monday.jsonl --spec my.toml -o report\n```\n\n"
        "It wants variety rather than length: several accounts, refusals as well as successes, the same asked twice, "
        "lists of several lengths, more than one server. A few exchanges of each command give types, lists and order; "
        "some dozens give what must be there, codes and secrets.\n\n"
        f"{parts}\n\n{untold}\n\n"
        "`--score SPEC` says all this of your traffic and a spec that you trust: recall, precision, each claim that is "
        "missed or false, and what counts neither way.\n\n"
        f"## A spec brought up to date\n\n{_law(infer_update)}\n\n"
        "```sh\nqqlab spec update my.toml monday.jsonl > my.patch\npatch my.toml < my.patch\n```\n"
    )


def protocol() -> str:
    """The built-in spec as the page that `qqlab spec export --format markdown` makes of any."""
    return markdown.protocol(builtin())


def _described(kind: type[msgspec.Struct]) -> str:
    rows = []
    for field in msgspec.structs.fields(kind):
        default = "required" if field.required else "" if field.default in (None, msgspec.NODEFAULT) else field.default
        shown = default if default in ("", "required") else f"`{default!r}`"
        rows.append((f"`{field.encode_name}`", _type(field.type), shown))
    return f"{inspect.getdoc(kind)}\n\n" + table(("key", "type", "default"), rows)


_EXPORTED = (
    "What OpenAPI cannot say stands in it under `x-qqlab-…`. The dissector says at its head how it is loaded and which "
    "fields it has. The built-in spec as Markdown is [protocol.md](protocol.md)."
)

_NAMES = {str: "text", int: "integer", float: "number", bool: "true or false", datetime: "time", type(None): "null"}


def _type(kind: Any) -> str:
    """A type in the words of TOML and JSON."""
    if isinstance(kind, TypeVar):
        return _type(kind.__bound__)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if origin is list:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return f"table of {_type(inner[1])}"
    if origin is Literal:
        return " or ".join(f"`{value!r}`" for value in inner)
    if origin in (Union, UnionType):
        return " or ".join(map(_type, inner))
    return _NAMES.get(kind) or str(kind.__name__)


FILES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "codes.md": codes,
    "findings.md": findings,
    "captures.md": captures,
    "formats.md": other_formats,
    "replay-reference.md": replaying,
    "report.md": report,
    "report.schema.json": report_schema,
    "spec.md": spec,
    "infer.md": inferring,
    "protocol.md": protocol,
}

if __name__ == "__main__":
    for name, make in FILES.items():
        (HERE / name).write_text(make(), encoding="utf-8")
        print(HERE.name + "/" + name)
