"""The accounts file: the sample, defaults, and each mistake with its path."""

from pathlib import Path

import pytest

from qqlab.errors import InputError
from qqlab.testserver import accounts

MINIMAL = '[[accounts]]\nuin = "10001"\npassword = "a"\nnickname = "小雨"\n'


def test_the_sample_has_what_the_escapes_need() -> None:
    sample = accounts.sample()
    assert list(sample.by_uin) == ["10001", "10002", "10003", "10004", "10005", "10006"]
    assert {account.policy for account in sample.accounts} == {"anyone", "approval", "nobody"}
    text = "".join(f"{account.nickname}{''.join(map(str, account.profile.values()))}" for account in sample.accounts)
    assert {character for character in ",&%+\r\n" if character not in text} == set()
    assert (sample.poll_seconds, sample.silence_seconds, sample.refusal) == (60, 300, "登录失败")


def test_a_password_is_given_for_an_account_and_for_no_one_else() -> None:
    sample = accounts.sample()
    assert sample.password("10002") == "mima-10002"
    assert sample.password("4711") is None
    assert [sample.verification(uin) for uin in ("10005", "10001", "4711")] == ["K7QX", None, None]


def test_defaults_fill_in_what_an_account_does_not_say() -> None:
    text = (
        'silence_seconds = 5\n[defaults]\navatar = 30\npolicy = "nobody"\nprofile = { PV = "云南省", AG = 1 }\n'
        + MINIMAL
        + '[[accounts]]\nuin = "10002"\npassword = "b"\nnickname = "b"\navatar = 0\npolicy = "anyone"\n'
        + 'friends = ["10001"]\nprofile = { AG = 2 }\n'
    )
    known = accounts.parse(text, "a.toml")
    assert known.silence_seconds == 5
    assert known.accounts == (
        accounts.Account(
            uin="10001",
            password="a",
            nickname="小雨",
            avatar=30,
            policy="nobody",
            profile={"PV": "云南省", "AG": 1},
        ),
        accounts.Account(
            uin="10002",
            password="b",
            nickname="b",
            avatar=0,
            policy="anyone",
            friends=("10001",),
            profile={"PV": "云南省", "AG": 2},
        ),
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a = ", "is not TOML: Invalid value (at end of document)"),
        ("", "$: object missing required field `accounts`"),
        ("accounts = []", "$.accounts: is empty"),
        ("port = 1\n" + MINIMAL, "$: object contains unknown field `port`"),
        (MINIMAL + "colour = 1\n", "$.accounts[0]: object contains unknown field `colour`"),
        (MINIMAL.replace('"10001"', "10001"), "$.accounts[0].uin: expected `str`, got `int`"),
        (
            MINIMAL.replace('"10001"', '"0x1"'),
            "$.accounts[0].uin: expected `str` matching regex '^[1-9][0-9]{0,17}$'",
        ),
        (
            MINIMAL + 'verification = "ab"\n',
            "$.accounts[0].verification: expected `str` matching regex '^[A-Z0-9]{1,12}$'",
        ),
        (MINIMAL + 'policy = "all"\n', "$.accounts[0].policy: invalid enum value 'all'"),
        (MINIMAL + MINIMAL, "$.accounts[1].uin: 10001 stands there twice"),
        (MINIMAL + 'friends = ["10001", "10009"]\n', "$.accounts[0].friends[1]: there is no account 10009"),
        (MINIMAL + "profile = { AG = '1' }\n", "$.accounts[0].profile.AG: expected a number, not '1'"),
        (MINIMAL + "profile = { AD = 1 }\n", "$.accounts[0].profile.AD: expected a text, not 1"),
        (MINIMAL + "profile = { PC = 'x' }\n", "$.accounts[0].profile.PC: expected digits, not 'x'"),
        (MINIMAL + "profile = { BT = 9 }\n", "$.accounts[0].profile.BT: 9 is not in table blood"),
        ("[defaults]\nprofile = { BT = 9 }\n" + MINIMAL, "$.defaults.profile.BT: 9 is not in table blood"),
        ("silence_seconds = 0\n" + MINIMAL, "$.silence_seconds: expected `int` >= 1"),
    ],
)
def test_a_mistake_is_told_with_its_path(text: str, what: str) -> None:
    with pytest.raises(InputError) as error:
        accounts.parse(text, "a.toml")
    assert (error.value.where, error.value.what) == ("a.toml", what)


def test_an_unknown_profile_field_lists_the_known_ones() -> None:
    with pytest.raises(InputError) as error:
        accounts.parse(MINIMAL + "profile = { NK = 'x' }\n", "a.toml")
    assert error.value.what.startswith("$.accounts[0].profile.NK: no such field; known: AD, AG, BT,")


def test_a_file_is_read_and_its_name_stands_in_errors(tmp_path: Path) -> None:
    good, missing, binary = tmp_path / "good.toml", tmp_path / "missing.toml", tmp_path / "binary.toml"
    good.write_text(MINIMAL, encoding="utf-8")
    binary.write_bytes(b"\xff")
    assert accounts.load(good).password("10001") == "a"
    with pytest.raises(InputError, match=r"missing\.toml: No such file or directory"):
        accounts.load(missing)
    with pytest.raises(InputError, match=r"binary\.toml: is not UTF-8 at byte 0"):
        accounts.load(binary)
