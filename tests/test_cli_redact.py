"""`qqlab redact`: a finished capture becomes one that can be handed on, whole or not at all."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Process, qqlab

from qqlab import spec as specs
from qqlab.capture import header, load, save
from qqlab.exchange import Exchange, RawMessage

SPEC = specs.builtin()
SECRET = "5f4dcc3b5aa765d61d8327deb882cf99"
NAMES = "VER=1.1&CMD=QUERY_STAT&SEQ=2&UIN=10001&RES=0&FC=0,&FN=1&SN=1&ST=10,&UN=10002,&NK=小明,"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A recording with everything as it was sent."""
    path = tmp_path / "raw.jsonl"
    login = RawMessage(body=f"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS={SECRET}&M5=1&LC=9326B87B234E7235".encode())
    exchanges = [
        Exchange(id="1", session="a", request=login, error=f"broke off after {SECRET}"),
        Exchange(id="2", session="a", reply=RawMessage(body=NAMES.encode())),
    ]
    save(path, header(SPEC, redacted="none", note="mine"), exchanges, SPEC)
    return path


def key_file(folder: Path) -> Path:
    path = folder / "key"
    path.write_bytes(bytes(range(32)))
    path.chmod(0o600)
    return path


def test_secrets_go_and_it_says_which_by_name_alone(capture: Path, tmp_path: Path) -> None:
    result = qqlab("redact", capture, "-o", tmp_path / "out.jsonl")
    told = f"qqlab: 2 exchanges in {tmp_path}/out.jsonl; replaced 1 of PS, and found again in 1 other place\n"
    assert (result.returncode, result.stdout, result.stderr) == (0, "", told)
    after = load(tmp_path / "out.jsonl")
    assert (after.header.redacted, after.header.note) == ("secrets", "mine")
    text = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert SECRET not in text
    assert "小明" in text
    assert oct((tmp_path / "out.jsonl").stat().st_mode)[-3:] == "600"


def test_personal_values_go_with_the_policy_all(capture: Path, tmp_path: Path) -> None:
    assert qqlab("redact", capture, "--policy", "all", "-o", tmp_path / "out.jsonl").returncode == 0
    text = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert "小明" not in text
    assert load(tmp_path / "out.jsonl").header.redacted == "all"
    assert qqlab("diff", tmp_path / "out.jsonl", tmp_path / "out.jsonl").returncode == 0


def test_one_key_gives_equal_pseudonyms_and_no_key_different_ones(capture: Path, tmp_path: Path) -> None:
    key = key_file(tmp_path)
    made = []
    for number, options in enumerate((("--redact-key-file", key), ("--redact-key-file", key), ())):
        out = tmp_path / f"{number}.jsonl"
        assert qqlab("redact", capture, "--policy", "all", *options, "-o", out).returncode == 0
        made.append(load(out).exchanges)
    assert made[0] == made[1] != made[2]


def test_a_note_that_says_a_secret_says_it_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    save(path, header(SPEC, redacted="none", note=f"sent by hand: PS={SECRET}&M5=1"), [], SPEC)
    assert qqlab("redact", path, "-o", tmp_path / "out.jsonl").returncode == 0
    note = load(tmp_path / "out.jsonl").header.note
    assert re.fullmatch(r"sent by hand: PS=[0-9a-f]{32}&M5=1", note)
    assert SECRET not in note


def test_it_reads_what_other_commands_read(capture: Path, tmp_path: Path) -> None:
    result = qqlab("redact", "-", "-o", tmp_path / "out.jsonl", stdin=capture.read_bytes())
    assert result.returncode == 0, result.stderr
    assert len(load(tmp_path / "out.jsonl").exchanges) == 2


def test_again_with_the_same_policy_or_a_stronger_one_but_not_with_a_weaker(capture: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    assert qqlab("redact", capture, "-o", first).returncode == 0
    assert qqlab("redact", first, "-o", second).returncode == 0
    assert qqlab("redact", second, "--policy", "all", "-o", first, "--force").returncode == 0
    result = qqlab("redact", first, "-o", tmp_path / "3.jsonl")
    assert (result.returncode, (tmp_path / "3.jsonl").exists()) == (2, False)
    assert "--policy all" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--policy", "none"), 2, "none"),
        (("-o", "-"), 2, "standard output"),
        (("--redact-key-file", "missing"), 3, "head -c 32"),
        (("--redact-key-file", "open"), 5, "chmod 600"),
        (("--spec", str(ROOT / "tests/golden/report/lamp.toml")), 2, "--spec"),
    ],
)
def test_what_makes_no_sense_writes_nothing(
    capture: Path, tmp_path: Path, options: tuple[str, ...], code: int, told: str
) -> None:
    (tmp_path / "open").write_bytes(bytes(32))
    (tmp_path / "open").chmod(0o644)
    before = {path.name for path in tmp_path.iterdir()}
    result = qqlab("redact", capture, "-o", tmp_path / "out.jsonl", *options, cwd=tmp_path)
    assert (result.returncode, told in result.stderr) == (code, True), result.stderr
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_capture_damaged_in_the_middle_leaves_the_output_as_it_was(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    shutil.copy(capture, out)
    lines = capture.read_bytes().splitlines(keepends=True)
    capture.write_bytes(lines[0] + lines[1] + b"{]\n" + lines[2])
    before = out.read_bytes()
    assert qqlab("redact", capture, "-o", out).returncode == 3
    result = qqlab("redact", capture, "-o", out, "--force")
    assert (result.returncode, f"{capture}:3" in result.stderr) == (3, True)
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "raw.jsonl"]


def test_in_place(capture: Path) -> None:
    assert qqlab("redact", capture, "-o", capture, "--force").returncode == 0
    assert SECRET.encode() not in capture.read_bytes()


def test_what_is_redacted_still_replays(start: Callable[..., Process], tmp_path: Path) -> None:
    out = tmp_path / "all.jsonl"
    assert qqlab("redact", ROOT / "captures/demo.jsonl", "--policy", "all", "-o", out).returncode == 0
    server = start(sys.executable, "-m", "qqlab", "serve", "--listen", "127.0.0.1:0")
    target = re.search(r"http://\S+", server.wait_for("serving on"))
    assert target is not None
    result = qqlab("replay", out, "--target", target[0], "-o", tmp_path / "again.jsonl")
    # The server's own accounts have other names than the pseudonyms; what users sent each other comes back as sent.
    assert result.returncode == 1
    differing = {line.split()[3].partition("[")[0] for line in result.stdout.splitlines() if line.startswith("  error")}
    named = {field.name for _, _, field in SPEC.every_field() if field.personal}
    assert differing <= named - {"MG"}, result.stdout
