"""What may be sent to whom, by what it does there.

Law: pure. On this machine everything may be sent. Any other host, allowed by name, is asked for what reads only, and
for more where that was allowed by its effect. What a request does is what the spec says of its command; of a command
that nobody knows, or of several in one request, the worst. The server that was recorded is refused by each of its
names, and by an address that another name leads to, unless it was named itself; the historical ones always are.
"""

from collections.abc import Collection, Iterable
from urllib.parse import unquote_to_bytes

from qqlab import wire
from qqlab.errors import RefusedError, UsageError
from qqlab.exchange import Exchange
from qqlab.replay.reading import Read
from qqlab.replay.target import Target, is_loopback, normal_host
from qqlab.spec import Effect, Spec

# From harmless to harmful. A push is nothing that a client asks for: as a request it is of unknown effect.
EFFECTS: tuple[Effect, ...] = ("read", "consume", "write", "auth")
_UNKNOWN: Effect = "write"


def effect_of(asked: Read, head: bytes, spec: Spec) -> Effect:
    """What a request does to the server's memory, whichever of its commands a server may take for the one."""
    role = spec.roles.command
    names = [field.text.strip(" \r\n") for field in asked.fields if field.name == role]
    query = _query(head)
    if query:
        names += [name for name in _commands(query, role) if name]
    effects = {_effect(name, spec) for name in names} or {_UNKNOWN}
    return max(effects, key=EFFECTS.index)


def _effect(name: str, spec: Spec) -> Effect:
    command = spec.command(name)
    return _UNKNOWN if command is None or command.effect == "push" else command.effect


def _query(head: bytes) -> bytes:
    """What a request line says behind `?`."""
    if head.find(b"?") < 0:
        return b""
    return head.lstrip().partition(b"\n")[0].partition(b"?")[2].partition(b" ")[0]


def _commands(query: bytes, role: str) -> Iterable[str]:
    for key, value in wire.split(query):
        if unquote_to_bytes(key).decode("latin-1").strip().upper() == role.upper():
            yield unquote_to_bytes(value or b"").decode("latin-1").strip()


def allowed_effects(target: Target, options: Iterable[str] = ()) -> frozenset[Effect]:
    """The effects that requests to a target may have; `options` are those of `--allow-effects`, comma-separated.

    Raises UsageError for a word that is none.
    """
    words = [word.strip() for option in options for word in option.split(",") if word.strip()]
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
    """The hosts, outside this machine, that the requests of a capture went to when recorded."""
    servers = {exchange.server for exchange in exchanges}
    hosts = {server.rpartition(":")[0].removeprefix("[").removesuffix("]") or server for server in servers if server}
    return frozenset(host.lower().rstrip(".") for host in hosts if not is_loopback(host))


def check_recorded(target: Target, found: str, recorded: Collection[str], allowed: Collection[str] = ()) -> None:
    """Refuse the recorded server. `found` is the target's host, or an address that it was resolved to. Raises
    RefusedError, unless the recorded server was named itself."""
    if found.lower().rstrip(".") in recorded and found not in {normal_host(host) for host in allowed}:
        leads = "" if found == target.host else f"leads to {found}, which "
        raise RefusedError(str(target), f"{leads}is the recorded server", f"allow it: --allow-host {found}")
