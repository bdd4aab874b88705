"""A protocol that qqlab has never seen: an auction house, made up, with its server and its clients.

Nothing is named or written as in HTTP QQ: names are lower-case and long, accounts are words, lists have semicolons
between their items and none at the end, statuses begin at 200, tokens are no hex; an item escapes its own semicolons.
What is true of it stands in `auction.toml`. All is made from a seed.
"""

import random
import string
from collections import deque
from collections.abc import Iterator

from qqlab import http1
from qqlab.exchange import Exchange

_OK, _REFUSED, _UNKNOWN = "200", "403", "404"
_LETTERS = string.ascii_letters + string.digits
_THINGS = ("brass lamp", "oak chair", "old map; torn", "clock", "blue vase", "coat & hat", "globe", "two stools")
_PLACES = ("Lisbon", "Porto", "Faro", "Braga", "Evora", "Coimbra", "Leiria", "Beja", "Tomar", "Viseu")
_FIRST = ("anna", "bert", "carl", "dora", "emil", "fina")
_USERS = tuple(
    f"{a}{b}" for a in ("anna", "bert", "carl", "dora", "emil", "fina") for b in ("ross", "vale", "mey", "dorn")
)


class _House:
    """The server: lots with their highest bids, who is inside, and what waits for whom."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.keys = {user: self._token(40) for user in _USERS}
        self.inside: set[str] = set()
        self.bids = 52_000
        self.lots = {str(4000 + 13 * one): chance.choice(_USERS) for one in range(30)}
        self.prices = {lot: chance.randint(10, 900) for lot in self.lots}
        self.notices: dict[str, deque[tuple[str, str, str]]] = {user: deque() for user in _USERS}
        self.pushed: list[tuple[str, str, str]] = []

    def _token(self, length: int) -> str:
        return "".join(self.chance.choice(_LETTERS) for _ in range(length))

    def answer(self, asked: dict[str, str]) -> dict[str, str]:
        """The fields of a reply behind those that all have."""
        who, action = asked["member"], asked["action"]
        if action == "enter":
            return self._enter(who, asked)
        if who not in self.inside:
            return {"result": _REFUSED}
        said: dict[str, str] = getattr(self, f"_{action}")(who, asked)
        return {"result": _OK, **said}

    def _enter(self, who: str, asked: dict[str, str]) -> dict[str, str]:
        if asked["passkey"] != self.keys[who]:
            return {"result": _OK, "outcome": "7", "reason": f"no such key {self.chance.randint(1, 99)}"}
        self.inside.add(who)
        return {"result": _OK, "outcome": "1", "ticket": self._token(24)}

    def _leave(self, who: str, asked: dict[str, str]) -> dict[str, str]:
        self.inside.discard(who)
        return {}

    def _browse(self, who: str, asked: dict[str, str]) -> dict[str, str]:
        lots = [lot for lot in self.lots if int(lot) > int(asked["after"])]
        page = lots[: int(asked["most"])]
        return {
            "total": str(len(page)),
            "lots": ";".join(page),
            "titles": ";".join(_THINGS[int(lot) % len(_THINGS)].replace(";", "%3B") for lot in page),
            "prices": ";".join(str(self.prices[lot]) for lot in page),
            "more": "1" if len(page) < len(lots) else "0",
        }

    def _inspect(self, who: str, asked: dict[str, str]) -> dict[str, str]:
        lot, detail = asked["lot"], asked["detail"]
        said = {"lot": lot, "price": str(self.prices[lot])}
        if detail == "2":
            said |= {"seller": self.lots[lot], "place": f"{_PLACES[int(lot) % 10]} {int(lot) % 41}"}
        return said | {"state": str(int(lot) % 3)}

    def _offer(self, who: str, asked: dict[str, str]) -> dict[str, str]:
        lot, amount = asked["lot"], int(asked["amount"])
        self.bids += self.chance.randint(1, 5)
        if amount <= self.prices[lot]:
            return {"offer": str(self.bids), "verdict": "2"}
        self.prices[lot] = amount
        self.notices[self.lots[lot]].append(("5", who, f"bid {amount}"))
        for other in sorted(self.inside - {who})[:1]:
            self.pushed.append((other, lot, str(amount)))
        return {"offer": str(self.bids), "verdict": "0" if amount % 2 else "1"}

    def _notices(self, who: str, asked: dict[str, str]) -> dict[str, str]:
        waiting = list(self.notices[who])
        self.notices[who].clear()
        kinds, members, notes = ([item[at] for item in waiting] for at in range(3))
        return {
            "count": str(len(waiting)),
            "kinds": ";".join(kinds),
            "from": ";".join(members),
            "notes": ";".join(notes),
        }


def traffic(steps: int = 3000, seed: int = 3) -> Iterator[Exchange]:
    """What was recorded, in order."""
    chance = random.Random(seed)
    house = _House(chance)
    after = dict.fromkeys(_USERS, "0")
    number = 0
    for _ in range(steps):
        who = chance.choice(_USERS)
        for action, fields in _asked(house, who, chance, after):
            head = {"proto": "3.2", "action": action, "reqno": str(number * 7 + 100), "member": who}
            asked = {**head, **fields}
            said = house.answer(asked)
            if action == "browse" and said["result"] == _OK:
                after[who] = said["lots"].rpartition(";")[2] if said["more"] == "1" else "0"
            number += 1
            yield _exchange(str(number), _body(asked), _body({**head, **said}))
            for other, lot, amount in house.pushed:
                number += 1
                told = {"proto": "3.2", "action": "outbid", "reqno": str(number), "member": other, "result": _OK}
                yield _exchange(str(number), None, _body({**told, "lot": lot, "amount": amount}))
            house.pushed.clear()


def _asked(
    house: _House, who: str, chance: random.Random, after: dict[str, str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """What somebody asks for now, perhaps twice."""
    if who not in house.inside and chance.random() < 0.8:
        right = chance.random() < 0.7
        yield "enter", {"passkey": house.keys[who] if right else "".join(chance.choices(_LETTERS, k=40))}
        return
    lot = chance.choice(list(house.lots))
    acts: list[tuple[str, dict[str, str]]] = [
        ("browse", {"most": chance.choice(("3", "5", "50")), "after": after[who]}),
        ("inspect", {"lot": lot, "detail": chance.choice("12")}),
        ("offer", {"lot": lot, "amount": str(house.prices[lot] + chance.randint(-9, 9))}),
        ("notices", {}),
        ("leave", {}),
    ]
    action, fields = chance.choices(acts, (25, 20, 20, 25, 4))[0]
    yield action, fields
    if action in ("inspect", "notices", "browse") and chance.random() < 0.3:
        yield action, fields
    if action == "leave" and chance.random() < 0.5:
        yield "notices", {}


def _body(fields: dict[str, str]) -> bytes:
    escaped = {name: value.replace("%", "%25").replace("&", "%26") for name, value in fields.items()}
    return "&".join(f"{name}={value}" for name, value in escaped.items()).encode()


def _exchange(identifier: str, asked: bytes | None, said: bytes) -> Exchange:
    return Exchange(
        id=identifier,
        session="all",
        client="10.0.0.1:5",
        request=None if asked is None else http1.request(asked, "house:80"),
        reply=http1.reply(said),
    )
