"""Packets for tests: connections cut into segments, as files of the formats that tcpdump and Wireshark write."""

import io
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import dpkt
from dpkt.tcp import TH_ACK, TH_FIN, TH_PUSH, TH_RST, TH_SYN

START = 1_120_000_000
CLIENT, SERVER = ("10.0.0.7", 40_000), ("10.0.0.1", 8000)


class Packet(NamedTuple):
    """An IP packet and when it was caught, in seconds after `START`."""

    at: float
    data: bytes


class Connection:
    """Makes the packets of a connection, a millisecond apart, each side's acknowledgements right."""

    def __init__(
        self, *, six: bool = False, sequences: tuple[int, int] = (1000, 0xFFFFFF00), port: int = 40_000
    ) -> None:
        self.packets: list[Packet] = []
        self._six = six
        self._ports = {True: port, False: SERVER[1]}
        self._next = {True: sequences[0] % (1 << 32), False: sequences[1] % (1 << 32)}

    def handshake(self) -> "Connection":
        self._add(True, TH_SYN)
        self._add(False, TH_SYN | TH_ACK)
        self._add(True, TH_ACK)
        return self

    def say(self, from_client: bool, data: bytes, size: int = 1460) -> "Connection":
        for start in range(0, len(data), size):
            self._add(from_client, TH_ACK | TH_PUSH, data[start : start + size])
        return self

    def close(self) -> "Connection":
        self._add(False, TH_FIN | TH_ACK)
        self._add(True, TH_FIN | TH_ACK)
        self._add(False, TH_ACK)
        return self

    def reset(self) -> "Connection":
        self._add(False, TH_RST | TH_ACK)
        return self

    def _add(self, from_client: bool, flags: int, data: bytes = b"") -> None:
        tcp = dpkt.tcp.TCP(
            sport=self._ports[from_client],
            dport=self._ports[not from_client],
            seq=self._next[from_client],
            ack=self._next[not from_client] if flags & TH_ACK else 0,
            flags=flags,
            data=data,
        )
        ends = [bytes([10, 0, 0, 7]), bytes([10, 0, 0, 1])][:: 1 if from_client else -1]
        if self._six:
            source, target = (b"\xfd" + bytes(11) + end for end in ends)
            packet = bytes(dpkt.ip6.IP6(src=source, dst=target, nxt=6, hlim=9, plen=len(tcp), data=tcp))
        else:
            packet = bytes(dpkt.ip.IP(src=ends[0], dst=ends[1], p=6, data=tcp, len=20 + len(tcp)))
        self.packets.append(Packet(len(self.packets) / 1000, packet))
        length = len(data) + bool(flags & (TH_SYN | TH_FIN))
        self._next[from_client] = (self._next[from_client] + length) % (1 << 32)


def _kind(data: bytes) -> int:
    return 0x86DD if data[0] >> 4 == 6 else 0x0800


LINKS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "ethernet": (1, lambda data: bytes(12) + struct.pack(">H", _kind(data)) + data),
    "vlan": (1, lambda data: bytes(12) + struct.pack(">HHHHH", 0x88A8, 5, 0x8100, 7, _kind(data)) + data),
    "pppoe": (1, lambda data: bytes(12) + struct.pack(">HHHHH", 0x8864, 0x1100, 1, len(data) + 2, 0x21) + data),
    "padded": (1, lambda data: bytes(12) + struct.pack(">H", _kind(data)) + data + bytes(max(0, 46 - len(data)))),
    "linux": (113, lambda data: bytes(14) + struct.pack(">H", _kind(data)) + data),
    "linux2": (276, lambda data: struct.pack(">H", _kind(data)) + bytes(18) + data),
    "null": (0, lambda data: b"\x02\x00\x00\x00" + data),
    "raw": (101, lambda data: data),
}


def pcap(
    packets: Iterable[Packet], link: str = "ethernet", order: str = "<", units: int = 10**6, snap: int = 1 << 16
) -> bytes:
    number, wrap = LINKS[link]
    magic = 0xA1B2C3D4 if units == 10**6 else 0xA1B23C4D
    file = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, number)
    for at, data in packets:
        frame = wrap(data)
        ticks = START * units + round(at * units)
        file += struct.pack(order + "4I", ticks // units, ticks % units, len(frame[:snap]), len(frame)) + frame[:snap]
    return file


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def pcapng(packets: Sequence[Packet], links: Sequence[str] = ("ethernet",), order: str = "<") -> bytes:
    """One interface for each link, with clocks of other speeds; packets in turn on each."""
    speeds = (6, 9, 0x80 | 20, 3)
    file = _block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    for number, link in enumerate(links):
        options = struct.pack(order + "HHB3xHH", 9, 1, speeds[number % 4], 0, 0)
        file += _block(order, 1, struct.pack(order + "HHI", LINKS[link][0], 0, 0) + options)
    file += _block(order, 4, bytes(8))  # a block of another kind: names
    for position, (at, data) in enumerate(packets):
        number = position % len(links)
        speed = speeds[number % 4]
        units = (2 if speed & 0x80 else 10) ** (speed & 0x7F)
        frame = LINKS[links[number]][1](data)
        ticks = START * units + round(at * units)
        head = struct.pack(order + "5I", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
        file += _block(order, 6, head + frame)
    return file


def read_back(data: bytes) -> list[bytes]:
    """The frames of a pcap as dpkt's own reader has them."""
    return [frame for _, frame in dpkt.pcap.UniversalReader(io.BytesIO(data))]
