"""Populations: spread, uniform and paired samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nas import score
from nas.study.population import sampled
from nas.study.stats import (
    MASS_TOLERANCE,
    SIZE_RATIO,
    equal_mass_pairs,
)
from search_spaces import RequestError, get, parse


def correlation(table: pd.DataFrame) -> float:
    return abs(float(np.corrcoef(np.log(table["nn_mass"]), np.log(table["params"]))[0, 1]))


def test_a_sample_of_pairs_has_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.study.population._POOL", 1000)
    fix = {"width_mult": 2, "op": "conv3x3"}
    table = sampled("densenet", 10, "pairs", 0, {}, fix)
    small, large = table.iloc[::2].reset_index(), table.iloc[1::2].reset_index()
    assert table["arch"].is_unique and len(table) == 10
    assert (large["params"] / small["params"] >= SIZE_RATIO).all()
    assert ((large["nn_mass"] / small["nn_mass"] - 1).abs() <= MASS_TOLERANCE).all()
    assert small["nn_mass"].is_monotonic_increasing and small["nn_mass"].max() > 1.3 * small["nn_mass"].min()
    assert len(equal_mass_pairs(table.assign(top1=1.0, top1_std=0.0, seeds=2))) == 5
    several = sampled("densenet", 12, "pairs", 0, {}, {"op": "conv3x3"})
    assert (
        len(equal_mass_pairs(several.assign(top1=1.0, top1_std=0.0, seeds=2))) == 6
    )  # each of one base width
    with pytest.raises(RequestError, match="--count 5: pairs need an even number"):
        sampled("densenet", 5, "pairs", 0, {}, fix)
    with pytest.raises(RequestError, match="no two networks of equal base width and NN-Mass differ 2 times"):
        sampled("densenet", 4, "pairs", 0, {"params": "4M:4.4M"}, fix)


def test_a_spread_population_decorrelates_mass_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    fix = {"width_mult": 2, "op": "conv3x3"}
    spread, uniform = (sampled("densenet", 24, how, 0, {}, fix) for how in ("spread", "uniform"))
    for table in (spread, uniform):
        assert len(table) == 24 and table["arch"].is_unique and table["arch"].str.contains("k2_").all()
        assert table["params"].tolist() == [score(arch)["params"] for arch in table["arch"]]
    assert correlation(spread) < 0.1 < correlation(uniform)
    for figure in ("nn_mass", "params"):
        assert spread[figure].max() / spread[figure].min() > 2
    monkeypatch.setattr("nas.study.population._POOL", 1000)
    one, again, other = (sampled("densenet", 24, "spread", seed, {}, fix) for seed in (0, 0, 1))
    assert one.equals(again) and not one.equals(other)


def test_a_design_has_every_option_of_every_choice() -> None:
    table = sampled("mbconv", 12, "design", 0, {"flops": "400M"}, {"kernel_1": 5, "se_1": True})
    assert len(table) == 12 and table["arch"].is_unique and (table["flops"] <= 400e6).all()
    chosen = [parse(arch).choices() for arch in table["arch"]]
    assert {one["kernel_1"] for one in chosen} == {5}
    for name in ("expansion_2", "kernel_4", "depth_6", "se_7"):
        assert {one[name] for one in chosen} == set(get("mbconv").choices[name])


def test_populations_keep_budgets_and_refuse_small_spaces() -> None:
    table = sampled("mobilenet", 10, "uniform", 3, {"flops": "380M:400M"}, {})
    assert table["flops"].between(380e6, 400e6).all()
    with pytest.raises(RequestError, match="distinct networks; widen the budgets"):
        sampled("mlp", 500, "uniform", 0, {}, {"width": 8, "depth": 4})
