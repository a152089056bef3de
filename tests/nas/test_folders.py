"""Folders of runs: new ones apart from old ones, and what is not one is said in a line."""

from pathlib import Path

import pytest

from nas.folders import made, read, versions
from search_spaces import RequestError


def test_folders_of_one_second_are_numbered(tmp_path: Path) -> None:
    found = {made(None, tmp_path / "runs", "mlp") for _ in range(3)}
    assert len(found) == 3 and all(path.is_dir() and "-mlp" in path.name for path in found)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    assert made(tmp_path / "new", tmp_path, "x") == made(tmp_path / "new", tmp_path, "x") == tmp_path / "new"
    (tmp_path / "new" / "file").touch()
    with pytest.raises(RequestError, match="is not empty; choose another --out, or go on with --resume"):
        made(tmp_path / "new", tmp_path, "x")
    with pytest.raises(RequestError, match="cannot write"):
        made(tmp_path / "new" / "file", tmp_path, "x")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"name": 3}', '{"name": null}'])
def test_a_damaged_description_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RequestError, match=r"run\.json is damaged .*; start a new run"):
        read(tmp_path, "run", lambda state: state["name"].upper())
    (tmp_path / "run.json").write_text('{"name": "a"}')
    assert read(tmp_path, "run", lambda state: state["name"].upper()) == "A"


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="none is not the folder of a study"):
        read(tmp_path / "none", "study", dict)
    assert versions(["numpy", "no-such-package"])["no-such-package"] == "not installed"
