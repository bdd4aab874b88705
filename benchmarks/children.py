"""The processes that are measured: commands that end by themselves, and servers on free ports of this machine.

Law: none outlives its `with` or its call, whatever happens in it; each gets a home folder of its own, where mitmproxy
keeps keys.
"""

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from watching import Watch

HERE = Path(__file__).parent
MITMDUMP = Path(sys.executable).with_name("mitmdump")
ADDON = HERE.parent / "addons/qq.py"

Command = Sequence[str | Path]


class Ran(NamedTuple):
    """A command that has ended: the seconds that it took, those that it and all that it started computed, the peak of
    their resident memory together in bytes, and what it said on its two outputs."""

    seconds: float
    computed: float
    peak: int
    output: str
    errors: str


def ran(command: Command, folder: Path, *, codes: Sequence[int] = (0,)) -> Ran:
    """Run a command to its end. Raises RuntimeError where it does not end with one of these codes."""
    began, before = time.perf_counter(), computed()
    files = folder / "out.txt", folder / "err.txt"
    with (
        files[0].open("wb") as out,
        files[1].open("wb") as err,
        subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        ) as child,
    ):
        try:
            with Watch(child.pid) as watch:
                child.wait()
        finally:
            child.kill()
    seconds = time.perf_counter() - began
    output, errors = (file.read_text(encoding="utf-8", errors="replace") for file in files)
    if child.returncode not in codes:
        said = f"{output[-500:]}{errors[-500:]}".strip().replace(str(folder), ".")
        raise RuntimeError(f"{' '.join(Path(part).name for part in command)} failed: {said}")
    return Ran(seconds, computed() - before, watch.peak, output, errors)


def qqlab(*arguments: str | Path) -> Command:
    """The command line of qqlab as it is here."""
    return [sys.executable, "-m", "qqlab", "-q", *arguments]


def environment(folder: Path) -> dict[str, str]:
    """What processes are told: where this project stands, and another home."""
    return os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}", "HOME": str(folder)}


def computed() -> float:
    """The seconds that the processes which have ended have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def origin() -> Iterator[int]:
    """The server behind the proxies; gives its port."""
    command = [sys.executable, str(HERE / "origin.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield int(child.stdout.readline())
        finally:
            child.communicate()  # the end of its input ends it


@contextmanager
def proxy(folder: Path, arguments: Sequence[str | Path]) -> Iterator[tuple[int, int]]:
    """A `mitmdump -q` with these further arguments; gives its port and its process id once it serves."""
    port = _free_port()
    command = [MITMDUMP, "-q", "--listen-host", "127.0.0.1", "--listen-port", str(port), *arguments]
    with _serving(folder, command, port) as process:
        yield port, process


@contextmanager
def recorder(folder: Path, upstream: int, arguments: Sequence[str | Path]) -> Iterator[tuple[int, int]]:
    """A `qqlab -q record` before the server at that port, as `proxy`."""
    port = _free_port()
    where = ["--upstream", f"http://127.0.0.1:{upstream}", "--listen", f"127.0.0.1:{port}"]
    with _serving(folder, [sys.executable, "-m", "qqlab", "-q", "record", *where, *arguments], port) as process:
        yield port, process


@contextmanager
def _serving(folder: Path, command: Sequence[str | Path], port: int) -> Iterator[int]:
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment(folder),
        cwd=folder,
    )
    try:
        _wait_for(child, port)
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def reverse_http(port: int) -> list[str | Path]:
    """The arguments of a proxy before the server at that port."""
    return ["--mode", f"reverse:http://127.0.0.1:{port}"]


def processor_time(process: int) -> float:
    """The seconds that a process has computed."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(child: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{child.args!r} does not serve")
