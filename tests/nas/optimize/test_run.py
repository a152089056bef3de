"""A run keeps what it has found, however often it is stopped."""

import json
import os
from pathlib import Path

import pytest

from nas import search
from nas.exact.problem import Problem
from nas.optimize.cli import main
from nas.optimize.folder import RunFolder
from nas.optimize.request import Request
from nas.optimize.run import Run
from nas.optimize.study import BLOCK
from search_spaces import RequestError
from tests.conftest import refused
from tests.nas.test_runs import hold

REQUEST = Request("mobilenet", {"flops": "400M"}, trials=3 * BLOCK)


def begun(folder: Path, trials: int) -> Run:
    """A run that was stopped after some trials."""
    run = Run(REQUEST, Problem.of(REQUEST), RunFolder.create(REQUEST, folder))
    run.explore(stop=lambda: run.trials >= trials)
    run.stop()
    return run


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_going_on_and_stopping_at_once_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert begun(folder, BLOCK + 150).trials == BLOCK + 150
    kept = files(folder)
    again = Run(REQUEST, Problem.of(REQUEST), RunFolder.open(folder))
    again.explore(stop=lambda: True)
    again.stop()
    assert files(folder) == kept
    once_more = Run(REQUEST, Problem.of(REQUEST), RunFolder.open(folder))
    once_more.explore(stop=lambda: BLOCK + 20 <= once_more.trials < BLOCK + 150)
    once_more.stop()
    assert files(folder) == kept


def test_the_default_sampler_goes_on_to_the_same_table(tmp_path: Path) -> None:
    begun(tmp_path / "run", BLOCK + 150)
    resumed = Run(REQUEST, Problem.of(REQUEST), RunFolder.open(tmp_path / "run"))
    resumed.explore()
    uninterrupted = Run(REQUEST, Problem.of(REQUEST))
    uninterrupted.explore()
    assert resumed.found.equals(uninterrupted.found)
    assert (resumed.compared == uninterrupted.compared).all(axis=None)


def test_a_log_that_lost_trials_is_damaged(tmp_path: Path) -> None:
    begun(tmp_path / "run", 50)
    (tmp_path / "run" / "study.log").unlink()
    with pytest.raises(RequestError, match="it has lost trials"):
        Run(REQUEST, Problem.of(REQUEST), RunFolder.open(tmp_path / "run"))


def test_what_was_recounted_is_what_there_is(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", 20)
    run.finish(run.found)
    assert f'"recounted": {len(run.found)},' in (tmp_path / "run" / "run.json").read_text()


def test_runs_begun_together_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [RunFolder.create(REQUEST, None).path for _ in range(5)]
    assert len(set(folders)) == 5


def test_a_log_with_odd_entries_is_damaged(tmp_path: Path) -> None:
    begun(tmp_path / "run", 3)
    log = tmp_path / "run" / "study.log"
    lines = log.read_text().splitlines()
    trial = next(number for number, line in enumerate(lines) if "intermediate_values" in line)
    for name, odd in (("intermediate_values", None), ("distributions", 5), ("op_code", [])):
        entry = {**json.loads(lines[trial]), name: odd}
        log.write_text("\n".join([*lines[:trial], json.dumps(entry), *lines[trial + 1 :]]) + "\n")
        with pytest.raises(RequestError, match="damaged"):
            Run(REQUEST, Problem.of(REQUEST), RunFolder.open(tmp_path / "run"))
    log.write_text("\n".join([*lines, "[" * 200_000]))
    with pytest.raises(RequestError, match=r"study\.log is damaged at line"):
        Run(REQUEST, Problem.of(REQUEST), RunFolder.open(tmp_path / "run"))


def test_a_run_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = RunFolder.create(REQUEST, tmp_path / "run").path
    held, before = hold(path), files(path)
    assert "is in use by another command" in refused(main, ["--resume", str(path)], capsys)
    assert files(path) == before
    os.close(held)
    search("mlp", trials=5, top=1, out=tmp_path / "new")
    assert not (tmp_path / "new" / ".lock").exists()
