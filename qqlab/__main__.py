"""The `qqlab` command, and `python -m qqlab`: loads the command line and runs it."""

import signal

# While the command line loads, Ctrl-C ends the process at once, not with a traceback out of some import.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from qqlab import cli


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


if __name__ == "__main__":
    main()
