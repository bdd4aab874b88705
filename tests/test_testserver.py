"""The state machine: what each command does, the bytes of its replies, and what no sequence of commands can break."""

import hashlib
import struct
import zlib
from collections.abc import Sequence
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qqlab import codec
from qqlab import spec as specs
from qqlab.testserver import Answer, Push, State, accounts
from qqlab.testserver.picture import png
from qqlab.testserver.state import MOST_ROWS, MOST_WAITING

SPEC = specs.builtin()
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"
XIAOYU, SHANSHUI, QUIET, AQIANG, STAR, NEWCOMER = "10001", "10002", "10003", "10004", "10005", "10006"


class Client:
    """Sends requests of one account and counts SEQ up, as a client does."""

    def __init__(self, state: State, uin: str, address: str = HERE) -> None:
        self.state, self.uin, self.address = state, uin, address
        self.sequence = 1000

    def ask(self, command: str, fields: str = "", *, now: float = 0.0, sequence: int | None = None) -> str:
        """The reply, without what is the same in all of them: VER, SEQ and UIN."""
        if sequence is None:
            self.sequence = sequence = self.sequence + 1
        answer = self.raw(f"VER=1.1&CMD={command}&SEQ={sequence}&UIN={self.uin}{fields and '&'}{fields}", now)
        assert answer.code == 200
        body = answer.body.decode()
        common = f"&SEQ={sequence}&UIN={self.uin}"
        assert body.startswith("VER=1.1&CMD=")
        assert common in body
        return body.removeprefix("VER=1.1&CMD=").replace(common, "", 1)

    def raw(self, body: str, now: float = 0.0) -> Answer:
        return self.state.answer(body.encode(), self.address, now)

    def login(self, now: float = 0.0) -> str:
        hashed = hashlib.md5(f"mima-{self.uin}".encode()).hexdigest()
        return self.ask("Login", f"PS={hashed}&M5=1&LC=9326B87B234E7235", now=now)

    def messages(self, now: float = 0.0) -> list[tuple[str, str, str]]:
        """What GetMsgEx hands out: kind, number and text of each message."""
        body = "VER=1.1&CMD=GETMSGEX&" + self.ask("GetMsgEx", now=now).partition("&")[2]
        (table,) = codec.decode_message(body.encode(), "reply", SPEC).tables
        return [(str(r.cells["MT"]), str(r.cells["UN"]), str(r.cells["MG"] or "")) for r in table.rows]


@pytest.fixture
def state() -> State:
    return State(accounts.sample())


def online(state: State, *uins: str) -> list[Client]:
    """Clients of these accounts, logged in, with nothing waiting."""
    clients = [Client(state, uin) for uin in uins]
    for client in clients:
        client.login()
    for client in clients:
        client.messages()
    return clients


# ---------------------------------------------------------------------------------------------------- logging in


def test_login_and_logout(state: State) -> None:
    client = Client(state, XIAOYU)
    assert client.login() == "Login&RES=0&RS=0&HI=60&LI=300"
    assert client.ask("List", "TN=160&UN=0") == "LIST&RES=0&FN=1&SN=4&UN=10002,10003,10004,10005,"
    assert client.ask("Logout") == "LOGOUT&RES=0"
    assert client.ask("List", "TN=160&UN=0") == "LIST&RES=20"
    assert client.ask("Logout") == "LOGOUT&RES=0"


HASHED = hashlib.md5(b"mima-10001").hexdigest()


@pytest.mark.parametrize(
    ("uin", "fields", "reply"),
    [
        (XIAOYU, f"PS={HASHED}&M5=1&LC=9326B87B234E7235", "Login&RES=0&RS=0&HI=60&LI=300"),
        (XIAOYU, f"PS={HASHED} &M5=1&LC=9326B87B234E7235", "Login&RES=0&RS=0&HI=60&LI=300"),
        (XIAOYU, f"PS={HASHED.upper()}&M5=1", "Login&RES=0&RS=0&HI=60&LI=300"),
        (XIAOYU, f"PS={HASHED[:-1]}&M5=1", "Login&RES=0&RS=1&RA=登录失败"),
        (XIAOYU, f"PS={HASHED}", "Login&RES=0&RS=1&RA=登录失败"),
        (XIAOYU, f"PS={HASHED}&M5=0", "Login&RES=0&RS=1&RA=登录失败"),
        (XIAOYU, "PS=mima-10001&M5=1", "Login&RES=0&RS=1&RA=登录失败"),
        (XIAOYU, "PS=&M5=1", "Login&RES=0&RS=1&RA=登录失败"),
        (XIAOYU, "", "Login&RES=0&RS=1&RA=登录失败"),
        ("4711", f"PS={HASHED}&M5=1", "Login&RES=0&RS=1&RA=登录失败"),
        ("", f"PS={HASHED}&M5=1", "Login&RES=0&RS=1&RA=登录失败"),
    ],
)
def test_who_may_log_in(state: State, uin: str, fields: str, reply: str) -> None:
    assert Client(state, uin).ask("Login", fields) == reply


