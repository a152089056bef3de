"""Regret of top-1 selection on tables with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from nas.study.selection import Rule, best_by_chance, regrets
from nas.study.stats import MIN_NETWORKS
from tests.nas.study.populations import networks_of


def test_a_perfect_rule_has_no_regret() -> None:
    found = regrets(networks_of(), ("depth", "params", "naswot", "zen")).set_index("rule")
    assert found.loc["naswot", "regret"] == pytest.approx(0) and found.loc["naswot", "beaten"] == 0
    assert set(found.index) == {"depth", "params", "naswot", "random"}  # zen is missing for some
    assert found.loc["random", "beaten"] == pytest.approx(
        11 / 24
    )  # of 12, each other one is better half of the time
    assert 0 < found.loc["depth", "regret"] < found.loc["random", "regret"] < found.loc["params", "regret"]
    assert regrets(networks_of(MIN_NETWORKS - 1), ("depth",)).empty


def test_nn_mass_within_the_most_accurate_width() -> None:
    """Networks of width 16 are the better ones, and among them those of more mass."""
    networks = networks_of()
    wide = networks["arch"].str.contains("w16").to_numpy()
    networks["nn_mass"] = np.where(wide, 1.0, 10.0) * networks["depth"]
    networks["params"] = np.where(wide, 2.0, 1.0)
    networks["top1"] = np.where(wide, 60.0, 40.0) + networks["depth"]
    found = regrets(networks, ("nn_mass", "params")).set_index("rule")["regret"]
    assert found["nn_mass within a width"] == 0 and found["nn_mass"] > found["random"]
    one_width = networks[wide].reset_index(drop=True)
    assert set(regrets(one_width, ("nn_mass", "params"))["rule"]) == {"nn_mass", "params", "random"}


def test_the_best_of_uninformative_rules_looks_good() -> None:
    names = ("depth", "params", "naswot")
    by_chance = best_by_chance(networks_of(), names)
    found = regrets(networks_of(), names).set_index("rule")["regret"]
    assert found.min() < 1e-9 < by_chance < found["random"]
    assert np.isnan(best_by_chance(networks_of(MIN_NETWORKS - 1), names))


def test_a_width_in_only_one_half_is_not_picked() -> None:
    alone = Rule("alone", np.array([1.0, 2.0, 3.0]), np.array(["a", "b", "b"]))
    assert alone.choice(np.zeros(3), np.array([0]), np.array([1, 2])) == 2
