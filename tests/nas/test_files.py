"""Writes are atomic, even if the writer is killed."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nas.files import write_whole
from nas.study.report import read_table
from nas.train.config import from_table, specs_of
from search_spaces import RequestError
from tests.conftest import environment

WRITER = """
import sys
from itertools import count
from pathlib import Path
from nas.files import write_whole
for turn in count():
    write_whole(Path(sys.argv[1]), f"{turn % 10}" * 300_000)
    print(turn, flush=True)
"""


@pytest.mark.parametrize("turns", [1, 2, 5, 9, 20])
def test_a_kill_leaves_the_old_or_the_new_content(tmp_path: Path, turns: int) -> None:
    path = tmp_path / "file"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env=environment(), text=True
    ) as writer:
        assert writer.stdout
        for _ in range(turns):
            writer.stdout.readline()
        writer.kill()
    content = path.read_text()
    assert len(content) == 300_000 and len(set(content)) == 1


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_concurrent_writers_do_not_interfere(tmp_path: Path) -> None:
    """Each write succeeds, and a reader finds one of the contents, never an empty or mixed one."""
    path = tmp_path / "file"
    write_whole(path, "0" * 1000)

    def write(turn: int) -> str:
        write_whole(path, f"{turn % 10}" * 1000)
        return path.read_text()

    with ThreadPoolExecutor(8) as writers:
        found = list(writers.map(write, range(200)))
    assert all(len(content) == 1000 and len(set(content)) == 1 for content in found)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("read", [lambda path: read_table(path, ()), lambda path: specs_of(path, None, None)])
def test_a_pipe_is_not_a_table(read: Callable[[Path], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(RequestError, match=r"cannot read .*pipe\.csv: not a regular file"):
        read(tmp_path / "pipe.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"t\.csv is not a table: it is empty"),
        (b"arch\n\xff\n", "it is not text in UTF-8"),
        (b"arch\nmlp:w8,1\nmlp:w8,1,2\n", "line 3 has 3 fields, not 2"),
        (b'arch\n"mlp:w8\n', "it is not CSV"),
        (b"arch\n", r"t\.csv has no rows"),
        (b"arch,top1,top1\nmlp:w8,1,2\n", r"t\.csv has two columns 'top1'; leave one of them"),
        (b"name\nx\n", r"t\.csv has no column arch"),
        (b"arch\nmlp:mlp_8\nmlp:q\n", r"t\.csv, row 2: spec 'mlp:q'"),
    ],
)
def test_a_table_of_another_kind_is_described(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(RequestError, match=message):
        from_table(tmp_path / "t.csv", None, None)


def test_a_folder_in_the_place_of_a_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "candidates.csv").touch()
    with pytest.raises(RequestError, match=f"{tmp_path} is not a table but a folder; give .*candidates.csv;"):
        from_table(tmp_path, None, None)


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("nas.files.check_regular", refuse)
    with pytest.raises(RequestError, match=r"cannot read t\.csv: permission denied; change the permissions"):
        from_table(Path("t.csv"), None, None)
