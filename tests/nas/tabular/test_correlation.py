"""Rank correlations of weighted networks equal scipy's of the networks that the weights name."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from nas.tabular.correlation import (
    BAND,
    FEW,
    NOTHING,
    Resamples,
    bands_of,
    correlated,
    kendall_within,
    ranks,
    spearman_within,
)

COLUMNS = st.integers(2, 30).flatmap(
    lambda count: st.tuples(
        *(st.lists(st.integers(0, 5), min_size=count, max_size=count) for _ in range(3)),
        st.lists(st.integers(0, 3), min_size=count, max_size=count),
    )
)


@given(COLUMNS)
def test_a_weight_is_a_number_of_copies(columns: tuple[list[int], ...]) -> None:
    score, accuracy = (np.array(values, float) for values in columns[:2])
    bands = np.unique(columns[2], return_inverse=True)[1]
    weights = np.array(columns[3], float)[:, None]
    x, y = ranks(score, bands, weights), ranks(accuracy, bands, weights)
    found, expected = spearman_within(x, y, bands, weights), []
    for band in range(bands.max() + 1):
        copies = np.repeat(np.flatnonzero(bands == band), weights[bands == band, 0].astype(int))
        if len(copies):
            own = weights[copies, 0] > 0
            assert x[copies[own], 0] == pytest.approx(rankdata(score[copies])[own])
        if len(set(score[copies])) > 1 and len(set(accuracy[copies])) > 1:
            expected.append(spearmanr(score[copies], accuracy[copies]).statistic)
    assert found[0] == pytest.approx(np.mean(expected) if expected else np.nan, nan_ok=True)


@given(st.integers(1, 500), st.integers(0, 9))
def test_bands_hold_neighbours_in_cost(count: int, seed: int) -> None:
    cost = np.random.default_rng(seed).integers(0, 1000, count).astype(float)
    bands = bands_of(cost)
    if bands is None:
        assert count < 2 * FEW
        return
    sizes = np.bincount(bands)
    assert sizes.min() >= (BAND if count >= 2 * BAND else FEW)
    ends = [(cost[bands == band].min(), cost[bands == band].max()) for band in range(len(sizes))]
    assert all(before[1] <= after[0] for before, after in pairwise(ends))


def test_a_score_that_only_follows_cost_is_worthless_at_equal_cost() -> None:
    generator = np.random.default_rng(0)
    cost = np.arange(1000.0)
    accuracy = cost + generator.normal(0, 30, 1000)
    scores = {"cost": cost + generator.normal(0, 30, 1000), "accuracy": accuracy}
    found = correlated(scores, accuracy, {"flops": cost}, Resamples.of(1000, 100))
    rho = found.set_index(["score", "held_equal"])["rho"]
    assert rho["cost", NOTHING] > 0.95 and abs(rho["cost", "flops"]) < 0.3
    assert rho["accuracy", NOTHING] == rho["accuracy", "flops"] == pytest.approx(1)
    row = found[found["score"] == "cost"].iloc[0]
    assert row["rho_low"] < row["rho"] < row["rho_high"] < row["rho_low"] + 0.02
    assert row["rho_half_1"] != row["rho_half_2"] and abs(row["rho_half_1"] - row["rho"]) < 0.02


def test_networks_of_unknown_cost_are_left_out() -> None:
    accuracy = np.arange(40.0)
    latency = np.where(accuracy < 4, np.nan, accuracy)
    found = correlated({"a": accuracy}, accuracy, {"latency": latency}, Resamples.of(40, 10))
    assert found["n"].tolist() == [40, 36] and found["bands"].tolist() == [1, 4]


def test_tau_is_a_mean_over_bands() -> None:
    bands = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    score = np.array([1.0, 2, 3, 3, 2, 1, 5, 5])
    assert kendall_within(score, np.arange(8.0), bands) == pytest.approx(0)
    assert np.isnan(kendall_within(np.ones(8), np.arange(8.0), bands))


def test_halves_are_disjoint_and_repeatable() -> None:
    weights, again = Resamples.of(31, 5, seed=3).weights, Resamples.of(31, 5, seed=3).weights
    assert (weights == again).all() and (weights[:, 1] + weights[:, 2] == 1).all()
    assert weights[:, 1].sum() == 15 and (weights[:, 3:].sum(axis=0) == 31).all()
    assert (weights[:, 1] != Resamples.of(31, 5, seed=4).weights[:, 1]).any()
