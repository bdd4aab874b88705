"""What a server of HTTP QQ does: accounts, sessions, friends, waiting messages, and the reply to each request.

Law: pure. A request's body, the client's address and the time in seconds go in, a reply comes out; the same calls
give the same replies, and time only ever makes users fall silent. How a reply is written (order of fields, case of
CMD, escapes) is the spec's to say; here stands only what each command does, so this is the one place that names
fields in code. Memory is bounded per account.

Where the evidence is silent, the behaviour is our choice:

* VER: every version of the spec is served alike, and replies say 1.1. An unknown or absent version, and a command
  without behaviour here (such as the mobile variant's own), get an empty body. A body that names no command, a SEQ or
  UIN that is no number, and a command whose required fields are absent or of the wrong type get HTTP 400.
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
* SEQ: a write that repeats the SEQ of the session's last one of the same command does nothing and gets that one's
  reply again. A repeated poll is a new poll.
"""

from collections import OrderedDict, deque
from enum import IntEnum
from typing import NamedTuple

import msgspec

from qqlab import spec as specs
from qqlab.codec import Message, Value, case_code, case_of, decode_message, derive, encode_message, recognise
from qqlab.spec import Command, Field, Spec
from qqlab.testserver.accounts import Accounts, profile_fields

MOST_ROWS = 120
MOST_WAITING = 1000

_VERSION = "1.1"
# The primary source prints these replies with `&` at the end.
_TERMINATED = frozenset(("Query_Stat", "Ack_AddToList", "DelFromList", "Change_Stat", "GetMsgEx"))
_BRIEF, _FULL = 1, 3
_BRIEF_PROFILE = frozenset(("AG", "PV", "SX"))
_NOT_UNDERSTOOD = frozenset(("CV", "ID", "MT", "MV"))
_OK, _BAD_REQUEST = 200, 400


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


