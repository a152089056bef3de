"""Published accuracies: the table is what it says, the fits are those of least squares, layouts left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torchvision.models
from hypothesis import given
from hypothesis import strategies as st

import search_spaces
from nas.study.least_squares import Trained
from nas.study.published.__main__ import main
from nas.study.published.fits import MEAN, SPARE, TERMS, fits, pairs
from nas.study.published.networks import check_size, published
from search_spaces import MobileNet, RequestError
from tests.conftest import REPOSITORY, Command, refused

TABLE = REPOSITORY / "results" / "published" / "networks.csv"


@pytest.fixture(scope="module")
def networks() -> pd.DataFrame:
    return published(TABLE)


def plane(generator: np.random.Generator, noise: float, recipes: int = 3, layouts: int = 6) -> Trained:
    """Accuracies 2x - 3y + 10 recipe, each of the layouts trained by each recipe."""
    terms = np.tile(generator.normal(size=(layouts, 2)), (recipes, 1))
    recipe = np.repeat(np.arange(recipes), layouts)
    accuracy = terms @ [2.0, -3.0] + 10 * recipe + noise * generator.normal(size=len(terms))
    return Trained(terms, accuracy, recipe, np.tile(np.arange(layouts), recipes))


def test_a_line_worked_out_by_hand() -> None:
    # Without the first network the line through (1, 2) and (2, 2) says 2, not 0; without the second that of
    # (0, 0) and (2, 2) says 1, not 2; without the third that of (0, 0) and (1, 2) says 4, not 2.
    one = Trained(np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 2.0, 2.0]), np.zeros(3, int), np.arange(3))
    assert one.slopes() == pytest.approx([1.0]) and one.r_squared() == pytest.approx(0.75)
    assert one.errors_left_out() == pytest.approx([2, -1, 2]) and one.coefficients == 2
    assert one.error_left_out().value == pytest.approx(np.sqrt(3))
    assert one.ordered() == {(0, 1): 1, (0, 2): 1}  # the last two are equally accurate
    down = Trained(-one.terms, one.accuracy, one.recipes, one.layouts)
    assert set(down.ordered().values()) == {0} and down.errors_left_out() == pytest.approx([2, -1, 2])
    mean = Trained(np.zeros((3, 0)), one.accuracy, one.recipes, one.layouts)
    assert mean.errors_left_out() == pytest.approx([2, -1, -1]) and mean.r_squared() == 0


@given(st.integers(0, 1000))
def test_an_exact_plane_leaves_no_error(seed: int) -> None:
    one = plane(np.random.default_rng(seed), noise=0)
    assert one.slopes() == pytest.approx([2, -3]) and one.r_squared() == pytest.approx(1)
    assert one.errors_left_out() == pytest.approx(np.zeros(18), abs=1e-8) and one.coefficients == 5
    assert set(one.ordered().values()) == {1} and len(one.by_layouts(one.ordered())) == 15


@given(st.integers(0, 1000))
def test_left_out_is_fitted_again_without_that_layout(seed: int) -> None:
    """The same by brute force: a column of ones a recipe, and every network of the layout away."""
    one = plane(np.random.default_rng(seed), noise=1)
    design = np.hstack([np.eye(3)[one.recipes], one.terms])
    for row, error in enumerate(one.errors_left_out()):
        rest = one.layouts != one.layouts[row]
        found, *_ = np.linalg.lstsq(design[rest], one.accuracy[rest], rcond=None)
        assert design[row] @ found - one.accuracy[row] == pytest.approx(error, abs=1e-8)
    error = one.error_left_out()
    assert error.low <= error.value <= error.high
    assert error.value == pytest.approx(np.sqrt(np.mean(np.square(one.errors_left_out()))))


def test_what_one_network_alone_settles_is_not_fitted() -> None:
    terms = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 5.0]])
    one = Trained(terms, np.array([1.0, 2.0, 3.0, 9.0]), np.zeros(4, int), np.arange(4))
    assert one.slopes() is not None
    assert np.isnan(one.errors_left_out()).tolist() == [False, False, False, True]
    assert np.isnan(one.error_left_out().value)
    assert Trained(terms[:3], one.accuracy[:3], one.recipes[:3], one.layouts[:3]).slopes() is None


def test_a_layout_of_several_recipes_is_one() -> None:
    one = plane(np.random.default_rng(0), noise=0, recipes=2, layouts=2)
    shares = one.by_layouts({(0, 1): 1.0, (2, 3): 0.0})
    assert shares == {frozenset((0, 1)): 0.5}


def test_every_network_has_its_published_size(networks: pd.DataFrame) -> None:
    assert len(networks) > 50 and networks["source"].str.len().min() > 20
    assert (networks["top1"] < networks["top5"]).all()
    for row in networks.to_dict("records"):
        check_size(search_spaces.parse(row["arch"]), row["params_millions"], row["counted"])


def test_what_torchvision_publishes_is_what_it_says(networks: pd.DataFrame) -> None:
    from_weights = networks[networks["source"].str.startswith("torchvision ")]
    assert len(from_weights) >= 11
    for row in from_weights.to_dict("records"):
        weights, version = row["source"].split(", ")[1].split(".")
        meta = getattr(torchvision.models, weights)[version].meta
        reached = meta["_metrics"]["ImageNet-1K"]
        assert (row["top1"], row["top5"]) == (reached["acc@1"], reached["acc@5"])
        assert meta["num_params"] == search_spaces.parse(row["arch"]).figures().params


def test_sizes_are_held_to_the_last_digit_printed() -> None:
    network = MobileNet()  # 3,504,872, of which 34,112 are batch norm's
    for printed, counted in (("3.504872", "all"), ("3.50", "all"), ("3.504", "all"), ("3.505", "all"),
                             ("3.47", "without batch norm")):  # fmt: skip
        check_size(network, printed, counted)
    for printed, counted in (
        ("3.503", "all"),
        ("3.506", "all"),
        ("3.47", "all"),
        ("3.50", "without batch norm"),
    ):
        with pytest.raises(RequestError, match="mend the spec"):
            check_size(network, printed, counted)


def test_fits_need_networks_to_spare(networks: pd.DataFrame) -> None:
    found = fits(networks)
    fitted = found["error"].notna()
    assert (found["networks"] - found["coefficients"] >= SPARE)[fitted].all()
    four = found[found["sample"] == "mobilenetv2, timm ra_in1k"].set_index("terms")
    assert (four["networks"] == 4).all() and set(four.index[four["error"].notna()]) == {MEAN, *TERMS}
    assert (found.loc[fitted, "error_low"] <= found.loc[fitted, "error"]).all()
    assert found["pairs_right"].le(found["pairs"]).all()
    assert found.loc[found["sample"].str.startswith("all"), "layouts"].iloc[0] == networks["layout"].nunique()


def test_pairs_are_of_one_recipe(networks: pd.DataFrame) -> None:
    told = pairs(networks)
    sizes = networks.groupby(["family", "recipe"]).size()
    assert len(told) == sum(size * (size - 1) // 2 for size in sizes) and (told["points"] > 0).all()
    assert ((told["flops_ratio"] > 1) == told["flops"]).all()
    of = told[(told["better"] == "140") & (told["worse"] == "110d")]
    assert of[["nn_mass", "params", "flops"]].to_numpy().tolist() == [[False, True, True]]


def test_the_command_gives_what_is_kept(command: Command, tmp_path: Path) -> None:
    done = command("nas.study.published", str(TABLE), "--out", "fits")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for name in ("fits.csv", "pairs.csv"):
        pd.testing.assert_frame_equal(
            pd.read_csv(tmp_path / "fits" / name), pd.read_csv(TABLE.parent / name), rtol=1e-3, atol=1e-6
        )
    assert (tmp_path / "fits" / "published.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"arch": "resnet:basic_d2-2-2-2_w65"}, "not 3.50M; mend the spec"),
        ({"arch": "resnet:basic_x"}, "line 2: spec 'resnet:basic_x'"),
        ({"top1": "best"}, "line 2: top1 is 'best', expected a number above 0 and below 100"),
        ({"width": "0"}, "line 2: width is '0'"),
        ({"params_millions": "few"}, "params_millions is 'few', expected a number"),
        ({"counted": "some"}, "counted is 'some', expected one of all, without batch norm"),
        ({"source": None}, "has no source; expected a table with the columns family, recipe"),
        ({"family": "other"}, "no recipe has 4 networks, nor are there two to pool"),
    ],
)
def test_a_wrong_table_gets_one_line(
    changed: dict[str, str | None], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(TABLE, dtype=str).iloc[:1].assign(**changed)
    table.drop(columns=[name for name, value in changed.items() if value is None]).to_csv(
        tmp_path / "t.csv", index=False
    )
    assert said in refused(main, [str(tmp_path / "t.csv")], capsys)


def test_what_is_no_table_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no such file" in refused(main, [str(tmp_path / "none.csv")], capsys)
    table = pd.read_csv(TABLE, dtype=str)
    pd.concat([table.iloc[:2], table.iloc[:1]]).to_csv(tmp_path / "twice.csv", index=False)
    assert "twice; give each network once" in refused(main, [str(tmp_path / "twice.csv")], capsys)
