"""Transcripts: the lines that write-ups print, `> ` before a request body and `< ` before a reply body.

Law: bodies are taken byte for byte up to the end of the line; nothing else is known of them, so heads are empty
and there is no time. A reply belongs to the request before it; a second reply in a row stands alone. `#` begins
a comment line. One that an export put before an exchange ends the one before, names its id, and says whether secrets
are pseudonyms, as long as the exchange is what it was.
"""

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple, cast

import msgspec

from qqlab import http1
from qqlab.capture import Redacted
from qqlab.errors import InputError
from qqlab.exchange import TRANSCRIPT, Exchange, RawMessage
from qqlab.formats.mark import Found, digest
from qqlab.formats.sniff import UTF8_MARK
from qqlab.formats.tally import Tally

MAX_LINE = 16 * 1024 * 1024
_MARK = re.compile(rb"# exchange ([\w.-]{1,100}|)(?:, )?redacted: (none|secrets|all), check ([0-9a-f]{32})")
_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
# Bodies that a line cannot hold: a line end ends it, and one before that would be taken for a part of it.
_NO_LINE = re.compile(rb"\n|\r\Z")


def read(file: BinaryIO, where: str) -> Iterator[Found]:
    """The exchanges of a transcript, without ids but those of an export. Raises InputError, naming the line, for a
    line that is neither request, reply, comment nor blank, and for a transcript without any message."""
    number = 0
    for pair in _pairs(_lines(file, where)):
        number += 1
        yield pair.found()
    if not number:
        raise InputError(where, "holds no message", "a transcript has lines that begin with '> ' or '< '")


def write(file: BinaryIO, exchanges: Iterable[Exchange], redacted: Redacted, tally: Tally) -> None:
    """A transcript of the exchanges; what its lines cannot hold is counted."""
    for exchange in exchanges:
        request, reply = _bare(exchange.request), _bare(exchange.reply)
        messages = [message for message in (request, reply) if message is not None]
        if any(_NO_LINE.search(message.body) for message in messages):
            tally.add("exchange", "with a line end in a body: left out, since a line cannot hold it")
            continue
        _count(exchange, tally)
        shown = Exchange(id="", session="", request=request, reply=reply)
        name = f"{exchange.id}, " if _ID.fullmatch(exchange.id) else ""
        file.write(f"# exchange {name}redacted: {redacted}, check {digest(shown)}\n".encode())
        file.writelines(
            sign + message.body + b"\n" for sign, message in ((b"> ", request), (b"< ", reply)) if message is not None
        )


def _bare(message: RawMessage | None) -> RawMessage | None:
    if message is None:
        return None
    content = http1.content(message)
    return RawMessage(body=message.body if content is None else content)


def _count(exchange: Exchange, tally: Tally) -> None:
    messages = [message for message in (exchange.request, exchange.reply) if message is not None]
    if any(message.head for message in messages):
        tally.add("exchange", "with HTTP heads: a transcript has none")
    if any(message.cut is not None for message in messages):
        tally.add("exchange", "with a cut body: a transcript does not tell")
    if exchange.time is not None or exchange.client or exchange.server:
        tally.add("exchange", "with times and addresses: a transcript has none")
    if exchange.error is not None:
        tally.add("exchange", "with an error: a transcript has none")


class _Line(NamedTuple):
    """A line that means something: `sign` is `>`, `<`, or `#` for the mark of an export."""

    sign: bytes
    text: bytes


class _Pair(NamedTuple):
    request: RawMessage | None
    reply: RawMessage | None
    mark: re.Match[bytes] | None

    def found(self) -> Found:
        shown = Exchange(id="", session="", transport=TRANSCRIPT, request=self.request, reply=self.reply)
        if self.mark is None or self.mark[3].decode() != digest(shown):
            return Found(shown)
        return Found(msgspec.structs.replace(shown, id=self.mark[1].decode()), cast(Redacted, self.mark[2].decode()))


def _lines(file: BinaryIO, where: str) -> Iterator[_Line]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise InputError(f"{where}:{number}", f"the line is longer than {MAX_LINE} bytes", "is it a transcript?")
        text = (line.removeprefix(UTF8_MARK) if number == 1 else line).removesuffix(b"\n").removesuffix(b"\r")
        if text[:2] in (b"> ", b"< "):
            yield _Line(text[:1], text[2:])
        elif _MARK.fullmatch(text):
            yield _Line(b"#", text)
        elif text.strip() and not text.startswith(b"#"):
            # What stands there is not said: it may be a password.
            raise InputError(f"{where}:{number}", "the line begins with neither '> ' nor '< '", "is it a transcript?")


def _pairs(lines: Iterable[_Line]) -> Iterator[_Pair]:
    request: RawMessage | None = None
    mark: re.Match[bytes] | None = None
    for sign, text in lines:
        message = RawMessage(body=text)
        if sign == b"<":
            yield _Pair(request, message, mark)
            request, mark = None, None
            continue
        if request is not None:
            yield _Pair(request, None, mark)
            mark = None
        request = message if sign == b">" else None
        mark = _MARK.fullmatch(text) if sign == b"#" else mark
    if request is not None:
        yield _Pair(request, None, mark)
