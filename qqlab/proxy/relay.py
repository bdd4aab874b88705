"""A connection whose bytes are relayed as they come.

Law: mitmproxy's own layer, and nothing is changed but what the recorder changes; but scripts are told that the server
has said all it will before the client is. A reply that only the connection's end ends would else be in no file yet
when the client has it. Where nobody but the recorder wants to see the bytes, it has them at once: for mitmproxy to ask
each of its addons, twice for every read, takes longer than to relay and to record it. A connection that began where
nobody else looked at anything is the recorder's alone until it ends.
"""

from dataclasses import dataclass
from typing import Protocol

from mitmproxy import ctx, tcp
from mitmproxy.addonmanager import safecall
from mitmproxy.proxy import commands, events, layer, layers, mode_specs
from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.context import Context


class Reader(Protocol):
    """Who reads what is relayed. `alone` tells whether nobody else does."""

    alone: bool

    def relayed(self, flow: tcp.TCPFlow, data: bytes, *, from_client: bool) -> bytes:
        """Some bytes came; gives what may be sent on."""

    def withheld(self, flow: tcp.TCPFlow) -> bytes:
        """The client sends nothing more; gives what was not sent on yet, since more might have come."""


@dataclass
class TcpServerDoneHook(StartHook):
    """The server of a relayed connection has ended its direction; the client does not know yet."""

    flow: tcp.TCPFlow


class Relay(layers.TCPLayer):
    """Relays bytes, and tells scripts that have `tcp_server_done` of the end of what the server sends."""

    def __init__(self, context: Context, reader: Reader) -> None:
        super().__init__(context)
        self._reader = reader

    @property
    def recorded(self) -> tcp.TCPFlow:
        """The connection as scripts are told of it."""
        assert self.flow is not None
        return self.flow

    @property
    def _is_alone(self) -> bool:
        return self._reader.alone

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Relay one event."""
        client, server = self.context.client, self.context.server
        if self.flow and isinstance(event, events.DataReceived) and self._is_alone:
            from_client = event.connection is client
            data = self._reader.relayed(self.flow, event.data, from_client=from_client)
            yield commands.SendData(server if from_client else client, data)
            return
        if isinstance(event, events.ConnectionClosed) and self.flow:
            if event.connection is server:
                yield TcpServerDoneHook(self.flow)
            elif rest := self._reader.withheld(self.flow):
                yield commands.SendData(server, rest)
        yield from super().relay_messages(event)


class Private(Relay):
    """Relays a connection to a server that is there already, and tells nobody of it but its reader: for mitmproxy to
    ask each of its addons takes a quarter of what a connection with one request costs."""

    _is_alone = True

    def start(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Begin to relay."""
        yield from self._told(super().start(event))

    _handle_event = start

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Relay one event."""
        yield from self._told(super().relay_messages(event))

    def _told(self, steps: layer.CommandGenerator[None]) -> layer.CommandGenerator[None]:
        """The same without hooks, which the reader alone is told of. No other of these commands gives anything back."""
        for step in steps:
            if isinstance(step, StartHook):
                with safecall():
                    ctx.master.addons.invoke_addon_sync(self._reader, step)
            else:
                yield step


def is_bytewise(mode: mode_specs.ProxyMode) -> bool:
    """Whether a mode relays the bytes of all connections."""
    return isinstance(mode, mode_specs.ReverseMode) and mode.scheme == "tcp"
