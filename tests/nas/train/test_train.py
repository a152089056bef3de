"""The function `nas.train`, on few generated points."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import nas
from nas.train.folder import TrainFolder
from search_spaces import MLP, RequestError
from tests.nas.train.conftest import FEW


def test_the_table_equals_that_of_the_folder(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    given = [MLP(depth=3, links=2), "mlp:w8_d4_t2", "mlp:w8_d5_t2"]
    table = nas.train(given, top=2, seeds=[0, 1], out=tmp_path / "run", **FEW)
    assert table[["row", "seed", "status"]].to_numpy().tolist() == [
        [row, seed, "done"] for row in (1, 2) for seed in (0, 1)
    ]
    assert table["arch"].iloc[2] == "mlp:w8_d4_t2_i2_c2" and (table["epochs"] == 1).all()
    assert table.attrs["folder"] == str(tmp_path / "run") and torch.get_num_threads() == before
    kept = nas.read(table.attrs["folder"])["trained"]
    pd.testing.assert_series_equal(kept["top1"], table["top1"], check_dtype=False)
    assert TrainFolder.open(tmp_path / "run").finished


def test_all_forms_of_networks_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("arch\nmlp:w8_d3_t2\n")
    forms: list[Any] = ["mlp:w8_d3_t2", tmp_path / "t.csv", str(tmp_path / "t.csv"), MLP(depth=3, links=2)]
    forms.append(pd.DataFrame({"arch": ["mlp:w8_d3_t2"]}))
    found = [nas.train(form, out=tmp_path / str(row), **FEW) for row, form in enumerate(forms)]
    assert len({(table["arch"].item(), table["top1"].item()) for table in found}) == 1


def test_training_works_outside_the_main_thread(tmp_path: Path) -> None:
    found: list[pd.DataFrame] = []
    thread = threading.Thread(
        target=lambda: found.append(nas.train("mlp:w8_d3_t2", out=tmp_path / "run", **FEW))
    )
    thread.start()
    thread.join()
    assert found[0]["status"].item() == "done"


def test_an_invalid_request_creates_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "new"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"epoch": 3}, "has no argument epoch .did you mean epochs"),
        ({"top": 2}, "top is 2, but networks has 1"),
        ({"dataset": "cifar10", "data": tmp_path}, "there is no .*cifar-10-batches-py"),
        ({"networks": "nowhere.csv"}, "networks is 'nowhere.csv', expected SPACE:SPEC"),
    ]
    for given, message in wrong:
        with pytest.raises((RequestError, TypeError), match=message):
            nas.train(**{"networks": ["mlp:w8_d3_t2"], "out": out, **FEW, **given})
    assert not list(tmp_path.iterdir())