def test_intervals_and_reason_come_from_the_accounts() -> None:
    known = msgspec.structs.replace(
        accounts.sample(), poll_seconds=5, silence_seconds=9, refusal="密码错, 请重试 & 100%"
    )
    client = Client(State(known), XIAOYU)
    assert client.login() == "Login&RES=0&RS=0&HI=5&LI=9"
    assert client.ask("Login") == "Login&RES=0&RS=1&RA=密码错%2c 请重试 %26 100%25"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("List", "LIST&RES=20"),
        ("Query_Stat", "QUERY_STAT&RES=20&"),
        ("GetInfo", "GETINFO&RES=20"),
        ("AddToList", "AddToList&RES=20"),
        ("Ack_AddToList", "Ack_AddToList&RES=20&"),
        ("DelFromList", "DelFromList&RES=20&"),
        ("Change_Stat", "Change_Stat&RES=20&"),
        ("GetMsgEx", "GETMSGEX&RES=20&"),
        ("CLTMSG", "CLTMSG&RES=20"),
        ("Finger", "Finger&RES=20"),
        ("Logout", "LOGOUT&RES=0"),
    ],
)
def test_every_command_but_logout_needs_a_login(state: State, command: str, reply: str) -> None:
    assert Client(state, XIAOYU).ask(command) == reply


def test_a_login_from_elsewhere_ends_the_first(state: State) -> None:
    (friend, first) = online(state, SHANSHUI, XIAOYU)
    second = Client(state, XIAOYU, ELSEWHERE)
    assert second.login() == "Login&RES=0&RS=0&HI=60&LI=300"
    assert first.ask("GetMsgEx") == "GETMSGEX&RES=20&"
    assert first.ask("Logout") == "LOGOUT&RES=0"
    assert second.ask("GetMsgEx") == "GETMSGEX&RES=0&MN=0&MT=&UN=&MG=&"
    assert friend.messages() == []


def test_several_users_from_one_address(state: State) -> None:
    one, two = online(state, XIAOYU, SHANSHUI)
    one.ask("Logout")
    assert two.ask("Query_Stat", "TN=50&UN=0") == "QUERY_STAT&RES=0&FC=&FN=1&SN=0&ST=&UN=&NK=&"


def test_a_failed_login_leaves_the_session_alone(state: State) -> None:
    (client,) = online(state, XIAOYU)
    Client(state, XIAOYU, ELSEWHERE).ask("Login", "PS=0&M5=1")
    assert client.messages() == []


def test_silence_ends_a_session_and_friends_are_told(state: State) -> None:
    one, two = online(state, XIAOYU, SHANSHUI)
    assert one.messages(now=200) == []
    assert two.messages(now=300) == []
    assert two.messages(now=500) == []
    assert two.messages(now=501) == [("99", XIAOYU, "20")]
    assert one.ask("GetMsgEx", now=501) == "GETMSGEX&RES=20&"
    one.login(now=502)
    assert two.messages(now=503) == [("99", XIAOYU, "10")]


# --------------------------------------------------------------------------------------------------- the friend list


@pytest.mark.parametrize(
    ("wanted", "after", "reply"),
    [
        ("160", "0", "FN=1&SN=4&UN=10002,10003,10004,10005,"),
        ("4", "0", "FN=1&SN=4&UN=10002,10003,10004,10005,"),
        ("3", "0", "FN=0&SN=3&UN=10002,10003,10004,"),
        ("3", "10004", "FN=1&SN=1&UN=10005,"),
        ("3", "10005", "FN=1&SN=0&UN="),
        ("1", "9999", "FN=0&SN=1&UN=10002,"),
        ("1", "10002", "FN=0&SN=1&UN=10003,"),
        ("0", "0", "FN=1&SN=4&UN=10002,10003,10004,10005,"),
        ("-5", "00010003", "FN=1&SN=2&UN=10004,10005,"),
        ("160", "9" * 5000, "FN=1&SN=0&UN="),
    ],
)
def test_pages_of_the_list(state: State, wanted: str, after: str, reply: str) -> None:
    (client,) = online(state, XIAOYU)
    assert client.ask("List", f"TN={wanted}&UN={after}") == f"LIST&RES=0&{reply}"


def test_a_page_holds_120_rows_at_most() -> None:
    uins = [str(number) for number in range(9_000, 9_000 + MOST_ROWS + 1)]
    people = tuple(accounts.Account(uin=uin, password="a", nickname=f"人{uin}") for uin in uins)
    me = accounts.Account(uin="1", password="mima-1", nickname="我", friends=tuple(uins))
    client = Client(State(accounts.Accounts(accounts=(me, *people))), "1")
    client.login()
    listed = "".join(f"{uin}," for uin in uins[:MOST_ROWS])
    assert client.ask("List", "TN=160&UN=0") == f"LIST&RES=0&FN=0&SN={MOST_ROWS}&UN={listed}"
    assert client.ask("List", f"TN=160&UN={uins[-2]}") == f"LIST&RES=0&FN=1&SN=1&UN={uins[-1]},"


