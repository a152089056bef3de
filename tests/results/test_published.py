"""Published accuracies: the table matches its sources, and fits are least squares with layouts left out."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torchvision.models
from hypothesis import given
from hypothesis import strategies as st

import search_spaces
from search_spaces import MobileNet
from tests.results.scripts import PUBLISHED, published

fit = published("fit")


@pytest.fixture(scope="module")
def networks() -> pd.DataFrame:
    table: pd.DataFrame = fit.published()
    return table


def trained(terms: np.ndarray, top1: np.ndarray, recipes: np.ndarray, layouts: np.ndarray) -> pd.DataFrame:
    """Networks with terms x and y whose logarithms are given."""
    table = pd.DataFrame(np.exp(terms), columns=list("xy")[: terms.shape[1]])
    return table.assign(top1=top1, group=recipes, layout=layouts, base="of all")


def plane(generator: np.random.Generator, noise: float, recipes: int = 3, layouts: int = 6) -> pd.DataFrame:
    """Accuracies 2x - 3y + 10 recipe, for every layout in every recipe."""
    terms = np.tile(generator.normal(size=(layouts, 2)), (recipes, 1))
    recipe = np.repeat(np.arange(recipes), layouts)
    top1 = terms @ [2.0, -3.0] + 10 * recipe + noise * generator.normal(size=len(terms))
    return trained(terms, top1, recipe, np.tile(np.arange(layouts), recipes))


def test_an_explicitly_calculated_line() -> None:
    # Without the first network, the line through (1, 2) and (2, 2) predicts 2, not 0. Without the second, the
    # line through (0, 0) and (2, 2) predicts 1, not 2. Without the third, (0, 0) and (1, 2) predict 4, not 2.
    top1, one_recipe = np.array([0.0, 2.0, 2.0]), np.zeros(3, int)
    one = trained(np.array([[0.0], [1.0], [2.0]]), top1, one_recipe, np.arange(3))
    line, mean = fit.Fit(fit.Sample.of(one, "x")), fit.Fit(fit.Sample.of(one, ""))
    assert line.slopes == pytest.approx([1.0]) and 1 - line.rest / mean.rest == pytest.approx(0.75)
    assert fit.left_out(one, "x").to_numpy() == pytest.approx([2, -1, 2])
    assert fit.left_out(one, "").to_numpy() == pytest.approx([2, -1, -1])
    assert fit._error(fit.left_out(one, "x"), one["layout"])["error"] == pytest.approx(np.sqrt(3))
    ordered_pairs = fit.ordered(one, "x")
    assert ordered_pairs[["first", "second", "right"]].to_numpy().tolist() == [
        [0, 1, 1],
        [0, 2, 1],
    ]  # the last two tie
    down = one.assign(x=1 / one["x"])
    assert set(fit.ordered(down, "x")["right"]) == {0}
    assert fit.left_out(down, "x").to_numpy() == pytest.approx([2, -1, 2])


@given(st.integers(0, 1000))
def test_an_exact_plane_leaves_no_error(seed: int) -> None:
    one = plane(np.random.default_rng(seed), noise=0)
    found = fit.Fit(fit.Sample.of(one, "xy"))
    assert found.slopes == pytest.approx([2, -3]) and found.rest == pytest.approx(0, abs=1e-8)
    assert fit.left_out(one, "xy").to_numpy() == pytest.approx(np.zeros(18), abs=1e-8)
    ordered_pairs = fit.ordered(one, "xy")
    assert set(ordered_pairs["right"]) == {1} and ordered_pairs["layouts"].nunique() == 15


@given(st.integers(0, 1000))
def test_left_out_refits_without_the_layout(seed: int) -> None:
    """Compare with an explicit fit without every network of the layout."""
    one = plane(np.random.default_rng(seed), noise=1)
    design = np.hstack([np.eye(3)[one["group"]], np.log(one[["x", "y"]])])
    errors, top1 = fit.left_out(one, "xy"), one["top1"].to_numpy()
    for row, error in enumerate(errors):
        rest = (one["layout"] != one["layout"][row]).to_numpy()
        found, *_ = np.linalg.lstsq(design[rest], top1[rest])
        assert design[row] @ found - top1[row] == pytest.approx(error, abs=1e-8)
    error = fit._error(errors, one["layout"])
    assert error["error_low"] <= error["error"] <= error["error_high"]
    assert error["error"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))


def test_undetermined_slopes_are_not_fitted() -> None:
    terms = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 5.0]])
    one = trained(terms, np.array([1.0, 2.0, 3.0, 9.0]), np.zeros(4, int), np.arange(4))
    assert (
        fit.Fit(fit.Sample.of(one, "xy")).slopes is not None
        and fit.Fit(fit.Sample.of(one[:3], "xy")).slopes is None
    )
    errors = fit.left_out(one, "xy")
    assert errors.isna().tolist() == [False, False, False, True]


def test_a_layout_in_several_recipes_counts_once() -> None:
    one = plane(np.random.default_rng(0), noise=0, recipes=2, layouts=2)
    assert fit.ordered(one, "x")["layouts"].tolist() == [frozenset((0, 1))] * 2


def test_every_network_has_its_published_size(networks: pd.DataFrame) -> None:
    # `published` compares the size of each.
    assert len(networks) > 50 and networks["source"].str.len().min() > 20
    assert (networks["top1"] < networks["top5"]).all()


def test_a_recipe_has_each_layout_once(networks: pd.DataFrame) -> None:
    assert not networks.duplicated(["group", "layout"]).any()


def test_torchvision_metadata_match(networks: pd.DataFrame) -> None:
    from_weights = networks[networks["source"].str.startswith("torchvision ")]
    assert len(from_weights) >= 11
    for row in from_weights.to_dict("records"):
        weights, version = row["source"].split(", ")[1].split(".")
        meta = getattr(torchvision.models, weights)[version].meta
        reached = meta["_metrics"]["ImageNet-1K"]
        assert (row["top1"], row["top5"]) == (reached["acc@1"], reached["acc@5"])
        assert meta["num_params"] == search_spaces.parse(row["arch"]).figures().params


def test_sizes_are_checked_to_the_last_printed_digit() -> None:
    network = MobileNet()  # 3,504,872, of which 34,112 are batch norm's
    for printed, counted in (("3.504872", "all"), ("3.50", "all"), ("3.504", "all"), ("3.505", "all"),
                             ("3.47", "without batch norm")):  # fmt: skip
        fit.check_size(network, printed, counted)
    for printed, counted in (
        ("3.503", "all"),
        ("3.506", "all"),
        ("3.47", "all"),
        ("3.50", "without batch norm"),
    ):
        with pytest.raises(ValueError, match="correct the spec"):
            fit.check_size(network, printed, counted)


def test_pairs_are_within_a_recipe(networks: pd.DataFrame) -> None:
    ordered_pairs = fit.pairs(networks)
    sizes = networks.groupby(["family", "recipe"]).size()
    assert (
        len(ordered_pairs) == sum(size * (size - 1) // 2 for size in sizes)
        and (ordered_pairs["points"] > 0).all()
    )
    assert ((ordered_pairs["flops_ratio"] > 1) == ordered_pairs["flops"]).all()
    of = ordered_pairs[(ordered_pairs["better"] == "140") & (ordered_pairs["worse"] == "110d")]
    assert of[["nn_mass", "params", "flops"]].to_numpy().tolist() == [[False, True, True]]


def test_the_script_reproduces_the_committed_tables(
    networks: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["fit.py", "--out", str(tmp_path / "fits")])
    fit.main()
    for name in ("fits.csv", "pairs.csv"):
        pd.testing.assert_frame_equal(
            pd.read_csv(tmp_path / "fits" / name), pd.read_csv(PUBLISHED / name), rtol=1e-3, atol=1e-6
        )
    assert (tmp_path / "fits" / "published.png").read_bytes().startswith(b"\x89PNG")
    found = pd.read_csv(tmp_path / "fits" / "fits.csv")
    fitted = found["error"].notna()
    assert (found["networks"] - found["coefficients"] >= fit.SPARE)[fitted].all()
    four = found[found["sample"] == "mobilenetv2, timm ra_in1k"].set_index("terms")
    assert (four["networks"] == 4).all() and set(four.index[four["error"].notna()]) == {fit.MEAN, *fit.TERMS}
    assert (found.loc[fitted, "error_low"] <= found.loc[fitted, "error"]).all()
    assert found["pairs_right"].le(found["pairs"]).all()
    assert found.loc[found["sample"].str.startswith("all"), "layouts"].iloc[0] == networks["layout"].nunique()
