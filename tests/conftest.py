"""What the tests share: real processes on free ports, and the rule about missing tools.

A test that needs a tool beyond Python is skipped where the tool is missing, except under `QQLAB_REQUIRE_ALL=1`
(continuous integration), where it fails.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from qqlab import spec
from qqlab.spec import Spec

ROOT = Path(__file__).parent.parent

# A shell that runs the tests in the background has them ignore SIGINT, which all that they start would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session")
def known() -> Spec:
    """The built-in spec."""
    return spec.builtin()


def give_up_without(tool: str) -> NoReturn:
    """Skip the test for want of a tool, or fail it where nothing may be skipped."""
    if os.environ.get("QQLAB_REQUIRE_ALL") == "1":
        pytest.fail(f"{tool} is not installed")
    pytest.skip(f"{tool} is not installed")


@pytest.fixture
def require() -> Callable[[str], str]:
    """Give the path of a tool, or skip the test (fail it where nothing may be skipped)."""

    def find(tool: str) -> str:
        path = shutil.which(tool)
        if path is None:
            give_up_without(tool)
        return path

    return find


class Process:
    """A child process whose output is collected while it runs."""

    def __init__(self, *command: str | Path, home: Path, cwd: Path = ROOT) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HOME": str(home)}
        self._child = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.output += line

    def wait_for(self, text: str, seconds: float = 30, *, begins: bool = False) -> str:
        """Wait until the process has printed that text; return the line that holds it, or that `begins` with it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.output.splitlines():
                if line.startswith(text) if begins else text in line:
                    return line
            if self._child.poll() is not None:
                self._reader.join(5)
                if text not in self.output:
                    break
            time.sleep(0.02)
        raise AssertionError(f"never printed {text!r}:\n{self.output}")

    def wait(self, seconds: float = 30) -> int:
        """Wait for the end; return the exit code."""
        code = self._child.wait(seconds)
        self._reader.join(5)
        return code

    @property
    def number(self) -> int:
        """The process's own."""
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.poll() is None

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask the process to end; return the exit code."""
        if self._child.poll() is None:
            self._child.send_signal(number)
        return self.wait()

    def close(self) -> None:
        """End it whatever it does."""
        if self._child.poll() is None:
            self._child.kill()
        self.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """Start processes that are ended with the test. mitmproxy keeps its keys in the home folder: not in the user's."""
    started: list[Process] = []
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)

    def run(*command: str | Path, cwd: Path = ROOT) -> Process:
        started.append(Process(*command, home=home, cwd=cwd))
        return started[-1]

    yield run
    for process in started:
        process.close()


def free_port() -> int:
    """A port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def qqlab(*arguments: str | Path, stdin: bytes = b"", cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "qqlab", *map(str, arguments)],
        input=stdin.decode(),
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


MITMDUMP = Path(sys.executable).with_name("mitmdump")

CHROMIUM = os.environ.get("QQLAB_CHROMIUM", "/usr/bin/chromium")
_QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser, without a window, that asks for nothing on its own; skips the test where there is none."""
    if not Path(CHROMIUM).exists():
        give_up_without(CHROMIUM)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield browser
        browser.close()


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Where a server listens that answers as this handler does, while the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
