"""Where the exchanges stand that a profile names."""

from collections.abc import Iterator

import msgspec

from qqlab.capture.chunks import At
from qqlab.profile import Profile


def places(profile: Profile) -> dict[str, list[At]]:
    """The places of exchanges by the ids that they are cited by."""
    found: dict[str, list[At]] = {}
    for name, at in sorted(set(_named(profile))):
        found.setdefault(name, []).append(at)
    return found


def _named(part: object) -> Iterator[tuple[str, At]]:
    """Whatever has an exchange, or several, and says where they stand."""
    if isinstance(part, msgspec.Struct):
        found = {name: getattr(part, name) for name in part.__struct_fields__}
        at, ats = found.get("at"), found.get("ats")
        if "exchange" in found and at is not None:
            yield found["exchange"], at[0] if isinstance(at, tuple) else at
        if isinstance(ats, list):
            names = found.get("ids") or [one.exchange for one in found.get("examples", ())]
            yield from zip(names, ats, strict=False)
        for value in found.values():
            yield from _named(value)
    elif isinstance(part, dict):
        for value in part.values():
            yield from _named(value)
    elif isinstance(part, list) and part and isinstance(part[0], msgspec.Struct):
        for value in part:
            yield from _named(value)
