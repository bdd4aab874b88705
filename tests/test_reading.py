"""What a plan reads of a message is what the codec says of it."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.codec import decode_message
from qqlab.exchange import RawMessage
from qqlab.replay.reading import items, read
from qqlab.spec import Direction

SPEC = specs.builtin()
WORDS = [b"VER", b"CMD", b"cmd", b"UIN", b"UN", b"MG", b"ST", b"C%4dD", b"X", b"=", b"=", b"=", b"&", b"&", b"&"]
WORDS += [b"GetMsgEx", b"getinfo", b"List", b"10001", b" ", b",", b"%252c", b"%2c", b"%", b"+", b"\xc4\xe3", b"\n"]


@given(
    st.lists(st.sampled_from(WORDS), max_size=24).map(b"".join) | st.binary(max_size=40),
    st.sampled_from(["request", "reply"]),
    st.sampled_from([None, "Login", "GetMsgEx"]),
)
@example(b"&a=" * 1001 + b"CMD=List", "reply", None)
@example(b"CMD=List&UN=" + b"1," * 10_001, "reply", None)
def test_a_message_is_read_as_the_codec_reads_it(body: bytes, direction: Direction, fallback: str | None) -> None:
    command = None if fallback is None else SPEC.command(fallback)
    decoded = decode_message(body, direction, SPEC, command)
    seen = read(RawMessage(body=body), direction, SPEC, command)
    valued = [field for field in decoded.fields if field.raw is not None]
    assert (seen.name, seen.command) == (decoded.name, decoded.command)
    assert [msgspec.structs.astuple(said) for said in seen.fields] == [
        (field.name, field.spec, field.text, field.raw, field.position) for field in valued
    ]
    for said, field in zip(seen.fields, valued, strict=True):
        values = field.value if isinstance(field.value, tuple) else (field.value,)
        if field.spec is not None and (field.spec.type in ("digits", "hex", "version") or field.spec.list):
            assert items(said, SPEC) == tuple("" if one is None else str(one).strip(" ") for one in values)


def test_a_body_that_cannot_be_unpacked_is_read_as_it_is() -> None:
    packed = RawMessage(head=b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n", body=b"CMD=List&UN=0")
    seen = read(packed, "request", SPEC)
    assert (seen.text("UN"), seen.text("TN"), seen.name) == ("0", None, "List")
