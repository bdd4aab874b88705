"""What a user does, from one login to the next: a script that yields what is sent and is told what came back.

Law: knows no bytes and no clock. A visit logs in, reads the friends in pages and who of them is online, asks for
messages at the interval that the server announced, answers and begins conversations, adds and removes friends, changes
presence, reads profiles, and logs out. Errors are woven in from outside (`with_errors`), as often as asked.
"""

from collections.abc import Generator, Iterable
from typing import Literal, NamedTuple

from qqlab.codec import Value
from qqlab.generate.chance import Chance
from qqlab.generate.clients import Kind
from qqlab.generate.people import unknown
from qqlab.testserver.accounts import Account
from qqlab.testserver.state import Acknowledgement, Presence, Reply, Status
from qqlab.testserver.state import Kind as Message

# Who is affected by a request beside its sender: nobody, the account in UN, or all who have the sender on their list.
Affects = Literal["", "one", "watchers"]
# What becomes of the reply: it comes, nothing does, or it breaks off.
Fate = Literal["whole", "silent", "cut"]

Values = tuple[tuple[str, Value], ...]

_POLLS = 36.0
_FEWEST_POLLS = 3
_MOST_PAGES = 50

_PRESENCES = (10, 30, 30, 10, 40)
_MOBILE_PRESENCES = (10, 30, 50, 60, 70, 40)
_LOGIN_CONSTANT = {False: "9326B87B234E7235", True: "812822641C978097"}
_LOGIN_ONLY = ("Login", "VERIFYCODE", "Logout")

_OPENINGS = ("", "喂, ", "你好! ", "嗯, ", "哈哈 ", "那个… ", "对了: ", "等一下, ", "OK ", "诶? ", "早! ", "晚上好, ")
_TOPICS = (
    "土豆今天又飞走了",
    "样例作业写完了吗",
    "第三条测试消息",
    "邮筒说它不寄信了",
    "1 + 1 = 3 吗",
    "下雨了, 没带伞",
    "100% 是虚构的",
    "灯塔 & 长颈鹿, 选一个",
    "周末去空白镇吗",
    "这句话不是任何人说的",
    "磁带倒好了",
    "算盘坏了一颗珠子",
    "hello, world",
    "测试城今天放假",
    "我在网吧",
    "作文题目: 我的橡皮",
    "风筝挂在树上",
    "西瓜多少钱一斤",
)
_ENDINGS = ("", "。", "?", "!", " :)", " ^_^", "…", "\r\n快回", ", 真的", " 886")
_WISHES = ("我是样例, 可以吗?", "加一下", "测试请求 & 问好")
_REASONS = ("不认识", "抱歉, 名单满了")


class Step(NamedTuple):
    """One request: `after` so many seconds from the end of the one before."""

    after: float
    command: str
    values: Values = ()
    affects: Affects = ""
    fate: Fate = "whole"


Script = Generator[Step, Reply | None, None]


