"""A client of VER 1.4, bare lines on one connection: two requests in one piece, one in many, pushes passed over."""

import hashlib
import os
import socket
import time

ESCAPES = (("%", "%25"), ("&", "%26"), (",", "%2c"), ("\r", "%0d"), ("\n", "%0a"))
FIELDS = f"UIN={os.environ['QQ_UIN']}&CON=1&SID=&XP=C4CA4238A0B92382"


def line(sequence: int, command: str, fields: str = "") -> bytes:
    """One request."""
    return f"VER=1.4&CMD={command}&SEQ={sequence}&{FIELDS}{fields}\n".encode()


with socket.create_connection((os.environ["QQ_HOST"], int(os.environ["QQ_PORT"])), timeout=10) as connection:
    replies = connection.makefile("rb")

    def reply(sequence: int) -> str:
        """The reply to that request, past what nobody asked for."""
        mark = f"&SEQ={sequence}&"
        while mark not in (text := replies.readline().decode()):
            assert text, "the connection is over"
        return text

    password = hashlib.md5(os.environ["QQ_PASSWORD"].encode(), usedforsecurity=False).hexdigest().upper()
    connection.sendall(line(1, "Login", f"&PS={password}&M5=1&LC=812822641C978097&LG=0&GD=0&CKE=0"))
    login = reply(1)
    assert "RES=0&RS=0" in login, login
    text = os.environ["QQ_TEXT"]
    for character, escape in ESCAPES:
        text = text.replace(character, escape)
    connection.sendall(line(2, "CLTMSG", f"&UN={os.environ['QQ_FRIEND']}&MG={text}") + line(3, "GetMsgEx"))
    reply(2), reply(3)
    for byte in line(4, "Logout"):
        connection.sendall(bytes([byte]))
        time.sleep(0)
    reply(4)
print("done")