def test_query_stat_lists_friends_that_are_online(state: State) -> None:
    one, two, three = online(state, XIAOYU, SHANSHUI, QUIET)
    nickname = "山%252c 水 %26 100%2525"
    assert one.ask("Query_Stat", "TN=50&UN=0") == (
        f"QUERY_STAT&RES=0&FC=270,30,&FN=1&SN=2&ST=10,10,&UN=10002,10003,&NK={nickname},鶹鑸,&"
    )
    two.ask("Change_Stat", "ST=70")
    assert one.ask("Query_Stat", "TN=1&UN=0") == f"QUERY_STAT&RES=0&FC=270,&FN=0&SN=1&ST=70,&UN=10002,&NK={nickname},&"
    assert one.ask("Query_Stat", "TN=1&UN=10002") == "QUERY_STAT&RES=0&FC=30,&FN=1&SN=1&ST=10,&UN=10003,&NK=鶹鑸,&"
    two.ask("Logout")
    three.ask("Change_Stat", "ST=40")
    assert one.ask("Query_Stat", "TN=50&UN=0") == "QUERY_STAT&RES=0&FC=&FN=1&SN=0&ST=&UN=&NK=&"


def test_presence_is_told_to_those_who_have_the_user_on_their_list(state: State) -> None:
    one, star, two = online(state, XIAOYU, STAR, SHANSHUI)
    told = []
    for presence in (30, 10, 40, 30, 20, 20, 50, 60, 10):
        assert two.ask("Change_Stat", f"ST={presence}") == "Change_Stat&RES=0&"
        told.append([text for _, _, text in one.messages()])
    assert told == [["30"], ["10"], ["20"], ["30"], ["20"], [], [], [], ["10"]]
    two.ask("Logout")
    assert one.messages() == [("99", SHANSHUI, "20")]
    assert star.messages() == []
    assert two.login() == "Login&RES=0&RS=0&HI=60&LI=300"
    assert one.ask("GetMsgEx") == "GETMSGEX&RES=0&MN=1&MT=99,&UN=10002,&MG=10,&"


def test_system_messages_end_with_their_session(state: State) -> None:
    one, two = online(state, XIAOYU, SHANSHUI)
    two.ask("CLTMSG", "UN=10001&MG=在吗")
    two.ask("Logout")
    one.ask("Logout")
    two.login()
    one.login()
    assert one.messages() == [("9", SHANSHUI, "在吗")]


# ------------------------------------------------------------------------------------------------------- friendship


def test_adding_someone_whom_anyone_may_add(state: State) -> None:
    (client,) = online(state, NEWCOMER)
    assert client.ask("AddToList", "UN=10005") == "AddToList&RES=0&CD=0&UN=10005"
    assert client.ask("List", "TN=160&UN=0") == "LIST&RES=0&FN=1&SN=1&UN=10005,"
    assert client.ask("DelFromList", "UN=10005") == "DelFromList&RES=0&"
    assert client.ask("DelFromList", "UN=10005") == "DelFromList&RES=0&"
    assert client.ask("List", "TN=160&UN=0") == "LIST&RES=0&FN=1&SN=0&UN="


@pytest.mark.parametrize(("uin", "code"), [(XIAOYU, 1), (QUIET, 3), ("4711", 3)])
def test_adding_someone_who_must_be_asked_or_cannot_be_added(state: State, uin: str, code: int) -> None:
    (client,) = online(state, NEWCOMER)
    assert client.ask("AddToList", f"UN={uin}") == f"AddToList&RES=0&CD={code}&UN={uin}"
    assert client.ask("List", "TN=160&UN=0") == "LIST&RES=0&FN=1&SN=0&UN="


def test_adding_someone_who_is_on_the_list_already(state: State) -> None:
    (client,) = online(state, XIAOYU)
    assert client.ask("AddToList", f"UN={QUIET}") == "AddToList&RES=0&CD=0&UN=10003"


def test_a_wish_is_approved(state: State) -> None:
    newcomer, asked = online(state, NEWCOMER, XIAOYU)
    assert newcomer.ask("Ack_AddToList", "UN=10001&CD=2&RS=你好, 我是新来的") == "Ack_AddToList&RES=0&"
    assert asked.ask("GetMsgEx") == "GETMSGEX&RES=0&MN=1&MT=2,&UN=10006,&MG=你好%252c 我是新来的,&"
    assert asked.ask("Ack_AddToList", "UN=10006&CD=0&RS=") == "Ack_AddToList&RES=0&"
    assert newcomer.ask("GetMsgEx") == "GETMSGEX&RES=0&MN=1&MT=3,&UN=10001,&MG=,&"
    assert newcomer.ask("List", "TN=160&UN=0") == "LIST&RES=0&FN=1&SN=1&UN=10001,"
    assert asked.ask("List", "TN=160&UN=0") == "LIST&RES=0&FN=1&SN=4&UN=10002,10003,10004,10005,"


def test_a_wish_is_refused_with_a_reason_and_waits_for_who_is_offline(state: State) -> None:
    (newcomer,) = online(state, NEWCOMER)
    newcomer.ask("Ack_AddToList", "UN=10004&CD=2&RS=hi")
    newcomer.ask("Logout")
    asked = Client(state, AQIANG)
    asked.login()
    assert asked.messages() == [("2", NEWCOMER, "hi")]
    asked.ask("Ack_AddToList", "UN=10006&CD=1&RS=不认识你")
    asked.ask("Ack_AddToList", "UN=10006&CD=0&RS=")
    newcomer.login()
    assert newcomer.messages() == [("4", AQIANG, "不认识你")]
    assert newcomer.ask("List", "TN=160&UN=0") == "LIST&RES=0&FN=1&SN=0&UN="


