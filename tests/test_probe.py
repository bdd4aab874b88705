"""What a probe varies, how it keeps its session, and `qqlab probe` against the test server."""

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import Process, free_port, qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.capture import load
from qqlab.cli.app import app
from qqlab.errors import QqlabError, UsageError
from qqlab.replay.compose import Draft, Given, Ways, compose
from qqlab.replay.probe import KINDS, Kind, parse_vary, variations

SPEC = specs.builtin()
FAR = ["--target", "192.0.2.1:1", "--allow-host", "192.0.2.1"]


def draft(command: str = "List", *texts: str) -> Draft:
    given = [Given(name, value) for name, _, value in (text.partition("=") for text in texts)]
    return compose(command, given, SPEC, Ways("1001", lambda _: "mima"))


FRIENDS = draft("List", "UIN=1", "TN=9", "UN=a")


def made(*kinds: Kind, vary: dict[str, list[str]] | None = None, only: tuple[str, ...] = ()) -> dict[str, str]:
    planned = variations(FRIENDS, SPEC, kinds=kinds, vary=vary or {}, fields=only)
    return {variation.id: variation.draft.body.decode() for variation in planned}


def test_each_kind_changes_one_thing() -> None:
    assert FRIENDS.body == b"VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=9&UN=a"
    assert made("omit", only=("UN", "VER")) == {
        "omit-VER": "CMD=List&SEQ=1001&UIN=1&TN=9&UN=a",
        "omit-UN": "VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=9",
    }
    assert made("double", "empty", only=("TN",)) == {
        "double-TN": "VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=9&TN=9&UN=a",
        "empty-TN": "VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=&UN=a",
    }
    assert made("reorder", only=("UN",)) == {
        "first-UN": "UN=a&VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=9",
        "reverse": "UN=a&TN=9&UIN=1&SEQ=1001&CMD=List&VER=1.1",
    }
    assert made("case", only=("UN", "CMD")) == {
        "lower-name-CMD": "VER=1.1&cmd=List&SEQ=1001&UIN=1&TN=9&UN=a",
        "lower-value-CMD": "VER=1.1&CMD=list&SEQ=1001&UIN=1&TN=9&UN=a",
        "upper-value-CMD": "VER=1.1&CMD=LIST&SEQ=1001&UIN=1&TN=9&UN=a",
        "lower-name-UN": "VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=9&un=a",
        "upper-value-UN": "VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=9&UN=A",
    }
    assert made(vary={"TN": ["9", "10", "a,b&"], "ZZ": ["1"], "CON": ["1"]}) == {
        "vary-TN=10": "VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=10&UN=a",
        "vary-TN=a,b&": "VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=a%2cb%26&UN=a",
        "vary-ZZ=1": "VER=1.1&CMD=List&SEQ=1001&UIN=1&TN=9&UN=a&ZZ=1",
        "vary-CON=1": "VER=1.1&CMD=List&SEQ=1001&UIN=1&CON=1&TN=9&UN=a",
    }


@given(
    st.lists(st.tuples(st.sampled_from(["TN", "UN", "ZZ", "un"]), st.text(max_size=3)), max_size=5),
    st.sets(st.sampled_from(KINDS)),
)
def test_no_two_variations_are_the_same(fields: list[tuple[str, str]], kinds: set[Kind]) -> None:
    baseline = compose("Logout", [Given("UIN", "1"), *(Given(*field) for field in fields)], SPEC, Ways("7"))
    planned = variations(baseline, SPEC, kinds=kinds, vary={"UN": ["1", "2"]})
    bodies = [variation.draft.body for variation in planned]
    assert baseline.body not in bodies
    assert len(set(bodies)) == len(bodies)
    assert len({variation.id for variation in planned}) == len(planned)


def test_a_sequence_number_is_fresh_unless_it_is_what_is_varied() -> None:
    planned = variations(FRIENDS, SPEC, kinds=KINDS, vary={"SEQ": ["5"], "TN": ["1"]})
    assert [v.id for v in planned if not v.fresh] == ["vary-SEQ=5", "empty-SEQ"]
    doubled = next(v for v in planned if v.id == "double-SEQ").draft.numbered("77", SPEC)
    assert doubled.body == b"VER=1.1&CMD=List&SEQ=77&SEQ=77&UIN=1&TN=9&UN=a"


