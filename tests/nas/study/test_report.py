"""Correlations of known tables, and caveats."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas.show import show
from nas.study.outcome import _readable
from nas.study.predict import predicted
from nas.study.report import caveat, correlations, joined
from search_spaces import MLP, RequestError


def table(accuracy: list[float], deviation: float = np.nan, seeds: int = 1) -> pd.DataFrame:
    archs = [f"mlp:w8_d{depth}_t4_c10" for depth in range(3, 3 + len(accuracy))]
    return pd.DataFrame({"arch": archs, "top1": accuracy, "top1_std": deviation, "seeds": seeds})


def test_differences_that_chance_explains_have_a_caveat() -> None:
    near_chance = [9.5, 10.9, 10.2, 9.9, 10.4, 10.0, 10.6, 9.7]
    apart = [20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]
    alike = [70.1, 70.3, 69.9, 70.0, 70.2, 69.8, 70.1, 70.0]
    assert "7 networks are too few" in caveat(table(apart[:7]), 10_000)
    assert "no network is better than chance, 10% of 1,000 test images" in caveat(table(near_chance), 1_000)
    assert "by chance (test images and seeds)" in caveat(table(alike), 1_000)
    assert "by chance (test images and seeds)" in caveat(table(apart, 40.0, 2), 10_000)
    assert not caveat(table(apart), 1_000) and not caveat(table(apart, 2.0, 2), None)
    assert not caveat(table(alike), 10_000_000) and not caveat(table(alike), None)


def test_correlations_of_known_tables(tmp_path: Path) -> None:
    accuracy = [10.0, 30.0, 20.0, 50.0, 40.0]
    archs = [f"mlp:w8_d{depth}_t4" for depth in range(3, 8)]
    trained = pd.DataFrame(
        {"arch": archs * 2, "status": ["done"] * 9 + ["failed"], "top1": [*accuracy, *accuracy[:4], 0.0]}
    )
    scores = pd.DataFrame(
        {"arch": archs, "naswot": accuracy, "naswot_seconds": 1.0, "zen": 5.0, "zen_seconds": 0.5}
    )
    table = joined(trained, scores)
    assert table["top1"].tolist() == accuracy and table["seeds"].tolist() == [2, 2, 2, 2, 1]
    found = correlations(table, ("zen", "naswot")).set_index("score")
    assert found.index[0] == "naswot" and found.loc["naswot", ["rho", "tau", "r2"]].tolist() == pytest.approx(
        [1, 1, 1]
    )
    masses = pd.DataFrame({"nn_mass": [0.0, 1.0, 10.0], "top1": [5.0, 1.0, 2.0], "nn_mass_seconds": 0.0})
    (row,) = correlations(masses, ("nn_mass",)).to_dict("records")
    assert (row["networks"], row["r2_networks"], row["r2"]) == (3, 2, pytest.approx(1))
    assert row["rho"] == pytest.approx(-0.5)  # a network without links counts by its rank
    assert math.isnan(found.loc["zen", "rho"]) and found.loc["naswot", "networks"] == 5


def test_a_long_name_of_a_score_cuts_no_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ends = {"low": -0.87, "high": -0.17}
    values = {f"{name}_{end}": at for name in ("rho", "tau", "r2") for end, at in ends.items()}
    values |= {"rho": -0.61, "tau": -0.61, "r2": 0.61, "seconds": 12.345}
    rows = [{"score": name, "networks": 100, **values} for name in ("nn_mass", "throughput-tpuv2")]
    show(_readable(pd.DataFrame(rows)))
    output = capsys.readouterr().out
    assert output.count("-0.61 [-0.87, -0.17]") == 4 and output.count("12.345") == 2
    assert max(map(len, output.splitlines())) <= 80


def test_networks_without_a_score_are_left_out() -> None:
    archs = ["torchvision:resnet18", *(f"mlp:w8_d{depth}_t4" for depth in range(3, 7))]
    table = pd.DataFrame({"arch": archs, "nn_mass": [np.nan, 1.0, 2.0, 3.0, 4.0], "params": range(1, 6)})
    table = table.assign(top1=[50.0, 10.0, 20.0, 30.0, 40.0], nn_mass_seconds=0.0, params_seconds=0.0)
    found = correlations(table, ("params", "nn_mass")).set_index("score")
    assert found["networks"].to_dict() == {"nn_mass": 4, "params": 5}
    assert found.loc["nn_mass", "rho"] == pytest.approx(1) and found.loc["params", "rho"] == pytest.approx(0)
    with pytest.raises(
        RequestError, match="--score nn_mass: 1 networks of the study have a finite value; 3 are needed"
    ):
        predicted([MLP()], table[["arch", "nn_mass", "top1"]].iloc[[1, 0, 0]], "nn_mass")