@pytest.mark.parametrize("uin", [SHANSHUI, QUIET, "4711"])
def test_a_wish_reaches_only_those_who_want_to_be_asked(state: State, uin: str) -> None:
    newcomer, other = online(state, NEWCOMER, SHANSHUI if uin == "4711" else uin)
    assert newcomer.ask("Ack_AddToList", f"UN={uin}&CD=2&RS=hi") == "Ack_AddToList&RES=0&"
    assert other.messages() == []


def test_an_answer_without_a_wish_does_nothing(state: State) -> None:
    newcomer, other = online(state, NEWCOMER, XIAOYU)
    assert other.ask("Ack_AddToList", "UN=10006&CD=0&RS=") == "Ack_AddToList&RES=0&"
    assert newcomer.messages() == []


# ---------------------------------------------------------------------------------------------------------- profiles

BRIEF = "GETINFO&RES=0&AG=23&FC=141&LV=1&PV=云南省&SX=1&UN=10001&NK=小雨"
NORMAL = (
    "GETINFO&RES=0&AD=云南昆明%252c 翠湖路 1 号&AG=23&EM=xiaoyu@example.org&FC=141"
    "&HP=http://example.org/~xiaoyu?a=1%26b=2&JB=程序员&LV=2&PC=650000&PH=0000-5550100"
    "&PR=网络为媒%252c关系为本.%0d%0a100%2525 真心 %26 诚意&PV=云南省&RN=张小雨&SC=社会大学&SX=1&UN=10001&NK=小雨"
)
FULL = (
    "GETINFO&RES=0&AD=云南昆明%252c 翠湖路 1 号&AG=23&BT=3&CO=5&CT=昆明&CY=中国&EM=xiaoyu@example.org&FC=141"
    "&HP=http://example.org/~xiaoyu?a=1%26b=2&JB=程序员&LV=3&MO=0000-5550101&PC=650000&PH=0000-5550100"
    "&PR=网络为媒%252c关系为本.%0d%0a100%2525 真心 %26 诚意&PV=云南省&RN=张小雨&SC=社会大学&SH=11&SX=1&UN=10001&NK=小雨"
)
NOBODY = "GETINFO&RES=0&AD=&AG=0&EM=&FC=0&HP=&JB=&LV=2&PC=&PH=&PR=&PV=&RN=&SC=&SX=0&UN=4711&NK="


@pytest.mark.parametrize(
    ("fields", "reply"),
    [
        ("LV=1&UN=10001", BRIEF),
        ("LV=2&UN=10001", NORMAL),
        ("LV=3&UN=10001", FULL),
        ("LV=2&UN=4711", NOBODY),
    ],
)
def test_profiles_by_level(state: State, fields: str, reply: str) -> None:
    (client,) = online(state, NEWCOMER)
    assert client.ask("GetInfo", fields) == reply


def test_fields_of_unknown_meaning_are_sent_where_the_profile_has_them() -> None:
    me = accounts.Account(uin="1", password="mima-1", nickname="我", profile={"CV": "x", "MT": "1"})
    client = Client(State(accounts.Accounts(accounts=(me,))), "1")
    client.login()
    assert client.ask("GetInfo", "LV=3&UN=1") == (
        "GETINFO&RES=0&AD=&AG=0&BT=0&CO=0&CT=&CV=x&CY=&EM=&FC=0&HP=&JB=&LV=3&MO=&MT=1&PC=&PH=&PR=&PV=&RN=&SC=&SH=0"
        "&SX=0&UN=1&NK=我"
    )
    assert "CV" not in client.ask("GetInfo", "LV=2&UN=1")


def test_finger_has_only_the_common_fields(state: State) -> None:
    (client,) = online(state, NEWCOMER)
    assert client.ask("Finger", "AG=20&SX=1&PV=云南省") == "Finger&RES=0"


# ---------------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("你好", "你好"),
        (quote("你好, a&b"), "你好%252c a%26b"),
        ("a,b", "a%252cb"),
        ("a%2cb", "a%252cb"),
        ("100%25", "100%2525"),
        ("%252c", "%25252c"),
        ("one%0d%0atwo", "one%0d%0atwo"),
        ("blank ", "blank "),
        ("1+1=2", "1+1=2"),
        ("", ""),
    ],
)
def test_text_on_the_wire(state: State, sent: str, said: str) -> None:
    one, two = online(state, XIAOYU, NEWCOMER)
    assert one.ask("CLTMSG", f"UN=10006&MG={sent}") == "CLTMSG&RES=0"
    assert two.ask("GetMsgEx") == f"GETMSGEX&RES=0&MN=1&MT=9,&UN=10001,&MG={said},&"


