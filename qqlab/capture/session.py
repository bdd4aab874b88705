"""Which conversation an exchange belongs to.

These clients open a connection per request, and the server knows them by address and account, so a session is
`<client host>/<account>`. An exchange without an account belongs to its client's address alone.
"""

import msgspec

from qqlab import http1
from qqlab.codec import Message, decode_message
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Command, Direction, Spec


def session(client: str, account: str | None) -> str:
    """The session of an exchange; `client` is `host:port`, a host, or a word for where it comes from."""
    host, colon, port = client.rpartition(":")
    return f"{host if colon and port.isdecimal() else client}/{account or ''}"


def with_session(exchange: Exchange, spec: Spec) -> Exchange:
    """The exchange in the session that its client (or else how it travelled) and its account make."""
    client = exchange.client or exchange.transport
    return msgspec.structs.replace(exchange, session=session(client, _account(exchange, spec)))


def _account(exchange: Exchange, spec: Spec) -> str | None:
    """The request's account, or the reply's where the request says none: what decoding both would find."""
    request = _message(exchange.request, "request", spec, None)
    account = None if request is None else request.text(spec.roles.account)
    if account is None:
        reply = _message(exchange.reply, "reply", spec, None if request is None else request.command)
        account = None if reply is None else reply.text(spec.roles.account)
    return account


def _message(raw: RawMessage | None, direction: Direction, spec: Spec, fallback: Command | None) -> Message | None:
    if raw is None:
        return None
    content = http1.content(raw)
    return decode_message(raw.body if content is None else content, direction, spec, fallback)
