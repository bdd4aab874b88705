"""HAR, the archive of browsers' HTTP traffic, version 1.2: entries read with mitmproxy's own reader, and written.

Law: a HAR has no place for the bytes of heads, nor for a request body that is no text: a custom field `_qqlab` of
each entry keeps what reading it back would not give, so that qqlab restores all of it. An entry needs a request, so an
exchange without one is left out, and that is counted. A HAR is read whole, up to `MAX_FILE` bytes, and written entry by
entry.
"""

import base64
import ipaddress
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec
from mitmproxy.io.har import request_to_flow
from mitmproxy.net.http.url import parse_authority

import qqlab
from qqlab import http1
from qqlab.capture import Redacted
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.formats import mark as marks
from qqlab.formats.mark import Found
from qqlab.formats.sniff import UTF8_MARK
from qqlab.formats.tally import Tally
from qqlab.proxy.flows import http_exchange, peer
from qqlab.visible import json_safe

MAX_FILE = 128 * 1024 * 1024

_FIELD = "_qqlab"
_NOWHERE = "unknown.invalid"
_PLAIN = "%/:?&=;+,$@!*'()~#[]"
_NO_REPLY = "the HAR has no reply"
_TIMINGS = ("blocked", "dns", "connect", "send", "wait", "receive")


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Har(msgspec.Struct):
    log: _Log


def read(file: BinaryIO, where: str, tally: Tally) -> Iterator[Found]:
    """The exchanges of a HAR. Raises InputError where it is none, or is cut off; an entry that mitmproxy cannot read
    is counted."""
    data = file.read(MAX_FILE + 1).removeprefix(UTF8_MARK)
    if len(data) > MAX_FILE:
        raise InputError(where, f"is a HAR of more than {MAX_FILE} bytes", "export a part of it")
    try:
        har = msgspec.json.decode(data, type=_Har)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(where, f"is no whole HAR: {error}") from error
    for raw in har.log.entries:
        if (found := _found(raw, tally)) is not None:
            yield found


def _found(raw: msgspec.Raw, tally: Tally) -> Found | None:
    try:
        entry = msgspec.json.decode(raw)
        shown = shown_by(entry)
    except Exception as error:  # a foreign reader on foreign data fails in any way
        tally.add("entry", f"that cannot be read ({type(error).__name__}): left out")
        return None
    if shown is None:
        tally.add("entry", "without its request: left out")
        return None
    if _FIELD not in entry:
        return Found(shown)
    restored = marks.restored(marks.read(msgspec.json.encode(entry[_FIELD])), shown)
    if restored is None:
        tally.add("entry", "changed since qqlab wrote it: taken as it is now")
    return restored or Found(shown)


def shown_by(entry: dict[str, Any]) -> Exchange | None:
    """The exchange of an entry, as mitmproxy reads it, with the times and addresses that it passes over."""
    flow = request_to_flow(entry)
    answered = entry["response"]["status"] != 0
    shown = http_exchange(flow)
    if shown is None:
        return None
    started = datetime.fromisoformat(entry["startedDateTime"]).astimezone(UTC)
    timings = entry.get("timings") or {}
    before, waited, received = (
        sum(max(0.0, float(timings.get(name) or 0)) for name in names)
        for names in (_TIMINGS[:-2], _TIMINGS[-2:-1], _TIMINGS[-1:])
    )
    elapsed = (waited + received if timings else float(entry["time"])) / 1000
    return msgspec.structs.replace(
        shown,
        time=started + timedelta(milliseconds=before),
        elapsed=round(elapsed, 6) if answered else None,
        client="",
        server=peer((flow.request.host, flow.request.port)),
        reply=shown.reply if answered else None,
        error=None if answered else str(entry["response"].get("_error") or _NO_REPLY),
    )


def write(file: BinaryIO, exchanges: Iterable[Exchange], redacted: Redacted, tally: Tally) -> None:
    """A HAR of the exchanges; what only the custom field keeps, or nothing, is counted."""
    creator = msgspec.json.encode({"name": "qqlab", "version": qqlab.__version__}).decode()
    file.write(f'{{"log":{{"version":"1.2","creator":{creator},"pages":[],"entries":['.encode())
    between = b"\n"
    for exchange in exchanges:
        if exchange.request is None:
            tally.add("exchange", "without a request: left out, since an entry of a HAR needs one")
            continue
        _count(exchange, tally)
        file.write(between + json_safe(msgspec.json.encode(_marked(exchange, redacted)).decode()).encode())
        between = b",\n"
    file.write(b"\n]}}\n")


