"""What may be sent to whom, by what it does there.

Law: pure. On this machine everything may be sent. Any other host, allowed by name, is asked for what reads only, and
for more where that was allowed by its effect. What a request does is what the spec says of its command; of a command
that nobody knows, or of several in one request, the worst. The server that was recorded is refused by each of its
names, and by an address that another name leads to, unless it was named itself; the historical ones always are.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from qqlab import http1, wire
from qqlab.codec import MOST_FIELDS
from qqlab.errors import RefusedError, UsageError
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay.reading import Read
from qqlab.replay.target import Target, comparable, is_loopback
from qqlab.spec import Effect, Spec

# From harmless to harmful. A push is nothing that a client asks for: as a request it is of unknown effect.
EFFECTS: tuple[Effect, ...] = ("read", "consume", "write", "auth")
_UNKNOWN: Effect = "write"

_LINE_END = re.compile(rb"[\r\n]+")
_FURTHER = re.compile(rb"[\r\n?]+")
_USUAL = re.compile(rb"(?:GET|HEAD|POST)[ \t]")
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")


def effect_of(asked: Read, request: RawMessage, spec: Spec) -> Effect:
    """What a request does to the server's memory, whichever of its commands a server may take for the one."""
    role = spec.roles.command
    names = [field.text.strip(" \r\n") for field in asked.fields if field.name == role or _may_be(role, field.name)]
    if request.head.find(b"?") >= 0:
        names += [name for start in _starts(request.head) for name in _commands(_query(start), role) if name]
    if request.body.count(b"&") >= MOST_FIELDS or request.body.find(b"\n") >= 0 or not http1.is_plain(request):
        names += _further(request, role)
    effects = {_effect(name, spec) for name in names} or {_UNKNOWN}
    if request.head and not request.head.startswith(b"POST ") and not _USUAL.match(http1.proper(request.head)):
        effects.add(_UNKNOWN)
    return max(effects, key=EFFECTS.index)


def not_one(request: RawMessage, *, as_line: bool) -> str | None:
    """Why a request is not one alone, as far as a server goes by its line ends: what else it holds nobody has looked
    at. None where it is one."""
    if as_line:
        several = request.head or _LINE_END.search((request.body + request.end).rstrip(b"\r\n"))
        return "the line holds more than one" if several else None
    if _BLANK_LINE.search(request.head.strip(b"\r\n")):
        return "its head holds more than one"
    if request.chunked and _BLANK_LINE.search(http1.trailer(request.body).strip(b"\r\n")):
        return "another request stands behind its last chunk"
    return None


def _effect(name: str, spec: Spec) -> Effect:
    command = spec.command(name)
    return _UNKNOWN if command is None or command.effect == "push" else command.effect


def _may_be(role: str, name: str) -> bool:
    """Whether a server may take a key for that field, which has something beside it: blanks, a NUL, brackets."""
    return len(name) > len(role) and role.upper() in name.upper() and _beside(role).fullmatch(name) is not None


@lru_cache(8)
def _beside(role: str) -> re.Pattern[str]:
    return re.compile(rf"\W*{re.escape(role)}(?:\W.*)?", re.IGNORECASE | re.DOTALL)


def _further(request: RawMessage, role: str) -> Iterator[str]:
    """The commands behind the fields that were read, on other lines of a body, or in a request line there."""
    body = http1.content(request)
    return _commands(_FURTHER.sub(b"&", (request.body if body is None else body).strip(b"\r\n")), role)


def _starts(head: bytes) -> set[bytes]:
    """The lines that may be a head's first one."""
    return {one.lstrip().partition(b"\n")[0] for one in (head, http1.proper(head))}


def _query(start: bytes) -> bytes:
    """What a request line says behind `?`."""
    return start.partition(b"?")[2].partition(b" ")[0]


def _commands(pairs: bytes, role: str) -> Iterator[str]:
    for key, value in wire.split(pairs):
        name = unquote_to_bytes(key).decode("latin-1")
        if value is not None and (name.upper() == role.upper() or _may_be(role, name)):
            yield unquote_to_bytes(value).decode("latin-1").strip()


def allowed_effects(target: Target, allowed: str | None = None) -> frozenset[Effect]:
    """The effects that requests to a target may have; `allowed` is what `--allow-effects` says, comma-separated.

    Raises UsageError for a word that is none.
    """
    words = [word.strip() for word in (allowed or "").split(",") if word.strip()]
    wrong = [word for word in words if word not in EFFECTS]
    if wrong:
        raise UsageError(f"--allow-effects {wrong[0]}", "is no effect", f"of {', '.join(EFFECTS)}")
    if is_loopback(target.host):
        return frozenset(EFFECTS)
    return frozenset(effect for effect in EFFECTS if effect == "read" or effect in words)


def not_allowed(effect: Effect) -> str:
    """Why a request with that effect is left out."""
    return f"its effect is {effect}, and the target is not on this machine (allow it: --allow-effects {effect})"


def check_any(target: Target, refused: Collection[Effect], sent: int) -> None:
    """Raise RefusedError where nothing of a capture may be sent to a target, for the effects that it would have."""
    if refused and not sent:
        more = ",".join(effect for effect in EFFECTS if effect in refused)
        what = f"is not on this machine, and nothing of the capture does mere reading ({more.replace(',', ', ')})"
        raise RefusedError(str(target), what, f"allow it: --allow-effects {more}")


def recorded_hosts(exchanges: Iterable[Exchange]) -> frozenset[str]:
    """The hosts, outside this machine, that the requests of a capture went to when recorded, as `comparable` has
    them."""
    return hosts_of({exchange.server for exchange in exchanges})


def hosts_of(servers: Iterable[str]) -> frozenset[str]:
    """The hosts of these recorded servers, outside this machine, as `comparable` has them."""
    hosts = {server.rpartition(":")[0].removeprefix("[").removesuffix("]") or server for server in servers if server}
    return frozenset(host for host in map(comparable, hosts) if not is_loopback(host))


def check_recorded(target: Target, found: str, recorded: Collection[str], allowed: Collection[str] = ()) -> None:
    """Refuse the recorded server. `found` is the target's host, or an address that it was resolved to. Raises
    RefusedError, unless the recorded server was named itself."""
    if comparable(found) in recorded and comparable(found) not in map(comparable, allowed):
        leads = "" if found == target.host else f"leads to {found}, which "
        raise RefusedError(str(target), f"{leads}is the recorded server", f"allow it: --allow-host {found}")
