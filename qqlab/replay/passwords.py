"""Putting passwords back where a recording holds pseudonyms.

Law: a right password is put back only where the recording shows that it was right: in a request that succeeded by
its command's own verdict, one that was put off until something else had been answered which then succeeded so, or
one with the same secret as such a request of the same account. Whatever else was answered, the request keeps its
pseudonym, so that a wrong password stays wrong. Passwords are asked for by account and never kept, printed or put
into an error. What is said of passwords holds for the codes that pictures show.
"""

from collections.abc import Callable, Iterable

from qqlab import spec as specs
from qqlab.codec import Decoded, Field, derive, succeeded
from qqlab.spec import Derivation, Spec

Passwords = Callable[[str], str | None]
"""The password of an account as plain text, None where it is not known."""


def no_passwords(account: str) -> str | None:
    """Know none."""
    return None


def secret_field(decoded: Decoded) -> Field | None:
    """The request's field that is made from the account's password, None where there is none or it is empty."""
    fields = decoded.request.fields if decoded.request is not None else ()
    return next((f for f in fields if f.spec is not None and f.spec.derived is not None and f.text.strip()), None)


def worked(exchanges: Iterable[Decoded], spec: Spec) -> frozenset[tuple[str, str]]:
    """The (account, secret) pairs with which a request succeeded, at once or in the end."""
    right: set[tuple[str, str]] = set()
    put_off: dict[str, dict[str, tuple[str, str]]] = {}
    for decoded in exchanges:
        field = secret_field(decoded)
        if decoded.account is None or field is None:
            continue
        before, secret = put_off.setdefault(decoded.account, {}), (decoded.account, _folded(field))
        right_or_wrong = verdict(decoded, spec)
        if right_or_wrong is None:
            before[decoded.command] = secret
        elif right_or_wrong:
            right.update({**before, decoded.command: secret}.values())
            before.clear()
        else:
            before.pop(decoded.command, None)
    return frozenset(right)


def verdict(decoded: Decoded, spec: Spec) -> bool | None:
    """Whether the reply says that the secret was right, None where it wants something else first.

    It says so by the codes that its command requires, beside the status that every reply has: that a request was
    accepted does not say that it did what was meant. A reply of another command must have such a code; one that can
    tell of no success (as the one that comes with a picture) puts the verdict off.
    """
    reply = decoded.reply
    if reply is None or reply.command is None:
        return False
    judging = [
        field
        for field in reply.command.reply
        if field not in spec.common.reply and field.required and not field.when
        if field.codes is not None and spec.codes[field.codes].judges
    ]
    if reply.command is not decoded.spec and not any(_can_succeed(field, spec) for field in judging):
        return None if judging else False
    return succeeded(decoded, spec) is True and all(
        (code := spec.code(field, reply.value(field.name))) is not None and code.ok is True for field in judging
    )


def _can_succeed(field: specs.Field, spec: Spec) -> bool:
    return field.codes is not None and any(value.ok for value in spec.codes[field.codes].values)


def was_right(decoded: Decoded, field: Field, right: frozenset[tuple[str, str]]) -> bool:
    """Whether the recording shows that this request's secret was the account's."""
    return (decoded.account, _folded(field)) in right


def put_back(password: str, derivation: Derivation, recorded: str) -> str:
    """The secret field's value for a password; upper-case where the recorded one was."""
    value = derive(derivation, password)
    if derivation == "verification":
        return value
    return value.upper() if recorded != recorded.lower() else value


def _folded(field: Field) -> str:
    return field.text.strip().lower()
