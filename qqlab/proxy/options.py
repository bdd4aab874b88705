"""The options of the recorder: what is recorded, where and how.

Law: one table, which the addon, the help texts of `qqlab record` and the docs are made from; mitmproxy is not needed to
read it. What an option holds is checked here, and a mistake names the option.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple, get_args

from qqlab.capture import PROMISES, Storage, Sync
from qqlab.errors import UsageError
from qqlab.redact import Policy, Redactor, read_key
from qqlab.spec import Spec

_PREFIX = "qq_"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SPANS = {"": 1.0, "S": 1.0, "M": 60.0, "H": 3600.0, "D": 86400.0}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([a-zA-Z]?)")

_SYNCS = "; ".join(f"{name}: {promise}" for name, promise in PROMISES.items())
OPTIONS: tuple[tuple[str, type, str | bool, str], ...] = (
    ("qq_capture", str, "", "Record HTTP QQ traffic into this file (JSON lines). Empty: record nothing."),
    ("qq_append", bool, False, "Go on with a recording that exists; without a key file, with other pseudonyms."),
    ("qq_force", bool, False, "Replace a recording that exists, and its segments."),
    ("qq_sync", str, "never", f"When an exchange is safe. {_SYNCS[0].upper()}{_SYNCS[1:]}."),
    ("qq_rotate_size", str, "", "Begin a new segment before the file exceeds this size, such as 100M; the finished "
     "one is compressed. No exchange is in two segments, or in none."),
    ("qq_rotate_time", str, "", "Begin a new segment with the first exchange after this time, such as 90s, 10m, 1h."),
    ("qq_body_limit", str, "1M", "Cut bodies to this size; their full length and SHA-256 are kept."),
    ("qq_redact", str, "secrets", "What becomes pseudonyms before anything reaches the disk: secrets (passwords, "
     "tokens), all (personal values too) or none."),
    ("qq_redact_key_file", str, "", "Make pseudonyms with the key in this file, so that they are equal in all "
     "recordings made with it; without, the key is random and kept nowhere."),
    ("qq_lines", bool, False, "Read relayed connections as bare lines (VER 1.4), whatever they begin with."),
    ("qq_relay", bool, True, "Relay plain HTTP to a server (--mode reverse:http://...) as bytes, several times as "
     "fast, where nothing but this addon looks at it: mitmdump -q, without another script, and without options that "
     "change or keep messages. Such exchanges have the transport tcp. Off: mitmproxy takes all HTTP apart."),
    ("qq_spec", str, "", "Read the protocol from this spec file, not from the built-in one."),
    ("qq_note", str, "", "Write this free text into the header of a new recording."),
)  # fmt: skip
TEXTS = {name.removeprefix(_PREFIX): text for name, _, _, text in OPTIONS}


class Settings(NamedTuple):
    """The options as values; with the defaults, nothing is recorded. Paths are empty where none is named."""

    capture: str = ""
    storage: Storage = Storage()
    redact: Policy = "secrets"
    redact_key_file: str = ""
    lines: bool = False
    spec: str = ""
    note: str = ""

    def redactor(self, spec: Spec) -> Redactor | None:
        """What takes values out; None where nothing is taken out. Raises InputError or RefusedError for the key."""
        key = read_key(_path(self.redact_key_file)) if self.redact_key_file else None
        return None if self.redact == "none" else Redactor(spec, policy=self.redact, key=key)

    @property
    def path(self) -> Path:
        """The capture's path."""
        return _path(self.capture)


def read(options: Any, prefix: str = _PREFIX) -> Settings:
    """The settings in an object that has the options as attributes. Raises UsageError; a mistake is named with the
    prefix before the option's name."""

    def option(name: str) -> Any:
        return getattr(options, _PREFIX + name)

    def named(name: str) -> str:
        return prefix + (name if prefix == _PREFIX else name.replace("_", "-"))

    storage = Storage(
        append=option("append"),
        force=option("force"),
        sync=_choice(named("sync"), option("sync"), Sync),
        rotate_bytes=_amount(named("rotate_size"), option("rotate_size"), _UNITS, "100M") or None,
        rotate_seconds=_amount(named("rotate_time"), option("rotate_time"), _SPANS, "90s, 10m or 1h") or None,
        limit=int(_amount(named("body_limit"), option("body_limit"), _UNITS, "1M")),
    )
    if storage.append and storage.force:
        raise UsageError(named("append"), f"goes not with {named('force')}", "leave one out")
    return Settings(
        capture=option("capture"),
        storage=storage,
        redact=_choice(named("redact"), option("redact"), Policy),
        redact_key_file=option("redact_key_file"),
        lines=option("lines"),
        spec=option("spec"),
        note=option("note"),
    )


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _choice(name: str, text: str, choices: Any) -> Any:
    allowed = get_args(choices)
    if text not in allowed:
        raise UsageError(f"{name} {text}", "is no choice", f"one of {', '.join(allowed)}")
    return text


def _amount(name: str, text: str, units: dict[str, Any], example: str) -> Any:
    """A number with a unit; 0 where there is no text."""
    if not text:
        return 0
    match = _AMOUNT.fullmatch(text.strip())
    unit = units.get(match[2].upper()) if match is not None else None
    value = 0 if match is None or unit is None else float(match[1]) * unit
    if value < 1:
        raise UsageError(f"{name} {text}", "is no amount that makes sense", f"such as {example}")
    return int(value) if units is _UNITS else value
