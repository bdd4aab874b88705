"""The Host header in reverse mode, held against what mitmproxy makes of the same request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.net.http.http1 import assemble, read

from qqlab.proxy.host import with_host

HEADERS = ["Host: a", "host: b:80", "HOST:", "Hosts: c", "X-Host: d", "Content-Length: 3", "X: Host: e"]
HOST = "127.0.0.1:8001"


def by_mitmproxy(head: bytes) -> bytes:
    request = read.read_request_head(head.rstrip(b"\r\n").split(b"\r\n"))
    request.host_header = HOST
    return bytes(assemble.assemble_request_head(request))


@given(st.lists(st.sampled_from(HEADERS), max_size=6))
def test_a_head_becomes_what_mitmproxy_makes_of_it(headers: list[str]) -> None:
    head = "".join(line + "\r\n" for line in ["POST /x HTTP/1.1", *headers, ""]).encode()
    expected = by_mitmproxy(head)
    # mitmproxy writes a blank behind each colon; here only the value is another.
    assert with_host(head, HOST).replace(b"HOST:1", b"HOST: 1") == expected
    assert with_host(with_host(head, HOST), HOST) == with_host(head, HOST)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"POST / HTTP/1.0\nHost:a\nX: 1\n\n", b"POST / HTTP/1.0\nHost:127.0.0.1:8001\nX: 1\n\n"),
        (b"POST / HTTP/1.0\nX:  1\n\n", b"POST / HTTP/1.0\nX:  1\nHost: 127.0.0.1:8001\n\n"),
        (b"POST HTTP/1.1\r\n\r\n", b"POST HTTP/1.1\r\nHost: 127.0.0.1:8001\r\n\r\n"),
        (b"Host : HTTP/1.1\r\nHost: a\r\nhost:b\r\n\r\n", b"Host : HTTP/1.1\r\nHost: 127.0.0.1:8001\r\n\r\n"),
        (b"GET /?Host: HTTP/1.1\r\nHost : a\r\n\r\n", b"GET /?Host: HTTP/1.1\r\nHost : 127.0.0.1:8001\r\n\r\n"),
    ],
)
def test_of_an_odd_head_nothing_else_changes(head: bytes, expected: bytes) -> None:
    assert with_host(head, HOST) == expected
