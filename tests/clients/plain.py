"""A client in Python that keeps no connection alive, escapes only what the protocol asks for, and sends raw UTF-8."""

import hashlib
import os
from urllib import request

ESCAPES = (("%", "%25"), ("&", "%26"), (",", "%2c"), ("\r", "%0d"), ("\n", "%0a"))
PROXIES = {"http": os.environ["QQ_PROXY"]} if os.environ["QQ_PROXY"] else {}
OPENER = request.build_opener(request.ProxyHandler(PROXIES))


def send(sequence: int, command: str, **fields: str) -> str:
    """One request; the body of the reply."""
    pairs = {"VER": "1.1", "CMD": command, "SEQ": str(sequence), "UIN": os.environ["QQ_UIN"]} | fields
    for character, escape in ESCAPES:
        pairs = {key: value.replace(character, escape) for key, value in pairs.items()}
    body = "&".join(f"{key}={value}" for key, value in pairs.items()).encode()
    asked = request.Request(f"http://{os.environ['QQ_SERVER']}/", body, {"Content-Type": "text/plain; charset=UTF-8"})
    with OPENER.open(asked, timeout=10) as reply:
        text: str = reply.read().decode()
    return text


password = hashlib.md5(os.environ["QQ_PASSWORD"].encode(), usedforsecurity=False).hexdigest()
login = send(7001, "Login", PS=password, M5="1", LC="9326B87B234E7235")
assert "RES=0&RS=0" in login, login
send(7002, "CLTMSG", UN=os.environ["QQ_FRIEND"], MG=os.environ["QQ_TEXT"])
send(7003, "GetMsgEx")
send(7004, "Logout")
print("done")
