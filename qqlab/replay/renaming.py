"""A recorded exchange as it would be if other accounts had taken part: what a replay with other accounts is held
against.

Law: pure; byte for byte but for the account numbers, and the framing that they force. They are changed where a field
names accounts by the spec, alone or in a list, in requests and in replies.
"""

from collections.abc import Mapping

import msgspec

from qqlab import http1, wire
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay.reading import Read, read
from qqlab.replay.rewrite import other_accounts
from qqlab.spec import Spec


def renamed(exchange: Exchange, accounts: Mapping[str, str], spec: Spec) -> Exchange:
    """The exchange with each account of `accounts` replaced by the other one; the same object where it has none."""
    asked = None if exchange.request is None else read(exchange.request, "request", spec)
    fallback = None if asked is None else asked.command
    said = None if exchange.reply is None else read(exchange.reply, "reply", spec, fallback)
    request, reply = _other(exchange.request, asked, accounts, spec), _other(exchange.reply, said, accounts, spec)
    if request is exchange.request and reply is exchange.reply:
        return exchange
    return msgspec.structs.replace(exchange, request=request, reply=reply)


def _other(message: RawMessage | None, seen: Read | None, accounts: Mapping[str, str], spec: Spec) -> RawMessage | None:
    if message is None or seen is None:
        return message
    new = [(field.position, raw) for field, raw in other_accounts(seen, accounts, spec)]
    content = http1.content(message) if new else None
    return message if content is None else http1.with_content(message, wire.patch(content, new))
