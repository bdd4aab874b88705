"""The capture file: JSON lines, a header with the format's version first, then one exchange a line.

Law: never lose a recording quietly. A line is appended whole and flushed; a file is replaced atomically and
never overwritten unasked; damage is named by its line. Only a torn last line, which a crash leaves, is skipped,
and that is said. A newer version is refused by name. Files are created readable by their owner alone.
"""

import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import msgspec

import qqlab
from qqlab.capture.record import Record, record
from qqlab.codec import decode
from qqlab.errors import InputError
from qqlab.exchange import Cut, Exchange, Pairing, RawMessage
from qqlab.files import refuse_existing, replacing
from qqlab.spec import Spec, builtin

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1

Redacted = Literal["secrets", "none"]


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A capture file's first line.

    `qqlab_capture` is the format's version. `created` is when recording began, None for material whose time is
    unknown. `tool` wrote the file, by the spec named `spec`. `redacted` tells whether secret values are
    pseudonyms. `note` is free text, such as where imported material comes from.
    """

    qqlab_capture: int
    tool: str
    spec: str
    redacted: Redacted
    created: datetime | None = None
    note: str = ""


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded capture. `torn` is one line about a last line that was cut off and skipped, None where all is whole."""

    header: Header
    exchanges: tuple[Exchange, ...]
    path: str
    torn: str | None = None

    @property
    def name(self) -> str:
        """The file's name without its ending: short, and the same wherever the file lies."""
        return Path(self.path).stem

    def frame(self, spec: Spec | None = None) -> "pd.DataFrame":
        """The exchanges as a pandas frame, one row each, indexed by id; `qqlab.capture.frame` documents its columns."""
        # pandas takes four times as long to import as all of the command line; who asks for no frame need not wait.
        from qqlab.capture import frame  # noqa: PLC0415

        return frame.frame(self.exchanges, spec or builtin())


