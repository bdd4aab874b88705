"""What is timed says how it went, as one line of JSON on stdout: how much was done, in how many seconds, and how many
of them were computed. What a process needs to begin (interpreter, modules) is no part of that."""

import json
import time
from collections.abc import Callable


def timed(work: Callable[[], int]) -> None:
    """Do it, and say how it went."""
    began, before = time.perf_counter(), time.process_time()
    done = work()
    say(done, time.perf_counter() - began, time.process_time() - before)


def say(done: int, seconds: float, computed: float) -> None:
    """Say how it went."""
    print(json.dumps({"done": done, "seconds": seconds, "computed": computed}), flush=True)
