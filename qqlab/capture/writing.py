"""Writing captures: exchange by exchange while they happen, or a whole one at once.

Law: never lose a recording quietly. A line is with the operating system, whole, before `append` returns; where it
cannot be, half a line is taken back, the error says how many exchanges are safe, and nothing more is written. One
recorder writes a file: it holds a lock on it (flock), through all its segments. Nothing is replaced unasked.
"""

import contextlib
import hashlib
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import zstandard

from qqlab.capture import live, segments, source
from qqlab.capture.compression import Compression
from qqlab.capture.file import FORMAT, Header, encode_header, encode_line
from qqlab.capture.live import write_all
from qqlab.capture.reading import Part, Stream, open_part
from qqlab.capture.storage import SYNC_SECONDS, Storage
from qqlab.codec import Decoded
from qqlab.errors import InputError
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.files import check_writable, refuse_existing, replacing
from qqlab.spec import Spec

_DEFAULT = Storage()

# So many bytes are compressed for each one written: a segment is done long before the next one is full.
_AHEAD = 4
_SLICE = 256 << 10


def save(path: Path, head: Header, exchanges: Iterable[Exchange], spec: Spec, *, force: bool = False) -> None:
    """Write a whole capture, replacing the file in one step, or leave everything as it was.

    Raises InputError where the file exists (unless `force`) or cannot be written.
    """
    if not force:
        refuse_existing(path)
    with replacing(path) as file:
        file.write(encode_header(head))
        for exchange in exchanges:
            file.write(fitted_line(exchange, spec))


def check(path: Path, storage: Storage) -> None:
    """Raise InputError now for what `Writer` would raise later, as far as it can be known; nothing is written."""
    if path.suffix == segments.COMPRESSED:
        raise InputError(str(path), "a recording is compressed once a segment is finished", "name it .jsonl")
    exists = os.path.lexists(path)
    if exists and not (storage.append or storage.force):
        refuse_existing(path, "choose another name, or --append to it, or --force to replace it")
    check_writable(path)
    if exists:
        _let_go(path)
    if exists and storage.append:
        open_part(path)


def _let_go(path: Path) -> None:
    """Raise InputError where another recorder has the file."""
    try:
        os.close(live.lock(path.resolve()))
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error)) from error


