"""Which engine does the work.

Law: what a cluster needs is loaded only where one is asked for, and what is missing is said in a line.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from qqlab.engine.processes import Processes
from qqlab.engine.work import Engine, Here
from qqlab.errors import UsageError


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def opened(workers: int = 1, cluster: str | None = None) -> Iterator[Engine]:
    """The engine of so many processes of this machine, or the cluster whose scheduler has this address.

    `local` is no address: it starts a cluster of so many processes here. Raises UsageError where the package for
    clusters is not installed or the address is none, TargetError where the cluster cannot be reached or does not fit.
    """
    if cluster is not None:
        # Takes half a second to load, and need not be installed.
        try:
            from qqlab.engine.cluster import connected  # noqa: PLC0415
        except ImportError as error:
            if error.name is not None and error.name.partition(".")[0] not in ("dask", "distributed"):
                raise
            hint = "install it: pip install 'qqlab[cluster]'"
            raise UsageError("--cluster", "Dask distributed is not installed", hint) from error
        with connected(cluster, workers) as found:
            yield found
    elif workers > 1:
        with Processes(workers) as several:
            yield several
    else:
        yield Here()