def test_secrets_are_varied_without_being_told() -> None:
    login = compose("Login", [Given("UIN", "1")], SPEC, Ways("1", lambda _: "geheim"))
    planned = variations(login, SPEC, kinds=KINDS, vary={}, fields=("PS",))
    assert "upper-value-PS" in {variation.id for variation in planned}
    secret = next(part.pair.value for part in login.parts if part.field == "PS" and part.secret)
    assert secret is not None
    assert secret.decode() not in str([(variation.id, variation.what) for variation in planned]).lower()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("LV=0..3", ("0", "1", "2", "3")),
        ("LV=08..11,x", ("08", "09", "10", "11", "x")),
        ("LV=-1..1,1", ("-1", "0", "1")),
        (r"MG=a\,b,c", ("a,b", "c")),
        ("MG=", ("",)),
        ("MG=1...3", ("1...3",)),
    ],
)
def test_values_are_listed_or_ranges(text: str, values: tuple[str, ...]) -> None:
    assert parse_vary(text, 100) == (text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LV", "--vary LV: is no FIELD=VALUES (for example --vary LV=0..5 or --vary UN=10001,10002)"),
        ("LV=3..1", "--vary LV=3..1: ends before it begins (1..3 is that range upwards)"),
        ("LV=0..999999999999", "--vary LV: has more than 5 values (--most allows more)"),
        ("LV=a,b,c,d,e,f", "--vary LV: has more than 5 values (--most allows more)"),
    ],
)
def test_values_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_vary(text, 5)
    assert str(error.value) == message


# ------------------------------------------------------------------------------------------------ as a process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    process = Process(sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0", "--lines", home=home)
    match = re.search(r"http://([^ ]+)", process.wait_for("serving on"))
    assert match is not None
    yield match[1]
    process.close()


