"""What a server of HTTP QQ does: accounts, sessions, friends, waiting messages, and the reply to each request.

Law: pure. A request's body, the client's address and the time in seconds go in, a reply comes out; the same calls
give the same replies, and time only ever makes users fall silent. How a reply is written (order of fields, case of
CMD, escapes) is the spec's to say; here stands only what each command does, so this is the one place that names
fields in code. Memory is bounded per account.

Where the evidence is silent, the behaviour is our choice:

* VER: every version of the spec is served alike but for logins, and replies say 1.1. An unknown or absent version, and
  a command without behaviour here, get an empty body. A body that names no command, a SEQ or UIN that is no number,
  and a command whose required fields are absent or of the wrong type get HTTP 400.
* Login compares the hash in either case; M5 other than 1 is refused, LC is not looked at. A login again from the same
  address begins a new session; one from another address ends the first, and friends see neither.
* Whoever says nothing for more than LI seconds is offline. Every request is a sign of life, not only polling.
* A friend list belongs to its owner: adding puts someone on one's own list, removing takes him off one's own. The
  owner of a list is told of the presence of those on it.
* A system message is sent only for a presence that the spec has a code for; the others show in Query_Stat alone.
  Invisible users, and those who set themselves offline, look offline to others. Query_Stat never lists them.
* System messages go to those logged in and end with their session. All others wait, the newest 1000 of them.
* Lists are in order of numbers, at most 120 rows a page; TN below 1 asks for that most.
* AddToList of someone unknown: nobody may add. A wish (CD=2) reaches only those whose policy is approval. An answer
  (CD 0 or 1) acts only on a wish that is open. MG of an approval is empty.
* GetInfo at level 1 gives AG, FC, LV, PV, SX, UN, NK. Fields that nobody understands (CV, ID, MT, MV) are sent at
  level 3 where the profile has them. A number without account has an empty profile.
* CLTMSG reaches anyone, friend or not, with the text as sent; to a number without account it is accepted and lost.
* Finger finds nobody: its reply is unknown, so it has the common fields only.
* A login of VER 1.4 gets SG and SSG, made of the account and the number of logins so far and looked at nowhere, and
  begins with the presence in ST. Where the account wants a code to be read, a right password gets the picture in place
  of a reply, under the login's SEQ and with an empty NT. The answer, in either case of letters, gets the reply to the
  login under the answer's own SEQ; a wrong one the picture again; one that nobody waits for 20. Other versions know no
  pictures and are let in without.
* SimpleInfo2 takes TO for the number of friends to pass over and does not look at UN; its reply says TO for the next
  page. Query_Stat2 goes on behind UN and lists who is online; CM is not looked at.
* Whoever spoke last over a line is pushed to over that line: messages as Server_Msg, every change of a friend's
  presence as update_stat, with a SEQ that counts the session's pushes and RES=0. What tells of wishes, which no push
  has a kind for, waits for GetMsgEx, and so does all that came before. The end of a line is no logout: what comes then
  waits.
* SEQ: a write that repeats the SEQ of the session's last one of the same command does nothing and gets that one's
  reply again. A repeated poll is a new poll.
"""

import hashlib
import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple, Protocol

import msgspec

from qqlab import spec as specs
from qqlab.codec import Message, Value, case_code, case_of, decode_message, derive, encode_message, recognise
from qqlab.spec import Command, Field, Spec
from qqlab.testserver.accounts import Account, Accounts, profile_fields
from qqlab.testserver.picture import png

MOST_ROWS = 120
MOST_WAITING = 1000

_VERSION = "1.1"
_MOBILE = "1.4"
_LAST_PAGE = 65535
# The primary source prints these replies with `&` at the end.
_TERMINATED = frozenset(("Query_Stat", "Ack_AddToList", "DelFromList", "Change_Stat", "GetMsgEx"))
_BRIEF, _FULL = 1, 3
_PAGE_START = re.compile("[0-9]{1,9}", re.ASCII)
_BRIEF_PROFILE = frozenset(("AG", "PV", "SX"))
_NOT_UNDERSTOOD = frozenset(("CV", "ID", "MT", "MV"))
_OK, _BAD_REQUEST = 200, 400
_ANYBODY = ("LOGIN", "VERIFYCODE", "LOGOUT")


class Status(IntEnum):
    """RES."""

    ACCEPTED = 0
    NOT_LOGGED_IN = 20


