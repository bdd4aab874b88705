"""The Host header of what goes on to a server, as mitmproxy says it in reverse mode.

Law: pure. There a request names the server that it goes to, and not the proxy that its client believes to talk to,
unless `keep_host_header` is set. Where nobody takes the requests apart, the same holds, and no other byte is changed:
`qqlab.http1.Reader` finds the heads, this is what becomes of each.
"""

import re

from mitmproxy.net.http import url
from mitmproxy.proxy.context import Context

from qqlab import http1

_NAME = "Host"
_LINE = re.compile(rb"(?im)^[ \t\r\v\f]*Host[ \t\r\v\f]*:[^\n]*(?:\n|\Z)")


def host(context: Context) -> str | None:
    """What requests on this connection name as their host; None where they stay as they are."""
    address = context.server.address
    if context.options.keep_host_header or address is None:
        return None
    return url.hostport("https" if context.server.tls else "http", address[0], address[1])


def with_host(head: bytes, host: str) -> bytes:
    """A request's head that names this host, where the first header of that kind stands, or else at the end. Further
    ones are gone."""
    patched = http1.with_header(head, _NAME, host)
    first = _LINE.search(patched, patched.find(b"\n") + 1)
    return patched if first is None else patched[: first.end()] + _LINE.sub(b"", patched[first.end() :])
