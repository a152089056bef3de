"""What a machine must have for trainings, and checkpoints that are kept elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import nas
from nas.remote import Remote
from nas.train.config import TrainConfig, recipe
from nas.train.folder import TrainFolder
from nas.train.runtime import Execution
from nas.train.work import Trainings
from search_spaces import RequestError
from tests.conftest import refused
from tests.nas.train.conftest import CPU, FEW


@pytest.fixture
def work(tmp_path: Path) -> Trainings:
    config = TrainConfig(("mlp:w8_d6_t0",), "seg20", "data", "mlp", recipe("mlp"))
    (tmp_path / "checkpoints").mkdir()
    return Trainings(config, tmp_path / "checkpoints", Execution(CPU)).shared()


def test_a_machine_that_sees_and_writes_the_checkpoints_is_well(work: Trainings) -> None:
    work.check()
    assert isinstance(work.checkpoints, Path)
    assert [file.name for file in work.checkpoints.iterdir()] == [work.mark]
    work.end_sharing()
    assert not list(work.checkpoints.iterdir())


def test_a_machine_that_lacks_something_is_not(work: Trainings, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    with pytest.raises(RequestError, match=r"does not see .*own; give a folder that all nodes share"):
        replace(work, checkpoints=tmp_path / "own").check()
    with pytest.raises(RequestError, match=r"cifar10 in .*data: there is no"):
        replace(work, config=replace(work.config, dataset="cifar10")).check()
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"cannot write .*a part of the path is a file"):
        replace(work, checkpoints=tmp_path / "file").shared()


def test_checkpoints_at_a_url_are_found_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nas.train.cli import main

    store, out = f"file://{tmp_path}/store", tmp_path / "run"
    table = nas.train("mlp:w8_d6_t0", out=out, checkpoints=store, **FEW)
    assert table["status"].tolist() == ["done"]
    assert TrainFolder.open(out).checkpoint("row1-seed0") == Remote(f"{store}/row1-seed0.pt")
    assert [file.name for file in (tmp_path / "store").iterdir()] == ["row1-seed0.pt"]
    assert nas.load(out, row=1)
    capsys.readouterr()
    (out / "trained.csv").unlink()
    message = refused(main, ["--resume", str(out), "--checkpoints", "elsewhere"], capsys)
    assert f"are in {store}; leave it out" in message


@pytest.mark.parametrize(
    ("store", "why"),
    [("nowhere://bucket/run", "Protocol not known"), ("/dev/null/run", "a part of the path is a file")],
)
def test_a_store_that_cannot_be_used_is_refused_before_anything_is_written(
    store: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nas.study.cli import main as study
    from nas.train.cli import main as train

    run = ["--dataset", "seg20", "--checkpoints", store, "--out", str(tmp_path / "run")]
    for command, networks in ((train, ["mlp:w8_d6_t0"]), (study, [f"mlp:w8_d{d}_t0" for d in (4, 5, 6)])):
        message = refused(command, ["--arch", *networks, *run], capsys)
        assert f"--checkpoints {store}" in message.replace("'", "") and why in message
        assert not (tmp_path / "run").exists()
