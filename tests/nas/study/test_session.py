"""The run of a study: threads, and networks that are equal once fitted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from nas import proxies
from nas.study.cli import main
from tests.conftest import Command
from tests.nas.study.populations import short_training
from tests.nas.train.conftest import images

__all__ = ["images"]


def test_networks_that_are_equal_once_fitted_are_trained_once(
    command: Command, images: Path, tmp_path: Path
) -> None:
    named = ("mlp:w8_d4_t5", "mlp:w8_d4_t5_c7", "mlp:w8_d6_t5")
    sampling = ("--space", "mlp", "--fix", "width=8", "--count", "3", "--draw", "uniform")
    training_options = short_training(images)
    done = command(
        "nas.study", "--arch", *named, *sampling, *training_options, "--scores", "nn_mass", "--out", "study"
    )
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "study" / "training" / "trained.csv")) == 5
    standing_ = pd.read_csv(tmp_path / "study" / "standing.csv")
    assert [arch.partition("_i")[0] for arch in standing_["arch"]] == [named[0], named[2]]


def test_scores_and_trainings_use_the_threads_measured_once(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = []

    def seconds(*given: object) -> dict[int, float]:
        measured.append(given)
        return {1: 1.0, 2: 2.0, 3: 3.0}

    proxies.register("threads_of_torch", "network")(lambda subject: torch.get_num_threads())
    monkeypatch.setattr("nas.train.runtime.seconds_per_step", seconds)
    options = ["--arch", "mlp:w8_d3_t2", "mlp:w8_d4_t2", "mlp:w8_d5_t2", "--dataset", "folder"]
    options += ["--data", str(images), "--set", "epochs=1", "batch=12", "--scores", "threads_of_torch"]
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert main([*options, "--out", str(tmp_path / "study")]) == 0
        assert len(measured) == 1
        capsys.readouterr()
        torch.set_num_threads(3)
        assert main([*options, "--plan"]) == 0
    finally:
        del proxies.registry._proxies["threads_of_torch"]
        torch.set_num_threads(before)
    output = " ".join(capsys.readouterr().out.split())
    assert "of steps on cpu with 1 thread, tests" in output and len(measured) == 2
    scores = pd.read_csv(tmp_path / "study" / "scores.csv")
    trained = pd.read_csv(tmp_path / "study" / "training" / "trained.csv")
    assert scores["threads_of_torch"].tolist() == trained["threads"].tolist() == [1, 1, 1]