class Presence(IntEnum):
    """ST, as far as the behaviour depends on it."""

    ONLINE = 10
    OFFLINE = 20
    INVISIBLE = 40


class Kind(IntEnum):
    """MT."""

    WISH = 2
    APPROVED = 3
    REFUSED = 4
    MESSAGE = 9
    SYSTEM = 99


class Acknowledgement(IntEnum):
    """CD of Ack_AddToList's request."""

    APPROVE = 0
    REFUSE = 1
    ASK = 2


_ADD = {"anyone": 0, "approval": 1, "nobody": 3}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says to one request.

    `code` is the HTTP status; the body of a 400 is a sentence. `command` is None where the request named none that is
    served. `account` is who asked, or empty. `outcome` is one line for people, without any text of the request.
    """

    body: bytes
    code: int = _OK
    command: Command | None = None
    account: str = ""
    outcome: str


class Push(NamedTuple):
    """A message that nobody asked for, and the line that it belongs on."""

    line: int
    account: str
    command: Command
    body: bytes


class Said(Protocol):
    """What a request says: a decoded message, or `Asked`."""

    def text(self, name: str) -> str | None:
        """The value of a field as text, without blanks around it; None where it is absent or empty."""

    def value(self, name: str) -> Value:
        """The typed value of a field; None where it is absent or empty."""


class Asked(dict[str, Value]):
    """What a request says, by the names of its fields, for who makes requests rather than reads them."""

    def text(self, name: str) -> str | None:
        """The value of a field as text."""
        value = self.get(name)
        return None if value is None else str(value)

    def value(self, name: str) -> Value:
        """The value of a field."""
        return self.get(name)


class Request(NamedTuple):
    """A request as the behaviour sees it: `said` holds all its fields, some of which stand beside it as well. `address`
    is the client's, `now` in seconds, `line` the number of the line it came over, None where it came over none."""

    command: Command
    said: Said
    account: str
    sequence: str
    address: str
    now: float
    line: int | None = None

    def text(self, name: str) -> str:
        """A field as text, empty where it is absent."""
        return self.said.text(name) or ""

    def words(self, name: str) -> str:
        """A text as it was sent, blanks and all."""
        value = self.said.value(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """A number, 0 where there is none."""
        value = self.said.value(name)
        return value if isinstance(value, int) else 0


class Reply(NamedTuple):
    """What the behaviour says to a request, before it is written: `command` is the one that the reply is of, `values`
    are those of the fields that not every reply has."""

    command: Command
    account: str
    sequence: str
    status: Status
    values: Mapping[str, Value]

    @property
    def outcome(self) -> str:
        """One line for people."""
        if self.status is Status.NOT_LOGGED_IN:
            return "not logged in"
        return "refused" if "RA" in self.values else "accepted"


class _Waiting(NamedTuple):
    kind: Kind
    about: str
    text: str


class _Session:
    """One login: from where, how the user shows himself, when and over which line (None: over none) he last spoke, how
    often he was pushed to, and the last write of each command."""

    def __init__(self, address: str, presence: int) -> None:
        self.address = address
        self.presence = presence
        self.seen = 0.0
        self.line: int | None = None
        self.pushed = 0
        self.written: dict[str, Reply] = {}

    def spoke(self, request: Request) -> None:
        self.seen = request.now
        self.line = request.line


class _Unread(NamedTuple):
    """A login that waits for the answer to its picture."""

    address: str
    presence: int


_Values = dict[str, Value]
_NO_MESSAGES: _Values = {"MN": 0, "MT": (), "UN": (), "MG": ()}


class State:
    """A server's memory. `answer` is all that can be asked of it; `pushes` gives what it has to say unasked."""

    def __init__(self, accounts: Accounts, spec: Spec | None = None) -> None:
        self.accounts = accounts
        self.spec = specs.builtin() if spec is None else spec
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # who was silent longest comes first
        self._friends = {uin: set(account.friends) for uin, account in accounts.by_uin.items()}
        self._listed_by: dict[str, dict[str, None]] = {uin: {} for uin in accounts.by_uin}
        for uin, account in accounts.by_uin.items():
            for friend in account.friends:
                self._listed_by[friend][uin] = None
        self._wishes: dict[str, set[str]] = {uin: set() for uin in accounts.by_uin}
        self._waiting: dict[str, deque[_Waiting]] = {uin: deque(maxlen=MOST_WAITING) for uin in accounts.by_uin}
        self._unread: dict[str, _Unread] = {}
        self._logins = 0
        self._pushes: list[Push] = []
        self._profile_fields = profile_fields(self.spec)
        self._behaviours = {
            "LIST": self._list,
            "QUERY_STAT": self._query_stat,
            "GETINFO": self._get_info,
            "ADDTOLIST": self._add_to_list,
            "ACK_ADDTOLIST": self._ack_add_to_list,
            "DELFROMLIST": self._del_from_list,
            "CHANGE_STAT": self._change_stat,
            "GETMSGEX": self._get_msg_ex,
            "CLTMSG": self._clt_msg,
            "FINGER": self._finger,
            "SIMPLEINFO2": self._simple_info_2,
            "QUERY_STAT2": self._query_stat_2,
            "CHANGE_STAT2": self._change_stat,
        }

    def pushes(self) -> list[Push]:
        """What is to be pushed since the last call, in order."""
        pushes, self._pushes = self._pushes, []
        return pushes

    def watchers(self, uin: str) -> list[str]:
        """Those logged in who have a user on their list: who is told of his presence."""
        return [other for other in self._listed_by[uin] if other in self._sessions and other != uin]

    def hang_up(self, line: int) -> None:
        """A line has ended: nothing can be pushed over it any more."""
        for session in self._sessions.values():
            if session.line == line:
                session.line = None

    def answer(self, body: bytes, address: str, now: float, line: int | None = None) -> Answer:
        """The reply to a request from that IP address, over the line of that number where there is one. `now` is in
        seconds from anywhere, and never goes back."""
        self._end_silent(now)
        roles = self.spec.roles
        if not recognise(body, self.spec):
            return _malformed("This is no request of the protocol: a command and its version are needed.")
        message = decode_message(body, "request", self.spec)
        if message.text(roles.version) not in self.spec.versions:
            return Answer(body=b"", outcome="unknown version")
        command = message.command
        if command is None or command.name.upper() not in (*self._behaviours, *_ANYBODY):
            return Answer(body=b"", outcome="unknown command")
        account, sequence = message.text(roles.account) or "", message.text(roles.sequence) or ""
        for role in (roles.sequence, roles.account):
            if role in _misfits(message):
                return _malformed(f"{role} is no number.", command)
        return self._checked(Request(command, message, account, sequence, address, now, line), message)

    def perform(self, request: Request) -> Reply:
        """Do what a request asks that lacks nothing and fits the spec, and say what the reply is. The times of all
        requests never go back."""
        self._end_silent(request.now)
        reply = self._before_login(request)
        if reply is not None:
            return reply
        session = self._session(request)
        return self._reply(request, {}, Status.NOT_LOGGED_IN) if session is None else self._once(request, session)

    def written(self, reply: Reply) -> bytes:
        """A reply as its body."""
        return self._body(reply.command, reply.account, reply.sequence, reply.status, reply.values)

    def _checked(self, request: Request, message: Message) -> Answer:
        """Answer a request that may lack something."""
        reply = self._before_login(request)
        if reply is not None:
            return self._answer(reply)
        session = self._session(request)
        if session is None:
            return self._answer(self._reply(request, {}, Status.NOT_LOGGED_IN))
        lacking = _lacking(message, request.command, self.spec)
        if lacking is not None:
            return _malformed(lacking, request.command, request.account)
        if self._last(request, session) is not None:
            return self._answer(self._once(request, session), "sent again")
        return self._answer(self._once(request, session))

    def _before_login(self, request: Request) -> Reply | None:
        """The reply to what needs no session; None for all the rest."""
        match request.command.name.upper():
            case "LOGIN":
                return self._login(request)
            case "VERIFYCODE":
                return self._verify_code(request)
            case "LOGOUT":
                self._logout(request)
                return self._reply(request, {})
        return None

    def _session(self, request: Request) -> _Session | None:
        """The session that a request belongs to, which spoke with it."""
        session = self._sessions.get(request.account)
        if session is None or session.address != request.address:
            return None
        session.spoke(request)
        self._sessions.move_to_end(request.account)
        return session

    def _last(self, request: Request, session: _Session) -> Reply | None:
        """The reply to the session's last write where that one is sent again."""
        last = session.written.get(request.command.name)
        return last if last is not None and last.sequence == request.sequence != "" else None

    def _once(self, request: Request, session: _Session) -> Reply:
        """Do what is asked, unless it is a write that was sent twice."""
        again = self._last(request, session)
        if again is not None:
            return again
        reply = self._reply(request, self._behaviours[request.command.name.upper()](request))
        if request.command.effect == "write":
            session.written[request.command.name] = reply
        return reply

    def _reply(
        self, request: Request, values: _Values, status: Status = Status.ACCEPTED, said: Command | None = None
    ) -> Reply:
        """The reply to a request; `said` is the command that it is of where that is another one."""
        return Reply(said or request.command, request.account, request.sequence, status, values)

    def _answer(self, reply: Reply, outcome: str | None = None) -> Answer:
        return Answer(
            body=self.written(reply),
            command=reply.command,
            account=reply.account,
            outcome=outcome or reply.outcome,
        )

    def _body(
        self, command: Command, account: str, sequence: str, status: Status, values: Mapping[str, Value]
    ) -> bytes:
        roles = self.spec.roles
        said: _Values = {
            roles.version: _VERSION,
            roles.command: command.reply_name or command.name,
            roles.sequence: sequence,
            roles.account: account,
            roles.status: status,
            **values,
        }
        return encode_message(
            [(field.name, said[field.name]) for field in command.reply if field.name in said],
            "reply",
            self.spec,
            command,
            terminated=command.name in _TERMINATED,
        )

    # ------------------------------------------------------------------------------------------------- sessions

    def _login(self, request: Request) -> Reply:
        account = self.accounts.by_uin.get(request.account)
        hashed = "" if account is None else derive("md5-hex", account.password)
        if account is None or request.number("M5") != 1 or request.text("PS").lower() != hashed:
            return self._reply(request, {"RS": 1, "RA": self.accounts.refusal})
        mobile = request.text(self.spec.roles.version) == _MOBILE
        presence = self._presence(request) if mobile else Presence.ONLINE
        if mobile and account.verification is not None and self.spec.command("VERIFYCODE") is not None:
            self._unread[account.uin] = _Unread(request.address, presence)
            return self._picture(request, account.verification)
        return self._enter(request, account, presence, self._tokens(account.uin) if mobile else {})

    def _presence(self, request: Request) -> int:
        """How a user wants to be seen from the login on; what is no presence is passed over."""
        field, wanted = self.spec.field(request.command, "request", "ST"), request.number("ST")
        known = field is not None and self.spec.code(field, wanted) is not None
        return wanted if known else Presence.ONLINE

    def _picture(self, request: Request, code: str) -> Reply:
        values: _Values = {"SC": 1, "NT": "", "VC": png(code).hex()}
        return self._reply(request, values, said=self.spec.command("VERIFYCODE"))

    def _verify_code(self, request: Request) -> Reply:
        account, unread = self.accounts.by_uin.get(request.account), self._unread.get(request.account)
        if account is None or account.verification is None or unread is None or unread.address != request.address:
            return self._reply(request, {}, Status.NOT_LOGGED_IN)
        if request.text("VC").upper() != account.verification:
            return self._picture(request, account.verification)
        del self._unread[account.uin]
        return self._enter(request, account, unread.presence, self._tokens(account.uin))

    def _tokens(self, uin: str) -> _Values:
        token = hashlib.sha256(f"{uin} {self._logins}".encode()).hexdigest()
        return {"SG": token, "SSG": str(int(token[:8], 16))}

    def _enter(self, request: Request, account: Account, presence: int, tokens: _Values) -> Reply:
        """Begin a session in place of any other of that account."""
        before = self._shown(account.uin)
        if account.uin in self._sessions:
            self._end(account.uin)
        session = self._sessions[account.uin] = _Session(request.address, presence)
        session.spoke(request)
        self._logins += 1
        self._tell_friends(account.uin, before)
        intervals: _Values = {"HI": self.accounts.poll_seconds, "LI": self.accounts.silence_seconds}
        return self._reply(request, {"RS": 0, **intervals, **tokens}, said=self.spec.command("Login"))

    def _logout(self, request: Request) -> None:
        session = self._sessions.get(request.account)
        if session is not None and session.address == request.address:
            self._leave(request.account)

    def _end_silent(self, now: float) -> None:
        while self._sessions:
            uin, session = next(iter(self._sessions.items()))
            if now - session.seen <= self.accounts.silence_seconds:
                return
            self._leave(uin)

    def _leave(self, uin: str) -> None:
        before = self._shown(uin)
        self._end(uin)
        self._tell_friends(uin, before)

    def _end(self, uin: str) -> None:
        """Forget a session, and the system messages that waited in it."""
        del self._sessions[uin]
        kept = [waiting for waiting in self._waiting[uin] if waiting.kind is not Kind.SYSTEM]
        self._waiting[uin] = deque(kept, MOST_WAITING)

    def _shown(self, uin: str) -> int:
        """The presence of a user as others see it."""
        session = self._sessions.get(uin)
        if session is None or session.presence in (Presence.OFFLINE, Presence.INVISIBLE):
            return Presence.OFFLINE
        return session.presence

    def _tell_friends(self, uin: str, before: int) -> None:
        """Tell those who have a user on their list what he became: over a line anything, else what there is a code
        for."""
        shown = self._shown(uin)
        if shown == before:
            return
        for other in self.watchers(uin):
            told = self._push(other, "update_stat", {"ST": shown, "UN": uin})
            if not told and self._has_system_code(shown):
                self._waiting[other].append(_Waiting(Kind.SYSTEM, uin, str(int(shown))))

    def _push(self, uin: str, name: str, values: _Values) -> bool:
        """Push to a user, if he has a line and the spec has the command."""
        session, command = self._sessions.get(uin), self.spec.command(name)
        if session is None or session.line is None or command is None:
            return False
        session.pushed += 1
        body = self._body(command, uin, str(session.pushed), Status.ACCEPTED, values)
        self._pushes.append(Push(session.line, uin, command, body))
        return True

    def _has_system_code(self, presence: int) -> bool:
        field = self.spec.field(self.spec.command("GetMsgEx"), "reply", "MG")
        case = None if field is None else case_of(field, {"MT": int(Kind.SYSTEM)})
        return case is not None and case_code(self.spec, case, presence) is not None

    # --------------------------------------------------------------------------------------- friends and people

    def _list(self, request: Request) -> _Values:
        page, complete = _page(self._friends[request.account], request)
        return {"FN": complete, "SN": len(page), "UN": page}

    def _query_stat(self, request: Request) -> _Values:
        page, complete = _page(self._online_friends(request.account), request)
        friends = [self.accounts.by_uin[uin] for uin in page]
        return {
            "FC": tuple(friend.avatar for friend in friends),
            "FN": complete,
            "SN": len(page),
            "ST": tuple(self._shown(uin) for uin in page),
            "UN": page,
            "NK": tuple(friend.nickname for friend in friends),
        }

    def _simple_info_2(self, request: Request) -> _Values:
        uins = sorted(self._friends[request.account], key=_order)
        start = request.text("TO")
        start_at = int(start) if _PAGE_START.fullmatch(start) else 0
        page = uins[start_at : start_at + MOST_ROWS]
        following = start_at + MOST_ROWS
        return {
            "TO": following if following < len(uins) else _LAST_PAGE,
            "UN": tuple(page),
            "NK": tuple(self.accounts.by_uin[uin].nickname for uin in page),
        }

    def _query_stat_2(self, request: Request) -> _Values:
        page, complete = _page(self._online_friends(request.account), request)
        return {"FN": complete, "ST": tuple(self._shown(uin) for uin in page), "UN": page}

    def _online_friends(self, uin: str) -> set[str]:
        return {friend for friend in self._friends[uin] if self._shown(friend) != Presence.OFFLINE}

    def _get_info(self, request: Request) -> _Values:
        level, uin = request.number("LV"), request.text("UN")
        account = self.accounts.by_uin.get(uin)
        profile: dict[str, str | int] = {} if account is None else account.profile
        values: _Values = {
            field.name: profile.get(field.name, 0 if field.type in ("int", "code") else "")
            for field in self._profile_fields
            if _is_shown(field, level) or (level == _FULL and field.name in profile)
        }
        values.update(LV=level, UN=uin, NK="" if account is None else account.nickname)
        values.update(FC=0 if account is None else account.avatar)
        return values

    def _add_to_list(self, request: Request) -> _Values:
        uin = request.text("UN")
        other = self.accounts.by_uin.get(uin)
        if other is None:
            return {"CD": _ADD["nobody"], "UN": uin}
        if uin in self._friends[request.account]:
            return {"CD": _ADD["anyone"], "UN": uin}
        if other.policy == "anyone":
            self._put_on_list(request.account, uin)
        return {"CD": _ADD[other.policy], "UN": uin}

    def _ack_add_to_list(self, request: Request) -> _Values:
        uin, words = request.text("UN"), request.words("RS")
        other = self.accounts.by_uin.get(uin)
        if request.number("CD") == Acknowledgement.ASK:
            if other is not None and other.policy == "approval":
                self._wishes[uin].add(request.account)
                self._send(Kind.WISH, request.account, uin, words)
        elif uin in self._wishes[request.account]:
            self._wishes[request.account].discard(uin)
            if request.number("CD") == Acknowledgement.APPROVE:
                self._put_on_list(uin, request.account)
                self._send(Kind.APPROVED, request.account, uin, "")
            else:
                self._send(Kind.REFUSED, request.account, uin, words)
        return {}

    def _del_from_list(self, request: Request) -> _Values:
        uin = request.text("UN")
        self._friends[request.account].discard(uin)
        self._listed_by.get(uin, {}).pop(request.account, None)
        return {}

    def _put_on_list(self, owner: str, uin: str) -> None:
        self._friends[owner].add(uin)
        self._listed_by[uin][owner] = None

    def _change_stat(self, request: Request) -> _Values:
        before = self._shown(request.account)
        self._sessions[request.account].presence = request.number("ST")
        self._tell_friends(request.account, before)
        return {}

    def _finger(self, request: Request) -> _Values:
        return {}

    # ------------------------------------------------------------------------------------------------- messages

    def _get_msg_ex(self, request: Request) -> _Values:
        waiting = self._waiting[request.account]
        if not waiting:
            return _NO_MESSAGES
        messages = tuple(waiting)
        waiting.clear()
        return {
            "MN": len(messages),
            "MT": tuple(int(message.kind) for message in messages),
            "UN": tuple(message.about for message in messages),
            "MG": tuple(message.text for message in messages),
        }

    def _clt_msg(self, request: Request) -> _Values:
        self._send(Kind.MESSAGE, request.account, request.text("UN"), request.words("MG"))
        return {}

    def _send(self, kind: Kind, sender: str, to: str, text: str) -> None:
        if kind is Kind.MESSAGE and self._push(to, "Server_Msg", {"UN": sender, "MG": text}):
            return
        if to in self._waiting:
            self._waiting[to].append(_Waiting(kind, sender, text))


def _is_shown(field: Field, level: int) -> bool:
    """Whether a profile has that field at that level: the spec requires the ordinary ones above the brief level."""
    if level == _BRIEF:
        return field.name in _BRIEF_PROFILE
    return field.required or (level == _FULL and field.name not in _NOT_UNDERSTOOD)


def _page(uins: set[str], request: Request) -> tuple[tuple[str, ...], int]:
    """The rows after the cursor, as many as asked for, and whether these are the last (FN)."""
    cursor, wanted = _order(request.text("UN")), request.number("TN")
    rest = sorted((uin for uin in uins if _order(uin) > cursor), key=_order)
    most = min(wanted, MOST_ROWS) if wanted > 0 else MOST_ROWS
    return tuple(rest[:most]), int(len(rest) <= most)


def _order(digits: str) -> tuple[int, str]:
    """Where a number stands among numbers, however many digits it has (int() refuses thousands of them)."""
    digits = digits.lstrip("0")
    return len(digits), digits


def _misfits(message: Message) -> set[str | None]:
    return {note.field for note in message.notes if note.code in ("value.type", "code.unknown")}


def _lacking(message: Message, command: Command, spec: Spec) -> str | None:
    """What a command cannot do without and the request has not got, as a sentence; None if all is there."""
    misfits = _misfits(message)
    for field in command.request:
        if not field.required or field in spec.common.request:
            continue
        sent = message.get(field.name)
        if sent is None or (sent.value is None and field.type != "text"):
            return f"{command.name} needs {field.name}."
        if field.name in misfits:
            return f"{field.name} of {command.name} has no such value."
    return None


def _malformed(sentence: str, command: Command | None = None, account: str = "") -> Answer:
    return Answer(
        body=f"{sentence}\n".encode(), code=_BAD_REQUEST, command=command, account=account, outcome="malformed"
    )