def test_text_in_gb2312_comes_out_as_utf_8(state: State) -> None:
    one, two = online(state, XIAOYU, NEWCOMER)
    state.answer("VER=1.1&CMD=CLTMSG&SEQ=1&UIN=10001&UN=10006&MG=你好".encode("gb2312"), one.address, 0)
    assert two.messages() == [("9", XIAOYU, "你好")]


def test_messages_are_handed_out_once_in_order(state: State) -> None:
    one, two, three = online(state, XIAOYU, SHANSHUI, NEWCOMER)
    two.ask("CLTMSG", "UN=10001&MG=一")
    three.ask("CLTMSG", "UN=10001&MG=二")
    two.ask("Change_Stat", "ST=30")
    assert one.ask("GetMsgEx") == "GETMSGEX&RES=0&MN=3&MT=9,9,99,&UN=10002,10006,10002,&MG=一,二,30,&"
    assert one.ask("GetMsgEx") == "GETMSGEX&RES=0&MN=0&MT=&UN=&MG=&"


def test_a_message_to_nobody_is_accepted(state: State) -> None:
    (client,) = online(state, XIAOYU)
    assert client.ask("CLTMSG", "UN=4711&MG=hi") == "CLTMSG&RES=0"


def test_only_the_newest_messages_wait(state: State) -> None:
    one, two = online(state, XIAOYU, NEWCOMER)
    for number in range(MOST_WAITING + 1):
        one.ask("CLTMSG", f"UN=10006&MG={number}")
    assert two.messages() == [("9", XIAOYU, str(number)) for number in range(1, MOST_WAITING + 1)]


# -------------------------------------------------------------------------------------------------- the mobile variant


def token(uin: str, logins: int) -> str:
    digest = hashlib.sha256(f"{uin} {logins}".encode()).hexdigest()
    return f"SG={digest}&SSG={int(digest[:8], 16)}"


class Mobile(Client):
    """A client of VER 1.4, over a line where it has one."""

    def __init__(self, state: State, uin: str, line: int | None = None) -> None:
        super().__init__(state, uin)
        self.line = line

    def raw(self, body: str, now: float = 0.0) -> Answer:
        body = body.replace("VER=1.1", "VER=1.4", 1)
        return self.state.answer(body.encode(), self.address, now, self.line)

    def login(self, now: float = 0.0, extra: str = "") -> str:
        hashed = hashlib.md5(f"mima-{self.uin}".encode()).hexdigest().upper()
        return self.ask("Login", f"PS={hashed}&M5=1&LC=812822641C978097&LG=0&GD=EX&CKE={extra}", now=now)


def test_a_mobile_login_brings_tokens(state: State) -> None:
    one, two = Mobile(state, XIAOYU), Mobile(state, SHANSHUI)
    assert one.login() == f"Login&RES=0&RS=0&HI=60&LI=300&{token(XIAOYU, 0)}"
    assert two.login() == f"Login&RES=0&RS=0&HI=60&LI=300&{token(SHANSHUI, 1)}"
    assert one.login() == f"Login&RES=0&RS=0&HI=60&LI=300&{token(XIAOYU, 2)}"


@pytest.mark.parametrize(("extra", "shown"), [("&ST=30", "30"), ("&ST=40", ""), ("&ST=11", "10"), ("&ST=", "10")])
def test_the_presence_of_a_mobile_login(state: State, extra: str, shown: str) -> None:
    Mobile(state, SHANSHUI).login(extra=extra)
    one = Mobile(state, XIAOYU)
    one.login()
    rows = f"ST={shown},&UN=10002," if shown else "ST=&UN="
    assert one.ask("Query_Stat2", "CM=2&UN=0") == f"Query_Stat2&RES=0&FN=1&{rows}"


def test_a_picture_must_be_read_first(state: State) -> None:
    star, picture = Mobile(state, STAR), f"VERIFYCODE&RES=0&SC=1&NT=&VC={png('K7QX').hex()}"
    assert star.ask("VERIFYCODE", "SC=2&VC=K7QX") == "VERIFYCODE&RES=20"
    assert star.ask("Login", "PS=0&M5=1") == "Login&RES=0&RS=1&RA=登录失败"
    assert star.login() == picture
    assert star.ask("List", "TN=1&UN=0") == "LIST&RES=20"
    assert star.ask("VERIFYCODE", "SC=2&VC=K7Q") == picture
    star.address = ELSEWHERE
    assert star.ask("VERIFYCODE", "SC=2&VC=K7QX") == "VERIFYCODE&RES=20"
    star.address = HERE
    assert star.ask("VERIFYCODE", "SC=2&VC=k7qx") == f"Login&RES=0&RS=0&HI=60&LI=300&{token(STAR, 0)}"
    assert star.ask("VERIFYCODE", "SC=2&VC=K7QX") == "VERIFYCODE&RES=20"
    assert star.ask("List", "TN=1&UN=0") == "LIST&RES=0&FN=1&SN=0&UN="


