"""Packets become the exchanges that a recorder in their place would have written."""

import random
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import qqlab
from hypothesis import given
from hypothesis import strategies as st
from packets import LINKS, START, Connection, Packet, pcap, pcapng, read_back

from qqlab import spec as specs
from qqlab.capture import load
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.formats.importing import Wanted, imported
from qqlab.formats.tally import Tally

SPEC = specs.builtin()


def body(number: int, more: str = "") -> bytes:
    return f"VER=1.1&CMD=GetMsgEx&SEQ={number}&UIN=10001{more}".encode()


def asks(number: int) -> bytes:
    return b"POST HTTP/1.1\nContent-Length: %d\n\n" % len(body(number)) + body(number)


def says(number: int, size: int = 0) -> bytes:
    text = body(number, "&RES=0&MG=" + "x" * size)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text


def talk(*numbers: int, size: int = 1460, connection: Connection | None = None) -> Connection:
    """Requests and replies in turn over one connection."""
    made = (connection or Connection()).handshake()
    for number in numbers:
        made.say(True, asks(number), size).say(False, says(number, 40), size)
    return made.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pcap") / "packets"


def read(path: Path, data: bytes, partial: bool = False) -> tuple[list[Exchange], list[str]]:
    path.write_bytes(data)
    tally = Tally()
    return list(imported([path], Wanted(partial=partial), SPEC, tally)), tally.lines()


def seen(exchanges: list[Exchange]) -> list[tuple[bytes | None, bytes | None, str | None]]:
    def wire(exchange: Exchange, name: str) -> bytes | None:
        message = getattr(exchange, name)
        return None if message is None else message.head + message.body + message.end

    return [(wire(exchange, "request"), wire(exchange, "reply"), exchange.error) for exchange in exchanges]


def whole(*numbers: int) -> list[tuple[bytes | None, bytes | None, str | None]]:
    return [(asks(number), says(number, 40), None) for number in numbers]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("order", "<>")
def test_every_link_type_and_byte_order(link: str, order: str, path: Path) -> None:
    packets = talk(1, 2).packets
    for data in (pcap(packets, link, order), pcap(packets, link, order, 10**9), pcapng(packets, [link], order)):
        exchanges, told = read(path, data)
        assert (seen(exchanges), told) == (whole(1, 2), [])
        first = exchanges[0]
        assert (first.id, first.client, first.server, first.transport, first.session, first.pairing) == (
            "1", "10.0.0.7:40000", "10.0.0.1:8000", "tcp", "10.0.0.7/10001", "order",
        )  # fmt: skip
        assert first.time == datetime.fromtimestamp(START + 0.003, UTC)
        assert first.elapsed == 0.001


def test_ipv6_and_interfaces_of_many_kinds(path: Path) -> None:
    packets = talk(1, connection=Connection(six=True)).packets
    exchanges, told = read(path, pcapng(packets, ["ethernet", "linux", "raw", "null"]))
    assert (seen(exchanges), told) == (whole(1), [])
    assert exchanges[0].client == "[fd00::a00:7]:40000"


@given(
    st.integers(4, 50),
    st.sampled_from([0, 1000, 0xFFFFFFFA, 1 << 31]),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_any_order_any_cut_any_copies_of_a_whole_connection(
    path: Path, size: int, first: int, retimed: bool, doubled: bool, chance: random.Random
) -> None:
    packets = talk(1, 2, 3, size=size, connection=Connection(sequences=(first, first + 7))).packets
    if doubled:
        packets += chance.sample(packets, len(packets) // 2)
    chance.shuffle(packets)
    if retimed:  # they really travelled so, rather than being caught so
        packets = [Packet(at / 1000, data) for at, (_, data) in enumerate(packets)]
    exchanges, told = read(path, pcap(packets))
    assert (sorted(seen(exchanges)), told) == (whole(1, 2, 3), [])
    assert retimed or seen(exchanges) == whole(1, 2, 3)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 60))
def test_overlapping_segments(path: Path, start: int, length: int, size: int) -> None:
    """A retransmission that joins parts of other segments."""
    made = Connection().handshake()
    stream = asks(1)
    made.say(True, stream, size)
    overlapping = Connection(sequences=(1001 + min(start, len(stream)), 0xFFFFFF01))
    overlapping.say(True, stream[start : start + length], 1 << 16)
    made.packets += overlapping.packets
    made.say(False, says(1, 40)).close()
    assert seen(read(path, pcap(made.packets))[0]) == whole(1)


