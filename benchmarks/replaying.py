"""What replaying costs: `qqlab replay`, which rewrites, records and compares, against clients that do none of it.

All ask the same server for the same, over 16 connections kept alive or over one for each request. What a process needs
to begin is no part of a rate: those that are run as commands send a long capture and a short one, and the difference of
both counts.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import peer
from children import HERE, Command, computed, environment, qqlab, ran
from measure import Figures, Result, Setting, Skipped, Told, ratio, result, rounds

from qqlab import http1
from qqlab.capture import header, save
from qqlab.exchange import Exchange
from qqlab.spec import builtin

RATE = "requests/s"
EFFORT = "requests/CPU s"
LANES = 16
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_RATE = re.compile(r"Requests/sec:\s*([0-9.]+)")
_LASTED = re.compile(r" requests in ([0-9.]+) s")
_LATE = re.compile(r" ([0-9.]+) (m?s) \(99 %\)")

# What each client says again and again, and what it hears: polls, for the most part, as clients did.
_SAID = (
    ("GetMsgEx", "", "GETMSGEX", "&MN=0&MT=&UN=&MG=&"),
    ("GetMsgEx", "", "GETMSGEX", "&MN=0&MT=&UN=&MG=&"),
    (
        "Query_Stat",
        "&TN=50&UN=0",
        "QUERY_STAT",
        "&FC=270,30,&FN=1&SN=2&ST=10,30,&UN=900002,900003,&NK=山%252c 水,小雨,&",
    ),
    ("GetMsgEx", "", "GETMSGEX", "&MN=0&MT=&UN=&MG=&"),
    ("CLTMSG", "&UN=900002&MG=你好", "CLTMSG", ""),
    ("GetInfo", "&LV=1&UN=900002", "GETINFO", "&AG=31&FC=270&LV=1&PV=北京市&SX=0&UN=900002&NK=山%252c 水"),
)


def _exchange(number: int, keep_alive: bool, every: float) -> Exchange:
    """The exchange of that number: the lanes take turns."""
    lane, turn = number % LANES, number // LANES
    command, asked, replied, told = _SAID[turn % len(_SAID)]
    account, sequence = 800001 + lane, 100_000 + number
    begin = f"VER=1.1&CMD={{}}&SEQ={sequence}&UIN={account}"
    request = f"{begin.format(command)}{asked}".encode()
    reply = f"{begin.format(replied)}&RES=0{told}".encode()
    port = 20000 + (lane if keep_alive else number % 40000)
    return Exchange(
        id=str(number + 1),
        session=f"127.0.0.1/{account}",
        time=_BEGIN + timedelta(seconds=number * every),
        elapsed=min(0.0001, every),
        client=f"127.0.0.1:{port}",
        server="127.0.0.1:8000",
        request=http1.request(request, "127.0.0.1:8000", keep_alive=keep_alive),
        reply=http1.reply(reply, keep_alive=keep_alive),
        pairing="order",
    )


def _capture(path: Path, number: int, *, keep_alive: bool = True, every: float = 0.0001) -> Path:
    """Write a capture of so many exchanges, one after the other in so many seconds."""
    spec = builtin()
    head = header(spec, redacted="secrets", created=_BEGIN, note="made for a benchmark")
    save(path, head, [_exchange(place, keep_alive, every) for place in range(number)], spec)
    return path


@contextmanager
def _canned(capture: Path) -> Iterator[int]:
    """The server of canned replies; gives its port."""
    command, told = [sys.executable, str(HERE / "canned.py"), str(capture)], environment(capture.parent)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=told) as child:
        assert child.stdout is not None
        try:
            yield int(child.stdout.readline())
        finally:
            child.communicate()  # the end of its input ends it


class _Commands:
    """What is measured of one kind of connections: captures long and short, and the port of the server."""

    def __init__(self, folder: Path, port: int, keep_alive: bool, scale: float) -> None:
        self.folder = folder
        self.port = port
        self.keep_alive = keep_alive
        self.seconds = 2 * scale
        self.whole = max(1, round(self.seconds))  # wrk knows whole seconds only
        self.sizes = {"qqlab": (int(40_000 * scale) + 1000, 1000), "mitmdump": (int(1500 * scale) + 300, 100)}
        self.bodies = folder / "bodies.json"
        self.bodies.write_bytes(json.dumps([body.decode() for body in _bodies()]).encode())
        for name, sizes in self.sizes.items():
            for size in sizes:
                path = _capture(folder / f"{name}-{size}.jsonl", size, keep_alive=keep_alive)
                if name == "mitmdump":
                    self._flows(path)

    def _flows(self, capture: Path) -> None:
        """The capture as flows, which name the server that they are sent to."""
        flows = capture.with_suffix(".flows")
        addressed = capture.with_suffix(".addressed.jsonl")
        addressed.write_bytes(capture.read_bytes().replace(b"127.0.0.1:8000", b"127.0.0.1:%d" % self.port))
        ran(qqlab("export", addressed, "--format", "flows", "-o", flows), self.folder)

    def _rate(self, name: str, command: Callable[[Path], Command]) -> Figures:
        """Requests a second, told by a long capture and a short one."""
        long, short = (ran(command(self.folder / f"{name}-{size}.jsonl"), self.folder) for size in self.sizes[name])
        number = self.sizes[name][0] - self.sizes[name][1]
        seconds, effort = max(long.seconds - short.seconds, 0.001), max(long.computed - short.computed, 0.001)
        return {RATE: number / seconds, EFFORT: number / effort}

    def qqlab(self, *options: str) -> Figures:
        """`qqlab replay` with all that it does."""
        target = ["--target", f"127.0.0.1:{self.port}", "-o", "replayed.jsonl", "--force", *options]
        return self._rate("qqlab", lambda capture: qqlab("replay", capture, *target))

    def mitmdump(self) -> Figures:
        """mitmproxy's client replay, as many at once as it likes."""
        options = ["-q", "-n", "--set", "client_replay_concurrency=-1"]
        return self._rate("mitmdump", lambda capture: [peer.mitmdump(), *options, "-C", capture.with_suffix(".flows")])

    def wrk(self) -> Figures:
        """wrk, whose requests are made before it begins."""
        script = self.folder / "wrk.lua"
        script.write_text(_lua(self.keep_alive), encoding="utf-8")
        command = ["wrk", "-t1", f"-c{LANES}", f"-d{self.whole}s", "-s", str(script)]
        before = computed()
        done = subprocess.run([*command, f"http://127.0.0.1:{self.port}/"], capture_output=True, text=True, check=True)
        found = _RATE.search(done.stdout)
        if found is None or "Non-2xx" in done.stdout:
            raise RuntimeError(f"wrk failed: {done.stdout}")
        rate = float(found[1])
        return {RATE: rate, EFFORT: rate * self.whole / (computed() - before)}

    def aiohttp(self) -> Figures:
        """A loop over aiohttp's client, which looks at nothing, on the event loop that asyncio gives."""
        return self._asked("asking")

    def locust(self) -> Figures:
        """Users of locust, each a FastHttpUser."""
        return self._asked("users")

    def _asked(self, what: str) -> Figures:
        keep, seconds = "keep" if self.keep_alive else "close", str(self.seconds)
        told = peer.figures(self.folder, what, str(self.port), self.bodies, str(LANES), keep, seconds)
        return {RATE: told[peer.RATE], EFFORT: told[peer.EFFORT]}


