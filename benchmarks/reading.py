"""What reading a capture costs: into exchanges, against others that read the same lines or flows; and into frames."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import peer
from measure import Figures, Setting, Skipped, Told, figure, ratio, rounds
from traffic import beginning, columns, flows, traffic

_LINES = 100_000
_FLOWS = 3_000
_FRAMES = 20_000
_QQLAB = "qqlab"
# By key: what reads, its module in `timed`, the peer that it needs.
_READERS = {
    "flowreader": ("mitmproxy FlowReader", "flows", "mitmproxy"),
    "msgspec": ("bare msgspec", "plain", None),
    "pandas": ("pandas.read_json", "frame", "pandas"),
    "duckdb": ("DuckDB read_json", "query", "DuckDB"),
}


def read(setting: Setting) -> Iterator[Told]:
    """A capture's JSON lines become exchanges, each checked and typed: against mitmproxy's reader of the same exchanges
    as flows, against msgspec that decodes the lines and does nothing else, and against pandas and DuckDB on one thread,
    which load them into tables. Per exchange; only the reading is timed, not what a process needs to begin."""
    capture = traffic(setting, setting.number(_LINES))
    absent = {key: why for key, (_, _, needed) in _READERS.items() if needed and (why := peer.lacking(needed))}
    number = setting.number(_FLOWS)
    variants: dict[str, Callable[[], Figures]] = {
        _QQLAB: partial(peer.figures, setting.folder, "exchanges", capture, own=True)
    }
    for key, (name, module, needed) in _READERS.items():
        if key == "flowreader" and key not in absent:
            file = flows(setting, beginning(setting, capture, number))
            variants[name] = partial(_flows, setting.folder, file, number)
        elif key not in absent:
            variants[name] = partial(peer.figures, setting.folder, module, capture, own=needed is None)
    taken = rounds(variants, 5, 45)
    for key, (name, _, _) in _READERS.items():
        if key in absent:
            yield Skipped(key=key, why=absent[key])
        else:
            yield ratio(taken, _QQLAB, name, key=key, unit=peer.RATE)
    for key, name in (("mb-qqlab", _QQLAB), *((f"mb-{key}", name) for key, (name, _, _) in _READERS.items())):
        if name in taken:
            yield figure(taken, name, key=key, unit="MB", name="peak memory")


def _flows(folder: Path, file: Path, number: int) -> Figures:
    """A flow of a long connection holds many exchanges: those are what counts."""
    found = dict(peer.figures(folder, "flows", file))
    factor = number / found["done"]
    return found | {peer.RATE: found[peer.RATE] * factor, peer.EFFORT: found[peer.EFFORT] * factor}


def frames(setting: Setting) -> Iterator[Told]:
    """The frame of exchanges, from a Parquet dataset against from JSON lines of the same exchanges."""
    capture = beginning(setting, traffic(setting, setting.number(_LINES)), setting.number(_FRAMES))
    sources = {"from Parquet": columns(setting, capture), "from JSON lines": capture}
    variants: dict[str, Callable[[], Figures]] = {
        name: partial(peer.figures, setting.folder, "frames", path, own=True) for name, path in sources.items()
    }
    taken = rounds(variants, 5, 45)
    yield ratio(taken, "from Parquet", "from JSON lines", key="parquet", unit=peer.RATE)
    for key, name in (("mb-parquet", "from Parquet"), ("mb-lines", "from JSON lines")):
        yield figure(taken, name, key=key, unit="MB", name="peak memory")
