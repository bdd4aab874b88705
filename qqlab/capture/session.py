"""Which conversation an exchange belongs to.

These clients open a connection per request, and the server knows them by address and account, so a session is
`<client host>/<account>`. An exchange without an account belongs to its client's address alone.
"""


def session(client: str, account: str | None) -> str:
    """The session of an exchange; `client` is `host:port`, a host, or a word for where it comes from."""
    host, colon, port = client.rpartition(":")
    return f"{host if colon and port.isdecimal() else client}/{account or ''}"
