"""A proof that none of the secrets of an accounts file stands in files of any kind.

Law: looked for are the password, what the spec derives from it, and the verification code, in every writing that
`qqlab.hunt` knows; what is compressed with zstd is looked into, and datasets by the lines they were made of. A file
that cannot be looked into is a problem: nothing is proven of it. No secret is ever in a result.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from qqlab import http1
from qqlab.capture import manifest, segments, source
from qqlab.capture.file import parse_line
from qqlab.capture.manifest import NAME, is_dataset
from qqlab.capture.places import Folder
from qqlab.capture.reading import Part, open_capture, open_part
from qqlab.capture.writing import written
from qqlab.codec import derive
from qqlab.errors import InputError
from qqlab.files import are_same
from qqlab.hunt import LONGEST, Finder
from qqlab.spec import Spec
from qqlab.testserver.accounts import Accounts
from qqlab.verify.problems import Problems

# Shorter, the same letters stand anywhere by chance.
_SHORTEST = 4
# A find is as long as a value's longest writing, each character of it behind a long escape.
_OVERLAP = 32 * LONGEST
_PIECE = 1 << 20


class _Secret(NamedTuple):
    account: str
    what: str


class Secrets:
    """What is looked for; `short` are the (account, what) pairs too short for that."""

    def __init__(self, accounts: Accounts, spec: Spec) -> None:
        derivations = {field.derived for _, _, field in spec.every_field() if field.derived is not None}
        self._of: dict[bytes, _Secret] = {}
        self.short: list[tuple[str, str]] = []
        for account in accounts.accounts:
            self._add(account.password, _Secret(account.uin, "the password"))
            if account.verification is not None:
                self._add(account.verification, _Secret(account.uin, "the verification code"))
            for derivation in sorted(derivations - {"verification"}):
                self._add(derive(derivation, account.password), _Secret(account.uin, "the password's hash"))
        self._finder = Finder(self._of)

    def _add(self, text: str, secret: _Secret) -> None:
        value = text.encode()
        if len(value) < _SHORTEST:
            self.short.append(secret)
        else:
            self._of.setdefault(value, secret)

    def found(self, blocks: Iterator[bytes]) -> Iterator[tuple[int, str]]:
        """Each secret in the bytes: the line it stands in, from 1, and whose it is."""
        line, rest = 1, b""
        for block in blocks:
            rest += block
            if len(rest) < _PIECE:
                continue
            settled = len(rest) - _OVERLAP
            yield from self._told(rest, settled, line)
            line += rest.count(b"\n", 0, settled)
            rest = rest[settled:]
        yield from self._told(rest, len(rest), line)

    def _told(self, data: bytes, until: int, line: int) -> Iterator[tuple[int, str]]:
        at = 0
        for find in self._finder.search(data):
            if find.offset < until:
                line += data.count(b"\n", at, find.offset)
                at = find.offset
                secret = self._of[find.value]
                yield line, f"{secret.what} of account {secret.account}, {_WRITINGS[find.writing]}"


_WRITINGS = {"plain": "as it is or escaped", "hex": "in hex", "base64": "in base64"}


def search(paths: Sequence[Path], secrets: Secrets, problems: Problems, spared: Path) -> int:
    """Look for secrets in files and in all files of directories; returns how many were looked into.

    The accounts file itself is `spared`. Raises InputError where a path is not there or cannot be read.
    """
    for account, what in secrets.short:
        problems.add("secret.short", f"account {account}", what)
    searched = 0
    for file in dict.fromkeys(found for path in paths for found in _files(path)):
        if are_same(file, spared):
            continue
        searched += 1
        try:
            for where, whose in _dataset(file, secrets) if is_dataset(file) else _plain(file, secrets):
                problems.add("secret.found", where, whose)
            for where, whose in _packed(file, secrets):
                problems.add("secret.found", where, whose)
        except InputError as error:
            if isinstance(error.__cause__, OSError):
                raise
            problems.add("file.closed", error.where, error.what)
    return searched


def _plain(path: Path, secrets: Secrets) -> Iterator[tuple[str, str]]:
    """The secrets in a file of any kind."""
    for line, whose in secrets.found(source.blocks(path)):
        yield f"{source.name(path)}:{line}", whose


def _dataset(path: Path, secrets: Secrets) -> Iterator[tuple[str, str]]:
    """The secrets in a dataset: in its list, and in the lines that it was made of."""
    yield from _plain(path / NAME, secrets)
    for part in open_capture(path).whole_parts():
        for line, whose in secrets.found(written(part)):
            yield f"{part.where}:{line}", whose


def _packed(path: Path, secrets: Secrets) -> Iterator[tuple[str, str]]:
    """The secrets in a capture's messages that its lines do not show: bodies with a content coding, or in chunks, or
    that are no text and have escapes of their own."""
    for part in _parts(path):
        for line in part.lines:
            try:
                exchange = parse_line(line.data, "")
            except InputError:
                continue
            for raw in (exchange.request, exchange.reply):
                content = None if raw is None else http1.content(raw)
                if raw is not None and content is not None and (content != raw.body or not content.isascii()):
                    for _, whose in secrets.found(iter((content,))):
                        yield f"{part.where}:{line.number}", f"{whose}, in a body"


def _parts(path: Path) -> Sequence[Part]:
    """The capture in a file or a dataset, none where it is something else."""
    if is_dataset(path):
        return list(open_capture(path).whole_parts())
    try:
        return [open_part(path)] if str(path) != "-" else []
    except InputError:
        return []


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield from _segments(path)
        yield path
        return
    listed: set[Path] = set()
    for directory, names, files in os.walk(path, onerror=_refuse):
        names.sort()
        listed |= _listed(Path(directory)) if NAME in files else set()
        if Path(directory, NAME) in listed:
            yield Path(directory)
        found = (Path(directory, name) for name in sorted(files))
        yield from (file for file in found if file.is_file() and file not in listed)


def _listed(directory: Path) -> set[Path]:
    """The files of a dataset, which are looked into together; none of one that cannot be read."""
    folder = Folder(directory)
    try:
        return {directory / NAME, *(directory / file.path for file in manifest.files(manifest.read(folder)))}
    except InputError:
        return set()


def _segments(path: Path) -> Iterator[Path]:
    """What else belongs to a recording that a file names."""
    if str(path) == "-":
        return
    try:
        head = open_capture(path).header
    except InputError:
        return
    if head.segment > 1 and not segments.is_finished(path, head.segment):
        yield from segments.present(path)


def _refuse(error: OSError) -> None:
    raise InputError(str(error.filename), error.strerror or str(error)) from error
