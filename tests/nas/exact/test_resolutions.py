"""Resolutions as a choice, and fronts against fitted scores: answers as by enumeration, and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas
import search_spaces
from nas import exact
from nas.exact.cli import main
from nas.fitted.resolution import TF_SLIM
from nas.fitted.sum import FittedSum
from nas.proxies import registry
from nas.tables import StageTables, enumerate_all
from search_spaces import RequestError, Space
from tests.conftest import examples, refused
from tests.nas.fitted.scores import made

SIDES = (96, 160, 224)
PINS: dict[str, Any] = {
    "depth_2": 2,
    "depth_6": 3,
    "depth_3": 3,
    "depth_4": 2,
    "depth_5": 3,
    "depth_7": 1,
    "depth_1": 1,
}
SMALL = search_spaces.get("mobilenet").fix(**PINS)


def every_network(space: Space, scores: list[FittedSum]) -> pd.DataFrame:
    """The networks of a space at each of `SIDES`, with the values of scores."""
    rows = np.unique(StageTables.of(space).canonical(enumerate_all(space)), axis=0).tolist()
    networks = [space.fix(resolution=side).of_options(row) for side in SIDES for row in rows]
    table = pd.DataFrame({"arch": list(map(str, networks))})
    table["resolution"] = [network.constants()["resolution"] for network in networks]
    table["flops"] = [int(network.figures().flops) for network in networks]
    return table.assign(**{one.name: list(map(one.of, networks)) for one in scores})


def points(table: pd.DataFrame, score: str, cost: str, signs: tuple[int, int]) -> set[tuple[float, float]]:
    """The values of the front of a table: the score, then the cost, each times its sign is to be large."""
    found = table[[score, cost]].to_numpy(float)
    aims = found * signs
    better = (aims[:, None] >= aims).all(2) & (aims[:, None] > aims).any(2)
    return set(map(tuple, found[~better.any(0)].tolist()))


@examples(3, 200)
@given(st.integers(0, 50), st.floats(0.05, 1), st.sampled_from(("identity", "saturating")))
def test_answers_over_resolutions_equal_enumeration(seed: int, part: float, kind: Any) -> None:
    score = replace(made(SMALL, 2, 2 * seed + 1, kind), resolution=TF_SLIM)
    registry._fitted["made"] = registry._of_fitted(score)
    every = every_network(SMALL, [FittedSum(score)])
    cap = int(every["flops"].quantile(part, "nearest"))
    inside = every[every["flops"] <= cap].sort_values("made", ascending=False)
    options: dict[str, Any] = {"fix": PINS, "flops": cap, "resolutions": SIDES}
    assert exact.count("mobilenet", **options) == len(inside)
    best = exact.best("mobilenet", 4, score="made", **options)
    assert best["made"].tolist() == inside["made"].head(4).tolist()
    assert best.attrs["gap"] == 0
    assert [search_spaces.parse(arch).constants()["resolution"] for arch in best["arch"]] == best[
        "resolution"
    ].tolist()
    front = exact.front("mobilenet", score="made", **options)
    assert set(zip(front["made"], front["flops"], strict=True)) == points(inside, "made", "flops", (1, -1))
    assert set(exact.sample("mobilenet", 20, **options)["arch"]) <= set(inside["arch"])
    least = float(inside["made"].iloc[len(inside) // 2])
    assert exact.count("mobilenet", at_least={"made": least}, **options) == (inside["made"] >= least).sum()


@examples(3, 200)
@given(st.integers(0, 50), st.sampled_from(("saturating", "logarithm", "reciprocal")), st.floats(0.1, 1))
def test_fronts_against_fitted_scores_equal_enumeration(seed: int, kind: Any, part: float) -> None:
    score, other = made(SMALL, 2, 3), made(SMALL, 1, seed, kind, name="other")
    registry._fitted.update({one.name: registry._of_fitted(one) for one in (score, other)})
    every = every_network(SMALL, [FittedSum(score), FittedSum(other)])
    every = every[every["resolution"] == 224]
    limit = float(every["other"].quantile(part, "nearest"))
    inside = every[every["other"] <= limit]
    options: dict[str, Any] = {"fix": PINS, "at_most": {"other": limit}}
    front = exact.front("mobilenet", "other", score="made", **options)
    sign = 1 if other.more_is_better else -1
    assert front.attrs["gap"] == 0
    assert set(zip(front["made"], front["other"], strict=True)) == points(inside, "made", "other", (1, sign))
    assert exact.count("mobilenet", **options) == len(inside)


def test_counts_of_resolutions_add() -> None:
    counts = [exact.count("mobilenet", flops="150M", fix={"resolution": side}) for side in SIDES]
    assert exact.count("mobilenet", flops="150M", resolutions=SIDES) == sum(counts)


def test_a_search_keeps_the_width_and_resolution_of_the_best_baseline() -> None:
    table = nas.search("mobilenet", flops="150M", resolutions=(128, 160, 192, 224), trials=20, top=0)
    assert set(table["resolution"]) == {160}
    assert table.attrs["base_width"].startswith("Base width and resolution: resolution=160, width_mult=0.9")
    alone = nas.search(
        "mobilenet", flops="150M", fix={"resolution": 160, "width_mult": 0.9}, trials=20, top=0
    )
    assert table["arch"].head(9).tolist() == alone["arch"].head(9).tolist()


def test_a_search_ranks_all_resolutions_by_a_fitted_accuracy() -> None:
    table = nas.search("mbconv", flops="120M", resolutions=SIDES, score="imagenet", trials=20, top=0)
    each = [
        exact.best("mbconv", 9, flops="120M", fix={"resolution": side}, score="imagenet") for side in SIDES
    ]
    best = pd.concat(each).sort_values("imagenet", ascending=False)
    assert table["imagenet"].head(9).tolist() == best["imagenet"].head(9).tolist()
    assert "Proven" in table.attrs["proof"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--space mlp --resolutions 32,64", "mlp has no images"),
        ("--space mobilenet --resolutions 0,128", "'0' is not a whole number"),
        ("--space mobilenet --resolutions 128,128", "repeats a number"),
        ("--space mobilenet --resolutions 128,9999", "'9999' is too large"),
        ("--space mobilenet --resolutions 128,160 --fix resolution=160", "exclude each other"),
        ("--space mobilenet --resolutions 128,160", "does not compare networks of different resolutions"),
        ("--space mobilenet --resolutions 128,160 --like nn_mass_b", "leave out --resolutions"),
        ("--space mobilenet --resolutions 128,160 --flops 1M --sample 3", "at 128 pixels, the smallest"),
        ("--space mbconv --resolutions 128,160 --count --max latency-zcu102=5ms", "at 224 pixels alone"),
        ("--space mbconv --resolutions 64,224,256 --score imagenet", "96 to 224 pixels; leave out 64, 256"),
        ("--space mbconv --pareto latency-zcu103", "did you mean latency-zcu102?"),
        ("--space mbconv --pareto imagenet --score imagenet", "is no front"),
        ("--space mobilenet --pareto latency-zcu102", "fitted to networks of mbconv"),
    ],
)
def test_wrong_requests_are_refused(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(main, options.split(), capsys)


def test_python_names_its_arguments() -> None:
    with pytest.raises(RequestError, match="resolutions and fix"):
        exact.count("mobilenet", resolutions=(128, 160), fix={"resolution": 128})
