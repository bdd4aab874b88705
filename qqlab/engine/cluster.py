"""Work done by the workers of a Dask cluster, on this machine or on many.

Law: only what a task says travels to a worker and only its result back; what it reads, the worker reads by itself.
Where a worker dies, Dask gives its tasks to another one, and the result of each is taken once. Workers whose
versions differ from ours are refused before anything is done, and each looks again before each task, since some come
later. Everything that is waited for has an end. Ctrl-C takes back all tasks. Loaded only where a cluster is asked for.
"""

import logging
import pickle
import platform
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, NamedTuple

import dask
import msgspec
from distributed import Client, Future, LocalCluster, get_worker
from distributed.comm.addressing import parse_address, parse_host_port
from distributed.scheduler import KilledWorker
from distributed.worker import thread_state  # type: ignore[attr-defined]  # documented nowhere, used by Dask's own

import qqlab
from qqlab.engine.child import held_back
from qqlab.engine.work import Result, Task, ahead, nothing, wanted
from qqlab.errors import QqlabError, TargetError, UsageError

LOCAL = "local"

# Seconds: to reach a scheduler, to find a worker, and between two looks whether there still is one.
_REACH = 10.0
_FIRST = 20.0
_LOOK = 3.0
# A worker that died is begun anew by its nanny, or by who runs the cluster.
_GONE = 60.0
# For each worker so many tasks are given out, so that none waits for the next one.
_AHEAD = 3
# How often the way to the scheduler and back is measured.
_MEASURED = 5

# One task at a time in a process: two would share its one interpreter anyway.
_alone = threading.Lock()


class Versions(NamedTuple):
    """What must be the same wherever work is done."""

    qqlab: str
    python: str
    msgspec: str

    def __str__(self) -> str:
        return f"qqlab {self.qqlab}, Python {self.python}, msgspec {self.msgspec}"


def versions() -> Versions:
    """Those of this process."""
    return Versions(qqlab.__version__, _minor(platform.python_version()), msgspec.__version__)


