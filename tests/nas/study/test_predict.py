"""Predictions from the networks of a study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from nas import score
from nas.study.predict import line_at, predicted
from search_spaces import MLP, DenseNet, RequestError, ResNet, parse


def test_predictions_use_the_networks_of_the_space() -> None:
    archs = ["torchvision:resnet18_r32_c2", *(f"mlp:w8_d{depth}_t8_c2" for depth in range(3, 8))]
    known = pd.DataFrame({"arch": archs, "params": np.nan, "top1": [99.0, 10.0, 20.0, 30.0, 40.0, 50.0]})
    known["params"] = [1e7, *np.exp(np.arange(1.0, 6.0))]
    found = predicted([MLP(depth=4, links=8), parse("torchvision:resnet18")], known, "params")
    assert found["arch"].iloc[0] == "mlp:w8_d4_t8_c2"
    at = float(np.log(found["params"].iloc[0]))
    assert found["top1"].iloc[0] == pytest.approx(10 * at) and np.isnan(found["top1"].iloc[1])
    with pytest.raises(RequestError, match="networks of mlp and densenet; predict networks of one space"):
        predicted([MLP(), DenseNet()], known, "params")
    with pytest.raises(RequestError, match="is not of the study's families: torchvision, mlp"):
        predicted([DenseNet()], known, "params")


def test_the_line_is_least_squares_and_its_interval_covers_new_networks() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        score_, noise = generator.uniform(0, 10, 13), generator.normal(0, 2, 13)
        accuracy = 3 * score_ + 5 + noise
        (row,) = line_at(score_[12:], score_[:12], accuracy[:12]).to_dict("records")
        known = scipy.stats.linregress(score_[:12], accuracy[:12])
        assert row["top1"] == pytest.approx(known.intercept + known.slope * score_[12])
        held += int(row["top1_low"] <= accuracy[12] <= row["top1_high"])
    assert 0.92 <= held / 400 <= 0.98
    ends = np.array([score_[:12].min(), score_[:12].max(), 11.0, -1.0])
    assert line_at(ends, score_[:12], accuracy[:12])["outside"].tolist() == [False, False, True, True]


def test_predictions_outside_the_fit_are_marked() -> None:
    archs = [f"mlp:w8_d{depth}_t8" for depth in range(3, 13)]
    mass = np.array([score(arch)["nn_mass"] for arch in archs])
    table = pd.DataFrame({"arch": archs, "nn_mass": mass, "top1": 20 * np.log(mass)})
    candidates = [MLP(depth=5, links=8), MLP(depth=30, links=64)]
    found = predicted(candidates, table, "nn_mass")
    assert found["outside"].tolist() == [False, True]
    assert found["top1"].iloc[0] == pytest.approx(20 * np.log(mass[2]))
    assert predicted([MLP(width=16, depth=5, links=4)], table, "nn_mass")[
        "outside"
    ].all()  # another base width
    with pytest.raises(RequestError, match="cannot fit a line to 10 networks with 1 different scores"):
        predicted(candidates, table.assign(nn_mass=7.0), "nn_mass")
    with pytest.raises(RequestError, match="the study has no score params; it has nn_mass"):
        predicted(candidates, table, "params")
    with pytest.raises(RequestError, match="unknown score 'foo'"):
        predicted(candidates, table, "foo")
    with pytest.raises(RequestError, match="is not of the study's families: mlp"):
        predicted([ResNet()], table, "nn_mass")
    with pytest.raises(
        RequestError, match="--score zen is not a closed form; predict by one of nn_mass, params"
    ):
        predicted(candidates, table, "zen")
