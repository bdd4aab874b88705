"""A bare loop over aiohttp's client, which looks at nothing, on the event loop that asyncio gives.

Arguments: the server's port, a file of request bodies (a JSON list), how many connections, `keep` or `close`, seconds.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from timed.saying import timed


async def _ask(session: aiohttp.ClientSession, url: str, bodies: Sequence[bytes], end: float) -> int:
    done = 0
    while asyncio.get_running_loop().time() < end:
        for body in bodies:
            async with session.post(url, data=body) as reply:
                await reply.read()
        done += len(bodies)
    return done


async def _asked(url: str, bodies: Sequence[bytes], lanes: int, keep: str, seconds: float) -> int:
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Connection": "keep-alive" if keep == "keep" else "close",
    }
    connector = aiohttp.TCPConnector(limit=lanes, force_close=keep != "keep")
    end = asyncio.get_running_loop().time() + seconds
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        return sum(await asyncio.gather(*(_ask(session, url, bodies[lane::lanes], end) for lane in range(lanes))))


def _main() -> int:
    port, file, lanes, keep, seconds = sys.argv[1:]
    bodies = [body.encode() for body in json.loads(Path(file).read_bytes())]
    return asyncio.run(_asked(f"http://127.0.0.1:{port}/", bodies, int(lanes), keep, float(seconds)))


if __name__ == "__main__":
    timed(_main)
