"""Writing captures: exchange by exchange while they happen, or a whole one at once.

Law: never lose a recording quietly. A line is with the operating system, whole, before `append` returns; where it
cannot be, half a line is taken back, the error says how many exchanges are safe, and nothing more is written. One
recorder writes a file: it holds a lock on it (flock), through all its segments. Nothing is replaced unasked.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from qqlab.capture import segments, source
from qqlab.capture.file import FORMAT, Header, encode_header, encode_line
from qqlab.capture.reading import Part, open_part
from qqlab.capture.storage import SYNC_SECONDS, Storage
from qqlab.errors import InputError
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.files import check_writable, refuse_existing, replacing
from qqlab.spec import Spec

_LOCKED = "another recorder is writing it"
_OTHER = "name another file, or end that recorder"
_DEFAULT = Storage()


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
        refuse_existing(path, "--append goes on with it, --force replaces it; or choose another name")
    check_writable(path)
    if exists and storage.append:
        open_part(path)


class Writer:
    """Appends exchanges to a capture file.

    `count` is the highest number that is an id in the recording: the next exchange's id is one more. `notices` are
    lines about what was found and done, for people. Ends with `close`, or as a context manager.

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
        self._safe = self._synced = 0
        self._broken: InputError | None = None
        self._file = self._open()
        self._flushed = time.monotonic()

    def append(self, exchange: Exchange) -> None:
        """Write one exchange, with bodies cut to the limit; what is promised when this returns, `PROMISES` says."""
        if self._broken is not None:
            raise self._broken
        self._write(fitted_line(exchange, self._spec, self._storage.limit))
        self._safe += 1
        self.count += 1
        if self._storage.sync == "always":
            self._sync()
        else:
            self.idle()

    def idle(self) -> None:
        """Do what is due; `append` does it too, and where exchanges are rare, it may be called about once a second."""
        due = self._storage.sync == "interval" and self._synced < self._safe
        if due and time.monotonic() - self._flushed >= SYNC_SECONDS:
            self._sync()

    def fileno(self) -> int:
        """The descriptor of the file being written."""
        return self._file

    def close(self) -> None:
        """Close the file. Raises InputError where it could not be brought to the disk, and `sync` promises that."""
        try:
            if self._storage.sync != "never" and self._broken is None:
                self._sync()
        finally:
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> int:
        """The file's descriptor: locked, with a header, and with whole lines only."""
        try:
            held = self._locked() if os.path.lexists(self._real) else None
            if held is not None and self._storage.append:
                try:
                    self._go_on(held)
                except BaseException:
                    os.close(held)
                    raise
                return held
            try:
                return self._begin()
            finally:
                if held is not None:
                    os.close(held)
        except OSError as error:
            raise InputError(str(self._path), error.strerror or str(error), "the capture cannot be created") from error

    def _begin(self) -> int:
        """A new file in the path's place, which is never there without its header and its lock."""
        file, name = tempfile.mkstemp(dir=self._real.parent, prefix=".qqlab-")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
            line = encode_header(self._head)
            _write_all(file, line)
            if self._storage.sync != "never":
                os.fsync(file)
            if self._storage.force:
                Path(name).replace(self._real)
            else:
                self._place(Path(name))
            self._size = len(line)
            self._sync_directory()
        except BaseException:
            os.close(file)
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        return file

    def _place(self, made: Path) -> None:
        """Give a file its name, if that is still free."""
        try:
            os.link(made, self._real)
            made.unlink()
        except FileExistsError:
            refuse_existing(self._real)
        except OSError:  # a file system without links
            refuse_existing(self._real)
            made.replace(self._real)

    def _locked(self) -> int:
        """The file that exists, locked; where its name came to stand for another file meanwhile, that one."""
        while True:
            file = os.open(self._real, os.O_RDWR | os.O_APPEND)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), self._real.stat()):
                    return file
            except BlockingIOError as error:
                os.close(file)
                raise InputError(str(self._path), _LOCKED, _OTHER) from error
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def _go_on(self, file: int) -> None:
        """Take up the recording that is there, or raise InputError."""
        part = open_part(self._real)
        self._head = self._fitting(part)
        self.count = part.header.before
        for located in part:
            self.count = max(self.count, _number(located.exchange.id))
            self._safe += 1
        self._synced = self._safe
        self._size = part.size
        if part.torn is not None:
            self._cut_off(file)
        elif not part.ended:
            _write_all(file, b"\n")
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
            _write_all(self._file, line)
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

    def _sync_directory(self) -> None:
        if self._storage.sync != "never":
            directory = os.open(self._real.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _failed(self, error: OSError, safe: int) -> InputError:
        self._broken = InputError(
            str(self._path),
            error.strerror or str(error),
            "1 exchange is safe in it" if safe == 1 else f"{safe} exchanges are safe in it",
        )
        return self._broken


def fitted_line(exchange: Exchange, spec: Spec, limit: int | None = None) -> bytes:
    """An exchange as its line of the file, with bodies cut to `limit` bytes, or shorter where the line would be too
    long to be read again."""
    line = encode_line(exchange if limit is None else cut(exchange, limit), spec)
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


def _number(identifier: str) -> int:
    """The number that an id is, or 0."""
    return int(identifier) if identifier.isascii() and identifier.isdigit() and len(identifier) < 19 else 0


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