def _bodies() -> list[bytes]:
    requests = [_exchange(number, True, 0).request for number in range(LANES * len(_SAID))]
    return [request.body for request in requests if request is not None]


def _lua(keep_alive: bool) -> str:
    """A script for wrk that sends one body after the other."""
    bodies = ",".join('"' + "".join(f"\\{byte:03}" for byte in body) + '"' for body in _bodies())
    connection = "keep-alive" if keep_alive else "close"
    return f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "text/plain; charset=UTF-8"
wrk.headers["Connection"] = "{connection}"
local requests, at = {{}}, 0
init = function(arguments)
  for place, body in ipairs({{{bodies}}}) do requests[place] = wrk.format(nil, nil, nil, body) end
end
request = function() at = at % #requests + 1; return requests[at] end
"""


# The clients that are compared with, each with the peer that it needs.
_PEERS = {"mitmdump -C": "mitmproxy", "aiohttp": "aiohttp", "wrk": "wrk", "locust": "locust"}


def replay(setting: Setting) -> Iterator[Told]:
    """Replaying with rewriting, recording and comparison against clients that only send."""
    absent = {name: why for name, needed in _PEERS.items() if (why := peer.lacking(needed))}
    for keep_alive, short in ((True, "kept"), (False, "closed")):
        name = "kept alive" if keep_alive else "a connection for each"
        place = setting.folder / short
        place.mkdir()
        known = _capture(place / "canned.jsonl", LANES * len(_SAID), keep_alive=keep_alive)
        with _canned(known) as port:
            commands = _Commands(place, port, keep_alive, setting.scale)
            variants: dict[str, Callable[[], Figures]] = {
                "qqlab replay": commands.qqlab,
                "--workers 2": partial(commands.qqlab, "--workers", "2"),
                "mitmdump -C": commands.mitmdump,
                "aiohttp": commands.aiohttp,
                "wrk": commands.wrk,
                "locust": commands.locust,
            }
            taken = rounds({one: run for one, run in variants.items() if one not in absent}, 5, 90)
        for other, needed in _PEERS.items():
            for unit, by in ((RATE, ""), (EFFORT, "-cpu")):
                key = f"{needed}-{short}{by}"
                if other in absent:
                    yield Skipped(key=key, why=absent[other])
                else:
                    yield ratio(taken, "qqlab replay", other, name=name, key=key, unit=unit)
        yield ratio(taken, "--workers 2", "qqlab replay", name=name, key=f"workers-{short}", unit=RATE)


def pace(setting: Setting) -> Iterator[Result]:
    """A thousand requests a second as they were recorded: how late the latest hundredth is, and how long all takes."""
    number, folder = setting.number(60_000), setting.folder
    capture = _capture(folder / "pace.jsonl", number, every=0.001)
    with _canned(capture) as port:
        where = ["-o", "paced.jsonl", "--target", f"127.0.0.1:{port}"]
        told = ran([sys.executable, "-m", "qqlab", "replay", capture, "--speed", "1", *where], folder).errors
    lasted, late = _LASTED.search(told), _LATE.search(told)
    if lasted is None or late is None:
        raise RuntimeError(f"the replay does not say how it went: {told}")
    wanted, took = (number - 1) / 1000, float(lasted[1])
    yield _single("late", "late, 99 %", float(late[1]) * (1 if late[2] == "ms" else 1000), "ms")
    yield _single("longer", f"longer than {wanted:g} s by", abs(took / wanted - 1) * 100, "%")


def _single(key: str, what: str, value: float, unit: str) -> Result:
    figures = {"1,000 requests/s": value}
    return result([value], key=key, what=what, figures=figures, unit=unit, value_unit=unit)
