"""The command line: thin, one library call per command, and the one place that turns errors into exit codes."""

from qqlab.cli.app import main

__all__ = ["main"]
