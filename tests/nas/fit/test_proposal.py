"""What to train after a study: a score fitted to its networks, and the best by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import search_spaces
from nas.fit.proposal import propose
from nas.fitted.score import FittedScore
from nas.fitted.sum import FittedSum
from nas.study.folder import StudyFolder
from search_spaces import RequestError
from tests.conftest import REPOSITORY

STUDY = REPOSITORY / "results/gradient_flow/mlp-w16"


def test_the_best_by_a_fit_are_proposed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(STUDY, tmp_path / "study")
    folder = StudyFolder.open(tmp_path / "study")
    propose(folder)
    found, score = pd.read_csv(folder.path / "next.csv"), FittedScore.load(folder.path / "fitted.json")
    assert len(found) == 10 and not set(found["arch"]) & set(folder.outcomes()["arch"])
    assert found["fitted"].tolist() == [
        FittedSum(score).of(search_spaces.parse(arch)) for arch in found["arch"]
    ]
    assert found["fitted"].is_monotonic_decreasing
    assert {search_spaces.parse(arch).choices()["width"] for arch in found["arch"]} == {16}
    printed = " ".join(capsys.readouterr().out.split())
    assert "Fitted fitted: top1 of 30 networks" in printed
    same = "--recipe quick --seeds 0,1,2 --epochs 5 --set batch_size=128 lr=0.02"
    assert f"nas train {folder.path}/next.csv --dataset fashionmnist --data data {same}" in printed


def test_a_fit_of_noise_names_no_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(STUDY, tmp_path / "study")
    networks = tmp_path / "study" / "networks.csv"
    rows = pd.read_csv(networks)
    accuracies = rows.filter(like="top1").columns
    rows[accuracies] = rows[accuracies].sample(frac=1, random_state=1).to_numpy()
    rows.to_csv(networks, index=False)
    propose(StudyFolder.open(tmp_path / "study"))
    printed = " ".join(capsys.readouterr().out.split())
    assert "chance ranks as well" in printed and "So it names no networks to train next" in printed
    assert not (tmp_path / "study" / "next.csv").exists()


def test_too_few_networks_are_refused(tmp_path: Path) -> None:
    shutil.copytree(STUDY, tmp_path / "study")
    for name in ("networks.csv", "scores.csv"):
        rows = pd.read_csv(tmp_path / "study" / name)
        rows.head(9).to_csv(tmp_path / "study" / name, index=False)
    with pytest.raises(RequestError, match="a fit needs at least 16 networks, and there are 9"):
        propose(StudyFolder.open(tmp_path / "study"))
