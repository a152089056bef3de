"""Fitted scores as sums over stages: one value everywhere, and answers as by brute force."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import search_spaces
from nas import exact, proxies
from nas.exact.cli import main as exact_main
from nas.fitted.link import Link
from nas.fitted.sum import FittedSum
from nas.proxies import registry
from nas.show import outside, predictions
from nas.tables import StageTables, enumerate_all
from search_spaces import RequestError, Space, Torchvision
from search_spaces.chain import KnownStages
from tests.conftest import examples
from tests.nas.exact.test_exact import small_spaces
from tests.nas.fitted.scores import made

LINKS = ("identity", "saturating", "logarithm", "reciprocal")


@pytest.mark.parametrize("name", search_spaces.names())
@pytest.mark.parametrize("level", [0, 2, 5])
def test_tables_and_networks_have_the_same_values(name: str, level: int) -> None:
    space = search_spaces.get(name)
    one = FittedSum(made(space, level, seed=1))
    generator = np.random.default_rng(0)
    counts = [len(options) for options in space.choices.values()]
    population = np.column_stack([generator.integers(0, count, 40) for count in counts])
    values = StageTables.of(space, [one]).score(population)[one.name]
    assert values.tolist() == [one.of(space.of_options(row)) for row in population.tolist()]


@given(st.integers(0, 99), st.sampled_from(LINKS))
def test_equal_networks_have_equal_values(seed: int, kind: str) -> None:
    space = search_spaces.get("densenet")
    one = FittedSum(made(space, 3, seed, kind))  # type: ignore[arg-type]  # one of the links
    same = [space.parse("k2_d13-13-13_t2000-2000-2000"), space.parse("k2_d13-13-13_t9999-9999-9999")]
    assert one.of(same[0]) == one.of(same[1])


@given(small_spaces(), st.integers(0, 5), st.integers(0, 99), st.sampled_from(LINKS))
def test_values_are_those_of_the_terms(space: Space, level: int, seed: int, kind: str) -> None:
    score = made(space, level, seed, kind)  # type: ignore[arg-type]  # one of the links
    rows = enumerate_all(space)[:20].tolist()
    for network in map(space.of_options, rows):
        total = score.intercept
        choices = {basis.choice: basis for basis in score.bases}
        values = {
            name: value
            for stage in KnownStages(space.chain()).of(network.choices())
            for name, value in stage.effective.items()
        }
        for term in score.interactions:
            products = np.ones(1)
            for name in term.choices:
                products = np.outer(products, choices[name].of(values[name])).ravel()
            total += float(products @ term.coefficients)
        expected = float(score.link.value(total))
        assert FittedSum(score).of(network) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@examples(10, 80)
@given(st.data())
def test_answers_equal_enumeration(data: st.DataObject) -> None:
    space = data.draw(small_spaces(300))
    score, limit = made(space, 5, data.draw(st.integers(0, 99))), made(space, 4, 7, "saturating", "limit")
    registry._fitted.update({one.name: registry._of_fitted(one) for one in (score, limit)})
    tables = StageTables.of(space, [FittedSum(score), FittedSum(limit)])
    rows = np.unique(tables.canonical(enumerate_all(space)), axis=0)
    every = pd.DataFrame(tables.score(rows))
    for row, values in zip(rows[:20].tolist(), every.to_dict("records"), strict=False):
        network = space.of_options(row)
        assert values["flops"] == network.figures().flops
        assert (values["made"], values["limit"]) == (
            FittedSum(score).of(network),
            FittedSum(limit).of(network),
        )
    cap = int(every["flops"].quantile(data.draw(st.floats(0, 1)), "nearest"))
    most = float(every["limit"].quantile(data.draw(st.floats(0, 1)), "nearest"))
    inside = every[(every["flops"] <= cap) & (every["limit"] <= most)]
    options = {"flops": str(cap), "at_most": {"limit": most}, "score": "made"}
    assert exact.count(space, flops=str(cap), at_most={"limit": most}) == len(inside)
    if inside.empty:
        with pytest.raises(RequestError, match=r"no network|smallest network"):
            exact.best(space, 3, **options)
        return
    found = exact.best(space, 3, **options)
    assert found.attrs["gap"] == 0
    best = inside.sort_values("made", ascending=not score.more_is_better)["made"].head(3)
    assert found["made"].tolist() == best.tolist()
    front = exact.front(space, "flops", flops=str(cap), at_most={"limit": most}, score="made")
    assert front["made"].iloc[0] == best.iloc[0]


@given(st.sampled_from(LINKS), st.floats(0.01, 79.9))
def test_links_are_inverse_to_their_sums(kind: str, value: float) -> None:
    link = Link(kind, 80.0)  # type: ignore[arg-type]  # one of the links
    assert float(link.value(link.sum(value))) == pytest.approx(value, rel=1e-9)
    assert link.sum(value) < link.sum(1.01 * value)


@given(st.sampled_from(LINKS), st.floats(1, 79))
def test_limits_in_units_are_the_last_ones_inside(kind: str, value: float) -> None:
    space = search_spaces.get("mlp")
    one = FittedSum(made(space, 0, 1, kind))  # type: ignore[arg-type]  # one of the links
    least, most = one.units_within(value, value)
    assert one.value(most) <= value < one.value(most + 1)
    assert one.value(least) >= value > one.value(least - 1)


def test_limits_that_no_sum_reaches_are_far_away() -> None:
    one = FittedSum(made(search_spaces.get("mlp"), 0, 1, "reciprocal"))
    assert one.units_within(-math.inf, math.inf) == (-(1 << 62), 1 << 62)
    assert one.units_within(-5.0, 0.0)[1] < -(1 << 60)


def test_a_limit_just_below_the_ceiling_is_found() -> None:
    one, limit = FittedSum(made(search_spaces.get("mlp"), 0, 1, "saturating")), math.nextafter(80.0, 0)
    least, most = one.units_within(limit, limit)
    assert one.value(most) <= limit < one.value(most + 1) and one.value(least) >= limit


def test_networks_of_other_families_have_no_value() -> None:
    one = FittedSum(made(search_spaces.get("mlp"), 0, 1))
    assert math.isnan(one.of(search_spaces.MobileNet()))
    assert math.isnan(one.of(Torchvision("resnet18")))


@pytest.mark.parametrize("name", proxies.shipped())
def test_shipped_scores_are_proven_under_several_budgets(name: str) -> None:
    best = exact.best("mbconv", 2, flops="400M", params="5M", at_most={"latency-zcu102": "6ms"}, score=name)
    assert best.attrs["gap"] == 0
    score = proxies.get(name).fitted
    assert score is not None and score.name == name and score.quality is not None
    assert score.quality.rho > 0.96 and 0.88 <= score.quality.coverage <= 0.92
    assert best[name].tolist() == [FittedSum(score).of(search_spaces.parse(arch)) for arch in best["arch"]]
    assert (best["latency-zcu102"] <= 6).all()


def test_a_row_outside_the_range_says_where() -> None:
    best = exact.best("mbconv", 1, flops="300M", score="imagenet", fix={"resolution": 64})
    assert best["imagenet_outside"].item() == "resolution=64 (fitted on 96 to 224)"
    score = proxies.get("imagenet").fitted
    assert score is not None
    network = search_spaces.parse("mbconv:d1-2-2-3-3-9-1")
    assert score.outside(network) == "depth_6=9 (fitted on 1 to 4)"
    assert score.columns([66.0], [network], objective=True, chosen=True)["imagenet_expected"] < 66


def test_files_hold_the_same_score(tmp_path: Path) -> None:
    score = made(search_spaces.get("resnet"), 2, 3)
    file = tmp_path / "made.json"
    file.write_text(score.written())
    assert type(score).load(file) == score
    assert replace(score, intercept=9.0).identity != score.identity


def test_what_lies_outside_is_listed_once() -> None:
    rows = ["resolution=64 (fitted on 96 to 224)", "depth_6=9 (fitted on 1 to 4)"]
    latency = pd.Series([rows[0], None, "kernel_2=7 (fitted on 3 to 5)"], dtype=object)
    rows.append(latency[2])
    table = pd.DataFrame({"imagenet_outside": [rows[0], "; ".join(rows[:2]), rows[1]], "x_outside": latency})
    assert outside(table).tolist() == [rows[0], "; ".join(rows[:2]), "; ".join(rows[1:])]
    assert predictions(table) == [f"*: outside the range of the fit, {'; '.join(sorted(rows))}."]


@pytest.mark.parametrize("score", [["--score", "imagenet"], []], ids=str)
@pytest.mark.parametrize("limits", [2, 3])
def test_a_table_with_several_limits_fits_a_terminal(
    score: list[str], limits: int, capsys: pytest.CaptureFixture[str]
) -> None:
    every = ["latency-zcu102=5ms", "latency-vck190=5ms", "throughput-a100=30K"][:limits]
    assert exact_main(["--space", "mbconv", "--flops", "400M", "--top", "1", *score, "--max", *every]) == 0
    lines = capsys.readouterr().out.splitlines()
    (heading,) = (line.split() for line in lines if line.startswith("rank  "))
    assert heading[1] == "arch" and {"FLOPs", "ms"} <= set(heading)
    assert max(map(len, lines)) <= 80