class Echoing(BaseHTTPRequestHandler):
    """Repeats what is not there as `undefined`, as scripts do."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = dict(pair.split("=", 1) for pair in asked.split("&"))
        said = f"VER=1.1&CMD=LOGOUT&SEQ={fields.get('SEQ', 'undefined')}&UIN={fields['UIN']}&RES=0".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_what_is_odd_about_a_reply_alone_is_a_change() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echoing) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        command = ("probe", "Logout", "UIN=10001", "--omit", "--only", "SEQ", "--only", "VER", "--rate", "1000")
        target = f"127.0.0.1:{serving.server_port}"
        done = qqlab(*command, "--target", target)
        document = json.loads(qqlab(*command, "--target", target, "--json").stdout)
        serving.shutdown()
    assert done.returncode == 0, done.stderr
    assert "value.type SEQ" in done.stdout
    assert "2 variations: 1 changed the reply, 1 did not" in done.stdout
    noted = {one["id"]: [note["code"] for note in one["notes"]] for one in document["variations"]}
    assert noted == {"omit-VER": [], "omit-SEQ": ["value.type"]}


def rows(text: str) -> dict[str, str]:
    """The lines of a table by their first word."""
    return {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if line.split()}


def test_values_and_what_they_change(server: str, tmp_path: Path) -> None:
    kept = tmp_path / "probed.jsonl"
    arguments = ["GetInfo", "UIN=10001", "UN=10003", "--vary", "LV=1..3,9", "--rate", "1000"]
    done = qqlab("probe", *arguments, "--target", server, "-o", kept)
    assert (done.returncode, done.stderr) == (0, "")
    told = rows(done.stdout)
    assert told["baseline"] == "baseline RES=0 accepted"
    assert "vary-LV=2 LV=2 RES=0 accepted field.extra" in told["vary-LV=2"]
    assert told["vary-LV=9"] == "vary-LV=9 LV=9 HTTP status 400 http.status: expected 200, got 400"
    assert "3 variations: 3 changed the reply, 0 did not" in done.stdout
    ids = [exchange.id for exchange in load(kept).exchanges]
    assert ids == [
        "baseline-refused", "login-1", "baseline", "control-1", "vary-LV=2", "vary-LV=3", "vary-LV=9", "control-2",
    ]  # fmt: skip
    assert qqlab("show", kept, "vary-LV=9").returncode == 0


def test_a_session_that_a_variation_ends_is_begun_anew(server: str) -> None:
    """One variation logs out; what comes after must not suffer."""
    arguments = ["List", "UIN=10002", "TN=9", "UN=0", "--vary", "CMD=Logout,list", "--vary", "UIN=10009"]
    done = qqlab("probe", *arguments, "--target", server, "--json", "--rate", "1000")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["logins"] == 2
    assert [(one["id"], one["again"], one["reply"][:6]) for one in document["variations"]] == [
        ("vary-CMD=Logout", False, "RES=0 "),
        ("vary-CMD=list", True, "RES=0 "),
        ("vary-UIN=10009", False, "RES=20"),
    ]
    assert [finding["rule"] for finding in document["variations"][0]["findings"]] == ["echo"]
    assert document["variations"][1]["findings"] == []


def test_what_changes_by_itself_is_passed_over(server: str) -> None:
    qqlab("send", "Login", "UIN=10006", "--target", server)
    qqlab("send", "CLTMSG", "UIN=10006", "UN=10006", "MG=once", "--target", server)
    done = qqlab("probe", "GetMsgEx", "UIN=10006", "--omit", "--only", "VER", "--target", server, "--rate", "1000")
    assert done.returncode == 0
    assert "changes by itself, and was passed over: " in done.stdout
    assert "1 variation: " in done.stdout


def test_what_a_variation_does_to_the_server_is_said(server: str) -> None:
    """Who has a friend is told so; once the friend is removed, he has to ask."""
    arguments = ["AddToList", "UIN=10003", "UN=10001", "--vary", "CMD=DelFromList", "--rate", "1000"]
    done = qqlab("probe", *arguments, "--target", server)
    assert done.returncode == 0
    drift = "a variation changed the server: at the end the baseline was answered with code CD: expected 0 anyone"
    assert drift in done.stdout


def test_lines(server: str) -> None:
    done = qqlab(
        "probe",
        "Query_Stat2",
        "UIN=10001",
        "UN=0",
        "--omit",
        "--lines",
        "--target",
        server,
        "--rate",
        "1000",
        "--only",
        "CM",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "omit-CM" in done.stdout


def test_a_plan_is_listed_and_nothing_sent() -> None:
    done = qqlab("probe", "Logout", "UIN=1", "--case", "--dry-run", "--target", f"127.0.0.1:{free_port()}")
    assert done.returncode == 0
    assert "lower-value-CMD" in done.stdout
    assert done.stdout.endswith("6 variations\n")


def test_a_server_that_is_down(start: Callable[..., Process]) -> None:
    port = free_port()
    done = qqlab("probe", "Logout", "UIN=1", "--omit", "--target", f"127.0.0.1:{port}")
    assert done.returncode == 4
    assert f"qqlab: 127.0.0.1:{port}: cannot connect: connection refused (is the server running?)" in done.stderr
    process = start(sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0", "--deviate", "close:Logout")
    match = re.search(r"http://([^ ]+)", process.wait_for("serving on"))
    assert match is not None
    done = qqlab("probe", "Logout", "UIN=1", "--omit", "--target", match[1])
    assert done.returncode == 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["Lgin"], 2, "Lgin: the spec has no such command"),
        (["Login", "UIN=10001", "--vary", "PS=geheim,1"], 2, "PS: is a secret and stands on no command line"),
        (
            ["Logout", "UIN=1", "--omit", "--only", "LV"],
            2,
            "--only LV: is no field of the request (it has VER, CMD, SEQ",
        ),
        (["Logout", "UIN=1", "--most", "3"], 2, "Logout: that makes 25 variations (--most 25 allows them)"),
        (["Logout", "UIN=1", "--vary", "UN"], 2, "--vary UN: is no FIELD=VALUES"),
        (["List", "UIN=1", "--vary", "UN=1"], 2, "List: needs TN (Most rows wanted"),
        (["Logout", "UIN=1", "--target", "192.0.2.1:1"], 5, "192.0.2.1:1: is not on this machine (allow it"),
        (
            ["List", "UIN=1", "TN=1", "UN=0", "--vary", "CMD=AddToList", *FAR],
            5,
            "192.0.2.1:1: is not on this machine, and this is no mere reading (write) (allow it: --allow-effects",
        ),
    ],
)
def test_misuse_is_said_and_sends_nothing(arguments: list[str], code: int, message: str) -> None:
    with pytest.raises(QqlabError) as error:
        app(["probe", "--target", "127.0.0.1:1", *arguments], standalone_mode=False)
    assert error.value.exit_code == code
    assert str(error.value).startswith(message)
    assert "geheim" not in str(error.value)