def _count(exchange: Exchange, tally: Tally) -> None:
    messages = [message for message in (exchange.request, exchange.reply) if message is not None]
    if any(not message.head for message in messages):
        tally.add("exchange", "without HTTP heads: shown with made-up ones")
    if any(message.cut is not None for message in messages):
        tally.add("exchange", "with a cut body: shown as far as it is there")
    if any(message.chunked for message in messages):
        tally.add("exchange", "with chunks: shown put together")
    if exchange.request is not None and not _is_text(_content(exchange.request)):
        tally.add("exchange", "with a request body that is no UTF-8: shown with replacement characters")
    if exchange.time is None:
        tally.add("exchange", "without a time: shown in 1970")
    elif exchange.time != marks.shown_time(exchange):
        tally.add("exchange", "with a time out of reach: shown in 1970")


def _marked(exchange: Exchange, redacted: Redacted) -> dict[str, Any]:
    made = entry(exchange)
    shown = shown_by(made)
    if shown is not None:
        made[_FIELD] = marks.mark(exchange, shown, redacted)
    return made


def entry(exchange: Exchange) -> dict[str, Any]:
    """The entry of an exchange with a request, without a mark."""
    request = exchange.request or RawMessage()
    wait = 1000 * marks.shown_elapsed(exchange)
    made = {
        "startedDateTime": marks.shown_time(exchange).isoformat(),
        "time": wait,
        "request": _request(request, exchange.server),
        "response": _response(exchange),
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": 0},
    }
    host = exchange.server.rpartition(":")[0].strip("[]")
    if _is_address(host):
        made["serverIPAddress"] = host
    return made


def _request(message: RawMessage, server: str) -> dict[str, Any]:
    body = _content(message)
    raw = message.head or http1.request(body, server or _NOWHERE).head
    head = http1.parse_head(raw)
    words = head.start.split()
    method, target = words[0] if words else "POST", words[1] if len(words) > 2 else "/"
    return {
        "method": method,
        "url": _url(target, head, server),
        "httpVersion": _version(words[-1] if words else ""),
        "cookies": [],
        "headers": _headers(raw),
        "queryString": [],
        "postData": {
            "mimeType": head.get("content-type") or "",
            "params": [],
            "text": body.decode("utf-8", "replace"),
        },
        "headersSize": len(message.head) or -1,
        "bodySize": len(message.body),
    }


def _url(target: str, head: http1.Head, server: str) -> str:
    if re.match(r"https?://[^/]", target):
        return quote(target, safe=_PLAIN)
    named = head.get("host") or ""
    authority = next((name for name in (server, named) if _is_authority(name)), _NOWHERE)
    return f"http://{authority}{quote(target if target.startswith('/') else '/', safe=_PLAIN)}"


def _is_authority(name: str) -> bool:
    try:
        return name.isascii() and bool(parse_authority(name, check=True)[0])
    except ValueError:
        return False


def _response(exchange: Exchange) -> dict[str, Any]:
    message = exchange.reply
    if message is None:
        return {
            "status": 0,
            "statusText": "",
            "httpVersion": "",
            "cookies": [],
            "headers": [],
            "content": {"size": 0, "mimeType": ""},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
            "_error": exchange.error or "",
        }
    body = _content(message)
    raw = message.head or http1.reply(body).head
    head = http1.parse_head(raw)
    words = head.start.split(None, 2)
    return {
        "status": http1.status(RawMessage(head=raw)) or http1.OK,
        "statusText": words[2] if len(words) > 2 else "",
        "httpVersion": _version(words[0] if words else ""),
        "cookies": [],
        "headers": _headers(raw),
        "content": {"size": len(body), "mimeType": head.get("content-type") or "", **_text(body, head)},
        "redirectURL": head.get("location") or "",
        "headersSize": len(message.head) or -1,
        "bodySize": len(message.body),
    }


def _text(body: bytes, head: http1.Head) -> dict[str, str]:
    """The text of a reply, in base64 where readers could make other bytes of it."""
    charset = re.search(r"charset=\"?([\w-]+)", head.get("content-type") or "", re.IGNORECASE)
    sure = body.isascii() if charset is None else charset[1].lower() in ("utf-8", "utf8") and _is_text(body)
    if sure:
        return {"text": body.decode()}
    return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _headers(head: bytes) -> list[dict[str, str]]:
    lines = re.split(rb"\r?\n", head)[1:]
    pairs = (line.partition(b":") for line in lines)
    return [{"name": _latin(name).strip(), "value": _latin(value).strip()} for name, colon, value in pairs if colon]


def _latin(data: bytes) -> str:
    return data.decode() if _is_text(data) else data.decode("latin-1")


def _content(message: RawMessage) -> bytes:
    content = http1.content(message)
    return message.body if content is None else content


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _version(word: str) -> str:
    return word if word.startswith("HTTP/") else "HTTP/1.1"