class Cluster:
    """The workers of a cluster. `workers` is how many tasks they do at a time."""

    def __init__(self, client: Client, where: str) -> None:
        self._client = client
        self._where = where
        self._had = len(self._addresses())
        self._behind = _scheduler_ahead(client)

    @property
    def workers(self) -> int:
        """How many workers there are now."""
        return max(1, len(self._addresses()))

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        told: Callable[[Result], None] = nothing,
    ) -> Iterator[Result]:
        """See `Engine.run`."""
        ahead = self.workers * _AHEAD
        waiting: deque[Future[Any]] = deque()
        rest = iter(tasks)
        try:
            waiting.extend(self._submit(work, task) for task in islice(rest, ahead))
            while waiting:
                result = self._result(waiting[0])
                waiting.popleft().release()
                waiting.extend(self._submit(work, task) for task in islice(rest, 1))
                told(result)
                yield result
        finally:
            self._take_back(waiting)

    def at_once(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """See `Engine.at_once`."""
        addresses = self._enough(len(tasks))
        if len(tasks) > len(addresses):
            raise TargetError(self._where, f"has {len(addresses)} workers, and {len(tasks)} are needed at once")
        waiting = [
            self._submit(work, task, workers=[address], allow_other_workers=False)
            for task, address in zip(tasks, addresses, strict=False)
        ]
        try:
            return [self._result(one, address) for one, address in zip(waiting, addresses[: len(waiting)], strict=True)]
        finally:
            self._take_back(waiting)

    def _submit(self, work: Callable[[Any], Any], task: object, **where: object) -> Future[Any]:
        # As bytes, since only who does the work need understand them.
        return self._client.submit(_done, versions(), pickle.dumps((work, task)), self._behind, pure=False, **where)

    def _result(self, future: Future[Any], address: str | None = None) -> Any:
        """The result of a task, however long it takes, as long as there is somebody to do it: the worker of this
        address, or any."""
        gone = 0.0
        while True:
            try:
                return future.result(timeout=_LOOK)
            except TimeoutError:
                if future.status == "error":
                    raise  # it is what the work raised
                addresses = self._addresses()
                gone = 0.0 if addresses else gone + _LOOK
                if address is not None and address not in addresses and not future.done():
                    raise TargetError(self._where, f"the worker {address} has died in the midst of its work") from None
                if gone >= _GONE:
                    raise TargetError(self._where, f"has had no worker for {_GONE:.0f} s") from None
            except KilledWorker as error:
                what = f"each of {_tried()} workers that tried the same piece of work has died"
                raise TargetError(self._where, what, "have they too little memory? see their logs") from error
            except CancelledError as error:
                raise TargetError(self._where, "the connection to the scheduler broke off") from error
            except QqlabError:
                raise
            except ImportError as error:
                raise TargetError(self._where, f"a worker cannot load qqlab: {error}", _SAME) from error

    def _enough(self, number: int) -> list[str]:
        """The addresses of all workers, once there are so many again as there were when one of them has just died."""
        if number <= self._had:
            with suppress(TimeoutError):
                self._client.wait_for_workers(number, timeout=_FIRST)
        return self._addresses()

    def _take_back(self, futures: Iterable[Future[Any]]) -> None:
        """Nobody waits for these any more."""
        with suppress(Exception):  # the cluster may be what has gone
            self._client.cancel(list(futures), force=True)

    def _addresses(self) -> list[str]:
        """The addresses of all workers; none where the scheduler does not answer."""
        try:
            return sorted(self._client.scheduler_info(n_workers=-1)["workers"])
        except (OSError, ValueError, KeyError, TypeError):
            return []


_SAME = "install the same qqlab on all machines of the cluster"


@contextmanager
def connected(address: str, workers: int = 1) -> Iterator[Cluster]:
    """A cluster: the one whose scheduler has this address, or for `local` one of so many processes here.

    Raises TargetError where it cannot be reached, has no workers, or its versions differ; UsageError for what is no
    address.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told as an error
    where = f"--cluster {address}"
    with dask.config.set({"distributed.comm.retry.count": 0, "distributed.admin.system-monitor.interval": "10s"}):
        if address != LOCAL:
            with _client(address, where) as client:
                yield _checked(client, where)
            return
        with held_back([signal.SIGINT]):  # by all that is started here, for good: it is for this process
            here = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                silence_logs=logging.CRITICAL,
            )
        with here, _client(here.scheduler_address, where) as client:
            yield _checked(client, where)


@contextmanager
def _client(address: str, where: str) -> Iterator[Client]:
    try:
        _reach(address)
        client = Client(address, timeout=_REACH, set_as_default=False)
    except (OSError, OverflowError) as error:
        raise TargetError(where, "no scheduler can be reached there", "is it HOST:PORT of a dask scheduler?") from error
    except (ValueError, TypeError) as error:
        raise UsageError(where, f"is no address: {error}", "for example --cluster tcp://127.0.0.1:8786") from error
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=_LOOK)


def _reach(address: str) -> None:
    """Raise OSError at once where nobody listens: Dask tries again until its time is over."""
    scheme, place = parse_address(address)
    if scheme in ("tcp", "tls", "ws", "wss"):
        socket.create_connection(parse_host_port(place), timeout=_REACH).close()


def _checked(client: Client, where: str) -> Cluster:
    """The cluster, if there is a worker and all are of our versions."""
    try:
        client.wait_for_workers(1, timeout=_FIRST)
    except TimeoutError as error:
        raise TargetError(where, "has no workers", "start some: dask worker ADDRESS") from error
    found: Any = client.get_versions(packages=["qqlab", "msgspec"])
    for name, told in {"its scheduler": found["scheduler"], **found["workers"]}.items():
        theirs = told.get("packages", {}) if isinstance(told, dict) else {}
        _refuse_others(
            where if name == "its scheduler" else f"{where}: the worker {name}",
            {
                "qqlab": theirs.get("qqlab"),
                "Python": _minor(theirs.get("python") or ""),
                "msgspec": theirs.get("msgspec"),
            },
        )
    return Cluster(client, where)


def _refuse_others(where: str, theirs: dict[str, str | None]) -> None:
    ours = versions()
    for name, here, there in zip(theirs, ours, theirs.values(), strict=True):
        if here != there:
            what = f"has no {name}" if not there else f"has {name} {there}, and here is {here}"
            raise TargetError(where, what, _SAME)


def _minor(version: str) -> str:
    """A Python's version as far as it matters: `3.13` for `3.13.0`."""
    return ".".join(version.split(".")[:2])


def _tried() -> int:
    return int(dask.config.get("distributed.scheduler.allowed-failures", 3)) + 1


def _scheduler_ahead(client: Client) -> float:
    """By how many seconds the scheduler's clock is ahead of this one, as exactly as the shortest way there and back
    tells."""
    found = []
    for _ in range(_MEASURED):
        begin = time.time()
        theirs: float = client.run_on_scheduler(time.time)
        end = time.time()
        found.append((end - begin, theirs - (begin + end) / 2))
    return min(found)[1]


def _done(ours: Versions, data: bytes, scheduler_ahead: float) -> Any:
    """Do a task, on a worker. `scheduler_ahead`: by how many seconds the scheduler's clock is ahead of the asker's."""
    if ours != versions():
        raise TargetError("--cluster", f"a worker has {versions()}, and who asks has {ours}", _SAME)
    work, task = pickle.loads(data)
    token = wanted.set(_waits(thread_state.key))
    ahead.set(get_worker().scheduler_delay - scheduler_ahead)
    try:
        with _alone:
            return work(task)
    finally:
        wanted.reset(token)


def _waits(key: str) -> Callable[[], bool]:
    """How to learn, on a worker, whether a task is still waited for."""
    tasks = get_worker().state.tasks

    def waits() -> bool:
        found = tasks.get(key)
        return found is not None and found.state not in ("cancelled", "resumed", "forgotten", "released")

    return waits
