"""Which connections are relayed as bytes, and which mitmproxy takes apart as HTTP.

Law: decided once for each connection, with the first bytes of its client; where there is doubt, mitmproxy decides.
Relayed is what is asked for (`reverse:tcp://`); a request line without a target, which mitmproxy would refuse; and, for
speed, plain HTTP to a server that is there (`reverse:http://`, no TLS, no CONNECT, no Upgrade) where nobody but the
recorder would look at its messages: nothing prints or keeps flows (`flow_detail=0`, which `-q` sets; no list, as of
mitmweb, and no `-w`), no other script has a hook for messages, and no option is set that could change them.

Such a connection passes as it is, but for the Host header of its requests, which names the server unless
`keep_host_header` is set. What HTTP taken apart would lose is recorded, too: several requests at once, bodies without a
length, what is torn. What mitmproxy does of its own it does not do there: open a connection again that the server has
closed, answer `Expect`, refuse what is invalid. An option or a script that looks on from now on sees the connections to
come.
"""

import re
from typing import Protocol

from mitmproxy import connection, ctx, exceptions, tcp
from mitmproxy.net.http import url
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import layer, mode_specs
from mitmproxy.proxy.context import Context

from qqlab import http1
from qqlab.proxy.host import host
from qqlab.proxy.relay import Private, Reader, Relay, is_bytewise

_HTTP_PORT = 80
_BLANK_LINES = b"\r\n"

# The request line of nearly every client, and headers that mitmproxy answers itself or takes out.
_PLAIN = re.compile(rb"(?!CONNECT )[A-Z]+ /[^ \r\n]* HTTP/1\.[01]\r?\n")
_SPECIAL = re.compile(rb"(?i)\n(?:Upgrade[ \t]*:|Host[ \t]*:[ \t]*mitm\.it\b)")


class Recording(Reader, Protocol):
    """Who reads what is relayed."""

    @property
    def unwatched(self) -> bool:
        """Whether nobody else would look at HTTP messages, and these are recorded."""

    def converse(self, flow: tcp.TCPFlow, host: str | None) -> None:
        """HTTP is relayed from now on; `host` is what its requests name as their host, where that is changed."""

    def refuse(self, client: connection.Client, reason: str) -> None:
        """Something that mitmproxy will refuse, for a reason that is known already."""


def choose(nextlayer: layer.NextLayer, recording: Recording) -> None:
    """Relay the connection, or leave it to mitmproxy. Raises AddonHalt where more bytes must tell."""
    context, data = nextlayer.context, nextlayer.data_client()
    if nextlayer.layer is not None:
        return
    if is_bytewise(context.client.proxy_mode):
        # Which connections are to be let alone, and what is behind TLS, mitmproxy knows.
        if not (starts_like_tls_record(data) or ctx.options.ignore_hosts or ctx.options.allow_hosts):
            nextlayer.layer = Relay(context, recording)
    elif _is_plain(context, data) and not nextlayer.data_server() and recording.unwatched:
        relay = nextlayer.layer = Private(context, recording)
        recording.converse(relay.recorded, host(context))
    elif data and _has_no_target(context, data, recording):
        nextlayer.layer = Relay(context, recording)


def _is_plain(context: Context, data: bytes) -> bool:
    """Whether this is plain HTTP on its way to a server that is there."""
    mode = context.client.proxy_mode
    return (
        isinstance(mode, mode_specs.ReverseMode)
        and mode.scheme == "http"
        and not context.client.tls
        and context.server.connected
        and looks_plain(data)
    )


def looks_plain(data: bytes) -> bool:
    """Whether a client's first bytes are HTTP as nearly every one speaks it, and ask nothing of mitmproxy itself."""
    return _PLAIN.match(data) is not None and _SPECIAL.search(data) is None


def _has_no_target(context: Context, data: bytes, recording: Recording) -> bool:
    """Whether mitmproxy's HTTP layer would refuse the first request, and there is a server for it."""
    first = data.lstrip(_BLANK_LINES)
    missing = http1.has_no_target(first) if first else None
    if missing is None and len(data) <= http1.MAX_HEAD:
        # Too few bytes to tell. Scripts are asked before mitmproxy's own decision, which this holds off;
        # with more bytes it asks again.
        raise exceptions.AddonHalt
    # Behind a blank line, mitmproxy waits for a request that is there already.
    if not missing and first == data:
        return False
    if "proxyauth" in ctx.options and ctx.options.proxyauth:
        recording.refuse(context.client, "a request without a target cannot show the password of proxyauth")
        return False
    return context.server.address is not None or _find_server(context, first, recording)


def _find_server(context: Context, data: bytes, recording: Recording) -> bool:
    """Whether a request to the proxy itself, which names no server in its target, does so in its Host header."""
    head = http1.first_head(data)
    if head is None and len(data) <= http1.MAX_HEAD:
        raise exceptions.AddonHalt
    try:
        name, port = url.parse_authority(http1.parse_head(head or data).get("host") or "", check=True)
    except ValueError:
        name, port = "", None
    # A proxy that hands on to another proxy leaves it to that one to find servers.
    if not name or not isinstance(context.client.proxy_mode, mode_specs.RegularMode):
        recording.refuse(context.client, "nothing says where a request without a target should go")
        return False
    context.server.address = name, port or _HTTP_PORT
    return True
