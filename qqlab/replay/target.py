"""Where a replay may go: loopback, and hosts that were allowed by name.

Law: a target is checked twice, by its name and by each address that the name turns out to have; what is connected
to is a checked address. The protocol's historical servers are refused whatever is allowed: they were switched off
long ago, and whoever has the names today never asked for this traffic.
"""

import ipaddress
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from qqlab.errors import RefusedError, UsageError
from qqlab.exchange import address

HISTORICAL = ("tencent.com", "qq.com")

_HTTP_PORT = 80
_FORM = "a target is http://HOST:PORT or HOST:PORT"


class Target(NamedTuple):
    """A server to replay against. `host` is a name in its ASCII form, lower-case, or an address."""

    host: str
    port: int

    def __str__(self) -> str:
        return address(self.host, self.port)


def parse_target(text: str) -> Target:
    """Read `http://HOST:PORT` (port 80 where none is named) or `HOST:PORT`. Raises UsageError for anything else."""
    if "@" in text:  # what stands before it may be a password, so it is not repeated
        raise UsageError(text.rpartition("@")[2], "a target takes no user or password", _FORM)
    scheme, marker, rest = text.partition("://")
    if marker and scheme.lower() == "https":
        raise UsageError(text, "https is not spoken here, nor was it by this protocol", _FORM)
    if marker and scheme.lower() != "http":
        raise UsageError(text, f"{scheme} is not spoken here", _FORM)
    try:
        parts = urlsplit("//" + (rest if marker else text))
        host, port = parts.hostname, parts.port if parts.port is not None or not marker else _HTTP_PORT
    except ValueError as error:
        raise UsageError(text, str(error), _FORM) from error
    if not host or not port:
        raise UsageError(text, "names no port" if host else "names no host", _FORM)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UsageError(text, "holds more than a host and a port", _FORM)
    return Target(normal_host(host), port)


@lru_cache(256)
def normal_host(host: str) -> str:
    """A host as the resolver will take it: ASCII, lower-case, no final dot. Raises UsageError for what is none."""
    try:
        # Names in full-width letters end up as their ASCII twins when they are resolved: so must they here.
        return host.lower().rstrip(".").encode("idna").decode("ascii").lower().rstrip(".")
    except UnicodeError as error:
        raise UsageError(host, "is no host name", _FORM) from error


@lru_cache(256)
def comparable(host: str) -> str:
    """A host in the one spelling by which it is told from others: a name as the resolver takes it, an address in its
    shortest form and as IPv4 where it is one, which IPv6 can write as well. Total."""
    try:
        name = normal_host(host)
    except UsageError:
        return host.lower()
    address = _address(name.partition("%")[0])
    return name if address is None else str(_unmapped(address))


def check_name(target: Target, allowed: Collection[str] = ()) -> None:
    """Refuse a target by its name, before it is resolved. Raises RefusedError."""
    refuse_historical(target.host)
    if target.host in {normal_host(host) for host in allowed}:
        return
    address = _address(target.host)
    if target.host != "localhost" and (address is None or not _is_loopback(address)):
        raise RefusedError(str(target), "is not on this machine", f"allow it: --allow-host {target.host}")


def check_address(target: Target, address: str, allowed: Collection[str] = ()) -> None:
    """Refuse an address that the target's name was resolved to. Raises RefusedError."""
    if target.host in {normal_host(host) for host in allowed}:
        return
    parsed = _address(address)
    if parsed is None or not _is_loopback(parsed):
        what = f"leads to {address}, which is not on this machine"
        raise RefusedError(str(target), what, f"allow it: --allow-host {target.host}")


def is_loopback(host: str) -> bool:
    """Whether a target's host is this machine by its name."""
    found = _address(host)
    return host == "localhost" or (found is not None and _is_loopback(found))


def refuse_historical(host: str) -> None:
    """Raise RefusedError for a name of the historical servers."""
    name = host.lower().rstrip(".")
    if any(name == domain or name.endswith(f".{domain}") for domain in HISTORICAL):
        raise RefusedError(host, "the protocol's historical servers are never contacted", "name a server of your own")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return _unmapped(address).is_loopback


def _unmapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
