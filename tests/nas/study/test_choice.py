"""Bands, rules and standings: what they say of tables whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nas import score
from nas.study.request import StudyRequest
from nas.study.selection import Rule, best_by_chance, judged
from nas.study.standing import standing
from nas.study.stats import LEAST, NEAR, alike, order_within, within_bands
from nas.train.config import TrainConfig, recipe
from nas.train.folder import load
from search_spaces import MLP, RequestError
from tests.conftest import Command
from tests.nas.train.conftest import images

__all__ = ["images"]

EVERY = np.ones((4, 4), bool)


def table(count: int = 24, noise: float = 0.0) -> pd.DataFrame:
    """Accuracy is that of depth less that of size."""
    generator = np.random.default_rng(0)
    depth, params = generator.uniform(1, 3, count), generator.uniform(1, 3, count)
    return pd.DataFrame(
        {
            "arch": [f"mlp:w{8 * (1 + place % 2)}_d{3 + place}_t4" for place in range(count)],
            "depth": np.exp(depth),
            "params": np.exp(params),
            "naswot": depth - params + noise * generator.normal(size=count),
            "zen": np.full(count, np.nan),
            "top1": 50 + 10 * (depth - params),
            "top1_std": 0.2,
            "seeds": 2,
        }
    )


@given(st.integers(0, 1000))
def test_over_all_pairs_it_is_kendalls_tau(seed: int) -> None:
    score, accuracy = np.random.default_rng(seed).normal(size=(2, 12))
    tau = scipy.stats.kendalltau(score, accuracy).statistic
    assert order_within(score, accuracy, np.ones((12, 12), bool)) == pytest.approx(tau)


def test_pairs_outside_the_band_and_of_equal_accuracy_are_not_looked_at() -> None:
    score, accuracy = np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, 5.0, 5.0, 1.0])
    assert order_within(score, accuracy, EVERY) == pytest.approx((2 - 3) / 5)
    near = np.abs(np.subtract.outer(np.arange(4), np.arange(4))) <= 1
    assert order_within(score, accuracy, near) == pytest.approx((1 - 1) / 2)
    assert np.isnan(order_within(score, accuracy, np.eye(4, dtype=bool)))
    infinite = np.array([-np.inf, -np.inf, 3.0, 4.0])
    assert order_within(infinite, accuracy, EVERY) == pytest.approx((0 + 1 - 1 - 1 - 1) / 5)


def test_bands_are_of_one_width_and_of_nearly_one_size() -> None:
    archs = ["mlp:w8_d3_t4_i2", "mlp:w8_d9_t4_i2", "mlp:w16_d3_t4_i2", "mlp:w16_d3_t8_i2"]
    sizes = [score(arch)["params"] for arch in archs]
    near = [
        (a, b)
        for a in range(4)
        for b in range(a + 1, 4)
        if max(sizes[a] / sizes[b], sizes[b] / sizes[a]) <= NEAR
    ]
    bands = {
        name: np.argwhere(np.triu(which, 1)) for name, which in alike(pd.DataFrame({"arch": archs})).items()
    }
    pairs = {name: list(map(tuple, which.tolist())) for name, which in bands.items()}
    assert len(pairs["all"]) == 6 and pairs["equal width"] == [(0, 1), (2, 3)] and pairs["equal size"] == near
    assert 0 < len(near) < 6


def test_a_score_that_is_missing_is_left_out_of_its_bands() -> None:
    found = within_bands(table(), ("naswot", "zen")).set_index(["score", "band"])
    assert found.loc[("naswot", "all"), "tau"] == 1 and found.loc[("naswot", "all"), "tau_low"] == 1
    assert found.loc[("zen", "all"), "pairs"] == 0 and np.isnan(found.loc[("zen", "all"), "tau"])


def test_a_rule_that_is_right_has_nothing_to_regret() -> None:
    found = judged(table(), ("depth", "params", "naswot", "zen")).set_index("rule")
    assert found.loc["naswot", "regret"] == pytest.approx(0) and found.loc["naswot", "beaten"] == 0
    assert set(found.index) == {"depth", "params", "naswot", "random"}  # zen is missing for some
    assert found.loc["random", "beaten"] == pytest.approx(
        11 / 24
    )  # of 12, each other one is better half of the time
    assert 0 < found.loc["depth", "regret"] < found.loc["random", "regret"] < found.loc["params", "regret"]
    assert judged(table(LEAST - 1), ("depth",)).empty


def test_nn_mass_is_followed_where_the_known_networks_are_the_most_accurate() -> None:
    """Networks of width 16 are the better ones, and among them those of more mass."""
    networks = table()
    wide = networks["arch"].str.contains("w16").to_numpy()
    networks["nn_mass"] = np.where(wide, 1.0, 10.0) * networks["depth"]
    networks["params"] = np.where(wide, 2.0, 1.0)
    networks["top1"] = np.where(wide, 60.0, 40.0) + networks["depth"]
    found = judged(networks, ("nn_mass", "params")).set_index("rule")["regret"]
    assert found["nn_mass within a width"] == 0 and found["nn_mass"] > found["random"]
    one_width = networks[wide].reset_index(drop=True)
    assert set(judged(one_width, ("nn_mass", "params"))["rule"]) == {"nn_mass", "params", "random"}


def test_the_best_of_rules_that_say_nothing_looks_good() -> None:
    names = ("depth", "params", "naswot")
    by_chance = best_by_chance(table(), names)
    found = judged(table(), names).set_index("rule")["regret"]
    assert found.min() < 1e-9 < by_chance < found["random"]
    assert np.isnan(best_by_chance(table(LEAST - 1), names))


def test_a_width_that_only_one_half_has_is_no_choice() -> None:
    alone = Rule("alone", np.array([1.0, 2.0, 3.0]), np.array(["a", "b", "b"]))
    assert alone.choice(np.zeros(3), np.array([0]), np.array([1, 2])) == 2


def test_standing_of_known_margins() -> None:
    networks = table(9)
    networks["top1"] = [50.0, 52.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0, 60.0]
    first, second = networks["arch"][:2]
    found = standing(networks, [first, "mlp:w8_d99_t4", second]).set_index("arch")
    assert found["rank"].tolist() == [3, 2] and (found["networks"] == 9).all()
    assert found["above_first"].tolist() == [0, 2] and found["above_median"].tolist() == [7, 9]
    assert found["error"].tolist() == pytest.approx([0.2 / np.sqrt(2)] * 2)
    assert (
        found.loc[second, "above_first_error"] == pytest.approx(0.2)
        and found["above_first_error"][first] == 0
    )
    networks["seeds"], networks["top1_std"] = 1, np.nan
    assert standing(networks, [first])["error"].isna().all()
    assert standing(networks, ["mlp:w8_d99_t4"]).empty


def test_networks_that_are_one_once_fitted_are_one(command: Command, images: Path, tmp_path: Path) -> None:
    named = ("mlp:w8_d4_t5", "mlp:w8_d4_t5_c7", "mlp:w8_d6_t5")
    drawn = ("--space", "mlp", "--fix", "width=8", "--count", "3", "--draw", "uniform")
    given_ = ("--dataset", "folder", "--data", str(images), "--set", "epochs=1", "batch=12", "lr=0.02")
    done = command("nas.study", "--arch", *named, *drawn, *given_, "--scores", "nn_mass", "--out", "study")
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "study" / "training" / "trained.csv")) == 5
    standing_ = pd.read_csv(tmp_path / "study" / "standing.csv")
    assert [arch.partition("_i")[0] for arch in standing_["arch"]] == [named[0], named[2]]


def test_a_study_of_an_earlier_version_is_read() -> None:
    order = TrainConfig(("mlp:mlp_8",) * 3, "seg20", "data", "mlp", recipe("mlp"), named=2)
    request = StudyRequest("mlp", "uniform", 0, {}, {}, ("nn_mass",), 8, order)
    old = request.as_json()
    del old["order"]["named"], old["order"]["named_seeds"]
    assert (
        StudyRequest.of_json({**old, "count": 3, "named": 2})
        == request
        == StudyRequest.of_json(request.as_json())
    )


def test_a_study_compares_networks_named_with_those_drawn(
    command: Command, images: Path, tmp_path: Path
) -> None:
    named = [str(MLP(depth=3)), str(MLP(depth=7, links=3))]
    drawn = ("--space", "mlp", "--fix", "width=8", "--count", "8", "--draw", "uniform")
    given_ = ("--dataset", "folder", "--data", str(images), "--set", "epochs=1", "batch=12", "lr=0.02")
    asked = (
        "--scores",
        "nn_mass",
        "depth",
        "--initialisations",
        "1",
        "--named-seeds",
        "0,1",
        "--out",
        "study",
    )
    done = command("nas.study", "--arch", *named, *drawn, *given_, *asked)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    stand = pd.read_csv(tmp_path / "study" / "standing.csv")
    assert len(stand) == 2 and (stand["networks"] == 10).all() and stand["above_first"].iloc[0] == 0
    assert stand["error"].notna().all()
    networks = pd.read_csv(tmp_path / "study" / "networks.csv").set_index("arch")
    assert networks["seeds"].tolist() == [2, 2] + [1] * 8
    table = networks["top1"]
    drawn_only = table.drop(stand["arch"])
    assert stand["above_median"].tolist() == pytest.approx((stand["top1"] - drawn_only.median()).tolist())
    assert (pd.read_csv(tmp_path / "study" / "correlations_drawn.csv")["networks"] == 8).all()
    assert (tmp_path / "study" / "standing.png").read_bytes().startswith(b"\x89PNG")
    training = tmp_path / "study" / "training"
    assert load(training, row=2, seed=1) and load(training, row=3)
    with pytest.raises(RequestError, match=r"row 3 of .* has seeds 0, not 1"):
        load(training, row=3, seed=1)
    rules = pd.read_csv(tmp_path / "study" / "rules.csv")
    assert set(rules["rule"]) == {"random", "nn_mass", "depth"}
