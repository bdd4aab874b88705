"""What recording costs: mitmdump bare, writing flows, and with the addon, which relays bytes where it is alone."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from children import ADDON, origin, processor_time, proxy, recorder, reverse_http
from load import ask, drive
from measure import Figures, Result, Rounds, Setting, ratio, result, rounds
from watching import resident

# A proxy that serves while the context lasts: its port and its process id.
_Started = AbstractContextManager[tuple[int, int]]

RATE = "requests/s"
EFFORT = "requests/CPU s"
TAKEN_APART = ("--set", "qq_relay=false")  # mitmproxy's HTTP layer, as where other scripts look
WARM_UP = 0.5  # seconds: the first requests of a process pay for imports and for the way to the server


def _tcp(port: int) -> list[str | Path]:
    return ["--mode", f"reverse:tcp://127.0.0.1:{port}"]


def _addon(capture: Path) -> list[str | Path]:
    return ["-s", ADDON, "--set", f"qq_capture={capture}"]


@contextmanager
def _serving(variants: Mapping[str, _Started]) -> Iterator[dict[str, "_Proxy"]]:
    """All variants at once, so that rounds can go to and fro between them; who is not asked costs nothing."""
    with ExitStack() as stack:
        proxies = {name: _Proxy(*stack.enter_context(started)) for name, started in variants.items()}
        for one in proxies.values():
            drive(one.port, WARM_UP)
        yield proxies


class _Proxy(NamedTuple):
    port: int
    process: int

    def measured(self, seconds: float, keep_alive: bool) -> Figures:
        """How much it answers in about so many seconds."""
        before = processor_time(self.process)
        done, took = drive(self.port, seconds, keep_alive=keep_alive)
        return {RATE: done / took, EFFORT: done / max(processor_time(self.process) - before, 0.01)}


def _measured(proxies: Mapping[str, _Proxy], seconds: float, keep_alive: bool) -> dict[str, Callable[[], Figures]]:
    return {name: partial(one.measured, seconds, keep_alive) for name, one in proxies.items()}


def addon(setting: Setting) -> Iterator[Result]:
    """The addon against mitmdump alone, and against its own recording; and the same where it may not relay bytes."""
    folder = setting.folder
    with origin() as behind:
        variants = {
            "mitmdump": proxy(folder, reverse_http(behind)),
            "mitmdump -w": proxy(folder, [*reverse_http(behind), "-w", folder / "addon.flows"]),
            "with the addon": proxy(folder, [*reverse_http(behind), *_addon(folder / "addon.jsonl")]),
            "through its hooks": proxy(folder, [*reverse_http(behind), *_addon(folder / "h.jsonl"), *TAKEN_APART]),
        }
        with _serving(variants) as proxies:
            for keep_alive in (True, False):
                taken = rounds(_measured(proxies, 1.5 * setting.scale, keep_alive), 7)
                yield from _compared(taken, keep_alive)


def _compared(taken: Rounds, keep_alive: bool) -> Iterator[Result]:
    name, short = ("keep-alive", "kept") if keep_alive else ("a connection for each", "closed")
    for recording, way in (("with the addon", "relay"), ("through its hooks", "hooks")):
        for unit, by in ((RATE, ""), (EFFORT, "-cpu")):
            for other, against in (("mitmdump", "bare"), ("mitmdump -w", "w")):
                yield ratio(taken, recording, other, name=name, key=f"{way}-{against}-{short}{by}", unit=unit)


def tcp(setting: Setting) -> Iterator[Result]:
    """Recording what is relayed as bytes, against recording what mitmproxy takes apart as HTTP."""
    folder = setting.folder
    with origin() as behind:
        variants = {
            "TCP": proxy(folder, [*_tcp(behind), *_addon(folder / "tcp.jsonl")]),
            "HTTP": proxy(folder, [*reverse_http(behind), *_addon(folder / "http.jsonl"), *TAKEN_APART]),
        }
        with _serving(variants) as proxies:
            taken = rounds(_measured(proxies, 1.5 * setting.scale, True), 7)
            yield ratio(taken, "TCP", "HTTP", key="relayed", unit=RATE)


def record(setting: Setting) -> Iterator[Result]:
    """The command that records, against mitmdump alone, and relaying bytes against taking them apart as HTTP."""
    folder = setting.folder
    with origin() as behind:
        variants = {
            "mitmdump": proxy(folder, reverse_http(behind)),
            "qqlab record": recorder(folder, behind, ["-o", "record.jsonl"]),
            "qqlab record --tcp": recorder(folder, behind, ["-o", "relayed.jsonl", "--tcp"]),
        }
        with _serving(variants) as proxies:
            taken = rounds(_measured(proxies, 1.5 * setting.scale, True), 7)
        yield ratio(taken, "qqlab record", "mitmdump", key="bare", unit=RATE)
        yield ratio(taken, "qqlab record --tcp", "qqlab record", key="tcp", unit=RATE)
        yield ratio(taken, "qqlab record --tcp", "mitmdump", key="tcp-bare", unit=RATE)


def memory(setting: Setting) -> Iterator[Result]:
    """How much the recorder's memory grows over nine tenths of a long recording, in both modes that relay bytes."""
    number = setting.number(40_000 * (5 if setting.long else 1))
    for name, mode in (("TCP", _tcp), ("HTTP", reverse_http)):
        yield _grown(setting.folder, name, mode, number)


def _grown(folder: Path, name: str, mode: Callable[[int], list[str | Path]], number: int) -> Result:
    arguments = _addon(folder / f"memory-{name}.jsonl")
    with origin() as behind, proxy(folder, [*mode(behind), *arguments]) as (port, process):
        taken = []
        for part in (number // 10, number - number // 10):
            ask(port, part)
            taken.append(resident(process) / 1e6)
    return result(
        [taken[1] - taken[0]],
        key=name.lower(),
        what=f"{name}: after {number:,} less after {number // 10:,}",
        figures={"early": taken[0], "late": taken[1]},
        unit="MB",
        value_unit="MB",
    )
