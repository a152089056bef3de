"""`nas.read`: the tables of each kind of run, and what is no run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import nas
from search_spaces import RequestError
from tests.conftest import REPOSITORY

STUDY = REPOSITORY / "results" / "pilot" / "compression"


def test_a_search_gives_its_candidates(tmp_path: Path) -> None:
    found = nas.search("mlp", params="10K", trials=20, top=1, out=tmp_path / "run")
    tables = nas.read(tmp_path / "run")
    assert list(tables) == ["candidates", "references"]
    assert tables["candidates"]["arch"].tolist() == found["arch"].tolist()


def test_a_study_gives_its_tables_and_those_of_its_training() -> None:
    tables = nas.read(str(STUDY))
    assert list(tables) == [
        *("networks", "scores", "correlations", "between", "bands", "standing", "pairs"),
        *("trained", "summary"),
    ]
    for name, table in tables.items():
        folder = STUDY / "training" if name in ("trained", "summary") else STUDY
        pd.testing.assert_frame_equal(table, pd.read_csv(folder / f"{name}.csv"))
    assert list(nas.read(STUDY / "training")) == ["trained", "summary"]


def test_a_comparison_gives_its_lines() -> None:
    tables = nas.read(REPOSITORY / "results" / "gradient_flow" / "across")
    assert list(tables) == ["networks", "across_nn_mass", "across_params"]


def test_what_is_no_run_gets_one_line(tmp_path: Path) -> None:
    shutil.copytree(STUDY, tmp_path / "copy")
    (tmp_path / "copy" / "rules.csv").mkdir()
    with pytest.raises(RequestError, match=r"rules\.csv is not a table but a folder"):
        nas.read(tmp_path / "copy")
    for content in ("", "[]", "{}", '{"request": 3}', "null", "x"):
        (tmp_path / "copy" / "run.json").write_text(content)
        with pytest.raises(RequestError, match=r"run\.json is damaged"):
            nas.read(tmp_path / "copy")
    reasons = ("there is no such folder", "it has no run.json", "it is a file")
    for folder, why in zip((tmp_path / "none", tmp_path, STUDY / "run.json"), reasons, strict=True):
        with pytest.raises(RequestError, match=f"{why}; expected the folder of a search"):
            nas.read(folder)
