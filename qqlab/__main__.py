"""The `qqlab` command, and `python -m qqlab`: loads the command line, runs it, and ends the process."""

import atexit
import os
import signal
import sys
import threading

# While the command line loads, Ctrl-C ends the process at once, not with a traceback out of some import.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from qqlab import cli


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    try:
        run()
    except SystemExit as end:
        _leave(end)
        raise


def run() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


def _leave(end: SystemExit) -> None:
    """End the process at once, where nothing else runs in it. Otherwise all that was read would be freed piece by
    piece before the shell is back, which takes a twentieth of the time of a replay. What was registered for the exit is
    done, and what was printed goes out, as Python would have it."""
    code = 0 if end.code is None else end.code
    if not isinstance(code, int) or threading.active_count() > 1:
        return
    atexit._run_exitfuncs()  # what `multiprocessing` calls, too, where it ends a process like this
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
