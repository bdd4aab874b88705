"""Which format it is: told from its first bytes, never from its name.

Law: bounded, whatever it is. What cannot be imported is named as far as it is known, with what to do about it.
"""

import re
from typing import Literal, get_args

from qqlab.errors import InputError

Format = Literal["flows", "har", "pcap", "transcripts"]
FORMATS: tuple[Format, ...] = get_args(Format)

UTF8_MARK = b"\xef\xbb\xbf"
_PCAP = re.compile(rb"\xa1\xb2\xc3\xd4|\xd4\xc3\xb2\xa1|\xa1\xb2\x3c\x4d|\x4d\x3c\xb2\xa1|\x0a\x0d\x0d\x0a")
_FLOW = re.compile(rb"[0-9]{1,12}:[0-9]{1,12}:")
_HAR = re.compile(rb'\{\s*"log"\s*:\s*\{')
_CAPTURE = re.compile(rb'\{\s*"qqlab_capture"')
_LINES = re.compile(rb"(?:(?:#[^\n]*|[ \t\r]*)(?:\n|\Z))*(?:[<>] |\Z)")

_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "is compressed with gzip", "unpack it on the way: zcat FILE | qqlab import - -o CAPTURE"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "unpack it on the way: zstdcat FILE | qqlab import - -o CAPTURE"),
    (b"\xfd7zXZ\x00", "is compressed with xz", "unpack it on the way: xzcat FILE | qqlab import - -o CAPTURE"),
    (b"BZh", "is compressed with bzip2", "unpack it on the way: bzcat FILE | qqlab import - -o CAPTURE"),
    (b"PK\x03\x04", "is a zip archive", "unpack it, and import what is in it"),
    (b"\xff\xfe", "is UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "is UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"),
)
_HINT = "what can be imported: mitmproxy flows, HAR, pcap, pcapng, and transcripts, whose lines begin with '> ' or '< '"


def sniff(first: bytes, where: str) -> Format:
    """The format of what begins with these bytes. Raises InputError where it is none that can be imported."""
    if not first.strip():
        raise InputError(where, "is empty" if not first else "holds nothing but blanks", _HINT)
    if _PCAP.match(first):
        return "pcap"
    for magic, what, hint in _FOREIGN:
        if first.startswith(magic):
            raise InputError(where, what, hint)
    if _FLOW.match(first):
        return "flows"
    text = first.removeprefix(UTF8_MARK)
    if text.lstrip()[:1] in (b"{", b"["):
        return _json(text.lstrip(), where)
    if _LINES.match(text):
        return "transcripts"
    raise InputError(where, "is in no format that is known", _HINT)


def _json(text: bytes, where: str) -> Format:
    if _HAR.match(text):
        return "har"
    if _CAPTURE.match(text):
        raise InputError(where, "is a capture of qqlab already", "every command reads it as it is: qqlab show CAPTURE")
    raise InputError(where, "is JSON, but no HAR", _HINT)
