"""The package as a whole: what it says it offers is there."""

import importlib
import pkgutil
import subprocess
import sys

import pytest
from conftest import ROOT

import qqlab


def test_every_public_name_exists() -> None:
    missing = []
    for module in pkgutil.walk_packages(qqlab.__path__, "qqlab."):
        if module.name == "qqlab.__main__":
            continue
        loaded = importlib.import_module(module.name)
        missing += [f"{module.name}.{name}" for name in getattr(loaded, "__all__", ()) if not hasattr(loaded, name)]
    assert missing == []


def test_who_needs_no_pictures_tables_or_proxy_waits_for_none() -> None:
    slow = {"matplotlib", "mitmproxy", "numpy", "pandas", "tomlkit"}
    load = "from typer.main import get_command; app = get_command(qqlab.cli.app.app)"
    every = "[app.get_command(None, name) for name in app.list_commands(None)]"
    script = f"import sys, qqlab.cli.app; {load}; {every}; print(sorted({slow!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_an_interrupt_while_loading_ends_the_process_at_once_and_later_is_the_commands_to_handle() -> None:
    script = (
        "import signal, sys, qqlab.__main__ as command\n"
        "loading = signal.getsignal(signal.SIGINT) is signal.SIG_DFL\n"
        "sys.argv = ['qqlab', '--version']\n"
        "try:\n    command.run()\n"
        "except SystemExit:\n    pass\n"
        "print(loading, signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"qqlab {qqlab.__version__}\nTrue True\n"


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("nothing", 2)])
def test_the_process_ends_at_once_with_what_was_printed_and_registered(argument: str, code: int) -> None:
    script = (
        "import atexit, sys\n"
        "class Late:\n    def __del__(self): print('freed')\n"
        "late = Late()\n"
        "atexit.register(print, 'ends')\n"
        f"sys.argv = ['qqlab', {argument!r}]\n"
        "from qqlab.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code
    assert done.stdout == (f"qqlab {qqlab.__version__}\n" if code == 0 else "") + "ends\n"


def test_a_process_with_other_threads_ends_as_any_does() -> None:
    script = (
        "import sys, threading\n"
        "go = threading.Event()\n"
        "threading.Thread(target=lambda: (go.wait(), print('done'))).start()\n"
        "sys.argv = ['qqlab', '--version']\n"
        "from qqlab.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    go.set()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"qqlab {qqlab.__version__}\ndone\n")
