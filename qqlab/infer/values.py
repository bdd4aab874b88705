"""What the values of one field tell: its type, whether it is a list, a code, a constant, a secret, an account.

Law: of one field's tally and what is known of the accounts; pure. A claim is made only with the support it needs
(`qqlab.infer.support`); what was looked for and is not certain is said in `doubts`, not claimed.
"""

import math
from collections.abc import Collection
from typing import NamedTuple

from qqlab.infer import shapes
from qqlab.infer.support import ACCOUNTS, BITS, CODES, CONSTANT, EACH, RESTLESS, UNREPEATED
from qqlab.infer.tally import FieldTally, Shapes, Values
from qqlab.spec import FieldType

_MOST_CONSTANTS = 4
_MOST_SECRET = 128
_SHARED = 0.02  # of secrets: those that many who guess have in common


class Told(NamedTuple):
    """What values tell. `codes` are the values of a code, `why` says each claim's reason, `doubts` what has too little
    behind it."""

    type: FieldType
    list: bool = False
    codes: tuple[int, ...] = ()
    constants: tuple[str, ...] = ()
    account: bool = False
    secret: bool = False
    fresh: bool = False
    personal: bool = False
    layers: int = 1
    why: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


class Known(NamedTuple):
    """What is known beside a field: the accounts, what is a list by what stands beside it, what no code is (counts,
    limits, cursors) and with what role the field is. `namesake`: other fields of this name are accounts.
    `may_be_list`: what stands beside it may say how long it is, as far as was seen."""

    accounts: Collection[str]
    is_list: bool
    no_code: bool
    role: str
    direction: str
    namesake: bool = False
    may_be_list: bool = False


def tell(field: FieldTally, known: Known) -> Told:
    """What a field's values tell."""
    is_list, why = _list(field, known)
    seen, values = (field.parts, field.part_values) if is_list else (field.whole, field.whole_values)
    if not seen.count:
        return Told("text", is_list, doubts=("under-sampled: never with a value, so its type is a guess",))
    account = known.role == "account" or (known.role == "" and _is_account(seen, values, known))
    kind, reason = _type(seen, values, known, account)
    told = Told(kind, is_list, account=account, why=(*why, reason), layers=_layers(field, is_list))
    if known.role not in ("", "status"):
        return told
    if account:
        return told._replace(why=(*told.why, f"{_met(values, known.accounts)} of its values are accounts"))
    return _special(told, seen, values, known)


def hidden(told: Told) -> Told:
    """The same without any value, and without sentences that tell of values."""
    kind = "int" if told.type == "code" else told.type
    return told._replace(type=kind, codes=(), constants=(), personal=not told.secret, why=(), doubts=())


def _special(told: Told, seen: Shapes, values: Values, known: Known) -> Told:
    """Codes, constants and secrets: of each field at most one of them."""
    secret = None if told.list else _secret(seen, values, known)
    if secret is not None:
        return told._replace(secret=True, why=(*told.why, secret))
    codes = () if known.no_code else _codes(seen, values)
    if codes or (known.role == "status" and seen.codes == seen.count and not values.more):
        numbers = codes or tuple(sorted({int(text) for text, _ in values.texts()}))
        reason = f"{len(numbers)} values in {seen.count}: a code"
        return told._replace(type="code", codes=numbers, why=(*told.why, reason))
    constants = () if known.no_code else _constants(seen, values)
    if constants:
        reason = f"never another value in {seen.count}, from {ACCOUNTS} accounts or more"
        return told._replace(constants=constants, why=(*told.why, reason))
    if _is_fresh(seen, values, known) and not told.list:
        reason = f"{len(values.counts)} values, none came again, mostly growing"
        return told._replace(fresh=True, why=(*told.why, reason))
    doubts = () if known.no_code else _doubts(seen, values)
    return told._replace(personal=_is_personal(told, values), doubts=doubts)


def _list(field: FieldTally, known: Known) -> tuple[bool, tuple[str, ...]]:
    filled = field.filled.count
    if known.role or not filled:
        return known.is_list, ()
    if field.ended == filled and (filled >= 3 or known.may_be_list):
        return True, (f"all {filled} values end in the separator",)
    if known.is_list and field.split:
        return True, ("as many items as what stands beside it says, at several lengths",)
    parts = field.parts
    if field.split >= 3 and field.split * 2 > filled and parts.numbers == parts.count:
        return True, (f"numbers with separators between in {field.split} of {filled}",)
    return False, ()


def _layers(field: FieldTally, is_list: bool) -> int:
    return 2 if field.layered > 1 and (is_list or not field.once) else 1