class _Request(NamedTuple):
    command: Command
    message: Message
    account: str
    sequence: str
    address: str
    now: float

    def text(self, name: str) -> str:
        return self.message.text(name) or ""

    def words(self, name: str) -> str:
        """A text as it was sent, blanks and all."""
        value = self.message.value(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        value = self.message.value(name)
        return value if isinstance(value, int) else 0


class _Waiting(NamedTuple):
    kind: Kind
    about: str
    text: str


class _Session:
    """One login: from where, how the user shows himself, when he last spoke, and the last write of each command."""

    def __init__(self, address: str, now: float) -> None:
        self.address = address
        self.presence: int = Presence.ONLINE
        self.seen = now
        self.written: dict[str, tuple[str, bytes]] = {}


_Values = dict[str, Value]


class State:
    """A server's memory. `answer` is all that can be done to it."""

    def __init__(self, accounts: Accounts, spec: Spec | None = None) -> None:
        self.accounts = accounts
        self.spec = specs.builtin() if spec is None else spec
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # who was silent longest comes first
        self._friends = {uin: set(account.friends) for uin, account in accounts.by_uin.items()}
        self._wishes: dict[str, set[str]] = {uin: set() for uin in accounts.by_uin}
        self._waiting: dict[str, deque[_Waiting]] = {uin: deque(maxlen=MOST_WAITING) for uin in accounts.by_uin}
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
        }

    def answer(self, body: bytes, address: str, now: float) -> Answer:
        """The reply to a request from that IP address. `now` is in seconds from anywhere, and never goes back."""
        self._end_silent(now)
        roles = self.spec.roles
        if not recognise(body, self.spec):
            return _malformed("This is no request of the protocol: a command and its version are needed.")
        message = decode_message(body, "request", self.spec)
        if message.text(roles.version) not in self.spec.versions:
            return Answer(body=b"", outcome="unknown version")
        command = message.command
        if command is None or command.name.upper() not in (*self._behaviours, "LOGIN", "LOGOUT"):
            return Answer(body=b"", outcome="unknown command")
        account, sequence = message.text(roles.account) or "", message.text(roles.sequence) or ""
        for role in (roles.sequence, roles.account):
            if role in _misfits(message):
                return _malformed(f"{role} is no number.", command)
        return self._perform(_Request(command, message, account, sequence, address, now))

    def _perform(self, request: _Request) -> Answer:
        match request.command.name.upper():
            case "LOGIN":
                return self._reply(request, self._login(request))
            case "LOGOUT":
                self._logout(request)
                return self._reply(request, {})
        session = self._sessions.get(request.account)
        if session is None or session.address != request.address:
            return self._reply(request, {}, Status.NOT_LOGGED_IN)
        session.seen = request.now
        self._sessions.move_to_end(request.account)
        lacking = _lacking(request, self.spec)
        if lacking is not None:
            return _malformed(lacking, request.command, request.account)
        return self._once(request, session)

    def _once(self, request: _Request, session: _Session) -> Answer:
        """Do what is asked, unless it is a write that was sent twice."""
        name, sequence = request.command.name, request.sequence
        last = session.written.get(name)
        if last is not None and sequence != "" and last[0] == sequence:
            return Answer(body=last[1], command=request.command, account=request.account, outcome="sent again")
        answer = self._reply(request, self._behaviours[name.upper()](request))
        if request.command.effect == "write":
            session.written[name] = (sequence, answer.body)
        return answer

    def _reply(self, request: _Request, values: _Values, status: Status = Status.ACCEPTED) -> Answer:
        roles, command = self.spec.roles, request.command
        said: _Values = {
            roles.version: _VERSION,
            roles.command: command.reply_name or command.name,
            roles.sequence: request.sequence,
            roles.account: request.account,
            roles.status: status,
            **values,
        }
        body = encode_message(
            [(field.name, said[field.name]) for field in command.reply if field.name in said],
            "reply",
            self.spec,
            command,
            terminated=command.name in _TERMINATED,
        )
        refused = status is Status.NOT_LOGGED_IN
        outcome = "not logged in" if refused else "refused" if "RA" in values else "accepted"
        return Answer(body=body, command=command, account=request.account, outcome=outcome)

    # ------------------------------------------------------------------------------------------------- sessions

    def _login(self, request: _Request) -> _Values:
        account = self.accounts.by_uin.get(request.account)
        hashed = "" if account is None else derive("md5-hex", account.password)
        if account is None or request.number("M5") != 1 or request.text("PS").lower() != hashed:
            return {"RS": 1, "RA": self.accounts.refusal}
        before = self._shown(account.uin)
        if account.uin in self._sessions:
            self._end(account.uin)
        self._sessions[account.uin] = _Session(request.address, request.now)
        self._tell_friends(account.uin, before)
        return {"RS": 0, "HI": self.accounts.poll_seconds, "LI": self.accounts.silence_seconds}

    def _logout(self, request: _Request) -> None:
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
        """Tell those who have a user on their list what he became, if that is something to tell."""
        shown = self._shown(uin)
        if shown == before or not self._has_system_code(shown):
            return
        for other in self._sessions:
            if other != uin and uin in self._friends[other]:
                self._waiting[other].append(_Waiting(Kind.SYSTEM, uin, str(int(shown))))

    def _has_system_code(self, presence: int) -> bool:
        field = self.spec.field(self.spec.command("GetMsgEx"), "reply", "MG")
        case = None if field is None else case_of(field, {"MT": int(Kind.SYSTEM)})
        return case is not None and case_code(self.spec, case, presence) is not None

    # --------------------------------------------------------------------------------------- friends and people

    def _list(self, request: _Request) -> _Values:
        page, complete = _page(self._friends[request.account], request)
        return {"FN": complete, "SN": len(page), "UN": page}

    def _query_stat(self, request: _Request) -> _Values:
        online = {uin for uin in self._friends[request.account] if self._shown(uin) != Presence.OFFLINE}
        page, complete = _page(online, request)
        friends = [self.accounts.by_uin[uin] for uin in page]
        return {
            "FC": tuple(friend.avatar for friend in friends),
            "FN": complete,
            "SN": len(page),
            "ST": tuple(self._shown(uin) for uin in page),
            "UN": page,
            "NK": tuple(friend.nickname for friend in friends),
        }

    def _get_info(self, request: _Request) -> _Values:
        level, uin = request.number("LV"), request.text("UN")
        account = self.accounts.by_uin.get(uin)
        profile: dict[str, str | int] = {} if account is None else account.profile
        values: _Values = {
            field.name: profile.get(field.name, 0 if field.type in ("int", "code") else "")
            for field in profile_fields(self.spec)
            if _is_shown(field, level) or (level == _FULL and field.name in profile)
        }
        values.update(LV=level, UN=uin, NK="" if account is None else account.nickname)
        values.update(FC=0 if account is None else account.avatar)
        return values

    def _add_to_list(self, request: _Request) -> _Values:
        uin = request.text("UN")
        other = self.accounts.by_uin.get(uin)
        if other is None:
            return {"CD": _ADD["nobody"], "UN": uin}
        if uin in self._friends[request.account]:
            return {"CD": _ADD["anyone"], "UN": uin}
        if other.policy == "anyone":
            self._friends[request.account].add(uin)
        return {"CD": _ADD[other.policy], "UN": uin}

    def _ack_add_to_list(self, request: _Request) -> _Values:
        uin, words = request.text("UN"), request.words("RS")
        other = self.accounts.by_uin.get(uin)
        if request.number("CD") == Acknowledgement.ASK:
            if other is not None and other.policy == "approval":
                self._wishes[uin].add(request.account)
                self._send(Kind.WISH, request.account, uin, words)
        elif uin in self._wishes[request.account]:
            self._wishes[request.account].discard(uin)
            if request.number("CD") == Acknowledgement.APPROVE:
                self._friends[uin].add(request.account)
                self._send(Kind.APPROVED, request.account, uin, "")
            else:
                self._send(Kind.REFUSED, request.account, uin, words)
        return {}

    def _del_from_list(self, request: _Request) -> _Values:
        self._friends[request.account].discard(request.text("UN"))
        return {}

    def _change_stat(self, request: _Request) -> _Values:
        before = self._shown(request.account)
        self._sessions[request.account].presence = request.number("ST")
        self._tell_friends(request.account, before)
        return {}

    def _finger(self, request: _Request) -> _Values:
        return {}

    # ------------------------------------------------------------------------------------------------- messages

    def _get_msg_ex(self, request: _Request) -> _Values:
        messages = tuple(self._waiting[request.account])
        self._waiting[request.account].clear()
        return {
            "MN": len(messages),
            "MT": tuple(int(message.kind) for message in messages),
            "UN": tuple(message.about for message in messages),
            "MG": tuple(message.text for message in messages),
        }

    def _clt_msg(self, request: _Request) -> _Values:
        self._send(Kind.MESSAGE, request.account, request.text("UN"), request.words("MG"))
        return {}

    def _send(self, kind: Kind, sender: str, to: str, text: str) -> None:
        if to in self._waiting:
            self._waiting[to].append(_Waiting(kind, sender, text))


def _is_shown(field: Field, level: int) -> bool:
    """Whether a profile has that field at that level: the spec requires the ordinary ones above the brief level."""
    if level == _BRIEF:
        return field.name in _BRIEF_PROFILE
    return field.required or (level == _FULL and field.name not in _NOT_UNDERSTOOD)


def _page(uins: set[str], request: _Request) -> tuple[tuple[str, ...], int]:
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


def _lacking(request: _Request, spec: Spec) -> str | None:
    """What a command cannot do without and the request has not got, as a sentence; None if all is there."""
    misfits = _misfits(request.message)
    for field in request.command.request:
        if not field.required or field in spec.common.request:
            continue
        sent = request.message.get(field.name)
        if sent is None or (sent.value is None and field.type != "text"):
            return f"{request.command.name} needs {field.name}."
        if field.name in misfits:
            return f"{field.name} of {request.command.name} has no such value."
    return None


def _malformed(sentence: str, command: Command | None = None, account: str = "") -> Answer:
    return Answer(
        body=f"{sentence}\n".encode(), code=_BAD_REQUEST, command=command, account=account, outcome="malformed"
    )
