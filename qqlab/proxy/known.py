"""The spec that what is shown inside mitmproxy is read by, and whether anything is shown or kept at all.

Law: one spec for the view, the marks and the commands: the one that the option `qq_spec` names, else the built-in one.
What is wrong with a spec file the recorder says, which reads it first.
"""

from pathlib import Path

from mitmproxy import ctx

from qqlab import spec as specs
from qqlab.errors import QqlabError
from qqlab.spec import Spec


class Known:
    """Holds the spec; an addon, so that it learns of a change of the option."""

    def __init__(self, spec: Spec | None = None) -> None:
        self.spec = spec or specs.builtin()

    def configure(self, updated: set[str]) -> None:
        """Read the spec that the option names now; one that cannot be read changes nothing."""
        if "qq_spec" not in updated:
            return
        path = ctx.options.qq_spec
        try:
            self.spec = specs.load(Path(path).expanduser()) if path else specs.builtin()
        except QqlabError:
            return


def are_kept() -> bool:
    """Whether anything shows flows once they are over, or keeps them: mitmproxy's list, or `-w`."""
    return ctx.master.addons.get("view") is not None or bool(getattr(ctx.options, "save_stream_file", None))
