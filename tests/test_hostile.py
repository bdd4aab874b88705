"""Captured text that would act on a terminal, and captured secrets, come out of no command."""

import contextlib
import logging
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qqlab import spec as specs
from qqlab.capture import header, save
from qqlab.cli import app
from qqlab.cli.console import talk
from qqlab.exchange import Exchange, RawMessage
from qqlab.proxy.recorder import Recorder
from qqlab.redact import Redactor

SPEC = specs.builtin()
SECRET = "5f4dcc3b5aa765d61d8327deb882cf99"
EVIL = "\x1b]0;evil\x07\x1b[31m\u202e\u2066\u200b\x9b2J\x08\r\x00[bold]=1+1"
NAME = EVIL.replace("\0", "")  # what can be an argument
ACTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def hostile(number: int, *, reply: str) -> Exchange:
    body = f"VER=1.1{EVIL}&CMD=List&SEQ={EVIL}&UIN=10001{EVIL}&TN={EVIL}&X{EVIL}={EVIL}"
    said = f"VER=1.1&CMD=LIST&SEQ={EVIL}&UIN={EVIL}&RES=0&FN=1&SN=2&UN=1{EVIL},{reply},"
    return Exchange(
        id=f"{NAME}{number}",
        session=EVIL,
        client=f"127.0.0.1:{EVIL}",
        server=EVIL,
        transport=EVIL,
        error=EVIL,
        request=RawMessage(head=f"POST /{EVIL} HTTP/1.1\r\nX{EVIL}: {EVIL}\r\n\r\n".encode(), body=body.encode()),
        reply=RawMessage(head=f"HTTP/1.1 500 {EVIL}\r\n\r\n".encode(), body=said.encode()),
    )


@pytest.fixture
def captures(tmp_path: Path) -> list[str]:
    """Two captures, with names that are hostile as well, that differ in each exchange."""
    paths = []
    for side in ("a", "b"):
        path = tmp_path / f"{side}\x1b[31m\u202e.jsonl"
        exchanges = [hostile(number, reply=f"{side}{EVIL}") for number in range(3)]
        save(path, header(SPEC, redacted="none", note=EVIL), exchanges, SPEC)
        paths.append(str(path))
    return paths


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """Run the command line here, which is faster than in a process of its own; give all that it says, raw."""
    monkeypatch.setattr("qqlab.cli.stdout.prepare", lambda: None)

    def ran(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["qqlab", *arguments])
        with contextlib.suppress(SystemExit):
            app.main()
        said = capsys.readouterr()
        return said.out + said.err

    yield ran
    talk.quiet = talk.verbose = False


def acting(text: str) -> list[str]:
    """The characters in it that act on a terminal, but for line ends."""
    return [character for character in text if character != "\n" and unicodedata.category(character) in ACTING]


@pytest.mark.parametrize(
    "command",
    [
        ("show", "{a}"),
        ("show", "{a}", "{id}"),
        ("show", "{a}", "no such id \x1b[31m"),
        ("show", "{a}", "--json"),
        ("diff", "{a}", "{b}"),
        ("diff", "{a}", "{b}", "--equivalent"),
        ("diff", "{a}", "{b}", "--json"),
        ("-v", "replay", "{a}", "--target", "127.0.0.1:9"),
        ("redact", "{a}", "--policy", "all", "-o", "{out}"),
        ("export", "{a}", "--format", "csv", "-o", "{out}"),
        ("import", "{a}", "-o", "{out}"),
        ("report", "{a}", "-o", "{out}"),
        ("verify", "{a}", "{b}"),
        ("verify", "{a}", "--json"),
    ],
    ids=" ".join,
)
def test_nothing_that_acts_on_a_terminal_comes_out(
    captures: list[str], tmp_path: Path, command: tuple[str, ...], run: Callable[..., str]
) -> None:
    given = {"a": captures[0], "b": captures[1], "id": f"{NAME}1", "out": str(tmp_path / "o\x1b[1m")}
    said = run(*(part.format(**given) for part in command))
    assert "Traceback" not in said
    assert said != ""
    assert acting(said) == []


def test_a_report_and_a_table_hold_nothing_that_acts(
    captures: list[str], tmp_path: Path, run: Callable[..., str]
) -> None:
    run("report", captures[0], "-o", str(tmp_path / "report"))
    run("export", captures[0], "--format", "csv", "-o", str(tmp_path / "table.csv"))
    files = [*(tmp_path / "report").iterdir(), tmp_path / "table.csv"]
    assert len(files) == 4
    for path in files:
        assert acting(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")) == [], path.name


def test_a_bug_quotes_neither_secrets_nor_what_acts(monkeypatch: pytest.MonkeyPatch, run: Callable[..., str]) -> None:
    def broken() -> None:
        raise RuntimeError(f"cannot read CMD=Login&PS={SECRET}&X={EVIL}")

    monkeypatch.setattr(app, "_run", broken)
    said = run()
    assert "cannot read CMD=Login&PS=" in said
    assert SECRET not in said
    assert acting(said) == []


def test_what_mitmproxy_logs_of_a_connection_has_no_secret() -> None:
    said = f"odd line: b'POST /?PS={SECRET}'"
    record = logging.LogRecord("mitmproxy.proxy.server", logging.INFO, "", 0, "Client: %s", (said,), None)
    assert Recorder()._refused(record)
    assert record.getMessage().startswith("Client: odd line: b'POST /?PS=")
    assert SECRET not in record.getMessage()


@pytest.mark.parametrize(
    "text",
    [
        f"GET /?CMD=Login&PS={SECRET} failed",
        f"b'Authorization: Basic {SECRET}\\r\\n'",
        f"{{'Cookie': 'sid={SECRET}'}}",
        f"http://me:{SECRET}@example.org/ cannot be reached",
    ],
)
def test_text_that_quotes_a_message_loses_its_secrets(text: str) -> None:
    assert SECRET not in Redactor(SPEC).text(text)


def test_text_that_quotes_a_known_secret_loses_it() -> None:
    redactor = Redactor(SPEC)
    redactor.exchange(Exchange(id="1", session="", request=RawMessage(body=f"CMD=Login&PS={SECRET}".encode())))
    assert redactor.text(f"it was {SECRET.upper()}") == f"it was {redactor.pseudonym(SECRET.upper())}"
    assert redactor.text("nothing of it @ home") == "nothing of it @ home"


def test_a_transcript_that_is_none_is_not_quoted(tmp_path: Path, run: Callable[..., str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(f"> CMD=Login&PS=abc\nPS={SECRET}\n")
    said = run("import", str(path), "--format", "transcripts", "-o", str(tmp_path / "out.jsonl"))
    assert (f"{path}:2" in said, SECRET[:8] in said) == (True, False)