class User:
    """One account with its client. `online` tells whether it believes to be logged in; `wrong` and `early` count the
    errors that wait for the next login: refused passwords, and requests from outside a session."""

    def __init__(self, account: Account, kind: Kind, chance: Chance) -> None:
        self.account = account
        self.kind = kind
        self.chance = chance
        self.online = False
        self.wrong = self.early = 0
        self.presence = int(Presence.ONLINE)
        self._interval = 60.0
        self._spent = 0.0

    def visit(self) -> Script:
        """From the login to after the logout."""
        yield from self._log_in()
        yield from self._read_friends()
        yield from self._look_who_is_online()
        for number in range(_FEWEST_POLLS + int(self.chance.around(_POLLS))):
            self._spent = 0.0
            yield from self._poll()
            yield from self._do_something(number)
        yield Step(self.chance.between(1, 20), "Logout", affects="watchers")
        self.online = False

    def _log_in(self) -> Script:
        after = 0.0
        for _ in range(self.early):
            yield Step(after, "GetMsgEx")
            after = self.chance.between(1, 9)
        for _ in range(self.wrong):
            yield Step(after, "Login", self._login_values(self.account.password[::-1]))
            after = self.chance.between(3, 15)
        self.early = self.wrong = 0
        reply = yield Step(after, "Login", self._login_values(self.account.password), "watchers")
        self.online, self.presence = True, Presence.ONLINE
        announced = None if reply is None else reply.values.get("HI")
        self._interval = float(announced) if isinstance(announced, int) else 60.0

    def _login_values(self, password: str) -> Values:
        mobile = self.kind.is_mobile
        own: Values = (("PS", password), ("M5", 1), ("LC", _LOGIN_CONSTANT[mobile]))
        return (*own, ("LG", "0"), ("GD", "EX"), ("CKE", ""), ("ST", 10)) if mobile else own

    def _read_friends(self) -> Script:
        if self.kind.is_mobile:
            yield from self._pages("SimpleInfo2", (("UN", "0"), ("TO", "0")), "TO")
        else:
            yield from self._pages("List", (("TN", self.kind.rows), ("UN", "0")), "UN")

    def _look_who_is_online(self, after: float = 0.0) -> Script:
        first = ("CM", 2) if self.kind.is_mobile else ("TN", 50)
        name = "Query_Stat2" if self.kind.is_mobile else "Query_Stat"
        yield from self._pages(name, (first, ("UN", "0")), "UN", after)

    def _pages(self, command: str, values: Values, cursor: str, after: float = 0.0) -> Script:
        """Ask for page after page, until the reply says that there are no more."""
        for _ in range(_MOST_PAGES):
            reply = yield Step(after or self.chance.between(0.05, 0.4), command, values)
            at = None if reply is None else _next_page(reply, cursor)
            if at is None:
                return
            values = (*(pair for pair in values if pair[0] != cursor), (cursor, at))
            after = 0.0

    def _poll(self) -> Script:
        reply = yield Step(max(1.0, self._interval - self._spent), "GetMsgEx")
        self._spent = 0.0
        if reply is not None:
            for kind, sender, _ in _messages(reply):
                yield from self._react(kind, sender)

    def _react(self, kind: int, sender: str) -> Script:
        if kind == Message.MESSAGE and self.chance.happens(0.25):
            yield from self._say(sender)
        elif kind == Message.WISH:
            approves = self.chance.happens(0.8)
            verdict = Acknowledgement.APPROVE if approves else Acknowledgement.REFUSE
            yield self._soon("Ack_AddToList", self._answer(sender, verdict, "" if approves else _REASONS), "one")

    def _answer(self, to: str, verdict: Acknowledgement, words: str | tuple[str, ...]) -> Values:
        said = words if isinstance(words, str) else self.chance.one(words)
        return ("UN", to), ("CD", int(verdict)), ("RS", said)

    def _do_something(self, number: int) -> Script:
        """What a user does now and then, beside waiting for messages."""
        chance, friends = self.chance, self.account.friends
        drawn = chance.uniform()
        if drawn < 0.08 and friends:
            yield from self._say(chance.one(friends))
        elif drawn < 0.11 and friends:
            yield self._soon("GetInfo", (("LV", 1 + chance.below(3)), ("UN", chance.one(friends))))
        elif drawn < 0.13:
            yield from self._change_presence()
        elif drawn < 0.14:
            yield from self._make_friends()
        elif drawn < 0.143 and friends:
            yield self._soon("DelFromList", (("UN", chance.one(friends)),), "one")
        elif drawn < 0.15 and self.kind.version in ("1.0", "1.4"):
            yield self._soon("Finger", (("AG", "20"), ("SX", "1"), ("PV", "虚构省")))
        if number % 5 == 4:
            yield from self._look_who_is_online(chance.between(0.5, 2))

    def _say(self, to: str) -> Script:
        for _ in range(1 + self.chance.below(2)):
            yield self._soon("CLTMSG", (("UN", to), ("MG", self._words())), "one")

    def _words(self) -> str:
        return self.chance.one(_OPENINGS) + self.chance.one(_TOPICS) + self.chance.one(_ENDINGS)

    def _change_presence(self) -> Script:
        wanted = self.chance.one(_MOBILE_PRESENCES if self.kind.is_mobile else _PRESENCES)
        if wanted != self.presence:
            self.presence = wanted
            yield self._soon("Change_Stat2" if self.kind.is_mobile else "Change_Stat", (("ST", wanted),), "watchers")

    def _make_friends(self) -> Script:
        """Add a friend's neighbour, and ask where that is what he wants."""
        friends = self.account.friends
        if not friends:
            return
        other = str(int(self.chance.one(friends)) + (1 if self.chance.happens(0.5) else -1))
        if other == self.account.uin:
            return
        reply = yield self._soon("AddToList", (("UN", other),), "one")
        if reply is not None and reply.values.get("CD") == 1:
            yield self._soon("Ack_AddToList", self._answer(other, Acknowledgement.ASK, _WISHES), "one")

    def _soon(self, command: str, values: Values, affects: Affects = "") -> Step:
        """What a person does between two polls, in the time that it takes him."""
        after = min(1.5 + self.chance.around(5.0), 40.0)
        self._spent += after
        return Step(after, command, values, affects)

    def strange(self) -> Step:
        """A request about somebody whom there is not."""
        number = unknown(self.chance)
        match self.chance.below(3):
            case 0:
                return self._soon("AddToList", (("UN", number),), "one")
            case 1:
                return self._soon("GetInfo", (("LV", 2), ("UN", number)))
        return self._soon("CLTMSG", (("UN", number), ("MG", self._words())), "one")


def with_errors(user: User, script: Script, share: float) -> Script:
    """A script in which of so many requests a share goes wrong: nobody answers, the reply breaks off, somebody is
    asked for whom there is not; and at the next login the password is wrong, or somebody asks before it."""
    reply: Reply | None = None
    while True:
        try:
            step = script.send(reply)
        except StopIteration:
            return
        if user.chance.happens(share):
            kind = user.chance.below(5)
            if kind < 2 and step.command not in _LOGIN_ONLY:
                step = step._replace(fate="cut" if kind else "silent")
            elif kind == 2 and user.online:
                yield user.strange()
            elif kind == 3:
                user.early += 1
            else:
                user.wrong += 1
        reply = yield step


def _next_page(reply: Reply, cursor: str) -> str | None:
    """Where the next page begins; None where there is none."""
    values = reply.values
    if reply.status is not Status.ACCEPTED:
        return None
    if cursor == "TO":
        following = values.get("TO")
        return None if following in (None, 65535) else str(following)
    last = values.get("UN")
    return last[-1] if values.get("FN") == 0 and isinstance(last, tuple) and isinstance(last[-1], str) else None


def _messages(reply: Reply) -> Iterable[tuple[int, str, str]]:
    """The messages in a reply to a poll."""
    columns = [reply.values.get(name) for name in ("MT", "UN", "MG")]
    if any(not column for column in columns):
        return ()
    return zip(*columns, strict=True)
