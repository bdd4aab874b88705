"""Where commands that send have passwords from: files and the environment, never the command line."""

import os
from pathlib import Path
from typing import Annotated

import typer

from qqlab.replay import Passwords
from qqlab.testserver import accounts as test_accounts

ENVIRONMENT = "QQLAB_PASSWORD_"

AccountsFile = Annotated[
    Path | None,
    typer.Option("--accounts", metavar="FILE", help="Passwords, as `qqlab serve` reads them; the sample by default."),
]


def read_passwords(file: Path | None) -> tuple[Passwords, Passwords]:
    """Passwords, and what pictures show: the accounts file first, then (for passwords) the environment, then the sample
    that the test server knows by default."""
    named = None if file is None else test_accounts.load(file)
    sample = test_accounts.sample() if named is None else None

    def password(account: str) -> str | None:
        known = named.password(account) if named is not None else None
        if known is None and account.isascii() and account.isdigit():
            known = os.environ.get(ENVIRONMENT + account)
        return sample.password(account) if known is None and sample is not None else known

    known = named or test_accounts.sample()
    return password, known.verification
