"""A connection whose bytes are relayed as they come.

Law: mitmproxy's own layer, and not a byte is changed; but scripts are told that the server has said all it will before
the client is. A reply that only the connection's end ends would else be in no file yet when the client has it.
"""

from dataclasses import dataclass

from mitmproxy import tcp
from mitmproxy.proxy import events, layer, layers, mode_specs
from mitmproxy.proxy.commands import StartHook


@dataclass
class TcpServerDoneHook(StartHook):
    """The server of a relayed connection has ended its direction; the client does not know yet."""

    flow: tcp.TCPFlow


class Relay(layers.TCPLayer):
    """Relays bytes, and tells scripts that have `tcp_server_done` of the end of what the server sends."""

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Relay one event."""
        if isinstance(event, events.ConnectionClosed) and event.connection is self.context.server and self.flow:
            yield TcpServerDoneHook(self.flow)
        yield from super().relay_messages(event)


def is_bytewise(mode: mode_specs.ProxyMode) -> bool:
    """Whether a mode relays the bytes of all connections."""
    return isinstance(mode, mode_specs.ReverseMode) and mode.scheme == "tcp"