def test_a_picture_is_a_png(state: State) -> None:
    data, parts = png("AZ09 "), []
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        name, body, check = data[at + 4 : at + 8], data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        assert int.from_bytes(check, "big") == zlib.crc32(name + body)
        parts.append((name, body))
        at += 12 + size
    width, height = (5 * 4 + 1) * 4, 7 * 4
    assert parts[0] == (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    assert [name for name, _ in parts] == [b"IHDR", b"IDAT", b"IEND"]
    assert len(zlib.decompress(parts[1][1])) == height * (1 + (width + 7) // 8)


def test_pages_of_friends_with_their_names() -> None:
    uins = [str(number) for number in range(9_000, 9_000 + MOST_ROWS + 1)]
    people = tuple(accounts.Account(uin=uin, password="a", nickname=f"人{uin}") for uin in uins)
    me = accounts.Account(uin="1", password="mima-1", nickname="我", friends=tuple(uins))
    client = Mobile(State(accounts.Accounts(accounts=(me, *people))), "1")
    client.login()
    first = "".join(f"{uin}," for uin in uins[:MOST_ROWS]), "".join(f"人{uin}," for uin in uins[:MOST_ROWS])
    assert client.ask("SimpleInfo2", "UN=1&TO=0") == f"SimpleInfo2&RES=0&TO=120&UN={first[0]}&NK={first[1]}"
    assert client.ask("SimpleInfo2", "UN=1&TO=120") == "SimpleInfo2&RES=0&TO=65535&UN=9120,&NK=人9120,"
    assert client.ask("SimpleInfo2", "UN=1&TO=65535") == "SimpleInfo2&RES=0&TO=65535&UN=&NK="
    assert client.ask("SimpleInfo2", "UN=1&TO=") == client.ask("SimpleInfo2", "UN=1&TO=" + "9" * 99)


def pushed(state: State) -> list[tuple[int, str]]:
    """What is pushed since the last time: the line, and the body without what is the same in all."""
    return [(push.line, push.body.decode().removeprefix("VER=1.1&CMD=")) for push in state.pushes()]


def test_who_has_a_line_is_pushed_to_and_the_others_fetch(state: State) -> None:
    one, two, three = Mobile(state, XIAOYU, 7), Mobile(state, SHANSHUI, 8), Client(state, QUIET)
    three.login()
    one.login()
    two.login()
    assert pushed(state) == [(7, "update_stat&SEQ=1&UIN=10001&RES=0&ST=10&UN=10002")]
    two.ask("CLTMSG", "UN=10001&MG=a,b %26 100%25")
    two.ask("Change_Stat2", "ST=70")
    three.ask("Change_Stat", "ST=30")
    one.ask("CLTMSG", "UN=10003&MG=hi")
    assert pushed(state) == [
        (7, "Server_Msg&SEQ=2&UIN=10001&RES=0&UN=10002&MG=a%2cb %26 100%25"),
        (7, "update_stat&SEQ=3&UIN=10001&RES=0&ST=70&UN=10002"),
        (7, "update_stat&SEQ=4&UIN=10001&RES=0&ST=30&UN=10003"),
        (8, "update_stat&SEQ=1&UIN=10002&RES=0&ST=30&UN=10003"),
    ]
    assert three.messages() == [("99", XIAOYU, "10"), ("99", SHANSHUI, "10"), ("9", XIAOYU, "hi")]
    assert one.messages() == []


def test_a_wish_waits_for_who_has_a_line_too(state: State) -> None:
    asked, newcomer = Mobile(state, XIAOYU, 1), Mobile(state, NEWCOMER, 2)
    asked.login()
    newcomer.login()
    newcomer.ask("Ack_AddToList", "UN=10001&CD=2&RS=hi")
    assert pushed(state) == []
    assert asked.messages() == [("2", NEWCOMER, "hi")]


def test_what_comes_without_a_line_waits(state: State) -> None:
    one, two = Mobile(state, XIAOYU, 1), Mobile(state, SHANSHUI, 2)
    two.login()
    two.ask("CLTMSG", "UN=10001&MG=1")
    one.login()
    two.ask("CLTMSG", "UN=10001&MG=2")
    state.hang_up(1)
    two.ask("CLTMSG", "UN=10001&MG=3")
    one.line = 3
    assert one.messages() == [("9", SHANSHUI, "1"), ("9", SHANSHUI, "3")]
    two.ask("CLTMSG", "UN=10001&MG=4")
    assert [line for line, _ in pushed(state)] == [2, 1, 3]


def test_whose_silence_is_over_is_pushed_to_no_more(state: State) -> None:
    one, two = Mobile(state, XIAOYU, 1), Mobile(state, SHANSHUI, 2)
    one.login()
    two.login(now=200)
    state.pushes()
    two.ask("CLTMSG", "UN=10001&MG=hi", now=400)
    assert pushed(state) == [(2, "update_stat&SEQ=1&UIN=10002&RES=0&ST=20&UN=10001")]


def test_a_spec_without_the_mobile_variant_serves_it_not(known: specs.Spec) -> None:
    commands = {name: c for name, c in known.commands.items() if set(c.versions) & {"1.0", "1.1"}}
    state = State(accounts.sample(), msgspec.structs.replace(known, commands=commands))
    one, two = Mobile(state, XIAOYU, 1), Mobile(state, STAR, 2)
    one.login()
    assert two.login().startswith("Login&RES=0&RS=0&")
    two.ask("CLTMSG", "UN=10001&MG=hi")
    assert (one.messages(), state.pushes()) == ([("99", STAR, "10"), ("9", STAR, "hi")], [])


# ----------------------------------------------------------------------------------------------------------- SEQ twice


def test_a_write_sent_twice_acts_once_and_gets_the_same_reply(state: State) -> None:
    one, two = online(state, XIAOYU, NEWCOMER)
    first = one.raw("VER=1.1&CMD=CLTMSG&SEQ=7&UIN=10001&UN=10006&MG=hi")
    again = one.raw("VER=1.1&CMD=CLTMSG&SEQ=7&UIN=10001&UN=10006&MG=hi")
    assert (again.body, again.outcome) == (first.body, "sent again")
    assert two.messages() == [("9", XIAOYU, "hi")]


def test_the_same_seq_is_no_repetition_for_another_command_account_or_session(state: State) -> None:
    one, two, three = online(state, XIAOYU, SHANSHUI, NEWCOMER)
    one.ask("CLTMSG", "UN=10006&MG=a", sequence=7)
    one.ask("DelFromList", "UN=10002", sequence=7)
    two.ask("CLTMSG", "UN=10006&MG=b", sequence=7)
    one.ask("Logout")
    one.login()
    one.ask("CLTMSG", "UN=10006&MG=c", sequence=7)
    one.ask("CLTMSG", "UN=10006&MG=d", sequence=8)
    one.ask("CLTMSG", "UN=10006&MG=e", sequence=7)
    assert [text for _, _, text in three.messages()] == ["a", "b", "c", "d", "e"]
    assert one.ask("List", "TN=160&UN=0") == "LIST&RES=0&FN=1&SN=3&UN=10003,10004,10005,"


def test_writes_without_seq_are_all_done(state: State) -> None:
    one, two = online(state, XIAOYU, NEWCOMER)
    for _ in range(2):
        one.raw("VER=1.1&CMD=CLTMSG&SEQ=&UIN=10001&UN=10006&MG=hi")
    assert len(two.messages()) == 2


def test_a_poll_with_the_same_seq_is_a_new_poll(state: State) -> None:
    one, two = online(state, XIAOYU, NEWCOMER)
    one.ask("GetMsgEx", sequence=7)
    two.ask("CLTMSG", "UN=10001&MG=hi")
    assert one.ask("GetMsgEx", sequence=7) == "GETMSGEX&RES=0&MN=1&MT=9,&UN=10006,&MG=hi,&"


# ----------------------------------------------------------------------------------------------- odd and malformed ones


@pytest.mark.parametrize(
    ("body", "code", "reply"),
    [
        ("VER=9.9&CMD=List&SEQ=1&UIN=10001", 200, ""),
        ("CMD=List&SEQ=1&UIN=10001", 200, ""),
        ("VER=1.1&CMD=Fly&SEQ=1&UIN=10001", 200, ""),
        ("VER=1.4&CMD=Server_Msg&SEQ=1&UIN=10001&UN=10002&MG=x", 200, ""),
        (
            "VER=1.4&CMD=query_stat2&SEQ=1&UIN=10001&CM=2&UN=0",
            200,
            "VER=1.1&CMD=Query_Stat2&SEQ=1&UIN=10001&RES=0&FN=1&ST=&UN=",
        ),
        ("VER=1.1&CMD=&SEQ=1&UIN=10001", 200, ""),
        ("", 400, "This is no request of the protocol: a command and its version are needed.\n"),
        ("hello", 400, "This is no request of the protocol: a command and its version are needed.\n"),
        ("VER=1.1&CMD=List&SEQ=x&UIN=10001", 400, "SEQ is no number.\n"),
        ("VER=1.1&CMD=List&SEQ=1&UIN=me", 400, "UIN is no number.\n"),
        ("VER=1.1&CMD=List&SEQ=1&UIN=10001", 400, "List needs TN.\n"),
        ("VER=1.1&CMD=List&SEQ=1&UIN=10001&TN&UN=0", 400, "List needs TN.\n"),
        ("VER=1.1&CMD=List&SEQ=1&UIN=10001&TN=5&UN=", 400, "List needs UN.\n"),
        ("VER=1.1&CMD=List&SEQ=1&UIN=10001&TN=all&UN=0", 400, "TN of List has no such value.\n"),
        ("VER=1.1&CMD=GetInfo&SEQ=1&UIN=10001&LV=4&UN=10001", 400, "LV of GetInfo has no such value.\n"),
        ("VER=1.1&CMD=Change_Stat&SEQ=1&UIN=10001&ST=11", 400, "ST of Change_Stat has no such value.\n"),
        ("VER=1.1&CMD=CLTMSG&SEQ=1&UIN=10001&UN=10002", 400, "CLTMSG needs MG.\n"),
        (
            "VER=1.0&CMD=list&SEQ=1&UIN=10001&TN=1&UN=0&",
            200,
            "VER=1.1&CMD=LIST&SEQ=1&UIN=10001&RES=0&FN=0&SN=1&UN=10002,",
        ),
        ("VER=1.2&CMD=CLTMSG&SEQ=1&UIN=10001&UN=10002&MG=", 200, "VER=1.1&CMD=CLTMSG&SEQ=1&UIN=10001&RES=0"),
        ("VER=1.4&CMD=LOGOUT&SEQ=01&UIN=10001&CON=1&SID=", 200, "VER=1.1&CMD=LOGOUT&SEQ=01&UIN=10001&RES=0"),
        ("VER=1.1&CMD=Logout&SEQ=&UIN=", 200, "VER=1.1&CMD=LOGOUT&SEQ=&UIN=&RES=0"),
    ],
)
def test_odd_requests(state: State, body: str, code: int, reply: str) -> None:
    (client,) = online(state, XIAOYU)
    answer = client.raw(body)
    assert (answer.code, answer.body.decode()) == (code, reply)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (f"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS={HASHED}&M5=1", ("Login", XIAOYU, "accepted")),
        ("VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS=secret&M5=1", ("Login", XIAOYU, "refused")),
        ("VER=1.1&CMD=getmsgex&SEQ=1&UIN=10002", ("GetMsgEx", SHANSHUI, "not logged in")),
        ("VER=1.1&CMD=Fly&SEQ=1&UIN=10001", (None, "", "unknown command")),
        ("VER=2.0&CMD=List&SEQ=1&UIN=10001", (None, "", "unknown version")),
        ("hello", (None, "", "malformed")),
    ],
)
def test_what_an_answer_tells_people(state: State, body: str, told: tuple[str | None, str, str]) -> None:
    answer = Client(state, XIAOYU).raw(body)
    assert (answer.command and answer.command.name, answer.account, answer.outcome) == told


