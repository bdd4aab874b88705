"""A connection whose bytes are relayed as they come.

Law: mitmproxy's own layer, and not a byte is changed; but scripts are told that the server has said all it will before
the client is. A reply that only the connection's end ends would else be in no file yet when the client has it. Where
nobody but the recorder wants to see the bytes, it has them at once: for mitmproxy to ask each of its addons, twice for
every read, takes longer than to relay and to record it.
"""

from dataclasses import dataclass
from typing import Protocol

from mitmproxy import ctx, tcp
from mitmproxy.addonmanager import traverse
from mitmproxy.addons import dumper
from mitmproxy.proxy import commands, events, layer, layers, mode_specs
from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.context import Context

from qqlab.proxy.known import are_kept

_OF_BYTES = ("tcp_message", "update")


class Reader(Protocol):
    """Who reads what is relayed. `alone` tells whether nobody else does."""

    alone: bool

    def relayed(self, flow: tcp.TCPFlow, data: bytes, *, from_client: bool) -> bytes:
        """Some bytes came; gives what may be sent on."""


@dataclass
class TcpServerDoneHook(StartHook):
    """The server of a relayed connection has ended its direction; the client does not know yet."""

    flow: tcp.TCPFlow


class Relay(layers.TCPLayer):
    """Relays bytes, and tells scripts that have `tcp_server_done` of the end of what the server sends."""

    def __init__(self, context: Context, reader: Reader) -> None:
        super().__init__(context)
        self._reader = reader

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Relay one event."""
        client, server = self.context.client, self.context.server
        if self.flow and isinstance(event, events.DataReceived) and self._reader.alone:
            from_client = event.connection is client
            data = self._reader.relayed(self.flow, event.data, from_client=from_client)
            yield commands.SendData(server if from_client else client, data)
            return
        if isinstance(event, events.ConnectionClosed) and event.connection is server and self.flow:
            yield TcpServerDoneHook(self.flow)
        yield from super().relay_messages(event)


def is_bytewise(mode: mode_specs.ProxyMode) -> bool:
    """Whether a mode relays the bytes of all connections."""
    return isinstance(mode, mode_specs.ReverseMode) and mode.scheme == "tcp"


def is_alone(reader: object) -> bool:
    """Whether no other addon would do anything with bytes that are relayed, now or once the connection is over."""
    others = (addon for addon in traverse(ctx.master.addons.chain) if addon is not reader)
    return not are_kept() and not any(_wants_bytes(addon) for addon in others)


def _wants_bytes(addon: object) -> bool:
    if isinstance(addon, dumper.Dumper) and not ctx.options.flow_detail:
        return False  # it would print nothing
    return any(getattr(addon, event, None) is not None for event in _OF_BYTES)
