"""Folders of runs: creation, locks, run.json, and invalid folders."""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pandas as pd
import pytest

from nas.files import write_whole
from nas.runs import Folder, create_folder, locked, new_folder, versions
from nas.schema import Stored
from nas.train.folder import TrainFolder
from search_spaces import RequestError


@dataclass(frozen=True)
class Example(Stored):
    """A request."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise RequestError(f"size is {self.size}")

    def name(self) -> str:
        """By its size."""
        return f"size-{self.size}"


class ExampleFolder(Folder[Example]):
    """Its folder."""

    request_class = Example
    kind = "search"
    module = "nas.example"
    under = Path("items")
    packages = ("numpy",)

    def facts(self) -> dict[str, int]:
        """Number of items."""
        return {"items": self.fact("items", int, 1)}


def test_a_folder_is_created_opened_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = ExampleFolder.create(Example(3), None, {"items": 2})
    assert folder.path.parent == Path("items") and folder.path.name.endswith("-size-3")
    state = json.loads((folder.path / "run.json").read_text())
    assert list(state) == ["format", "status", "request", "items", "versions", "machine"]
    assert (state["status"], state["request"], state["items"]) == ("running", {"size": 3}, 2)
    again = ExampleFolder.open(folder.path)
    assert (again.request, again.state, again.finished) == (Example(3), state, False)
    again.save_state("finished", {"best": 7})
    assert again.finished and ExampleFolder.open(folder.path).state == {
        **state,
        "status": "finished",
        "best": 7,
    }
    again.save(again.path / "table.csv", pd.DataFrame({"a": [1]}))
    assert (again.path / "table.csv").read_text() == "a\n1\n"
    with pytest.raises(RequestError, match=r"cannot write .*none.table\.csv: there is no such file"):
        again.save(again.path / "none" / "table.csv", "")
    assert ExampleFolder(Path("a b"), Example(3)).resume == "python -m nas.example --resume 'a b'"


def test_versions_that_changed_are_named(tmp_path: Path) -> None:
    folder = ExampleFolder.create(Example(3), tmp_path / "run")
    assert not ExampleFolder.open(folder.path).changes
    state = {**folder.state, "versions": {**folder.state["versions"], "numpy": "0.1"}}
    (folder.path / "run.json").write_text(json.dumps(state))
    assert ExampleFolder.open(folder.path).changes == [f"numpy was 0.1, is {versions(['numpy'])['numpy']}"]


def test_folders_of_one_second_are_numbered(tmp_path: Path) -> None:
    found = {create_folder(None, tmp_path / "runs", "mlp") for _ in range(3)}
    assert len(found) == 3 and all(path.is_dir() and "-mlp" in path.name for path in found)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    assert (
        create_folder(tmp_path / "new", tmp_path, "x")
        == create_folder(tmp_path / "new", tmp_path, "x")
        == tmp_path / "new"
    )
    (tmp_path / "new" / "file").touch()
    with pytest.raises(RequestError, match="is not empty; choose another --out, or go on with --resume"):
        create_folder(tmp_path / "new", tmp_path, "x")
    file = tmp_path / "new" / "file"
    for path, message in (
        (file, "a file of that name exists"),
        (file / "run", "a part of the path is a file"),
    ):
        with pytest.raises(RequestError, match=f"cannot write {path}: {message}, .*; choose another path"):
            create_folder(path, tmp_path, "x")


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "{}", "[" * 200_000, '{"request": 3}', '{"request": {"size": null}}'),
        *('{"request": {"size": 3}, "status": 1}', '{"request": {"size": 3}, "format": 2}'),
        '{"request": {"size": 3}, "versions": ["1"]}',
    ],
)
def test_a_damaged_description_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RequestError, match=r"run\.json is damaged .*; start a new search"):
        ExampleFolder.open(tmp_path)
    (tmp_path / "run.json").write_text('{"request": {"size": 3}}')
    assert ExampleFolder.open(tmp_path).request == Example(3)


@pytest.mark.parametrize(
    ("kind", "state"),
    [("training", '{"order": {}}'), ("study", '{"request": {"order": {}}}')],
)
def test_a_run_of_another_kind_is_named(kind: str, state: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(state)
    with pytest.raises(RequestError, match=f"is the folder of a {kind}, expected that of a search"):
        ExampleFolder.open(tmp_path)


def test_a_study_names_the_folder_of_its_training(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"request": {"order": {}}}')
    with pytest.raises(RequestError, match=f"expected that of a training; give {tmp_path}/training"):
        TrainFolder.open(tmp_path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="none is not the folder of a search"):
        ExampleFolder.open(tmp_path / "none")
    assert versions(["numpy", "no-such-package"])["no-such-package"] == "not installed"


def hold(folder: Path) -> int:
    """What another process does that works in a folder: its lock, as the system sees it."""
    held = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return held


def test_the_error_names_the_holder_of_a_lock(tmp_path: Path) -> None:
    who = {"pid": "42", "host": "there", "since": "yesterday"}
    (tmp_path / ".lock").write_text(json.dumps(who))
    held = hold(tmp_path)
    with (
        pytest.raises(RequestError, match="is in use by process 42 on there since yesterday; "),
        locked(tmp_path),
    ):
        pass
    (tmp_path / ".lock").write_text("no description")
    with pytest.raises(RequestError, match="is in use by another command; "), locked(tmp_path):
        pass
    os.close(held)
    with locked(tmp_path), locked(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == str(os.getpid())
        with pytest.raises(BlockingIOError):
            hold(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    """Killed in the middle, with an unfinished file, and a child that outlives it."""
    code = (
        "import os, sys, time; from pathlib import Path; from nas.runs import locked\n"
        "with locked(Path('.')):\n"
        "    Path('.run.json.0.unfinished').touch()\n"
        "    if not os.fork(): print(flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE,
                          start_new_session=True) as process:  # fmt: skip
        assert process.stdout
        process.stdout.readline()
        with pytest.raises(RequestError, match=f"is in use by process {process.pid} on "), locked(tmp_path):
            pass
        process.kill()
        process.wait()
        with locked(tmp_path):
            assert [file.name for file in tmp_path.iterdir()] == [".lock"]
        os.killpg(process.pid, 9)


@pytest.mark.parametrize("syncs", [1, 2, 3])
def test_a_finished_run_killed_while_it_is_written_again_is_not_finished(syncs: int, tmp_path: Path) -> None:
    """Killed in run.json, between the files, and in the other file."""
    folder = ExampleFolder.create(Example(3), tmp_path / "run")
    folder.save_state("finished", {"best": 7})
    if not (child := os.fork()):
        calls = count(1)
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL) if next(calls) == syncs else None
        folder.save(folder.path / "table.csv", "a")
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert not (folder.path / "table.csv").exists()
    again = ExampleFolder.open(folder.path)
    assert again.status == "running" and again.state["best"] == 7
    with again.locked():
        again.save_state("finished")
    assert [file.name for file in folder.path.iterdir()] == ["run.json"]
    assert ExampleFolder.open(folder.path).finished


def test_what_a_failed_start_left_is_used(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in (".lock", ".run.json.1a2b.unfinished", ".run.json.unfinished"):
        (tmp_path / name).touch()
    with pytest.raises(RequestError, match="no search was started in it; start one with --out"):
        ExampleFolder.open(tmp_path)
    with new_folder(tmp_path, tmp_path, "x") as folder:
        write_whole(folder / "run.json", "{}")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["checkpoints", "run.json"]
    with pytest.raises(RequestError, match="is not empty"), new_folder(tmp_path, tmp_path, "x"):
        pass


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A file size that the system refuses, and two that start at once."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for path in (tmp_path / "new", None):
        with (
            pytest.raises(RequestError, match=r"cannot write .*: File too large"),
            new_folder(path, tmp_path / "runs", "x") as folder,
        ):
            try:
                resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
                write_whole(folder / "run.json", "x" * 1000)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [file.name for file in tmp_path.iterdir()] == ["runs"] and not list((tmp_path / "runs").iterdir())
    (tmp_path / "first").mkdir()
    held = hold(tmp_path / "first")
    with pytest.raises(RequestError, match="is in use"), new_folder(tmp_path / "first", tmp_path, "x"):
        pass
    os.close(held)
    with new_folder(tmp_path / "first", tmp_path, "x"):
        pass


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(RequestError, match=r"is not the folder of a search: run\.json: not a regular file"):
        ExampleFolder.open(tmp_path)
    (tmp_path / "run.json").unlink()
    (tmp_path / "run.json").symlink_to("/dev/zero")
    with pytest.raises(RequestError, match="not a regular file"):
        ExampleFolder.open(tmp_path)


def test_a_wrong_request_in_a_description_is_not_damage(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"request": {"size": -1}}')
    with pytest.raises(RequestError, match=r"run\.json: size is -1$"):
        ExampleFolder.open(tmp_path)
