"""Where findings go: several reports from one comparison, what is refused before the work begins, and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import free_port
from typer.testing import CliRunner, Result

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture import header, load, save
from qqlab.cli.app import app
from qqlab.diff import Comparison
from qqlab.errors import InputError, QqlabError, UsageError
from qqlab.exchange import Exchange
from qqlab.findings import FORMATS, Context

SPEC = specs.builtin()

Written = Callable[..., Path]

LOGIN = "VER=1.1&CMD=Login&SEQ=7&UIN=10001&PS=aaaa&M5=1&LC=9326B87B234E7235"
IN = "VER=1.1&CMD=Login&SEQ=7&UIN=10001&RES=0&RS=0&HI=60&LI=300"
INFO = "VER=1.1&CMD=GetInfo&SEQ=8&UIN=10001&LV=1&UN=10002"
PROFILE = "VER=1.1&CMD=GETINFO&SEQ=8&UIN=10001&RES=0&LV=1&UN=10002&NK=小雨"


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(name: str, *pairs: tuple[str, str]) -> Path:
        exchanges = [
            Exchange(
                id=str(number),
                session="127.0.0.1/10001",
                request=http1.request(request.encode(), "127.0.0.1:8000"),
                reply=http1.reply(reply.encode()),
            )
            for number, (request, reply) in enumerate(pairs, 1)
        ]
        save(tmp_path / name, header(SPEC, redacted="secrets"), exchanges, SPEC)
        return tmp_path / name

    return write


@pytest.fixture
def recorded(written: Written) -> Path:
    return written("recorded.jsonl", (LOGIN, IN), (INFO, PROFILE))


@pytest.fixture
def wrong(written: Written) -> Path:
    return written("wrong.jsonl", (LOGIN, IN + "&XX=1"), (INFO, PROFILE.replace("&NK=小雨", "")))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def refused(result: Result) -> QqlabError:
    assert isinstance(result.exception, QqlabError), result.output
    assert len(str(result.exception).splitlines()) == 1
    return result.exception


def test_one_comparison_is_told_in_all_formats_at_once(recorded: Path, wrong: Path, tmp_path: Path) -> None:
    reports = [part for name in FORMATS for part in ("--report", f"{name}={tmp_path / f'report.{name}'}")]
    done = run("diff", recorded, wrong, *reports)
    assert done.exit_code == 1
    assert done.stdout.startswith("error    GetInfo's reply lacks NK (nickname)  [field.missing]\n")
    assert done.stderr.splitlines() == [f"qqlab: wrote {tmp_path / f'report.{name}'}" for name in FORMATS]
    texts = {name: (tmp_path / f"report.{name}").read_text("utf-8") for name in FORMATS}
    assert all("GetInfo" in text for text in texts.values())
    assert {(tmp_path / f"report.{name}").stat().st_mode & 0o777 for name in FORMATS} == {0o644}
    suites = ElementTree.fromstring(texts["junit"])
    assert [(suite.attrib["name"], suite.attrib["failures"]) for suite in suites] == [("Login", "1"), ("GetInfo", "1")]
    ids = {finding["id"] for finding in json.loads(texts["json"])["findings"]}
    assert len(ids) == 2
    for finding in ids:
        assert finding in texts["sarif"]
        assert f'id="f-{finding}"' in texts["html"]


def test_what_goes_to_standard_output_is_alone_there(recorded: Path, wrong: Path) -> None:
    done = run("diff", recorded, wrong, "--json")
    assert (done.exit_code, json.loads(done.stdout)["summary"]["causes"], done.stderr) == (1, 2, "")
    assert run("diff", recorded, wrong, "--report", "json=-").stdout.splitlines()[1:4] == done.stdout.splitlines()[1:4]
    assert run("diff", recorded, wrong, "--report", "github=-").stdout.startswith("::error file=qqlab/spec/httpqq.toml")


BAD = [
    (["--report", "page.html"], UsageError, "is no FORMAT=FILE (for example --report html=differences.html)"),
    (["--report", "html="], UsageError, "is no FORMAT=FILE"),
    (["--report", "pdf=x.pdf"], UsageError, "unknown format pdf (known: text, json, ndjson, junit, sarif, "),
    (["--report", "json=-", "--report", "text=-"], UsageError, "two of them go to standard output"),
    (["--report", "text=-", "--json"], UsageError, "two of them go to standard output"),
    (["--report", "text=TMP/x", "--report", "json=TMP/./x"], UsageError, "two of them go to "),
    (["--report", "text=TMP/nowhere/x"], InputError, "its directory does not exist"),
    (["--report", "text=TMP"], InputError, "is a directory"),
    (["--report", "text=TMP/there.txt"], InputError, "exists already"),
    (["--report", "text=TMP/recorded.jsonl", "--force"], UsageError, "is a file of this command"),
]


@pytest.mark.parametrize(("options", "kind", "what"), BAD)
@pytest.mark.parametrize("command", ["diff", "replay"])
def test_what_cannot_be_is_said_before_anything_is_done(
    command: str, options: list[str], kind: type[QqlabError], what: str, recorded: Path, wrong: Path, tmp_path: Path
) -> None:
    given = [option.replace("TMP", str(tmp_path)) for option in options]
    # Nobody listens there, so whatever was sent would be an error of another kind.
    where: list[str | Path] = [wrong] if command == "diff" else ["--target", f"127.0.0.1:{free_port()}"]
    (tmp_path / "there.txt").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    error = refused(run(command, recorded, *where, *given))
    assert (type(error), what in str(error)) == (kind, True), error
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_no_report_replaces_what_a_replay_keeps(recorded: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    done = run("replay", recorded, "--target", f"127.0.0.1:{free_port()}", "-o", kept, "--report", f"json={kept}")
    assert "is a file of this command" in str(refused(done))


@pytest.mark.parametrize(
    "options",
    [
        ["-o", "TMP/recorded.jsonl"],
        ["-o", "TMP/recorded.jsonl", "--resume"],
        ["-o", "TMP/linked.jsonl"],
        ["-o", "TMP/recorded.0001.jsonl"],
        ["-o", "TMP/accounts.toml", "--accounts", "TMP/accounts.toml"],
        ["--control", "1", "--save-rules", "TMP/recorded.jsonl"],
        ["--control", "1", "--save-rules", "TMP/kept.jsonl", "-o", "TMP/kept.jsonl"],
    ],
)
def test_nothing_replaces_what_a_replay_reads_not_even_by_force(
    options: list[str], recorded: Path, tmp_path: Path
) -> None:
    (tmp_path / "linked.jsonl").hardlink_to(recorded)
    for other in ("accounts.toml", "recorded.0001.jsonl"):
        (tmp_path / other).write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    given = [option.replace("TMP", str(tmp_path)) for option in options]
    error = refused(run("replay", recorded, "--target", f"127.0.0.1:{free_port()}", "--force", *given))
    assert (type(error), "is a file of this command (name another)" in str(error)) == (UsageError, True), error
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_report_that_exists_is_replaced_only_with_force(recorded: Path, wrong: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.html"
    old.write_text("mine")
    assert "exists already" in str(refused(run("diff", recorded, wrong, "--report", f"html={old}")))
    assert old.read_text() == "mine"
    assert run("diff", recorded, wrong, "--report", f"html={old}", "--force").exit_code == 1
    assert old.read_text("utf-8").startswith("<!doctype html>")


def test_a_report_that_fails_keeps_no_other_from_being_written(
    recorded: Path, wrong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(comparison: Comparison, context: Context) -> list[str]:
        raise InputError("disk", "is full")

    monkeypatch.setitem(FORMATS, "text", FORMATS["text"]._replace(render=full))
    other = tmp_path / "other.json"
    failing = f"text={tmp_path / 'a.txt'}"
    done = run("diff", recorded, wrong, "--report", failing, "--report", f"json={other}")
    assert str(refused(done)) == "disk: is full"
    assert json.loads(other.read_text("utf-8"))["qqlab_diff"] == 2
    assert not (tmp_path / "a.txt").exists()


@pytest.mark.parametrize(
    ("reply", "codes"),
    [
        (IN, (0, 0, 0)),
        (IN + "&", (0, 0, 1)),
        (IN + "&XX=1", (0, 1, 1)),
        (IN.replace("HI=60", "HI=61"), (1, 1, 1)),
    ],
)
def test_the_exit_code_is_of_the_severity_that_is_asked_for(
    written: Written, reply: str, codes: tuple[int, int, int]
) -> None:
    left, right = written("left.jsonl", (LOGIN, IN)), written("right.jsonl", (LOGIN, reply))
    asked = [run("diff", left, right, "--fail-on", one).exit_code for one in ("error", "warning", "info")]
    assert tuple(asked) == codes
    assert run("diff", left, right).exit_code == codes[1]


def test_nothing_compared_is_told_and_is_an_error(recorded: Path, written: Written, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = run("diff", recorded, written("empty.jsonl"), "--report", f"json={report}")
    assert "nothing was compared" in str(refused(done))
    assert json.loads(report.read_text("utf-8"))["summary"]["compared"] == 0


def test_the_line_that_shows_a_finding_again_does(recorded: Path, wrong: Path) -> None:
    (line,) = [line for line in run("diff", recorded, wrong).stdout.splitlines() if line.endswith("--only 2")]
    again = run(*line.split()[1:])
    assert again.exit_code == 1
    assert again.stdout.splitlines()[-2:] == [
        "compared 1 of 1 exchange: 0 equal, 0 equivalent, 1 different",
        "found 1 difference (1 error)",
    ]
    assert "no exchange 9" in str(refused(run("diff", recorded, wrong, "--only", "1", "--only", "9")))


def test_another_spec_is_named_where_it_is(recorded: Path, wrong: Path, tmp_path: Path) -> None:
    mine = tmp_path / "my spec.toml"
    mine.write_text("\n" + specs.text(None), encoding="utf-8")
    done = run("diff", recorded, wrong, "--spec", mine, "--json")
    document = json.loads(done.stdout)
    assert document["spec"] == str(mine)
    missing = next(finding for finding in document["findings"] if finding["rule"] == "field.missing")
    assert mine.read_text("utf-8").splitlines()[missing["spec_line"] - 1] == 'name = "NK"'
    assert missing["reproduce"].endswith(f" --spec '{mine}' --only 2")
    assert len(load(recorded).exchanges) == 2


def test_one_side_may_come_through_a_pipe(recorded: Path, wrong: Path) -> None:
    done = CliRunner().invoke(app, ["diff", str(recorded), "-"], input=wrong.read_bytes())
    assert done.exit_code == 1
    assert "--only" not in done.stdout
    assert "standard input is one capture, not two" in str(refused(run("diff", "-", "-")))


def test_what_rules_suppress_is_counted_and_listed_where_asked_for(recorded: Path, wrong: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'qqlab_rules = 1\n[[ignore]]\nname = "ours"\nreason = "we add it"\nfield = "XX"\n'
        '[[ignore]]\nname = "old"\nreason = "was so once"\nfield = "YY"\n'
    )
    done = run("diff", recorded, wrong, "--rules", rules)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-3:] == [
        "found 1 difference (1 error)",
        "suppressed: 1 by ours (we add it)",
        "rules that matched nothing: old",
    ]
    assert f"--rules {rules} --only 2" in done.stdout
    assert "XX" not in done.stdout
    listed = run("diff", recorded, wrong, "--rules", rules, "--show-suppressed").stdout
    assert "ignored  ours: we add it\n         exchange 1  Login's reply has a field too many: XX" in listed
    document = json.loads(run("diff", recorded, wrong, "--rules", rules, "--show-suppressed", "--json").stdout)
    assert [(one["by"], one["finding"]["field"]) for one in document["suppressed"]] == [("ours", "XX")]


def test_a_rule_for_a_command_of_nobody_is_told_of(recorded: Path, wrong: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('qqlab_rules = 1\n[[ignore]]\nreason = "x"\ncommand = "GetInf"\n')
    done = run("diff", recorded, wrong, "--rules", rules)
    assert done.stderr == "qqlab: rule 1: the spec has no command GetInf\n"


def test_the_rules_of_the_help_are_good(recorded: Path, wrong: Path, tmp_path: Path) -> None:
    said = run("diff", "--help").stdout
    example = [line for line in said.splitlines() if line.startswith("    ") and (" = " in line or "[[" in line)]
    rules = tmp_path / "rules.toml"
    rules.write_text("\n".join(line.strip() for line in example[:5]))
    done = run("diff", recorded, wrong, "--rules", rules)
    assert (done.exit_code, done.stderr, len(example[:5])) == (1, "", 5)
