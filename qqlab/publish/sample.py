"""A made-up message of each command, as its sender would write it.

Law: made of the spec alone: constants, the first documented value of a code, and for the rest a value of the right
type that is plainly an example. No two senders are told apart by it, and nothing of it was captured.
"""

from qqlab.codec import Value, derive, encode_message
from qqlab.spec import Command, Direction, Field, Spec

_PASSWORD = "example"
_NUMBER = "10001"
_OTHER_NUMBER = "10002"
_HEX = "0123456789ABCDEF"


def values(spec: Spec, command: Command, direction: Direction) -> dict[str, Value]:
    """The fields of a message that need to be there, in the spec's order; of a reply, those of one that went well."""
    made: dict[str, Value] = {}
    version = _version(spec, command)
    for field in sorted(command.fields(direction), key=lambda field: bool(field.when)):
        holds = all(made.get(name) in allowed for name, allowed in field.when.items())
        if field.required and holds and (not field.versions or version in field.versions):
            made[field.name] = _value(spec, command, direction, field, version)
    return {field.name: made[field.name] for field in command.fields(direction) if field.name in made}


def body(spec: Spec, command: Command, direction: Direction) -> str:
    """The message of `values` as it is sent."""
    return encode_message(values(spec, command, direction).items(), direction, spec, command).decode()


def _version(spec: Spec, command: Command) -> str:
    """The version that the primary source is about, where the command is of it."""
    primary = {name for name, source in spec.sources.items() if source.primary}
    known = [name for name in command.versions if primary & set(spec.versions[name].source)]
    return (known or list(command.versions) or list(spec.versions) or [""])[0]


def _value(spec: Spec, command: Command, direction: Direction, field: Field, version: str) -> Value:
    roles = spec.roles
    if field.name == roles.version:
        return version
    if field.name == roles.command:
        return (direction == "reply" and command.reply_name) or command.name
    if field.name == roles.account:
        return _NUMBER
    if any(rows.count == field.name and rows.direction == direction for rows in command.rows):
        return 2
    item = _item(spec, field)
    return (item, item) if field.list else item


def _item(spec: Spec, field: Field) -> str | int:
    if field.constants:
        return int(field.constants[0]) if field.type in ("int", "code") else field.constants[0]
    if field.derived is not None:
        return derive(field.derived, _PASSWORD)
    if field.codes is not None and spec.codes[field.codes].values:
        known = spec.codes[field.codes].values
        return next((code.value for code in known if code.ok is not False), known[0].value)
    match field.type:
        case "int" | "code":
            return 1
        case "digits":
            return _OTHER_NUMBER if field.account else "1001"
        case "hex":
            return _HEX
        case "version":
            return "1.0"
        case "text":
            return "example"