def test_connections_at_the_same_time_and_a_port_used_again(path: Path) -> None:
    one, two = talk(1, 3), talk(2, connection=Connection(port=40_001))
    mixed = sorted([*one.packets, *(Packet(at + 0.0045, data) for at, data in two.packets)])
    again = talk(4, connection=Connection(sequences=(7_000_000, 9)))
    later = [Packet(at + 1, data) for at, data in again.packets]
    exchanges, _ = read(path, pcap([*mixed, *later]))
    assert [pair[0] for pair in seen(exchanges)] == [asks(1), asks(3), asks(2), asks(4)]
    assert [exchange.id for exchange in exchanges] == ["1", "2", "3", "4"]


def test_a_missing_packet_is_a_gap_and_reading_goes_on(path: Path) -> None:
    packets = talk(1, 2, 3, size=60).packets
    sizes = [len(packet.data) - 40 for packet in packets]
    assert sizes[3:8] == [60, 10, 60, 60, 5]
    del packets[6]  # from the middle of the first reply
    exchanges, told = read(path, pcap(packets))
    assert [(pair[0], pair[2]) for pair in seen(exchanges)] == [
        (asks(1), "60 bytes of the server are missing in the packets"),
        (asks(2), None),
        (asks(3), None),
    ]
    assert seen(exchanges)[1:] == whole(2, 3)
    assert told == [
        "1 gap in connections: bytes that no packet holds",
        "5 bytes behind gaps that belong to no message: left out",
    ]


@given(st.sets(st.integers(3, 18), min_size=1, max_size=4), st.booleans())
def test_whatever_is_missing_no_exchange_is_wrong(path: Path, missing: set[int], handshake: bool) -> None:
    """An exchange without an error is one that was; none is put together from parts of several."""
    packets = talk(1, 2, 3, size=40).packets
    kept = [packet for number, packet in enumerate(packets) if number not in missing and (handshake or number > 2)]
    try:
        exchanges, _ = read(path, pcap(kept))
    except InputError:
        return
    assert [pair for pair in seen(exchanges) if pair[2] is None and pair not in whole(1, 2, 3)] == []


def test_a_beginning_without_handshake(path: Path) -> None:
    packets = talk(1, 2, 3, size=60).packets
    exchanges, told = read(path, pcap(packets[4:]))  # the first request's head is gone
    assert seen(exchanges)[-2:] == whole(2, 3)
    assert any("belong to no message" in line for line in told)
    # The server's bytes alone: what they answer nobody knows.
    exchanges, _ = read(path, pcap([packet for packet in packets[3:] if packet.data[20:22] == b"\x1f\x40"]))
    assert [(pair[0], pair[1]) for pair in seen(exchanges)] == [(None, says(number, 40)) for number in (1, 2, 3)]
    assert {exchange.client for exchange in exchanges} == {"10.0.0.7:40000"}


def test_how_a_connection_ends(path: Path) -> None:
    torn = Connection().handshake().say(True, asks(1)).say(False, says(1)[:50])
    assert seen(read(path, pcap(torn.packets))[0]) == [
        (asks(1), says(1)[:50], "the packets end before the connection does")
    ]
    torn.reset()
    assert seen(read(path, pcap(torn.packets))[0]) == [(asks(1), says(1)[:50], "the connection was reset")]
    to_the_end = b"HTTP/1.0 200 OK\r\n\r\n" + body(1, "&RES=0")
    closed = Connection().handshake().say(True, asks(1)).say(False, to_the_end).close()
    assert seen(read(path, pcap(closed.packets))[0]) == [(asks(1), to_the_end, None)]


def test_lines_and_pushes(path: Path) -> None:
    push = b"VER=1.1&CMD=Server_Msg&SEQ=9&UIN=10001&UN=10002&MG=hello\r\n"
    made = Connection().handshake().say(True, body(1) + b"\n", 20)
    made.say(False, push + body(1, "&RES=0") + b"\r\n", 33).close()
    exchanges, told = read(path, pcap(made.packets))
    assert told == []
    asked = (body(1) + b"\n", body(1, "&RES=0") + b"\r\n", None)
    assert seen(exchanges) == [asked, (None, push, None)]
    assert {exchange.transport for exchange in exchanges} == {"lines"}


def test_packets_cut_to_a_snap_length(path: Path) -> None:
    exchanges, told = read(path, pcap(talk(1, 2).packets, snap=110))
    assert {pair[2] for pair in seen(exchanges)} >= {"14 bytes of the client are missing in the packets"} or told
    assert any("not caught whole" in line for line in told)
    assert all(exchange.error is not None for exchange in exchanges)


def test_other_packets_are_counted(path: Path) -> None:
    fragment = bytearray(talk(1).packets[3].data)
    fragment[6] |= 0x20
    udp = bytearray(talk(1).packets[3].data)
    udp[9] = 17
    others = [Packet(0, bytes(fragment)), Packet(0, bytes(udp)), Packet(0, b"\x45"), Packet(0, b"\x00")]
    exchanges, told = read(path, pcap([*others, *talk(1).packets], "raw"))
    assert seen(exchanges) == whole(1)
    assert told == [
        "1 packet that is a fragment: left out",
        "2 packets of no TCP: left out",
        "1 packet that cannot be read: left out",
    ]


