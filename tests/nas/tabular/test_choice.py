"""What rules choose under caps, and how choices are judged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.tabular.choice import RANDOM, Judge, Rule, judged
from nas.tabular.correlation import Resamples

EVERYTHING = np.ones(6, bool)


def table(accuracy: list[float], cost: list[float]) -> pd.DataFrame:
    count = len(accuracy)
    return pd.DataFrame(
        {
            "arch": [f"n{number}" for number in range(count)],
            "top1": accuracy,
            "flops": cost,
            "params": 1,
            "nn_mass": 1.0,
        }
    )


def test_the_largest_score_within_the_cap_is_chosen() -> None:
    networks = table([70, 60, 50, 71, 61, 51], [100, 100, 100, 200, 200, 200])
    score = np.array([1.0, 3, 2, 9, 8, 7])
    rules = [
        Rule("plain", score, EVERYTHING),
        Rule("filtered", score, np.array([True, False, True, True, True, True])),
    ]
    found, means = judged(rules, networks, [100, 250], Resamples.of(6, 10))
    rows = found.set_index(["rule", "cap"])
    assert rows.loc[("plain", 100), "arch"] == "n1" and rows.loc[("plain", 250), "arch"] == "n3"
    assert rows.loc[("filtered", 100), "arch"] == "n2"
    assert rows.loc[("plain", 100), ["percentile", "regret", "networks"]].tolist() == [50, 10, 3]
    assert rows.loc[("filtered", 100), ["percentile", "regret", "networks"]].tolist() == [0, 20, 2]
    assert rows.loc[("plain", 250), "percentile"] == 100 and rows.loc[("plain", 250), "regret"] == 0
    assert rows.loc[("plain", 100), "percentile_ten"] == pytest.approx(50)
    assert rows.loc[("plain", 100), "regret_ten"] == pytest.approx(10)
    assert rows.loc[(RANDOM, 100), ["percentile", "regret"]].tolist() == [50, 10]
    assert means["rule"].tolist() == ["plain", "filtered", RANDOM]
    assert means.set_index("rule").loc["plain", "percentile"] == 75


def test_means_are_over_the_caps_under_which_every_rule_has_a_choice() -> None:
    networks = table([70, 60, 50, 71, 61, 51], [100, 100, 100, 200, 200, 200])
    score = np.array([1.0, 3, 2, 7, 8, 9])
    rules = [Rule("plain", score, EVERYTHING), Rule("dear", score, networks["flops"].to_numpy() > 100)]
    found, means = judged(rules, networks, [100, 205], Resamples.of(6, 10))
    assert found["rule"].tolist() == ["plain", "plain", "dear", RANDOM, RANDOM]
    # Under 100 the mean of plain would be better than that of dear; under 205 both choose the last.
    regrets = means.set_index("rule")["regret"]
    assert regrets["plain"] == regrets["dear"] == 20
    assert regrets[RANDOM] == found["regret"].iloc[-1]


def test_ties_go_to_the_cheaper_network() -> None:
    networks = table([1, 2, 3, 4, 5, 6], [5, 4, 3, 2, 1, 6])
    found, _ = judged([Rule("none", np.zeros(6), EVERYTHING)], networks, [5], Resamples.of(6, 3))
    assert found["arch"].iloc[0] == "n4"


def test_a_rule_without_a_choice_is_left_out() -> None:
    networks = table([1, 2, 3, 4, 5, 6], [5, 4, 3, 2, 1, 6])
    rules = [Rule("all", np.zeros(6), EVERYTHING), Rule("none", np.zeros(6), ~EVERYTHING)]
    found, means = judged(rules, networks, [5], Resamples.of(6, 3))
    assert found["rule"].tolist() == ["all", RANDOM] and set(means["rule"]) == {"all", RANDOM}
    assert np.isfinite(means["regret"]).all()


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.integers(0, 99))
def test_percentiles_count_copies(accuracies: list[int], seed: int) -> None:
    accuracy, count = np.array(accuracies, float), len(accuracies)
    resamples = Resamples.of(count, 4, seed)
    judge = Judge(np.full(count, 7.0), accuracy, resamples)
    percentiles = judge.percentile(0)
    for column, weights in enumerate(resamples.weights.T):
        copies = np.repeat(np.arange(count), weights.astype(int))
        others = accuracy[copies[copies != 0]]
        if weights[0] == 1 and len(others):
            worse = (others < accuracy[0]).mean() + 0.5 * (others == accuracy[0]).mean()
            assert percentiles[column] == pytest.approx(100 * worse)
        if weights.any():
            assert judge.best(7.0)[column] == accuracy[copies].max()


def test_a_random_network_without_others_of_its_cost_has_no_percentile() -> None:
    judge = Judge(np.array([1.0, 9.7, 9.9, 100.0]), np.array([1.0, 2.0, 3.0, 4.0]), Resamples.of(4, 2))
    judge.weights[:, :2] = np.array([[1, 1], [1, 0], [1, 1], [1, 1]])
    percentile, _ = judge.of_random(10.0, judge.best(10.0))
    assert percentile[0] == 50 and np.isnan(percentile[1])
    alone, regret = judge.of_random(100.0, judge.best(100.0))
    assert np.isnan(alone[0]) and regret[0] == 0


def test_resamples_choose_among_what_they_have() -> None:
    generator = np.random.default_rng(0)
    accuracy = generator.normal(0, 1, 300)
    networks = table(list(accuracy), [1.0] * 300)
    rule = Rule("accuracy", accuracy, np.ones(300, bool))
    found, _ = judged([rule], networks, [1], Resamples.of(300, 50))
    row = found.iloc[0]
    assert row["percentile"] == row["percentile_low"] == row["percentile_high"] == 100
    assert row["regret"] == row["regret_high"] == row["regret_half_1"] == 0
    assert 95 < row["percentile_ten_low"] <= row["percentile_ten"] == pytest.approx(100 * (294.5) / 299)
