"""The functions of `nas.exact` on real spaces, against enumeration."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

import search_spaces
from nas import exact, score
from nas.bounds import COSTS, parse_budget
from nas.exact import pareto
from nas.exact.feasible_set import CountTable
from nas.exact.graph import limits
from nas.exact.problem import Problem, inside_of, proven_best, proven_front
from nas.goal import front as front_of
from nas.query import Query
from nas.ranking import figures_of, ranked
from nas.tables import StageTables, enumerate_all
from search_spaces import RequestError, Space
from tests.conftest import examples, number

FIGURES = ["nn_mass", "flops", "macs", "params"]


@st.composite
def small_spaces(draw: st.DrawFn, room: int = 2000) -> Space:
    """A registered space with a few options per choice; at most about `room` architectures."""
    space = search_spaces.get(draw(st.sampled_from(search_spaces.names())))
    choices = {}
    for name, options in space.choices.items():
        kept = draw(st.sets(st.sampled_from(options), min_size=1, max_size=max(1, min(3, room))))
        choices[name] = tuple(option for option in options if option in kept)
        room //= len(choices[name])
    return replace(space, choices=choices)


def all_of(space: Space) -> pd.DataFrame:
    """The different networks of a space."""
    tables = StageTables.of(space)
    population = np.unique(tables.canonical(enumerate_all(space)), axis=0)
    return pd.DataFrame(tables.score(population)).assign(row=list(map(tuple, population.tolist())))


@st.composite
def querys(draw: st.DrawFn) -> tuple[Space, dict[str, str]]:
    """A small space, and budgets near the costs of its networks."""
    space = draw(small_spaces())
    figures = all_of(space)
    budgets = {}
    for cost in draw(st.lists(st.sampled_from(COSTS), unique=True, max_size=2)):
        low, high = sorted(int(figures[cost].quantile(draw(st.floats(0, 1)), "nearest")) for _ in range(2))
        budgets[cost] = draw(st.sampled_from([f"{high}", f"{low}:{high}", f"{low}:"]))
    return space, budgets


def inside(figures: pd.DataFrame, budgets: dict[str, str]) -> pd.DataFrame:
    for cost, budget in budgets.items():
        figures = figures[parse_budget(cost, budget).meets(figures[cost])]
    return figures.sort_values(["nn_mass", "flops", "params"], ascending=[False, True, True])


@examples(8, 100)
@given(querys(), st.integers(1, 20))
def test_answers_equal_enumeration(query: tuple[Space, dict[str, str]], k: int) -> None:
    space, budgets = query
    every = inside(all_of(space), budgets)
    assert exact.count(space, **budgets) == len(every)
    if every.empty:
        for ask in (exact.best, exact.front, lambda *a, **b: exact.sample(*a, 3, **b)):
            with pytest.raises(RequestError, match="no network"):
                ask(space, **budgets)
        return
    found = exact.best(space, k, **budgets)
    assert found.attrs["gap"] == 0
    assert found["rank"].tolist() == list(range(1, len(found) + 1))
    assert found[FIGURES].to_numpy().tolist() == every[FIGURES].head(k).to_numpy().tolist()
    assert found["arch"].is_unique
    for _, row in found.head(2).iterrows():
        assert score(row["arch"]) == row[FIGURES].to_dict()
    front = exact.front(space, "params", **budgets)
    before = every.sort_values(["params", "nn_mass"], ascending=[True, False])
    unbeaten = before[before["nn_mass"] > before["nn_mass"].cummax().shift(fill_value=-1)]
    assert front["params"].tolist() == unbeaten["params"].tolist()[::-1]
    assert front["nn_mass"].tolist() == unbeaten["nn_mass"].tolist()[::-1]
    sampled = exact.sample(space, 5, **budgets)
    for cost, budget in budgets.items():
        assert parse_budget(cost, budget).meets(sampled[cost]).all()


@examples(10, 60)
@given(small_spaces(), st.data())
def test_the_least_cost_at_an_nn_mass(space: Space, data: st.DataObject) -> None:
    every = all_of(space)
    row = data.draw(st.sampled_from(every["row"].tolist()))
    like = space.of_options(row)
    cost = data.draw(st.sampled_from(COSTS))
    massive = every[every["nn_mass"] >= score(like)["nn_mass"]]
    found = exact.best(space, like=str(like), minimize=cost, across_widths=True)
    assert found[cost].item() == massive[cost].min()
    base = [place for place, name in enumerate(space.choices) if name in space.base]
    same_base = [all(other[place] == row[place] for place in base) for other in massive["row"]]
    found = exact.best(space, like=str(like), minimize=cost)
    assert found[cost].item() == massive[cost][same_base].min()


BUDGETS = [
    {},
    {"flops": "400M"},
    {"params": "3.7M"},
    {"flops": "380M:400M", "params": "3M:3.7M"},
    {"macs": "100M:", "params": "2.5M"},
]


@pytest.fixture(scope="module")
def default_space() -> pd.DataFrame:
    """All 190,080 networks of the default space."""
    return all_of(search_spaces.get("mobilenet"))


@pytest.mark.parametrize("budgets", BUDGETS, ids=str)
def test_the_default_space(budgets: dict[str, str], default_space: pd.DataFrame) -> None:
    every = inside(default_space, budgets)
    assert exact.count("mobilenet", **budgets) == len(every)
    found = exact.best("mobilenet", 10, **budgets)
    assert found[FIGURES].to_numpy().tolist() == every[FIGURES].head(10).to_numpy().tolist()
    front = exact.front("mobilenet", "flops", **budgets)
    cheapest = every.groupby("nn_mass")["flops"].min().sort_index(ascending=False)
    unbeaten = cheapest[cheapest < cheapest.cummin().shift(fill_value=2**62)]
    assert dict(zip(front["nn_mass"], front["flops"], strict=True)) == unbeaten.to_dict()


def test_the_wide_space_of_3e14_architectures() -> None:
    best = exact.best("mobilenet-wide", flops="400M")
    assert best["nn_mass"].item() == pytest.approx(5196.8) and best.attrs["gap"] == 0
    assert score(best["arch"].item())["nn_mass"] == best["nn_mass"].item()
    both = exact.best("mobilenet-wide", flops="400M", params="3.7M")
    assert both.attrs["gap"] == 0 and both["params"].item() <= 3.7e6
    assert exact.count("mobilenet-wide") == search_spaces.get("mobilenet-wide").size
    front = exact.front("mobilenet-wide", flops="200M")
    assert front.attrs["gap"] == 0 and front["nn_mass"].is_monotonic_decreasing
    sampled = exact.sample("mobilenet-wide", 300, flops="380M:400M", params="3.5M:3.7M")
    assert sampled["flops"].between(380e6, 400e6).all() and sampled["params"].between(3.5e6, 3.7e6).all()
    assert (
        sampled["nn_mass"].max()
        <= exact.best("mobilenet-wide", flops="380M:400M", params="3.5M:3.7M")["nn_mass"].item()
    )


def test_integers_of_any_type_are_accepted() -> None:
    assert len(exact.best("mlp", np.int64(3))) == len(exact.sample("mlp", np.uint8(3), np.int32(1))) == 3
    like = search_spaces.MLP()
    assert exact.best("mlp", like=like).equals(exact.best("mlp", like=str(like)))


def test_choices_without_effect_are_counted_once() -> None:
    cell = search_spaces.get("mlp").fix(width=8, depth=4)
    assert cell.size == 65 and exact.count(cell) == 8 * 2 + 1


def test_the_same_seed_gives_the_same_sample() -> None:
    first, again, other = (exact.sample("resnet", 20, seed, flops="4G") for seed in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)
    assert len(exact.sample("resnet", 0)) == 0


@pytest.mark.parametrize("levels", [10**9, 1000])
def test_samples_of_a_real_space_are_uniform(levels: int) -> None:
    """Pearson's chi-squared test over all networks inside; p is below 1e-4 by chance in 1 of 10,000 cases."""
    space = search_spaces.get("mobilenet").fix(width_mult=1.0, depth_4=4, depth_7=1)
    problem = Problem.of(Query("mobilenet", {"flops": "320M:340M"}), space)
    table = CountTable.of(problem.graph, limits(problem.graph, problem.goal.bounds), levels)
    every = inside(all_of(space), {"flops": "320M:340M"})
    assert len(every) > 50
    paths = table.sample(200 * len(every), np.random.default_rng(0))
    rows, counts = np.unique(problem.graph.population(paths), axis=0, return_counts=True)
    assert set(map(tuple, rows.tolist())) == set(every["row"])
    assert chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: exact.best("mobilnet"), "did you mean mobilenet"),
        (lambda: exact.best("mlp", 0), "k is 0, expected a whole number of at least 1"),
        (lambda: exact.best("mlp", flops="abc"), "expected a budget"),
        (lambda: exact.best("mlp", flops="1"), "the smallest network of mlp has"),
        (lambda: exact.best("mlp", minimize="flops"), "give like as well"),
        (lambda: exact.front("mlp", "latency"), "cost 'latency': expected one of flops"),
        (lambda: exact.front("mlp", ""), "cost '': expected one of flops"),
        (lambda: exact.best(None), "space is None, expected the name"),  # type: ignore[arg-type]
        (lambda: exact.best("mlp", like=5), "like is 5, expected a reference"),  # type: ignore[arg-type]
        (lambda: exact.best("mlp", fix="width=8"), "fix is 'width=8'"),  # type: ignore[arg-type]
        (lambda: exact.best("mlp", True), "k is True, expected a whole number"),
        (lambda: exact.sample("mlp", 3_000_000_000), "and at most 1,000,000"),
        (lambda: exact.sample("mlp", -1), "n is -1"),
        (lambda: exact.sample("mlp", 3, seed=-1), "seed is -1"),
        (lambda: exact.count("mlp", params="9K:8K"), "the band is reversed"),
    ],
)
def test_wrong_arguments_are_refused(call: object, expected: str) -> None:
    with pytest.raises((RequestError, TypeError), match=expected):
        call()  # type: ignore[operator]


