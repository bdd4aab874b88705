"""Packets: pcap and pcapng files, as tcpdump, Wireshark and their like write them. Read only.

Law: the TCP connections in the packets are put together again and read as a recording reads its own, so that heads and
bodies are exactly what was sent. Ethernet (with VLAN tags or PPPoE), Linux cooked (v1 and v2), loopback and bare IP are
read, IPv4 and IPv6. Segments may come out of order, twice, overlapping; what is missing is a gap and becomes the error
of the exchange that it tore. Fragments of IP packets, what is encrypted, and what is no TCP are no exchanges.
"""

from collections.abc import Iterator
from typing import BinaryIO

from qqlab.errors import InputError
from qqlab.formats.connections import Connections
from qqlab.formats.mark import Found
from qqlab.formats.packets import Packets, segment
from qqlab.formats.tally import Tally
from qqlab.spec import Spec


def read(file: BinaryIO, where: str, spec: Spec, tally: Tally, *, partial: bool) -> Iterator[Found]:
    """The exchanges in the packets of a file, each as soon as it is complete.

    Raises InputError where there is no TCP in it, and where it is damaged or cut off: with `partial` that is counted,
    and ends it.
    """
    packets, connections, segments = Packets(file), Connections(spec, tally), 0
    for packet in packets:
        one = segment(packet, tally)
        if one is not None:
            segments += 1
            yield from connections.add(one)
    if packets.wrong is not None:
        if not partial:
            hint = f"--partial imports the {packets.count} packets before it" if packets.count else "is it a pcap?"
            raise InputError(f"{where}, packet {packets.count + 1}", packets.wrong, hint)
        tally.add("packet", f"before the one that {packets.wrong}: the rest of {where} is left out", packets.count)
    if not segments:
        raise InputError(where, "holds no TCP", "; ".join(tally.lines()) or "it holds no packet at all")
    yield from connections.end()
