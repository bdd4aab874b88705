"""Records `captures/lines.jsonl` anew: a session of VER 1.4 over bare lines, between made-up accounts of the test
server, through `qqlab record --lines`. `python captures/lines.py OUTPUT.jsonl`; the file must not exist yet.
"""

import asyncio
import sys
from pathlib import Path
from typing import NamedTuple

from qqlab.codec import derive
from qqlab.demo.children import QQLAB, child
from qqlab.testserver import accounts

NOTE = "bare lines, recorded from qqlab's own test server, which is built from this spec: it shows the tool"
KNOWN = accounts.sample()


class Step(NamedTuple):
    """One request of an account; `pushes` are the lines that nobody asked for which come to whom before the next."""

    account: str
    command: str
    fields: str = ""
    pushes: tuple[str, ...] = ()


STEPS = (
    Step("10001", "Login"),
    Step("10001", "SimpleInfo2", "UN=0&TO=0"),
    Step("10002", "Login", pushes=("10001",)),
    Step("10001", "Query_Stat2", "CM=2&UN=0"),
    Step("10001", "CLTMSG", "UN=10002&MG=你好%2c 山 %26 水", pushes=("10002",)),
    Step("10002", "CLTMSG", "UN=10001&MG=在吗?", pushes=("10001",)),
    Step("10002", "Change_Stat2", "ST=30", pushes=("10001",)),
    # An account that wants a picture to be read: once misread, then read.
    Step("10005", "Login"),
    Step("10005", "VERIFYCODE", "SC=2&VC=0000"),
    Step("10005", "VERIFYCODE", f"SC=2&VC={KNOWN.verification('10005')}", pushes=("10001",)),
    Step("10005", "List", "TN=160&UN=0"),
    Step("10005", "CLTMSG", "UN=10001&MG=hi", pushes=("10001",)),
    Step("10005", "Logout", pushes=("10001",)),
    Step("10002", "Logout", pushes=("10001",)),
    Step("10001", "GetMsgEx"),
    Step("10001", "Logout"),
    Step("10001", "List", "TN=160&UN=0"),
)


class Client:
    """One account on one long connection."""

    def __init__(self, account: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._account, self._reader, self._writer = account, reader, writer
        self._sequence = 100

    async def ask(self, step: Step) -> None:
        """Send a request and wait for its reply; SEQ counts up by one."""
        self._sequence += 1
        fields = step.fields
        if step.command == "Login":
            hashed = derive("MD5-HEX", KNOWN.password(self._account) or "")
            fields = f"PS={hashed}&M5=1&LC=812822641C978097&LG=0&GD=EX&CKE=&ST=10"
        body = f"VER=1.4&CON=1&CMD={step.command}&SEQ={self._sequence}&UIN={self._account}&SID=&XP=C4CA4238A0B92382"
        self._writer.write(f"{body}{fields and '&'}{fields}\n".encode())
        await self.hear()

    async def hear(self) -> None:
        """Wait for one line."""
        await self._reader.readuntil(b"\r\n")

    async def leave(self) -> None:
        """End the connection."""
        self._writer.close()
        await self._writer.wait_closed()


async def drive(port: int) -> None:
    """Play the session against a port of this machine."""
    clients: dict[str, Client] = {}
    for step in STEPS:
        if step.account not in clients:
            clients[step.account] = Client(step.account, *await asyncio.open_connection("127.0.0.1", port))
        await clients[step.account].ask(step)
        for account in step.pushes:
            await clients[account].hear()
    for client in clients.values():
        await client.leave()


async def record(output: Path) -> None:
    """Start a server and a recorder before it, and play the session through both."""
    async with child([*QQLAB, "serve", "--lines", "--listen", "127.0.0.1:0"]) as server:
        between = ["--upstream", f"127.0.0.1:{server}", "--listen", "127.0.0.1:0"]
        async with child([*QQLAB, "record", "--lines", *between, "-o", output, "--note", NOTE]) as recorder:
            await drive(recorder)


if __name__ == "__main__":
    asyncio.run(record(Path(sys.argv[1])))
