"""Work for the tests of engines, and a program that has it done: what came of it is its output, as JSON."""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from qqlab import report as reports
from qqlab.capture.chunks import cut
from qqlab.engine import Engine, is_wanted, opened
from qqlab.engine import cluster as cluster_module
from qqlab.errors import InputError, QqlabError


def doubled(number: int) -> int:
    return 2 * number


def who(number: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def refusing(number: int) -> int:
    if number == 3:
        raise InputError("mine.jsonl:3", "the line is damaged", "mend it")
    return number


def dying(task: tuple[str, int]) -> int:
    """The first process that gets to the fifth task is killed."""
    marker, number = task
    if number == 5:
        with suppress(FileExistsError):
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            os.kill(os.getpid(), signal.SIGKILL)
    return number


def deadly(number: int) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def enduring(marker: str) -> None:
    """Goes on until nobody waits for it, and then says so."""
    Path(marker).touch()
    while is_wanted():
        time.sleep(0.01)
    Path(marker).rename(marker + ".over")


def late(number: int) -> int:
    raise TimeoutError(f"{number} took too long")


def outcome(done: Callable[[], Any]) -> Any:
    try:
        return done()
    except (QqlabError, TimeoutError) as error:
        return [type(error).__name__, str(error)]


def reached(work: Callable[[], Any], held: list[Any]) -> Any:
    """What was held by the time that it failed."""
    return [outcome(work), held]


def labours(engine: Engine, folder: Path) -> dict[str, Any]:
    told: list[int] = []
    before: list[int] = []
    return {
        "doubled": list(engine.run(doubled, range(40), told.append)) == [2 * number for number in range(40)],
        "told": sorted(told) == [2 * number for number in range(40)],
        "workers": len(set(engine.run(who, range(12)))),
        "refusing": reached(lambda: before.extend(engine.run(refusing, range(9))), before),
        "late": outcome(lambda: list(engine.run(late, [7]))),
        "at once": outcome(lambda: engine.at_once(doubled, [1, 2])),
        "too many": outcome(lambda: engine.at_once(doubled, [1, 2, 3])),
        "dying": outcome(lambda: list(engine.run(dying, [(str(folder / "died"), number) for number in range(12)]))),
    }


def interrupted(engine: Engine, marker: Path) -> bool:
    """Whether Ctrl-C in the midst of work ends the waiting for it."""

    def interrupt() -> None:
        while not marker.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        list(engine.run(enduring, [str(marker)]))
    except KeyboardInterrupt:
        return True
    return False


def main() -> None:
    cluster, folder = sys.argv[1] or None, Path(sys.argv[2])
    with opened(2, cluster) as engine:
        found = labours(engine, folder)
        found["interrupted"] = interrupted(engine, folder / "enduring")
        end = time.monotonic() + 10
        while cluster and not (folder / "enduring.over").exists() and time.monotonic() < end:
            time.sleep(0.01)
        found["over"] = (folder / "enduring.over").exists()
        found["deadly"] = outcome(lambda: list(engine.run(deadly, [1])))
        found["at once, deadly"] = outcome(lambda: engine.at_once(deadly, [1]))
        if cluster:
            cluster_module.versions = lambda: cluster_module.Versions("9.9", "2.7", "0.1")
            found["later worker"] = outcome(lambda: list(engine.run(doubled, [1])))
            found["other versions"] = outcome(lambda: opened(1, cluster_module.LOCAL).__enter__())
    print(json.dumps(found | {"left": len(multiprocessing.active_children())}))


def murderous(marker: str, work: Callable[[Any], Any], task: Any) -> Any:
    """The first worker that has done a task is killed before it can say so."""
    done = work(task)
    with suppress(FileExistsError):
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        os.kill(os.getpid(), signal.SIGKILL)
    return done


class UnderFire:
    """An engine whose workers die at their work."""

    def __init__(self, engine: Engine, marker: str) -> None:
        self._engine = engine
        self._marker = marker

    def run(self, work: Callable[[Any], Any], tasks: Iterable[Any], told: Callable[[Any], None]) -> Iterator[Any]:
        return self._engine.run(partial(murderous, self._marker, work), tasks, told)


def report_under_fire() -> None:
    marker, *paths = sys.argv[1:]
    with cut(paths, 20_000) as pieces, opened(2, "local") as engine:
        surveyed = reports.survey(pieces, reports.SpecText("en"), UnderFire(engine, marker))
        print(reports.to_json(reports.report_of(surveyed)), end="")


if __name__ == "__main__":
    sys.exit("import it")
