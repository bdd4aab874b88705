"""The packets of a capture of network traffic: pcap and pcapng files, and what of a packet is TCP.

Law: bounded, whatever the file says of itself. Each interface of a pcapng has its own link type and clock, which is
why the files are read here and only what is in a packet by dpkt. A file that is cut off says where.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import BinaryIO, NamedTuple

import dpkt

from qqlab.formats.tally import Tally

MAX_PACKET = 1 << 20
MAX_BLOCK = 16 << 20

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The first four bytes of a pcap: the byte order, and how many of its units make a second.
_PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_RESOLUTION, _OFFSET = 9, 14

# Link types by their numbers at tcpdump.org: how long the head is, and where in it the type of what follows stands.
_ETHERNET, _LINUX, _LINUX_2 = 1, 113, 276
_HEADS = {_ETHERNET: (14, 12), _LINUX: (16, 14), _LINUX_2: (20, 0)}
_FAMILY_FIRST = (0, 108)  # the loopback of BSD and macOS: four bytes, then IP
_BARE = (12, 14, 101, 228, 229)
_VLAN = (0x8100, 0x88A8, 0x9100)
_PPPOE = 0x8864
_IP = (0x0800, 0x86DD)


class Packet(NamedTuple):
    """A packet as it was caught; `time` is aware, UTC."""

    time: datetime
    link: int
    data: bytes


class Segment(NamedTuple):
    """What one TCP packet says. `missing` are bytes of its data that were not caught; `ack` is None without one."""

    source: tuple[str, int]
    target: tuple[str, int]
    sequence: int
    ack: int | None
    flags: int
    data: bytes
    missing: int
    time: datetime


class Packets:
    """The packets of a file, in its order; once they are through, `wrong` says why it could not be read further."""

    def __init__(self, file: BinaryIO) -> None:
        self.wrong: str | None = None
        self.count = 0
        self._file = file

    def __iter__(self) -> Iterator[Packet]:
        magic = self._file.read(4)
        packets = self._of_blocks(magic) if magic == _PCAPNG else self._of_records(magic)
        try:
            for packet in packets:
                self.count += 1
                yield packet
        except _Wrong as error:
            self.wrong = str(error)

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise _Wrong("is cut off")
        return data

    def _of_records(self, magic: bytes) -> Iterator[Packet]:
        if magic not in _PCAP:
            raise _Wrong("is no pcap")
        order, units = _PCAP[magic]
        link = struct.unpack(order + "16xI", self._exactly(20))[0] & 0xFFFF
        while head := self._file.read(16):
            seconds, fraction, size, length = struct.unpack(order + "4I", head + self._exactly(16 - len(head)))
            if size > MAX_PACKET or not length:  # nothing but zeros, where a file was made longer and never filled
                raise _Wrong("is damaged")
            yield Packet(_time(seconds * units + fraction, units), link, self._exactly(size))

    def _of_blocks(self, magic: bytes) -> Iterator[Packet]:
        order = "<"
        interfaces: list[_Interface] = []
        time = _EPOCH
        while magic:
            magic += self._exactly(4 - len(magic))
            if magic == _PCAPNG:
                lengths = self._exactly(8)
                order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(lengths[4:], "")
                if not order:
                    raise _Wrong("is damaged")
                interfaces = []
                self._body(order, lengths[:4], 4)
            else:
                kind = struct.unpack(order + "I", magic)[0]
                body = self._body(order, self._exactly(4))
                if kind == _INTERFACE:
                    interfaces.append(_interface(order, body))
                elif (packet := _packet(order, kind, body, interfaces, time)) is not None:
                    time = packet.time
                    yield packet
            magic = self._file.read(4)

    def _body(self, order: str, length: bytes, taken: int = 0) -> bytes:
        """The rest of a block whose length is given; `taken` bytes of its body were read already."""
        size = struct.unpack(order + "I", length)[0]
        if size % 4 or not 12 + taken <= size <= MAX_BLOCK:
            raise _Wrong("is damaged")
        body = self._exactly(size - 8 - taken)
        if body[-4:] != length:
            raise _Wrong("is damaged")
        return body[:-4]


class _Wrong(Exception):
    """Why a file cannot be read further."""


class _Interface(NamedTuple):
    link: int
    units: int
    offset: int


def _interface(order: str, body: bytes) -> _Interface:
    if len(body) < 8:
        raise _Wrong("is damaged")
    link, units, offset = struct.unpack(order + "H", body[:2])[0], 10**6, 0
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack(order + "HH", body[at : at + 4])
        value = body[at + 4 : at + 4 + size]
        if code == _RESOLUTION and len(value) == 1:
            units = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x3F)
        elif code == _OFFSET and len(value) == 8:
            offset = struct.unpack(order + "q", value)[0]
        at += 4 + size + -size % 4
    return _Interface(link, units, offset)


def _packet(order: str, kind: int, body: bytes, interfaces: list[_Interface], last: datetime) -> Packet | None:
    """The packet in a block; None in one of another kind. A simple one has no time: it takes that of the last."""
    if kind not in (_OLD_PACKET, _SIMPLE_PACKET, _PACKET):
        return None
    try:
        if kind == _SIMPLE_PACKET:
            return Packet(last, interfaces[0].link, body[4 : 4 + struct.unpack_from(order + "I", body)[0]])
        number, high, low, size = struct.unpack_from(order + ("H2x3I" if kind == _OLD_PACKET else "4I"), body)
        link, units, offset = interfaces[number]
    except (struct.error, IndexError) as error:
        raise _Wrong("is damaged") from error
    if size > len(body) - 20:
        raise _Wrong("is damaged")
    return Packet(_time((high << 32 | low) + offset * units, units), link, body[20 : 20 + size])


def _time(ticks: int, units: int) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=ticks // units, microseconds=ticks % units * 10**6 // units)
    except OverflowError as error:
        raise _Wrong("is damaged") from error


def segment(packet: Packet, tally: Tally) -> Segment | None:
    """What the packet says on TCP; None, and counted, where it says nothing."""
    inner = _network(packet, tally)
    if inner is None:
        return None
    try:
        found = _ip(inner, packet.time)
    except Exception:  # dpkt raises many things on packets that are none
        tally.add("packet", "that cannot be read: left out")
        return None
    if isinstance(found, str):
        tally.add("packet", found)
        return None
    if found.missing:
        tally.add("packet", "not caught whole: what is missing is a gap")
    return found


def _network(packet: Packet, tally: Tally) -> bytes | None:
    """The IP packet inside; None, and counted, where there is none."""
    data, link = packet.data, packet.link
    if link in _BARE:
        return data
    if link in _FAMILY_FIRST:
        return data[4:]
    if link not in _HEADS:
        tally.add("packet", f"of link type {link}, which is not read: left out")
        return None
    size, at = _HEADS[link]
    kind, data = int.from_bytes(data[at : at + 2], "big"), data[size:]
    while kind in _VLAN:
        kind, data = int.from_bytes(data[2:4], "big"), data[4:]
    if kind == _PPPOE:
        return data[8:]
    if kind not in _IP:
        tally.add("packet", _OTHER)
        return None
    return data


_OTHER = "of no TCP: left out"
_FRAGMENT = "that is a fragment: left out"


def _ip(data: bytes, time: datetime) -> Segment | str:
    """What an IP packet says on TCP, or why it says nothing."""
    version = data[0] >> 4 if data else 0
    if version == 4:
        packet = dpkt.ip.IP(data)
        if packet.offset or packet.mf:
            return _FRAGMENT
        length = packet.len - 4 * packet.hl if packet.len else None
    elif version == 6:
        packet = dpkt.ip6.IP6(data)
        if dpkt.ip.IP_PROTO_FRAGMENT in packet.extension_hdrs:
            return _FRAGMENT
        extensions = sum(header.length for header in packet.all_extension_headers)
        length = packet.plen - extensions if packet.plen else None
    else:
        return _OTHER
    tcp = packet.data
    if not isinstance(tcp, dpkt.tcp.TCP):
        return _OTHER
    payload = bytes(tcp.data)
    return Segment(
        (_host(packet.src), tcp.sport),
        (_host(packet.dst), tcp.dport),
        tcp.seq,
        tcp.ack if tcp.flags & dpkt.tcp.TH_ACK else None,
        tcp.flags,
        payload,
        max(0, length - 4 * tcp.off - len(payload)) if length is not None else 0,
        time,
    )


@lru_cache(maxsize=4096)
def _host(packed: bytes) -> str:
    return str(ip_address(packed))
