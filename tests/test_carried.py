"""A replay against a server that hands out tokens and pages of its own, and one with other accounts."""

import re
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from conftest import qqlab, served

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture import header, save
from qqlab.exchange import Exchange

SPEC = specs.builtin()
PSEUDONYM = "0123456789abcdef0123456789abcdef"
TOKEN = "0f" * 32


class Handler(BaseHTTPRequestHandler):
    """Logs everyone in, with a token that all else must name; hands out two pages of friends."""

    token = "not yet logged in"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = dict(pair.split("=", 1) for pair in body.split("&"))
        status = "RES=0" if asked["CMD"] == "Login" or asked.get("SID") == Handler.token else "RES=20"
        reply = f"VER=1.1&CMD={asked['CMD']}&SEQ={asked['SEQ']}&UIN={asked['UIN']}&{status}"
        if asked["CMD"] == "Login":
            Handler.token = f"{int(asked['SEQ']):064x}"
            reply += f"&RS=0&HI=60&LI=300&SG={Handler.token}"
        elif status == "RES=0":
            first = asked["UN"] == "0"
            reply += f"&FN={int(not first)}&SN=2&UN="
            reply += f"10008,{asked['UIN']}," if first else "10009,10010,"
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    page = f"VER=1.1&CMD=List&SEQ={{}}&UIN=10001&TN=2&UN={{}}&SID={TOKEN}"
    pairs = [
        (
            f"VER=1.1&CMD=Login&SEQ=1001&UIN=10001&PS={PSEUDONYM}&M5=1&LC=9326B87B234E7235",
            f"VER=1.1&CMD=Login&SEQ=1001&UIN=10001&RES=0&RS=0&HI=60&LI=300&SG={TOKEN}",
        ),
        (page.format(1002, 0), "VER=1.1&CMD=List&SEQ=1002&UIN=10001&RES=0&FN=0&SN=2&UN=10008,10001,"),
        (page.format(1003, 10001), "VER=1.1&CMD=List&SEQ=1003&UIN=10001&RES=0&FN=1&SN=2&UN=10009,10010,"),
    ]
    exchanges = [
        Exchange(
            id=str(number),
            session="h/10001",
            request=http1.request(asked.encode(), "127.0.0.1:8000"),
            reply=http1.reply(said.encode()),
        )
        for number, (asked, said) in enumerate(pairs, 1)
    ]
    path = tmp_path / "recorded.jsonl"
    save(path, header(SPEC, redacted="secrets", created=datetime.now(UTC)), exchanges, SPEC)
    return path


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--map-account", "10001=10002"),
        ("--only", "3"),
        ("--set", "List.X=1", "--set", "List.TN=7"),
        ("--report", "html=report.html", "--force", "--set", "List.TN=7"),
    ],
)
def test_tokens_are_those_of_the_new_login(capture: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    with served(Handler) as target:
        output = tmp_path / "replayed.jsonl"
        done = qqlab("replay", capture, "--target", target, "-o", output, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 different" in done.stdout
    added = "qqlab: --set List.X=1: the spec has no such field there, and it is added"
    assert (added in done.stderr.splitlines()) == ("List.X=1" in options)
    assert Handler.token not in output.read_text("utf-8"), "a token is a secret"


def test_without_them_nothing_is_allowed(capture: Path) -> None:
    with served(Handler) as target:
        done = qqlab("replay", capture, "--target", target, "--no-correlate")
    assert done.returncode == 1
    assert re.search(r"2 different", done.stdout)
