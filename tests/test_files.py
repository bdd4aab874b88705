"""Files written in one step."""

import contextlib
import fcntl
import os
from pathlib import Path

import pytest

from qqlab.errors import InputError
from qqlab.files import refuse_existing, replacing


def test_a_file_is_new_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replacing(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    with contextlib.suppress(RuntimeError), replacing(path) as file:
        file.write(b"two")
        raise RuntimeError
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").write_bytes(b"old")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no regular file"), replacing(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()
    with pytest.raises(InputError, match="is a directory"), replacing(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_what_a_recorder_writes_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"so far")
    with path.open("rb") as recorder:
        fcntl.flock(recorder, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another recorder is writing it"), replacing(path):
            pass
        assert os.path.samestat(os.fstat(recorder.fileno()), path.stat())
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_the_longest_name_there_can_be(tmp_path: Path) -> None:
    with replacing(tmp_path / ("名" * 85)) as file:
        file.write(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["名" * 85]


def test_an_existing_name_is_refused_even_if_it_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="exists already"):
        refuse_existing(tmp_path / "link")
