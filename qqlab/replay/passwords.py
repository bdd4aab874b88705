"""Putting passwords back where a recording holds pseudonyms.

Law: a right password is put back only where the recording shows that it was right: in a request that succeeded by
its command's own verdict, or one with the same secret as such a request of the same account. Whatever else was
answered, the request keeps its pseudonym, so that a wrong password stays wrong. Passwords are asked for by account
and never kept, printed or put into an error.
"""

from collections.abc import Callable, Iterable

from qqlab.codec import Decoded, Field, decode, derive, succeeded
from qqlab.exchange import Exchange
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
    """The (account, secret) pairs with which a request succeeded."""
    return frozenset(
        (decoded.account, _folded(field))
        for decoded in exchanges
        if decoded.account is not None
        and (field := secret_field(decoded)) is not None
        and succeeded(decoded, spec) is True
        and _is_settled(decoded, spec)
    )


def _is_settled(decoded: Decoded, spec: Spec) -> bool:
    """Whether the reply holds the verdicts that the command itself requires, beside the status that every reply has:
    that a request was accepted does not say that it did what was meant."""
    verdicts = [
        field
        for field in (decoded.spec.reply if decoded.spec is not None else ())
        if field not in spec.common.reply and field.required and not field.when
        if field.codes is not None and spec.codes[field.codes].judges
    ]
    reply = decoded.reply
    return reply is not None and all(
        (code := spec.code(field, reply.value(field.name))) is not None and code.ok is True for field in verdicts
    )


def turned_away(recorded: Iterable[Exchange], replayed: Iterable[Exchange], spec: Spec) -> tuple[str, ...]:
    """The accounts of requests with a password that succeeded when recorded and were refused in the replay."""
    again = {exchange.id: decode(exchange, spec) for exchange in replayed}
    before = [(exchange.id, decode(exchange, spec)) for exchange in recorded if exchange.id in again]
    right = worked((decoded for _, decoded in before), spec)
    accounts = [
        decoded.account
        for identifier, decoded in before
        if (field := secret_field(decoded)) is not None
        and was_right(decoded, field, right)
        and succeeded(decoded, spec) is True
        and succeeded(again[identifier], spec) is False
    ]
    return tuple(dict.fromkeys(account for account in accounts if account is not None))


def was_right(decoded: Decoded, field: Field, right: frozenset[tuple[str, str]]) -> bool:
    """Whether the recording shows that this request's secret was the account's."""
    return (decoded.account, _folded(field)) in right


def put_back(password: str, derivation: Derivation, recorded: str) -> str:
    """The secret field's value for a password; upper-case where the recorded one was."""
    value = derive(derivation, password)
    return value.upper() if recorded != recorded.lower() else value


def _folded(field: Field) -> str:
    return field.text.strip().lower()