# --------------------------------------------------------------------------------------------------- any walk at all

UINS = st.sampled_from([XIAOYU, SHANSHUI, QUIET, AQIANG, STAR, NEWCOMER, "4711", "0"])
TEXTS = st.text(max_size=12) | st.sampled_from(["a,b", "100%", "x&y\r\n", "%2c", "+", " blank ", "", "10,"])
SERVED = [name for name, command in SPEC.commands.items() if command.effect != "push"]


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, str, float, int | None]:
    """A well-formed request of any command, where it comes from, the seconds since the one before, and its line."""
    name = draw(st.sampled_from(SERVED))
    uin = draw(UINS)
    fields: list[tuple[str, str]] = []
    for field in SPEC.commands[name].request[len(SPEC.common.request) :]:
        if field.codes is not None:
            value = str(draw(st.sampled_from(list(SPEC.codes[field.codes].by_value))))
        elif field.derived == "verification":
            value = draw(st.sampled_from(["K7QX", "K7QX", "0000"]))
        elif field.secret:
            right = hashlib.md5(f"mima-{uin}".encode()).hexdigest()
            value = draw(st.sampled_from([right, right, right, "0" * 32]))
        else:
            value = draw({"digits": UINS, "int": st.integers(-1, 160).map(str)}.get(field.type, TEXTS))
        fields.append((field.name, quote(value, safe="", errors="replace") if draw(st.booleans()) else _escaped(value)))
    seq = draw(st.integers(0, 20))
    version = draw(st.sampled_from(["1.1", "1.4"]))
    body = f"VER={version}&CMD={name}&SEQ={seq}&UIN={uin}" + "".join(f"&{key}={value}" for key, value in fields)
    return (
        body.encode(errors="replace"),
        draw(st.sampled_from([HERE, HERE, HERE, ELSEWHERE])),
        draw(st.sampled_from([0.0, 1.0, 50.0])),
        draw(st.sampled_from([None, 1, 2])),
    )


