"""The users of a generated capture: the test server's accounts, and their friends.

Law: a function of the plan. Nobody is meant: numbers have twelve digits, more than any that was given out; names,
places and texts are made up; addresses are of example.org, telephones begin with four zeros. Passwords are no secret.
"""

import msgspec

from qqlab.generate.chance import Chance
from qqlab.generate.plan import Plan
from qqlab.testserver import Account, Accounts
from qqlab.testserver.accounts import Policy

PASSWORD = "mima-{}"
_FIRST = 900_000_010_001
_MOST_FRIENDS = 150
_FRIENDS = 9.0
_NEAR = 60

_HOW = (
    "会飞的",
    "爱笑的",
    "第三个",
    "沉默的",
    "半块",
    "打瞌睡的",
    "数学课上的",
    "不会游泳的",
    "90% 的",
    "蓝色的",
    "想家的",
    "山, 水与",
)
_WHAT = (
    "土豆",
    "邮筒",
    "长颈鹿",
    "橡皮",
    "稻草人",
    "灯塔",
    "算盘",
    "西瓜 & 冰",
    "雨伞",
    "磁带",
    "风筝",
    "小数点",
    "鶹鑸",
    "☆",
)
_PROVINCES = ("虚构省", "样例省", "假想省", "云上市")
_TOWNS = ("样例市", "虚构县", "空白镇", "测试城")
_JOBS = ("教师", "学生", "程序员", "样例", "司机", "")
_SELVES = ("本人纯属虚构,如有雷同,实属巧合。", "1 + 1 = 2", "山不在高,\r\n水不在深。", "测试 & 样例", "")
_POLICIES: tuple[Policy, ...] = ("anyone",) * 3 + ("approval",) * 6 + ("nobody",)


def uin(place: int) -> str:
    """The number of the account in that place."""
    return str(_FIRST + place)


def unknown(chance: Chance) -> str:
    """A number that no account has."""
    return str(_FIRST - 1 - chance.below(9999))


def people(plan: Plan) -> Accounts:
    """The accounts of a plan, in order of their numbers."""
    chance = Chance(f"people {plan.seed}")
    friends = _friends(plan.accounts, chance)
    return Accounts(accounts=tuple(_account(place, sorted(friends[place]), chance) for place in range(plan.accounts)))


def _friends(accounts: int, chance: Chance) -> list[dict[int, None]]:
    """Who has whom on his list: mostly each other, mostly neighbours."""
    friends: list[dict[int, None]] = [{} for _ in range(accounts)]
    for place, listed in enumerate(friends):
        wanted = 130.0 if chance.happens(0.02) else 1.0 + chance.around(_FRIENDS)
        for _ in range(min(int(wanted), _MOST_FRIENDS, accounts - 1)):
            reach = _NEAR if chance.happens(0.9) else accounts
            other = (place + 1 + chance.below(min(reach, accounts - 1))) % accounts
            listed[other] = None
            if chance.happens(0.85) and len(friends[other]) < _MOST_FRIENDS:
                friends[other][place] = None
    return friends


def _account(place: int, friends: list[int], chance: Chance) -> Account:
    number = uin(place)
    return Account(
        uin=number,
        password=PASSWORD.format(number),
        nickname=f"{chance.one(_HOW)}{chance.one(_WHAT)}{place if chance.happens(0.5) else ''}",
        avatar=3 * chance.below(100),
        policy=chance.one(_POLICIES),
        friends=tuple(uin(friend) for friend in friends),
        profile=_profile(place, chance),
    )


def _profile(place: int, chance: Chance) -> dict[str, str | int]:
    """What GetInfo says of a user."""
    return {
        "AD": f"{chance.one(_TOWNS)}, 样例路 {place} 号",
        "AG": 14 + chance.below(40),
        "BT": chance.below(6),
        "CO": chance.below(13),
        "CT": chance.one(_TOWNS),
        "CY": "虚构国",
        "EM": f"user{place}@example.org",
        "HP": f"http://example.org/~user{place}?a=1&b=2" if chance.happens(0.3) else "",
        "JB": chance.one(_JOBS),
        "MO": f"0000-555{place:06d}",
        "PC": f"0{place % 100_000:05d}",
        "PH": f"0000-556{place:06d}",
        "PR": chance.one(_SELVES),
        "PV": chance.one(_PROVINCES),
        "RN": f"测试用户{place}",
        "SC": f"第{1 + chance.below(20)}样例中学",
        "SH": chance.below(13),
        "SX": chance.below(2),
    }


def written(accounts: Accounts) -> bytes:
    """Accounts as the file that `qqlab serve --accounts` reads."""
    tables = [
        "# Made-up accounts of a generated capture. Passwords stand here as plain text: none is anybody's.\n"
        f"poll_seconds = {accounts.poll_seconds}\nsilence_seconds = {accounts.silence_seconds}\n"
        f"refusal = {_quoted(accounts.refusal)}\n",
        *map(_table, accounts.accounts),
    ]
    return "\n".join(tables).encode()


def _table(account: Account) -> str:
    friends = ", ".join(map(_quoted, account.friends))
    profile = "".join(
        f"{name} = {value if isinstance(value, int) else _quoted(value)}\n" for name, value in account.profile.items()
    )
    return (
        f"[[accounts]]\nuin = {_quoted(account.uin)}\npassword = {_quoted(account.password)}\n"
        f"nickname = {_quoted(account.nickname)}\navatar = {account.avatar}\npolicy = {_quoted(account.policy)}\n"
        f"friends = [{friends}]\n\n[accounts.profile]\n{profile}"
    )


def _quoted(text: str) -> str:
    """A text as TOML writes it, which is as JSON does."""
    return msgspec.json.encode(text).decode()
