"""Files at URLs, in file systems of fsspec that need no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.remote import Remote, located
from search_spaces import RequestError


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_file_is_written_whole_read_and_removed(kind: str, tmp_path: Path) -> None:
    file = Remote(f"{kind}://{tmp_path}/run") / "row1-seed0.pt"
    assert not file.exists()
    for content in (b"one", b"another"):
        file.write_whole(content)
        assert file.exists() and file.read_bytes() == content
    if kind == "file":
        assert [one.name for one in (tmp_path / "run").iterdir()] == ["row1-seed0.pt"]
    file.unlink()
    assert not file.exists()


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below = Remote(f"file://{tmp_path}/file/run/row1-seed0.pt")
    with pytest.raises(OSError):
        below.write_whole(b"one")
    with pytest.raises(RequestError, match=r"cannot read file://.*: there is no such file"):
        Remote(f"file://{tmp_path}/none").read_bytes()


@pytest.mark.parametrize(
    ("url", "why"),
    [("nowhere://x", "Protocol not known: nowhere"), ("s3://me:secret@bucket/run", "leave them out")],
)
def test_a_url_that_cannot_be_used(url: str, why: str) -> None:
    with pytest.raises(RequestError, match=why) as refused:
        found = located(url)
        assert isinstance(found, Remote)
        found.exists()
    assert "secret" not in str(refused.value)


def test_a_server_that_does_not_answer_is_named_at_the_start() -> None:
    with pytest.raises(RequestError, match="--checkpoints 'ftp://localhost:1/run': Connection refused"):
        Remote("ftp://localhost:1/run").check()
    with pytest.raises(OSError, match="Connection refused"):
        Remote("ftp://localhost:1/run/row1-seed0.pt").write_whole(b"one")