class _Raw(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message in the file: text where the bytes are UTF-8, base64 otherwise."""

    head: str | None = None
    head_base64: bytes | None = None
    body: str | None = None
    body_base64: bytes | None = None
    end: str = ""
    chunked: bool = False
    cut: Cut | None = None


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is loaded of a line; `decoded` and keys that this version does not know are passed over."""

    id: str
    session: str
    time: datetime | None = None
    elapsed: float | None = None
    client: str = ""
    server: str = ""
    transport: str = "http"
    request: _Raw | None = None
    reply: _Raw | None = None
    error: str | None = None
    pairing: Pairing = ""


class _FullLine(_Line, frozen=True, kw_only=True):
    decoded: Record


_header_decoder = msgspec.json.Decoder(Header)
_line_decoder = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder()


def header(spec: Spec, *, redacted: Redacted, created: datetime | None = None, note: str = "") -> Header:
    """The header of a capture that this version of qqlab writes."""
    return Header(
        qqlab_capture=FORMAT,
        tool=f"qqlab {qqlab.__version__}",
        spec=spec.name,
        redacted=redacted,
        created=created,
        note=note,
    )


def load(path: Path | str) -> Capture:
    """Read a capture; `-` is standard input.

    Raises InputError, naming the line, for a file that cannot be read, is no capture, is of a newer version, or
    is damaged anywhere but in a torn last line.
    """
    where = "<stdin>" if str(path) == "-" else str(path)
    try:
        data = sys.stdin.buffer.read() if where == "<stdin>" else Path(path).read_bytes()
    except OSError as error:
        raise InputError(where, error.strerror or str(error)) from error
    return parse(data, where)


def parse(data: bytes, where: str) -> Capture:
    """Read a capture from its bytes; `where` stands in errors. Raises as `load` does."""
    if not data.strip():
        raise InputError(where, "is empty", "a capture begins with a header line")
    lines = data.split(b"\n")
    last = lines.pop()
    if not lines:
        lines, last = [last], b""
    head = _parse_header(lines[0], where)
    numbered = [(number, line) for number, line in enumerate(lines[1:], 2) if line.strip()]
    exchanges = [_parse_line(line, f"{where}:{number}") for number, line in numbered]
    torn = None
    if last.strip():
        # A last line without its newline is what a crash leaves, unless somebody's editor just dropped the newline.
        try:
            exchanges.append(_parse_line(last, where))
        except InputError:
            torn = f"{where}:{len(lines) + 1}: the last line is cut off and was skipped ({len(last)} bytes)"
    _check_ids(exchanges, [number for number, _ in numbered] + [len(lines) + 1], where)
    return Capture(header=head, exchanges=tuple(exchanges), path=where, torn=torn)


def save(path: Path, head: Header, exchanges: Iterable[Exchange], spec: Spec, *, force: bool = False) -> None:
    """Write a whole capture, replacing the file in one step, or leave everything as it was.

    Raises InputError where the file exists (unless `force`) or cannot be written.
    """
    if not force:
        refuse_existing(path)
    with replacing(path) as file:
        file.write(_encoder.encode(head) + b"\n")
        for exchange in exchanges:
            file.write(encode_line(exchange, spec))


class Writer:
    """Appends exchanges to a new capture file, each line whole and in the file before `append` returns.

    Raises InputError where the file exists or cannot be created, and from `append` where it cannot be written;
    what was appended before stays good.
    """

    def __init__(self, path: Path, head: Header, spec: Spec) -> None:
        refuse_existing(path, "choose another name, or move it away")
        self._path = path
        self._spec = spec
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            raise InputError(str(path), error.strerror or str(error), "the capture cannot be created") from error
        self.count = 0
        try:
            self._write(_encoder.encode(head) + b"\n")
        except InputError:
            self.close()
            path.unlink(missing_ok=True)  # nothing of it is worth keeping, and it would be in the way
            raise

    def append(self, exchange: Exchange) -> None:
        """Write one exchange."""
        self._write(encode_line(exchange, self._spec))
        self.count += 1

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._file

    def close(self) -> None:
        """Close the file; nothing was waiting to be written."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise InputError(
                str(self._path), error.strerror or str(error), f"{self.count} exchanges are safe in it"
            ) from error


def encode_line(exchange: Exchange, spec: Spec) -> bytes:
    """An exchange as its line of the file."""
    return (
        _encoder.encode(
            _FullLine(
                id=exchange.id,
                session=exchange.session,
                time=exchange.time,
                elapsed=exchange.elapsed,
                client=exchange.client,
                server=exchange.server,
                transport=exchange.transport,
                request=_pack(exchange.request),
                reply=_pack(exchange.reply),
                error=exchange.error,
                pairing=exchange.pairing,
                decoded=record(decode(exchange, spec)),
            )
        )
        + b"\n"
    )


def _pack(message: RawMessage | None) -> _Raw | None:
    if message is None:
        return None
    head, head_base64 = _pack_bytes(message.head)
    body, body_base64 = _pack_bytes(message.body)
    return _Raw(
        head=head,
        head_base64=head_base64,
        body=body,
        body_base64=body_base64,
        end=message.end.decode("ascii"),
        chunked=message.chunked,
        cut=message.cut,
    )


def _pack_bytes(data: bytes) -> tuple[str | None, bytes | None]:
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError:
        return None, data


def _unpack(raw: _Raw | None) -> RawMessage | None:
    if raw is None:
        return None
    return RawMessage(
        head=_unpack_bytes(raw.head, raw.head_base64),
        body=_unpack_bytes(raw.body, raw.body_base64),
        end=raw.end.encode("ascii"),
        chunked=raw.chunked,
        cut=raw.cut,
    )


def _unpack_bytes(text: str | None, data: bytes | None) -> bytes:
    if text is not None:
        return text.encode("utf-8")
    if data is None:
        raise msgspec.ValidationError("a message needs its head and its body, as text or in base64")
    return data


def _parse_header(line: bytes, where: str) -> Header:
    hint = "a capture begins with a header line holding qqlab_capture"
    try:
        version = msgspec.json.decode(line, type=dict[str, object]).get("qqlab_capture")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{where}:1", "is no qqlab capture", hint) from error
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{where}:1", "is no qqlab capture", hint)
    if version > FORMAT:
        raise InputError(
            where, f"has capture format {version}, and this qqlab reads up to {FORMAT}", "use a newer qqlab"
        )
    try:
        return _header_decoder.decode(line)
    except msgspec.DecodeError as error:
        raise InputError(f"{where}:1", f"the header is damaged: {error}") from error


def _parse_line(line: bytes, where: str) -> Exchange:
    try:
        raw = _line_decoder.decode(line)
        return Exchange(
            id=raw.id,
            session=raw.session,
            time=raw.time,
            elapsed=raw.elapsed,
            client=raw.client,
            server=raw.server,
            transport=raw.transport,
            request=_unpack(raw.request),
            reply=_unpack(raw.reply),
            error=raw.error,
            pairing=raw.pairing,
        )
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(where, f"the line is damaged: {error}") from error


def _check_ids(exchanges: Iterable[Exchange], numbers: Iterable[int], where: str) -> None:
    seen = set()
    for exchange, number in zip(exchanges, numbers, strict=False):
        if exchange.id in seen:
            raise InputError(f"{where}:{number}", f"an earlier exchange has the id {exchange.id!r} already")
        seen.add(exchange.id)
