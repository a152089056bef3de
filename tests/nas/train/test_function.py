"""`nas.train` and `nas.study` in Python: really trained, on few generated points."""

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

FEW: dict[str, Any] = {
    "dataset": "seg20",
    "recipe": "mlp",
    "images": 200,
    "epochs": 1,
    "batch_size": 50,
    "threads": 1,
    "device": "cpu",
}


def test_a_training_gives_its_table_and_keeps_its_folder(tmp_path: Path) -> None:
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


def test_networks_are_given_in_any_way(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("arch\nmlp:w8_d3_t2\n")
    ways: list[Any] = ["mlp:w8_d3_t2", tmp_path / "t.csv", str(tmp_path / "t.csv"), MLP(depth=3, links=2)]
    ways.append(pd.DataFrame({"arch": ["mlp:w8_d3_t2"]}))
    found = [nas.train(way, out=tmp_path / str(row), **FEW) for row, way in enumerate(ways)]
    assert len({(table["arch"].item(), table["top1"].item()) for table in found}) == 1


def test_a_training_outside_the_main_thread(tmp_path: Path) -> None:
    found: list[pd.DataFrame] = []
    one = threading.Thread(
        target=lambda: found.append(nas.train("mlp:w8_d3_t2", out=tmp_path / "run", **FEW))
    )
    one.start()
    one.join()
    assert found[0]["status"].item() == "done"


def test_a_study_gives_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: dict[str, Any] = {"fix": {"width": 8}, "count": 3, "scores": ["nn_mass", "params"]}
    tables = nas.study("mlp", networks="mlp:w8_d3_t2", out=tmp_path / "study", **asked, **FEW)
    assert capsys.readouterr().out == ""
    assert len(tables["networks"]) == 4 and set(tables["correlations"]["score"]) == {"nn_mass", "params"}
    assert tables["networks"].attrs["folder"] == str(tmp_path / "study")
    again = nas.read(tmp_path / "study")
    assert again.keys() == tables.keys() and again["networks"].equals(tables["networks"])


def test_what_makes_no_sense_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "new"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"epoch": 3}, "has no argument epoch .did you mean epochs"),
        ({"top": 2}, "top is 2, but networks has 1"),
        ({"dataset": "cifar10", "data": tmp_path}, "there is no .*cifar-10-batches-py"),
        ({"networks": "nowhere.csv"}, "networks is 'nowhere.csv', expected SPACE:SPEC"),
    ]
    for given, said in wrong:
        with pytest.raises((RequestError, TypeError), match=said):
            nas.train(**{"networks": ["mlp:w8_d3_t2"], "out": out, **FEW, **given})
    for given, said in (
        ({}, "give a space to sample networks from, or networks"),
        ({"networks": "mlp:w8", "count": 3}, "describe the sample; give a space as well"),
        ({"space": "mlp", "named_seeds": 3}, "give both, or seeds"),
        ({"networks": ["mlp:w8"]}, "expected at least 3 to correlate"),
    ):
        with pytest.raises(RequestError, match=said):
            nas.study(**{"out": out, **FEW, **given})
    assert not list(tmp_path.iterdir())