def ranked_like_tables(problem: Problem, rows: list[tuple[int, ...]]) -> list[str]:
    """Specs of networks in the order of a table."""
    figures = figures_of(problem.space, problem.tables, problem.goal, np.array(rows))
    return ranked(figures, problem.goal)["arch"].tolist()


@pytest.mark.parametrize(
    "options", [{}, {"like": "mobilenet_v2", "minimize": "params", "across_widths": True}]
)
@pytest.mark.parametrize("budgets", [{}, {"flops": "160M:300M"}], ids=str)
def test_ties_rank_as_in_a_table(options: dict[str, Any], budgets: dict[str, str]) -> None:
    """If stages 4 and 5 have the same width, moving blocks between them gives equal networks."""
    wide = search_spaces.get("mobilenet-wide")
    kept = dict(zip(wide.choices, ((options[0],) for options in wide.choices.values()), strict=True))
    kept |= {"width_4": (80,), "width_5": (80, 88), "depth_4": (6, 7, 8), "depth_5": (4, 5, 6)}
    kept |= {"depth_3": (5, 6), "expansion_4": (3, 4), "expansion_5": (3, 4)}
    space = replace(wide, choices=kept)
    problem = Problem.of(Query("mobilenet-wide", budgets, **options), space)
    every = all_of(space)
    every = every[problem.goal.meets(every)]
    equal = every.groupby(["nn_mass", "flops", "params"]).size()
    assert len(every) > 20 and (equal > 1).any()
    ranking = ranked_like_tables(problem, every["row"].tolist())
    for k in range(1, len(every) + 2, number(5, 1)):
        found = proven_best(problem, k)
        specs = [str(space.of_options(row)) for row in found.population]
        assert specs == ranking[:k] and found.gap == 0


