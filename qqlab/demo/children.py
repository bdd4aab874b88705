"""Child processes of the demonstration: started, waited for until they listen, and ended whatever happens.

Law: a child lives no longer than the block that started it; it is asked to end, and ended if it does not.
"""

import asyncio
import os
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import qqlab
from qqlab.errors import TargetError

_PATIENCE = 30.0  # seconds until a child listens
_FALL = 1.0  # seconds from a failure until the child that caused it has ended
_FAREWELL = 10.0  # seconds that a child may take to end
_LISTENING = re.compile(rb"(?:listening at|serving on|recording on) (?:http://)?[0-9.]+:([0-9]+)")

QQLAB = (sys.executable, "-m", "qqlab")
# mitmdump's own script may stand elsewhere than this interpreter's, so its entry point is called.
MITMDUMP = (sys.executable, "-c", "from mitmproxy.tools.main import mitmdump; mitmdump()")


@asynccontextmanager
async def child(command: Sequence[str | Path]) -> AsyncIterator[int]:
    """Run a child that listens; yields its port.

    Raises TargetError with its last words where it never listens, and where the block failed since it had ended.
    """
    # A package that runs from a checkout must be found by the child too.
    paths = [str(Path(qqlab.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"},
        # Ctrl-C at the terminal is for the demonstration, which then ends its children in order.
        start_new_session=True,
    )
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    said: deque[str] = deque(maxlen=3)
    reading = asyncio.create_task(_read(process, port, said))
    try:
        yield await _soon(port)
    except TargetError as error:
        with suppress(TimeoutError):
            async with asyncio.timeout(_FALL):
                await process.wait()
                await reading
        if process.returncode:
            raise TargetError("demo", f"a part of it ended: {' / '.join(said) or 'it said nothing'}") from error
        raise
    finally:
        ending = asyncio.create_task(_end(process, reading))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending  # a cancellation that comes now may not leave it half done
            raise


async def _soon(port: asyncio.Future[int]) -> int:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await port
    except TimeoutError as error:
        raise TargetError("demo", f"a part of it did not listen within {_PATIENCE:.0f} s") from error


async def _read(process: asyncio.subprocess.Process, port: asyncio.Future[int], said: deque[str]) -> None:
    """Read to the end, so that the child never waits for room in the pipe; on the way, learn where it listens."""
    assert process.stdout is not None
    async for line in process.stdout:
        said.append(line.decode("utf-8", "replace").strip())
        if not port.done() and (match := _LISTENING.search(line)):
            port.set_result(int(match[1]))
    if not port.done():
        port.set_exception(TargetError("demo", f"a part of it did not start: {' / '.join(said) or 'it said nothing'}"))


async def _end(process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(_FAREWELL):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    await reading
