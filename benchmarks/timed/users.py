"""Users of locust, each a FastHttpUser that asks again as soon as it has its reply.

Arguments: as those of `asking`. What is told is what locust itself counts, once all its users are there.
"""
# ruff: noqa: E402 - gevent has to come before all that knows sockets

import gevent.monkey

gevent.monkey.patch_all()

import json
import sys
import time
from itertools import cycle
from pathlib import Path

import gevent
from locust import FastHttpUser, constant, task
from locust.env import Environment
from timed.saying import say

_PORT, _FILE, _LANES, _KEEP, _SECONDS = sys.argv[1:]
_BODIES = cycle([body.encode() for body in json.loads(Path(_FILE).read_bytes())])
_HEADERS = {"Content-Type": "text/plain; charset=UTF-8", "Connection": "keep-alive" if _KEEP == "keep" else "close"}


class User(FastHttpUser):  # type: ignore[misc]  # locust stands in the environment of the peers alone
    """One of them."""

    host = f"http://127.0.0.1:{_PORT}"
    wait_time = constant(0)

    @task  # type: ignore[untyped-decorator]
    def ask(self) -> None:
        """Ask for the next one."""
        self.client.post("/", data=next(_BODIES), headers=_HEADERS)


def _main() -> None:
    runner = Environment(user_classes=[User]).create_local_runner()
    runner.start(int(_LANES), spawn_rate=1000)
    while runner.user_count < int(_LANES):
        gevent.sleep(0.05)
    total = runner.stats.total
    began, before, first = time.perf_counter(), time.process_time(), total.num_requests
    gevent.sleep(float(_SECONDS))
    done, seconds, computed = total.num_requests - first, time.perf_counter() - began, time.process_time() - before
    failed = total.num_failures
    runner.quit()
    if failed:
        sys.exit(f"{failed} requests failed")
    say(done, seconds, computed)


if __name__ == "__main__":
    _main()