def _type(seen: Shapes, values: Values, known: Known, account: bool) -> tuple[FieldType, str]:
    if known.role == "version" and seen.versions == seen.count:
        return "version", "numbers with dots"
    if seen.hexes == seen.count and seen.lettered:
        width = f"{seen.shortest}" if seen.shortest == seen.longest else f"{seen.shortest} to {seen.longest}"
        return "hex", f"{width} hex digits in all {seen.count}"
    if seen.digits == seen.count and (account or known.role or seen.zero_led or seen.longest > 18):
        return "digits", f"digits in all {seen.count}, an identifier"
    if seen.numbers == seen.count:
        if not known.no_code and seen.longest >= 6 and seen.digits == seen.count and len(values.counts) > CODES:
            return "digits", f"digits in all {seen.count}, up to {seen.longest} of them"
        return "int", f"{seen.span} in all {seen.count}"
    return "text", f"{seen.shortest} to {seen.longest} characters"


def _is_account(seen: Shapes, values: Values, known: Known) -> bool:
    """Whether values are accounts: many are known ones (some, where other fields of the name are accounts), and all
    have the form of one."""
    accounts = known.accounts
    met = _met(values, accounts)
    if met < ACCOUNTS or (met * 2 < len(values.counts) and not known.namesake):
        return False
    lengths = {len(account) for account in accounts}
    digits = all(map(shapes.is_digits, accounts))
    in_form = min(lengths) <= seen.shortest and seen.longest <= max(lengths) + 2
    return in_form and (not digits or seen.digits == seen.count)


def _met(values: Values, accounts: Collection[str]) -> int:
    return sum(value in accounts for value in values.counts)


def _codes(seen: Shapes, values: Values) -> tuple[int, ...]:
    """The values of a code: small numbers, few, and none that came but once among many."""
    distinct = len(values.counts)
    if seen.codes != seen.count or values.more or not 2 <= distinct <= CODES or seen.count < EACH * distinct:
        return ()
    if _is_setting(values):
        return ()
    once = sum(count == 1 for count in values.counts.values())
    return tuple(sorted({int(text) for text, _ in values.texts()})) if once * 50 <= seen.count else ()


def _constants(seen: Shapes, values: Values) -> tuple[str, ...]:
    """Values that come all the time, whoever sends them; of numbers only a single one, for several are a code."""
    distinct = len(values.counts)
    most = 1 if seen.numbers == seen.count else _MOST_CONSTANTS
    long = any(value.startswith("\0") for value in values.counts)
    if values.more or long or distinct > most or (distinct > 1 and _is_setting(values)):
        return ()
    if min(values.counts.values()) < CONSTANT or any(len(owners) < ACCOUNTS for owners in values.owners.values()):
        return ()
    return tuple(values.counts)


def _is_setting(values: Values) -> bool:
    """Whether values rest for long, and differ between days, servers or clients rather than between messages."""
    return values.returned < RESTLESS * sum(values.counts.values())


def _secret(seen: Shapes, values: Values, known: Known) -> str | None:
    """Why values are secret; None where nothing says so. Random ones that no two accounts share, or, made by the
    server, that never come again."""
    distinct = len(values.counts)
    if known.no_code or distinct < UNREPEATED or len(values.accounts) < ACCOUNTS or seen.longest > _MOST_SECRET:
        return None
    if seen.tokens == seen.count and seen.shortest == seen.longest >= 16:
        bits = shapes.entropy(seen.characters) * seen.longest
        if bits >= BITS and values.shared <= max(2, _SHARED * distinct):
            return f"{distinct} values of {bits:.0f} bits each, shared by no two accounts: a secret"
    never_again = values.repeated == 0 and known.direction == "reply" and seen.shortest >= 6
    if never_again and seen.digits == seen.count and 0.2 < seen.grown / seen.count < 0.8 and _is_wide(seen):
        return f"{distinct} values of up to {seen.longest} digits, none came again, in no order: a token"
    return None


def _is_wide(seen: Shapes) -> bool:
    """Whether numbers are spread over 24 bits or more."""
    return seen.low is not None and seen.high is not None and math.log2(max(1, seen.high - seen.low)) > 24


def _is_fresh(seen: Shapes, values: Values, known: Known) -> bool:
    never_again = values.repeated == 0 and known.direction == "reply" and len(values.counts) >= UNREPEATED
    return never_again and seen.numbers == seen.count and seen.longest >= 4 and seen.grown >= 0.8 * (seen.count - 1)


def _is_personal(told: Told, values: Values) -> bool:
    """Whether it may be what people write, which nothing but care can tell from other text."""
    return told.type == "text" and len(values.counts) > 3


def _doubts(seen: Shapes, values: Values) -> tuple[str, ...]:
    distinct = len(values.counts)
    if seen.codes == seen.count and distinct <= CODES and not values.more and seen.count < EACH * distinct:
        return (f"under-sampled: {distinct} small numbers in {seen.count}, perhaps a code",)
    if distinct == 1 and not values.more:
        return (f"under-sampled: one value in {seen.count}, perhaps a constant",)
    return ()