def _escaped(text: str) -> str:
    return text.translate({ord(character): f"%{ord(character):02x}" for character in "%&\r\n"})


def _walk(steps: Sequence[tuple[bytes, str, float, int | None]]) -> list[tuple[Answer, list[Push]]]:
    state, now, answers = State(accounts.sample()), 0.0, []
    online(state, XIAOYU, SHANSHUI, QUIET, NEWCOMER)
    for body, address, seconds, line in steps:
        now += seconds
        answers.append((state.answer(body, address, now, line), state.pushes()))
    return answers


@given(st.lists(requests(), min_size=20, max_size=60))
@settings(max_examples=80)
def test_an_honest_server_never_earns_a_warning(steps: list[tuple[bytes, str, float, int | None]]) -> None:
    answers = _walk(steps)
    for (sent, *_), (answer, pushes) in zip(steps, answers, strict=True):
        assert answer.code == 200, (sent, answer.body)
        for body in (answer.body, *(push.body for push in pushes)):
            message = codec.decode_message(body, "reply", SPEC)
            assert [note for note in message.notes if note.severity != "info"] == [], (sent, body)
            fields = [(field.name, field.value) for field in message.fields]
            command, terminated = message.command, message.terminated
            assert codec.encode_message(fields, "reply", SPEC, command, terminated=terminated) == body
    assert _walk(steps) == answers


@given(st.binary(max_size=200) | requests().map(lambda step: step[0][:-3] + b"\xff&=%&" + step[0][5:]))
@settings(max_examples=200)
def test_nothing_breaks_it(body: bytes) -> None:
    assert _walk([(body, HERE, 0.0, 1)])[0][0].code in (200, 400)