class Writer:
    """Appends exchanges to a capture file.

    It holds a lock on the file, and goes on in the next segment where `storage` wants rotation. `count` is the highest
    number that is an id in the recording: the next exchange's id is one more. `notices` are lines about what was found
    and done, for people. Ends with `close`, or as a context manager.

    Raises InputError where the file exists (unless `storage` says what then), another recorder writes it, it cannot
    be created, or what is there cannot be gone on with: another spec, another policy of redaction, another format,
    damage. Raises it from `append` where the exchange could not be written; what was appended before stays good.
    """

    def __init__(self, path: Path, head: Header, spec: Spec, storage: Storage = _DEFAULT) -> None:
        check(path, storage)
        self._path = path
        self._real = path.resolve()
        self._spec = spec
        self._storage = storage
        self._head = msgspec.structs.replace(head, recording=head.recording or secrets.token_hex(8))
        self.count = 0
        self.notices: list[str] = []
        self._safe = self._synced = self._here = self._size = 0
        self._broken: InputError | None = None
        self._waiting: deque[Path] = deque()
        self._compression: Compression | None = None
        self._flushed = self._began = time.monotonic()
        self._file = self._open()

    def append(self, exchange: Exchange, decoded: Decoded | None = None) -> None:
        """Write one exchange, with bodies cut to the limit; what is promised when this returns, `PROMISES` says.

        `decoded` is what `decode` says of it, for who has it already: decoding takes most of the time of writing.
        """
        if self._broken is not None:
            raise self._broken
        line = fitted_line(exchange, self._spec, self._storage.limit, decoded)
        if self._is_full(line):
            self._rotate()
        if self._here == 0:
            self._began = time.monotonic()
        self._write(line)
        self._safe += 1
        self._here += 1
        self.count += 1
        if self._storage.sync == "always":
            self._sync()
        self._work(_AHEAD * len(line))

    def idle(self) -> None:
        """Do what is due: `append` does it too, and where exchanges are rare, it may be called about once a second."""
        if self._broken is None:
            self._work(_SLICE)

    def _work(self, size: int) -> None:
        due = self._storage.sync == "interval" and self._synced < self._safe
        if due and time.monotonic() - self._flushed >= SYNC_SECONDS:
            self._sync()
        self._compress(size)

    def fileno(self) -> int:
        """The descriptor of the file being written."""
        return self._file

    def close(self) -> None:
        """Close the file. Raises InputError where it could not be brought to the disk, and `sync` promises that."""
        try:
            if self._storage.sync != "never" and self._broken is None:
                self._sync()
            while self._broken is None and (self._waiting or self._compression):
                self._compress(_SLICE)
        finally:
            self._abandon("the recording was broken off")
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> int:
        """The file's descriptor: locked, with a header, and with whole lines only."""
        held = None
        try:
            held = live.lock(self._real) if os.path.lexists(self._real) else None
            self._refuse_strangers(held)
            if held is not None and self._storage.append:
                self._go_on(held)
                return os.dup(held)
            return self._begin_anew(held)
        except OSError as error:
            raise InputError(str(self._path), error.strerror or str(error), "the capture cannot be created") from error
        finally:
            if held is not None:
                os.close(held)

    def _begin_anew(self, held: int | None) -> int:
        replaced = [] if held is None else _segments_of(self._real)
        if self._storage.force:
            file = self._begin(self._head, lambda made: _rename(made, self._real))
        else:
            file = self._begin(self._head, lambda made: live.take_name(made, self._real))
        for path in replaced:
            path.unlink(missing_ok=True)
        return file

    def _refuse_strangers(self, held: int | None) -> None:
        """Segments of other recordings under the names that this one's will have would be in the way later."""
        if self._rotates():
            own = [] if held is None else _segments_of(self._real)
            for path in segments.present(self._real):
                if path not in own:
                    raise InputError(str(path), "is no segment of this recording, and in its way", "move it away")

    def _rotates(self) -> bool:
        return self._storage.rotate_bytes is not None or self._storage.rotate_seconds is not None

    def _begin(self, head: Header, place: Callable[[Path], None]) -> int:
        line = encode_header(head)
        file = live.make(self._real.parent, line, place, durable=self._storage.sync != "never")
        self._head, self._size, self._here = head, len(line), 0
        return file

    def _is_full(self, line: bytes) -> bool:
        """Whether a line belongs into the next segment."""
        most, longest = self._storage.rotate_bytes, self._storage.rotate_seconds
        full = most is not None and self._size + len(line) > most
        return self._here > 0 and (full or (longest is not None and time.monotonic() - self._began >= longest))

    def _rotate(self) -> None:
        """Go on in the next segment; at every moment the path leads to a file that is locked and whole."""
        finished = segments.segment_path(self._real, self._head.segment)
        before = self._file
        head = msgspec.structs.replace(self._head, segment=self._head.segment + 1, before=self.count)
        try:
            if self._storage.sync != "never":
                self._sync()
            self._file = self._begin(head, lambda made: live.succeed(made, self._real, finished))
        except OSError as error:
            raise self._failed(error, self._safe) from error
        os.close(before)
        self._waiting.append(finished)

    def _compress(self, size: int) -> None:
        """Compress some of what waits for it. A segment that cannot be compressed stays as it is, and that is said."""
        if self._compression is None and not self._waiting:
            return
        try:
            if self._compression is None:
                self._compression = Compression(self._waiting.popleft())
            if self._compression.step(size):
                self._compression = None
        except OSError as error:
            self._abandon(error.strerror or str(error))

    def _abandon(self, reason: str) -> None:
        if self._compression is not None:
            self._compression.abandon()
            self.notices.append(f"{self._compression.path}: stays uncompressed: {reason}")
        self._compression = None

    def _go_on(self, file: int) -> None:
        """Take up the recording that is there, or raise InputError."""
        part = open_part(self._real)
        self._head = self._fitting(part)
        self.count = part.header.before
        for located in part:
            self.count = max(self.count, _number(located.exchange.id))
            self._here += 1
        self._safe = self._synced = part.header.before + self._here
        self._size = part.size
        if self._rotates():
            self._take_up_segments(file)
        if part.torn is not None:
            self._cut_off(file)
        elif not part.ended:
            write_all(file, b"\n")
            self._size += 1

    def _fitting(self, part: Part) -> Header:
        """The header of what is there, if what is to come may stand under it."""
        where, there = str(self._path), part.header
        hint = "record into another file"
        if part.version != FORMAT:
            raise InputError(
                where,
                f"has capture format {part.version}, and only format {FORMAT} is appended to",
                f"make a copy of it in that format: qqlab verify {where} --repair -o NEW.jsonl",
            )
        if there.redacted != self._head.redacted:
            raise InputError(
                where, f"was recorded with redaction {there.redacted!r}, not {self._head.redacted!r}", hint
            )
        if there.spec != self._head.spec:
            raise InputError(where, f"was recorded by the spec {there.spec!r}, not {self._head.spec!r}", hint)
        return there

    def _take_up_segments(self, file: int) -> None:
        """Compress what a crash left uncompressed."""
        if not self._head.recording:
            raise InputError(str(self._path), "is a capture that cannot be rotated", "record into another file")
        own = segments.segment_path(self._real, self._head.segment)
        if own.exists() and os.path.samestat(os.fstat(file), own.stat()):
            own.unlink()  # broken off between its second name and the next segment
        self._waiting.extend(path for path in _segments_of(self._real) if path.suffix != segments.COMPRESSED)

    def _cut_off(self, file: int) -> None:
        """Take a torn last line out of the file, and keep it beside."""
        torn = os.pread(file, source.MAX_LINE + 1, self._size)
        aside = self._real.with_name(self._real.name + ".torn")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as kept:
            kept.write(torn + b"\n")
        os.ftruncate(file, self._size)
        self.notices.append(
            f"{self._path}: the last line was cut off ({len(torn)} bytes): it is taken out and kept in {aside.name}"
        )

    def _write(self, line: bytes) -> None:
        try:
            write_all(self._file, line)
            self._size += len(line)
        except OSError as error:
            # Half a line would be joined with the next one; what a crash leaves is told from it by its place only.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise self._failed(error, self._safe) from error

    def _sync(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            raise self._failed(error, self._synced) from error
        self._synced, self._flushed = self._safe, time.monotonic()

    def _failed(self, error: OSError, safe: int) -> InputError:
        self._broken = InputError(
            str(self._path),
            error.strerror or str(error),
            "1 exchange is safe in it" if safe == 1 else f"{safe} exchanges are safe in it",
        )
        return self._broken


def fitted_line(exchange: Exchange, spec: Spec, limit: int | None = None, decoded: Decoded | None = None) -> bytes:
    """An exchange as its line of the file, with bodies cut to `limit` bytes, or shorter where the line would be too
    long to be read again. `decoded` is what `decode` says of the whole one, for who has it already."""
    within = exchange if limit is None else cut(exchange, limit)
    line = encode_line(within, spec, decoded if within is exchange else None)
    if len(line) <= source.MAX_LINE:
        return line
    longest = max((len(raw.body) for raw in (exchange.request, exchange.reply) if raw is not None), default=0)
    while len(line) > source.MAX_LINE and longest:
        longest //= 2
        line = encode_line(cut(exchange, longest), spec)
    return line


def cut(exchange: Exchange, limit: int) -> Exchange:
    """The exchange with bodies of at most `limit` bytes; the same object where they are no longer."""
    request, reply = _cut(exchange.request, limit), _cut(exchange.reply, limit)
    if request is exchange.request and reply is exchange.reply:
        return exchange
    return msgspec.structs.replace(exchange, request=request, reply=reply)


def _cut(raw: RawMessage | None, limit: int) -> RawMessage | None:
    if raw is None or len(raw.body) <= limit:
        return raw
    whole = raw.cut or Cut(length=len(raw.body), sha256=hashlib.sha256(raw.body).hexdigest())
    return msgspec.structs.replace(raw, body=raw.body[:limit], cut=whole)


def _segments_of(path: Path) -> list[Path]:
    """The finished segments beside a live file that are of its recording, in order."""
    head = _header_of(path)
    if head is None or not head.recording:
        return []
    found = ((beside, _header_of(beside)) for beside in segments.present(path))
    return [beside for beside, other in found if other is not None and other.recording == head.recording]


def _header_of(path: Path) -> Header | None:
    try:
        return open_part(path).header
    except InputError:
        return None


def _rename(path: Path, other: Path) -> None:
    path.replace(other)


def _number(identifier: str) -> int:
    """The number that an id is, or 0."""
    return int(identifier) if identifier.isascii() and identifier.isdigit() and len(identifier) < 19 else 0


def write_lines(path: Path, stream: Stream, *, force: bool = False) -> None:
    """Write a capture that is being read as the JSON lines that it is, byte for byte, a last line cut off with them;
    compressed where the name ends in `.zst`. A recording in segments becomes one again: each beside the last.

    Raises InputError where a file exists (unless `force`) or cannot be written, or the capture cannot be read.
    """
    for part in stream.whole_parts():
        last = part.header.segment == stream.header.segment
        target = path if last else segments.segment_path(path, part.header.segment)
        if not last and path.suffix == segments.COMPRESSED:
            raise InputError(str(path), "a recording in segments is compressed segment by segment", "name it .jsonl")
        if not force:
            refuse_existing(target)
        with replacing(target) as file:
            if path.suffix == segments.COMPRESSED:
                with zstandard.ZstdCompressor(write_checksum=True).stream_writer(file, closefd=False) as packing:
                    packing.writelines(written(part))
            else:
                file.writelines(written(part))


def written(part: Part) -> Iterator[bytes]:
    """The bytes of one file of a capture, a line at a time."""
    yield part.first_line.encode() + b"\n" * part.ended
    for line in part.lines:
        if not line.whole:
            raise source.too_long(line, part.where)
        yield line.data + b"\n" * line.ended
