"""Statistics of studies: known values, strata and pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nas import score
from nas.statistics import r_squared
from nas.study.stats import (
    SIZE_RATIO,
    SIZE_TOLERANCE,
    Difference,
    equal_mass_pairs,
    mean_interval,
    strata,
    stratified,
    tau_within,
    with_interval,
)
from tests.conftest import examples
from tests.nas.study.populations import networks_of

EVERY = np.ones((4, 4), bool)


def networks(archs: list[str], top1: list[float], std: float = 0.1, seeds: int = 2) -> pd.DataFrame:
    figures = pd.DataFrame([score(arch) for arch in archs])[["nn_mass", "params"]]
    return pd.concat([pd.Series(archs, name="arch"), figures], axis=1).assign(
        top1=top1, top1_std=std, seeds=seeds
    )


def test_pairs_have_equal_mass_and_different_sizes() -> None:
    archs = [f"mlp:{spec}_i2_c2" for spec in ("w8_d4_t99", "w8_d16_t2", "w16_d16_t99", "w8_d32_t2")]
    table = networks(archs, [80.0, 82.0, 90.0, 83.0])
    table["nn_mass"] = [32.0, 32.5, 32.0, 40.0]
    (row,) = equal_mass_pairs(table).to_dict("records")
    assert (row["arch_small"], row["arch_large"]) == (archs[0], archs[1])  # not the one of another width
    assert row["times"] >= SIZE_RATIO and row["difference"] == pytest.approx(2)
    assert row["error"] == pytest.approx(0.1)  # two deviations of 0.1 over two seeds each
    assert "the larger of a pair has +2.00 points more" in str(Difference.of(equal_mass_pairs(table)))
    table["nn_mass"] = [32.0, 32.7, 32.0, 40.0]
    assert equal_mass_pairs(table).empty
    table["nn_mass"] = 32.0
    (row,) = equal_mass_pairs(table).to_dict("records")  # three of one width: none is in two pairs
    assert (row["arch_small"], row["arch_large"]) == (archs[0], archs[3])
    table["nn_mass"] = 0.0
    assert equal_mass_pairs(table).empty


def test_the_interval_of_a_mean() -> None:
    mean, half = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert mean == 2 and half == pytest.approx(4.302653 / np.sqrt(3))
    assert np.isnan(mean_interval(np.array([1.0]))[1])


@given(st.integers(0, 1000))
def test_tau_over_all_pairs_is_kendalls(seed: int) -> None:
    score, accuracy = np.random.default_rng(seed).normal(size=(2, 12))
    tau = scipy.stats.kendalltau(score, accuracy).statistic
    assert tau_within(score, accuracy, np.ones((12, 12), bool)) == pytest.approx(tau)


def test_pairs_outside_the_stratum_and_of_equal_accuracy_are_left_out() -> None:
    score, accuracy = np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, 5.0, 5.0, 1.0])
    assert tau_within(score, accuracy, EVERY) == pytest.approx((2 - 3) / 5)
    near = np.abs(np.subtract.outer(np.arange(4), np.arange(4))) <= 1
    assert tau_within(score, accuracy, near) == pytest.approx((1 - 1) / 2)
    assert np.isnan(tau_within(score, accuracy, np.eye(4, dtype=bool)))
    infinite = np.array([-np.inf, -np.inf, 3.0, 4.0])
    assert tau_within(infinite, accuracy, EVERY) == pytest.approx((0 + 1 - 1 - 1 - 1) / 5)


def test_strata_of_equal_width_and_of_equal_size() -> None:
    archs = ["mlp:w8_d3_t4_i2", "mlp:w8_d9_t4_i2", "mlp:w16_d3_t4_i2", "mlp:w16_d3_t8_i2"]
    sizes = [score(arch)["params"] for arch in archs]
    near = [
        (a, b)
        for a in range(4)
        for b in range(a + 1, 4)
        if max(sizes[a] / sizes[b], sizes[b] / sizes[a]) <= SIZE_TOLERANCE
    ]
    bands = {
        name: np.argwhere(np.triu(which, 1)) for name, which in strata(pd.DataFrame({"arch": archs})).items()
    }
    pairs = {name: list(map(tuple, which.tolist())) for name, which in bands.items()}
    assert len(pairs["all"]) == 6 and pairs["equal width"] == [(0, 1), (2, 3)] and pairs["equal size"] == near
    assert 0 < len(near) < 6


def test_networks_without_a_score_are_left_out_of_its_strata() -> None:
    found = stratified(networks_of(), ("naswot", "zen")).set_index(["score", "band"])
    assert found.loc[("naswot", "all"), "tau"] == 1 and found.loc[("naswot", "all"), "tau_low"] == 1
    assert found.loc[("zen", "all"), "pairs"] == 0 and np.isnan(found.loc[("zen", "all"), "tau"])


@examples(5, 500)
@given(st.integers(0, 1000))
def test_intervals_contain_the_value(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(2, 12))
    found = with_interval(r_squared, values[0], values[0] + values[1])
    assert 0 <= found.low <= found.high <= 1 and found.low <= found.value + 0.2


def test_more_networks_make_narrower_intervals() -> None:
    generator = np.random.default_rng(0)
    accuracy = generator.normal(size=60)
    noisy = accuracy + generator.normal(size=60)
    few, many = (with_interval(r_squared, noisy[:n], accuracy[:n]) for n in (12, 60))
    assert many.high - many.low < few.high - few.low