def test_a_long_connection_is_read_in_pieces(path: Path) -> None:
    """More segments than are held, some of them late."""
    numbers = range(1, 900)
    packets = talk(*numbers, size=100).packets
    assert len(packets) > 2 * 1024
    for at in range(100, len(packets) - 20, 400):
        packets[at : at + 20] = packets[at : at + 20][::-1]
    exchanges, told = read(path, pcap(packets))
    assert (seen(exchanges), told) == (whole(*numbers), [])


GOOD = pcap(talk(1).packets)
NG = pcapng(talk(1).packets)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GOOD[:3], "is in no format that is known"),
        (GOOD[:10], "packet 1: is cut off (is it a pcap?)"),
        (GOOD[:24], "holds no TCP (it holds no packet at all)"),
        (GOOD[:-1], "packet 8: is cut off (--partial imports the 7 packets before it)"),
        (GOOD + b"\x00" * 7, "packet 9: is cut off"),
        (GOOD + b"\xff" * 16, "packet 9: is damaged"),
        (NG[:-1], "packet 8: is cut off"),
        (NG[:9] + b"\x00" + NG[10:], "packet 1: is damaged"),
        (NG + b"\xff" * 40, "packet 9: is damaged"),
        (pcap([Packet(0, b"\x45" + bytes(8) + b"\x11" + bytes(30))], "raw"), "holds no TCP (1 packet of no TCP"),
        (pcap(talk(1).packets).replace(b"\x01\x00\x00\x00", b"\x93\x00\x00\x00", 1), "holds no TCP (8 packets of link"),
        (pcap(Connection().handshake().say(True, b"hello").packets), "holds no exchange of httpqq"),
    ],
)
def test_what_cannot_be_imported(data: bytes, expected: str, path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(path, data)
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_whole_of_a_capture_that_was_cut_off(path: Path) -> None:
    packets = talk(1, 2).packets
    exchanges, told = read(path, pcap(packets)[:-100], partial=True)
    assert seen(exchanges)[0] == whole(1)[0]
    assert any("before the one that is cut off" in line for line in told)


@given(st.sampled_from([GOOD, NG]), st.integers(0, len(GOOD)), st.binary(min_size=1, max_size=8), st.booleans())
def test_any_damage_is_one_line_or_harmless(path: Path, data: bytes, at: int, junk: bytes, partial: bool) -> None:
    try:
        read(path, data[:at] + junk + data[at + len(junk) :], partial)
    except InputError as error:
        assert str(path) in str(error)


def test_tshark_reads_the_same_requests(tmp_path: Path, require: Callable[[str], str]) -> None:
    """The packets made here are real ones: another reader finds the same bodies in them."""
    path = tmp_path / "a.pcap"
    made = Connection().handshake()
    for number in (1, 2):
        made.say(True, asks(number).replace(b"POST", b"POST /"), 30).say(False, says(number, 100), 70)
    path.write_bytes(pcap(made.close().packets))
    assert len(read_back(path.read_bytes())) == len(made.packets)
    found = subprocess.run(
        [require("tshark"), "-r", path, "-d", "tcp.port==8000,http", "-Y", "http.request", "-T", "fields",
         "-e", "http.file_data"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.split()  # fmt: skip
    exchanges, _ = read(tmp_path / "again", path.read_bytes())
    # Older versions print the text, newer ones its hex digits.
    assert [text.encode() if "=" in text else bytes.fromhex(text.replace(":", "")) for text in found] == [
        exchange.request.body for exchange in exchanges if exchange.request is not None
    ]
    result = qqlab("import", path, "-o", tmp_path / "a.jsonl")
    assert (result.returncode, result.stderr) == (0, f"qqlab: 2 exchanges in {tmp_path / 'a.jsonl'}\n")
    assert len(load(tmp_path / "a.jsonl").exchanges) == 2


def test_lines_without_their_beginning(path: Path) -> None:
    """What is before the end of the first line belongs to a line whose beginning nobody caught."""
    joined = Connection(sequences=(1001, 0xFFFFFF01)).say(True, body(1) + b"\n" + body(2) + b"\n")
    joined.say(False, body(1, "&RES=0") + b"\r\n" + body(2, "&RES=0") + b"\r\n")
    exchanges, told = read(path, pcap(joined.packets))
    assert seen(exchanges) == [(body(2) + b"\n", body(2, "&RES=0") + b"\r\n", None)]
    assert len(told) == 1
    assert "that belong to no message" in told[0]