def test_a_front_contains_the_first_of_equal_networks() -> None:
    space = search_spaces.get("resnet")
    problem = Problem.of(Query("resnet", {"flops": "2G"}, pareto="params"))
    every = inside(all_of(space), {"flops": "2G"}).sort_values(["params", "nn_mass"], ascending=[True, False])
    points = every[every["nn_mass"] > every["nn_mass"].cummax().shift(fill_value=-1)]
    proven = proven_front(problem)
    points_of_front = problem.tables.score(proven.population)
    on_front = set(zip(points_of_front["nn_mass"], points_of_front["params"], strict=True))
    members = every[[point in on_front for point in zip(every["nn_mass"], every["params"], strict=True)]]
    assert set(members.index) >= set(points.index)
    assert not set(zip(members["nn_mass"], members["params"], strict=True)) ^ set(
        zip(points["nn_mass"], points["params"], strict=True)
    )
    rows = members.groupby("params")["row"].agg(list)
    expected = [ranked_like_tables(problem, rows[params])[0] for params in points["params"]]
    assert [str(space.of_options(row)) for row in proven.population] == expected


def test_a_front_from_a_score_of_0_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pareto, "_ROOMS", (4, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = exact.front("mlp", "params", fix={"width": 16})
    assert table["nn_mass"].iloc[-1] == 0


TIGHT = {"flops": "400000050:400000060", "params": "3700000:3700100"}


@pytest.mark.slow
def test_narrow_bands_on_two_costs_are_enumerated() -> None:
    """One network in 60 billion lies inside."""
    problem = Problem.of(Query("mobilenet-wide", TIGHT))
    assert problem.few is not None and len(problem.few) == inside_of(problem).count > 1000
    assert problem.goal.meets(problem.tables.score(problem.graph.population(problem.few.cells))).all()
    best = proven_best(problem, 3)
    assert best.gap == 0 and best.values == sorted(best.values, reverse=True)
    assert score(str(problem.space.of_options(best.population[0])))["nn_mass"] == best.values[0]
    front = proven_front(replace(problem, goal=front_of("params", problem.goal.bounds)))
    assert front.gap == 0 and front.values[-1] == best.values[0]


def test_a_band_between_two_possible_values_is_empty() -> None:
    """FLOPs of mobilenet-wide differ by multiples of 392."""
    assert exact.count("mobilenet-wide", flops="399999990:400000010", params="3.7M") == 0


def test_narrow_bands_of_a_large_space() -> None:
    """A handful of the 6e9 networks of densenet lie inside."""
    bands = {"flops": "600M:600010K", "params": "4M:4001K"}
    problem = Problem.of(Query("densenet", bands))
    inside = inside_of(problem)
    assert problem.few is not None and inside.count == exact.count("densenet", **bands) > 3
    paths = inside.sample(20 * inside.count, np.random.default_rng(0))
    every = problem.tables.score(problem.graph.population(paths))
    assert problem.goal.meets(every).all()
    best = proven_best(problem, inside.count + 1)
    assert len(best.values) == inside.count and best.gap == 0
    assert set(best.values) >= set(every["nn_mass"].tolist()) and best.values[0] == every["nn_mass"].max()
    front = proven_front(replace(problem, goal=front_of("params", problem.goal.bounds)))
    assert front.gap == 0 and front.values[-1] == best.values[0]


def test_the_best_in_narrow_bands_of_many_networks_is_proven() -> None:
    found = exact.best("mobilenet-wide", 5, flops="399.9M:400M", params="3.69M:3.7M")
    assert found.attrs["gap"] == 0 and found["nn_mass"].tolist() == sorted(found["nn_mass"], reverse=True)
    fix = {"width_6": 160, "width_7": 320, "depth_4": 4, "depth_5": 3}  # sampling them all takes seconds
    sampled = exact.sample("mobilenet-wide", 20, fix=fix, flops="399.9M:400M", params="3.69M:3.7M")
    assert sampled["nn_mass"].max() <= found["nn_mass"].iloc[0]
