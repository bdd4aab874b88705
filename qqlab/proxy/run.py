"""mitmproxy inside this process, with the recorder in it: what `qqlab record` runs.

Law: only those of mitmproxy's own addons are loaded that relaying needs, so nothing is changed on the way, and nothing
is written but the capture: no keys, no history, no flows kept in memory. What cannot be relayed or recorded is said
through `logging`. The protocol never spoke TLS: what looks like it passes by unread.
"""

import asyncio
import logging
import os
import re
import signal
from collections.abc import Callable
from typing import NamedTuple

from mitmproxy import connection, master, options
from mitmproxy.addons import block, core, next_layer, proxyserver
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import layer, layers, server_hooks
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler

from qqlab.codec import Decoded
from qqlab.errors import QqlabError, TargetError
from qqlab.exchange import Exchange, address
from qqlab.proxy.recorder import Recorder, Told, logger
from qqlab.proxy.relay import Relay, is_bytewise
from qqlab.proxy.tally import Tally

# It logs that an address cannot be listened on, which is an error of ours by then.
logging.getLogger(proxyserver.__name__).setLevel(logging.CRITICAL)

_DAYS = 7 * 24 * 3600  # a client of lines stays connected for days, and may be silent for hours
_LOOK = 0.02  # seconds between two looks at whether the last replies are on their way
_PATIENCE = 2.0  # seconds for that
_NUMBER = re.compile(r"\[Errno (\d{1,3})\]")

Began = Callable[[str], None]


class Plan(NamedTuple):
    """What to run. `mode` is mitmproxy's, `settings` are options of the addon; it ends after `duration` seconds, and
    after `exchanges` of them, where they are not None."""

    mode: str
    host: str
    port: int
    settings: dict[str, str | bool]
    duration: float | None = None
    exchanges: int | None = None


class Run:
    """One recording, counted in `tally`; `told` is called with each exchange once it is in the file, `began` with the
    address that is listened on once it is."""

    def __init__(self, plan: Plan, *, tally: Tally, told: Told, began: Began) -> None:
        self._plan = plan
        self._tally = tally
        self._told = told
        self._began = began
        self._left = plan.exchanges
        self._ending: asyncio.Task[None] | None = None
        self._recorder = Recorder(told=self._count, exits=False)

    async def run(self) -> None:
        """Record until a signal, or as long as planned.

        Raises TargetError where the address cannot be listened on, and InputError where nothing more can be recorded.
        """
        self._master = _Master(self._recorder, self._began)
        self._master.options.update(**_options(self._plan), **self._plan.settings)
        self._raise()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._master.shutdown)
        if self._plan.duration is not None:
            loop.call_later(self._plan.duration, self._end)
        try:
            await self._master.run()
        finally:
            self._tally.other = self._recorder.other
        self._raise()

    def _raise(self) -> None:
        failure: QqlabError | None = self._recorder.failure
        if failure is not None:
            raise failure

    def _count(self, exchange: Exchange, decoded: Decoded) -> None:
        self._tally.add(exchange, decoded)
        self._tally.other = self._recorder.other
        self._told(exchange, decoded)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._end()

    def _end(self) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._master.end())


class _Master(master.Master):
    """mitmproxy with what relaying needs."""

    def __init__(self, recorder: Recorder, began: Began) -> None:
        super().__init__(options.Options())
        self._began = began
        self._proxy = proxyserver.Proxyserver()
        self.addons.add(
            core.Core(), block.Block(), self._proxy, _Door(self._proxy, recorder), recorder, next_layer.NextLayer()
        )

    async def running(self) -> None:
        """The addresses are listened on, or they cannot be."""
        for server in self._proxy.servers:
            if (error := server.last_exception) is not None:
                where = address(self.options.listen_host, self.options.listen_port)
                number = error.errno if isinstance(error, OSError) else None
                what = os.strerror(number) if number and number > 0 else "there is no such address"
                raise TargetError(where, f"cannot be listened on: {what}", "choose another: --listen")
        await super().running()
        for host, port, *_ in self._proxy.listen_addrs():
            self._began(address(host, port))

    async def end(self) -> None:
        """End once what clients are owed is on its way to them."""
        for _ in range(int(_PATIENCE / _LOOK)):
            await asyncio.sleep(_LOOK)
            if not any(map(_owed, self._proxy.connections.values())):
                break
        self.should_exit.set()


def _owed(handler: ProxyConnectionHandler) -> int:
    """How many bytes wait to be sent to a client."""
    ends = handler.transports.get(handler.client)
    if ends is None or not isinstance(ends.writer, asyncio.StreamWriter):
        return 0
    return ends.writer.transport.get_write_buffer_size()


def _options(plan: Plan) -> dict[str, object]:
    return {
        "mode": [plan.mode],
        "listen_host": plan.host,
        "listen_port": plan.port,
        "keep_host_header": True,
        # What is no proper HTTP is for the server to refuse, not for a recorder.
        "validate_inbound_headers": False,
        # A request that finds no server is an exchange too, and only read where the connection does not come first.
        "connection_strategy": "eager" if ":tcp:" in plan.mode else "lazy",
    }


class _Door:
    """How connections come in, and what becomes of the servers'."""

    def __init__(self, proxy: proxyserver.Proxyserver, recorder: Recorder) -> None:
        self._proxy = proxy
        self._recorder = recorder
        self._down: set[str] = set()

    def client_connected(self, client: connection.Client) -> None:
        """Have mitmproxy keep silent connections; not all versions have an option for that."""
        if (handler := self._proxy.connections.get(client.id)) is not None:
            handler.timeout_watchdog.timeout = _DAYS

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Leave no doubt about connections that are relayed as bytes: whatever they carry, not a byte is changed."""
        context, data = nextlayer.context, nextlayer.data_client()
        if is_bytewise(context.client.proxy_mode):
            nextlayer.layer = Relay(context, self._recorder)
        elif starts_like_tls_record(data) and context.server.address is not None:
            nextlayer.layer = layers.TCPLayer(context)

    def server_connect_error(self, data: server_hooks.ServerConnectionHookData) -> None:
        """A server cannot be reached: say so once, until it can. Why one was not tried at all is said already."""
        if data.client.timestamp_end is not None or data.server.timestamp_start is None:
            return  # a client that was gone before the connection stood tells nothing of the server
        where = address(*data.server.address[:2]) if data.server.address else "?"
        if where not in self._down and len(self._down) < 100:
            self._down.add(where)
            logger.warning("qqlab: %s: cannot be reached: %s", where, _words(data.server.error or ""))

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """It can."""
        if data.server.address:
            self._down.discard(address(*data.server.address[:2]))


def _words(error: str) -> str:
    """An error of mitmproxy in the system's words, where it has the system's numbers: one for each address tried."""
    said = dict.fromkeys(os.strerror(int(number)).lower() for number in _NUMBER.findall(error))
    return ", ".join(said) or error
