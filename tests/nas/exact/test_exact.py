"""The exact methods against brute force, on made-up chains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from nas.exact import halves, pareto
from nas.exact.feasible_set import CountTable, Enumerated, FeasibleSet
from nas.exact.graph import Graph, Limit
from nas.exact.optimum import Optimum, best
from nas.exact.pareto import front
from nas.exact.paths import Objective, follow
from nas.exact.relaxation import Relaxation
from nas.tables import StageTable, StageTables
from tests.conftest import examples
from tests.nas.exact.made_up import everything, stage_tables

Band = tuple[int, int, int]
"""A column with the least and the largest value that it may have."""


@st.composite
def bounded(draw: st.DrawFn) -> tuple[StageTables, list[Band]]:
    """A chain, and bounds on up to three of its figures: caps, floors, bands, some that nothing meets."""
    tables = draw(stage_tables())
    _, figures = everything(tables)
    bands = []
    for column in draw(st.lists(st.integers(0, 3), max_size=3, unique=True)):
        order = np.sort(figures[:, column])
        place = st.floats(0, 1).map(lambda share, order=order: int(order[round(share * (len(order) - 1))]))
        ends = sorted(draw(place) + draw(st.sampled_from([0, 0, -1, 1])) for _ in range(2))
        kind = draw(st.sampled_from(["cap", "floor", "band"]))
        bands.append((column, -1 if kind == "cap" else ends[0], 10**9 if kind == "floor" else ends[1]))
    return tables, bands


def limits_of(graph: Graph, bands: list[Band]) -> list[Limit]:
    made = [Limit.of(graph, column, least, most) for column, least, most in bands]
    return [limit for limit in made if limit.binds]


def meets(figures: NDArray[np.int64], bands: list[Band], wider: int = 0) -> NDArray[np.bool_]:
    inside = np.ones(len(figures), bool)
    for column, least, most in bands:
        inside &= (figures[:, column] >= least - wider) & (figures[:, column] <= most + wider)
    return inside


@given(stage_tables())
def test_the_graph_has_every_network_once(tables: StageTables) -> None:
    graph = Graph.of(tables)
    rows, figures = everything(tables)
    listed = Enumerated.of(graph, [])
    assert graph.size() == listed.count == len(rows)
    population = graph.population(listed.paths.cells)
    assert sorted(map(tuple, population.tolist())) == sorted(map(tuple, rows.tolist()))
    for column in range(1, 4):
        name = ("nn_mass", "flops", "macs", "params")[column]
        assert graph.extent(name) == (figures[:, column].min(), figures[:, column].max())


@examples(100, 3000)
@given(bounded(), st.integers(0, 3), st.sampled_from([1, -1]), st.integers(1, 5))
def test_the_best_are_those_of_brute_force(
    question: tuple[StageTables, list[Band]], column: int, sign: int, k: int
) -> None:
    tables, bands = question
    graph = Graph.of(tables)
    objective = Objective(column, sign, ties=((0, 1), (1, -1), (2, -1), (3, -1)))
    found = best(graph, objective, limits_of(graph, bands), k)
    _, figures = everything(tables)
    inside = figures[meets(figures, bands)]
    keys = sorted((-sign * row[column], -row[0], *row[1:]) for row in inside.tolist())
    keys = [key for key in keys if key <= keys[min(k, len(keys)) - 1]]
    assert [(-sign * row[column], -row[0], *row[1:]) for row in found.paths.figures.tolist()] == keys
    assert len(set(map(tuple, found.paths.cells.tolist()))) == len(keys)
    assert found.bound == (objective.of_paths(found.paths)[-1] if len(keys) >= k else -np.inf)


@given(bounded(), st.integers(1, 3), st.integers(1, 3))
def test_with_little_room_the_bound_still_holds(
    question: tuple[StageTables, list[Band]], room: int, k: int
) -> None:
    tables, bands = question
    graph = Graph.of(tables)
    objective = Objective(0)
    paths, left_aside = follow(
        graph,
        Relaxation.tightest(graph, objective.of_cells(graph), limits_of(graph, bands)),
        limits_of(graph, bands),
        -np.inf,
        room,
    )
    _, figures = everything(tables)
    values = sorted(figures[meets(figures, bands)][:, 0].tolist(), reverse=True)
    found = sorted(objective.of_paths(paths).tolist(), reverse=True)
    missed = list(values)
    for value in found:
        missed.remove(value)
    assert not missed or max(missed) <= left_aside


def few_at_once(patch: pytest.MonkeyPatch) -> None:
    """Make a join take all in several parts, with keys that are often the same by chance."""
    few = {"_ASKED_TOGETHER": 2, "_ASKED_AT_ONCE": 3, "_HELD_AT_ONCE": 5, "_LEAST_BITS": 2, "_MOST_BITS": 3}
    for name, value in few.items():
        patch.setattr(halves, name, value)


@given(bounded())
def test_beginnings_joined_with_ends_are_all_paths_inside(question: tuple[StageTables, list[Band]]) -> None:
    tables, bands = question
    graph = Graph.of(tables)
    limits = limits_of(graph, bands)
    assume(limits and len(graph.steps) > 1)
    with pytest.MonkeyPatch.context() as patch:
        few_at_once(patch)
        found = halves.listed(graph, limits, most=10**6)
    rows, figures = everything(tables)
    inside = meets(figures, bands)
    population = graph.population(found.cells)
    assert sorted(map(tuple, population.tolist())) == sorted(map(tuple, rows[inside].tolist()))
    assert sorted(found.figures.tolist()) == sorted(figures[inside].tolist())


@given(bounded(), st.integers(0, 3), st.sampled_from([1, -1]), st.integers(1, 5), st.booleans())
def test_the_best_of_a_join_are_those_of_brute_force(
    question: tuple[StageTables, list[Band]], column: int, sign: int, k: int, known: bool
) -> None:
    """With little room first, and with or without a value that is known to be reached."""
    tables, bands = question
    graph = Graph.of(tables)
    limits = limits_of(graph, bands)
    assume(limits and len(graph.steps) > 1 and not any(limit.empty for limit in limits))
    objective = Objective(column, sign, ties=((0, 1), (1, -1)))
    relaxation = Relaxation.tightest(graph, objective.of_cells(graph), limits)
    _, figures = everything(tables)
    inside = figures[meets(figures, bands)]
    keys = sorted((-sign * row[column], -row[0], row[1]) for row in inside.tolist())
    least = -float(keys[k - 1][0]) if known and len(keys) >= k else -np.inf
    with pytest.MonkeyPatch.context() as patch:
        few_at_once(patch)
        patch.setattr(halves, "_ROOMS", (1, 4, 10**6))
        found, bound = halves.best(graph, objective, limits, k, relaxation, least)
    keys = [key for key in keys if key <= keys[min(k, len(keys)) - 1]]
    assert [(-sign * row[column], -row[0], row[1]) for row in found.figures.tolist()] == keys
    assert bound == (-keys[k - 1][0] if len(keys) >= k else -np.inf)


def test_a_join_that_is_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = StageTables(tuple(plain_table([0, 1, 2], [0, 1, 2], stage) for stage in range(4)))
    graph = Graph.of(tables)
    limits = [Limit.of(graph, 1, least=2, most=4)]
    assert len(halves.listed(graph, limits, most=100)) == 10 + 16 + 19
    for few in ({"_HELD": 10}, {"_BEGINNINGS": 2}, {"_ASKED": 2}, {"_ENDS": 2}):
        with monkeypatch.context() as patch, pytest.raises(halves.TooManyError):
            for name, value in few.items():
                patch.setattr(halves, name, value)
            halves.listed(graph, limits, most=100)
    for too_wide, most in ((limits, 20), ([], 100)):
        with pytest.raises(halves.TooManyError):
            halves.listed(graph, too_wide, most)


def test_a_limit_knows_which_values_there_are() -> None:
    tables = StageTables((plain_table([0, 1], [5, 13], 0), plain_table([0, 1], [5, 17], 1)))
    graph = Graph.of(tables)
    assert Limit.of(graph, 1, least=11, most=20).ends == (14, 18)
    between = Limit.of(graph, 1, least=11, most=13)
    assert between.spacing == 4 and between.empty
    assert not len(best(graph, Objective(0), [between]).paths)
    assert CountTable.of(graph, [between], 10).count == 0


@given(bounded(), st.integers(1, 3))
def test_the_front_is_that_of_brute_force(question: tuple[StageTables, list[Band]], cost: int) -> None:
    tables, bands = question
    graph = Graph.of(tables)
    found = front(graph, cost, limits_of(graph, bands))
    _, figures = everything(tables)
    points = set(map(tuple, figures[meets(figures, bands)][:, [0, cost]].tolist()))
    unbeaten = [
        (mass, least)
        for mass, least in points
        if not any(m >= mass and c <= least and (m, c) != (mass, least) for m, c in points)
    ]
    assert found.gap == 0
    others = [column for column in (1, 3) if column != cost]
    inside = figures[meets(figures, bands)]
    members = []
    for mass, least in sorted(unbeaten, key=lambda point: point[1]):
        equal = inside[(inside[:, 0] == mass) & (inside[:, cost] == least)][:, others].tolist()
        members += [(mass, least, *min(equal))] * equal.count(min(equal))
    assert [tuple(row) for row in found.paths.figures[:, [0, cost, *others]].tolist()] == members
    assert len(set(map(tuple, found.paths.cells.tolist()))) == len(members)


@examples(10, 100)
@given(stage_tables(), st.integers(1, 3), st.sampled_from([(1, 2), (4, 8)]))
def test_a_front_found_in_little_room_is_as_near_as_it_says(
    tables: StageTables, cost: int, rooms: tuple[int, ...]
) -> None:
    graph = Graph.of(tables)
    whole = front(graph, cost, []).paths.figures
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pareto, "_ROOMS", rooms)
        found = front(graph, cost, [])
    for mass, least in whole[:, [0, cost]].tolist():
        cheaper = found.paths.figures[found.paths.figures[:, cost] <= least]
        assert cheaper[:, 0].max() * (1 + found.gap) >= mass or found.gap == np.inf
    assert found.gap > 0 or np.array_equal(found.paths.figures[:, [0, cost]], whole[:, [0, cost]])


@examples(40, 1000)
@given(bounded())
def test_the_count_is_that_of_brute_force(question: tuple[StageTables, list[Band]]) -> None:
    tables, bands = question
    graph = Graph.of(tables)
    limits = limits_of(graph, bands)
    _, figures = everything(tables)
    expected = int(meets(figures, bands).sum())
    tally = CountTable.of(graph, limits, levels=10**6)
    assume(tally.rounding == 0)
    assert Enumerated.of(graph, limits).count == tally.count == expected
    for limit in limits:
        values = np.unique(figures[meets(figures, bands)][:, limit.column])
        assert np.array_equal(tally.values(limit.column), values)
        assert np.array_equal(Enumerated.of(graph, limits).values(limit.column), values)


@given(bounded(), st.integers(2, 40))
def test_a_rounded_count_is_right_within_its_rounding(
    question: tuple[StageTables, list[Band]], levels: int
) -> None:
    tables, bands = question
    graph = Graph.of(tables)
    tally = CountTable.of(graph, limits_of(graph, bands), levels)
    _, figures = everything(tables)
    off = max(((axis.margin + 1) * axis.unit for axis in tally.axes if axis.margin), default=0)
    least, most = (meets(figures, bands, wider).sum() for wider in (-off, off))
    assert least <= tally.count <= most


@given(bounded(), st.integers(2, 10**6), st.integers(0, 100))
def test_draws_lie_inside(question: tuple[StageTables, list[Band]], levels: int, seed: int) -> None:
    tables, bands = question
    graph = Graph.of(tables)
    limits = limits_of(graph, bands)
    rows, figures = everything(tables)
    inside = set(map(tuple, rows[meets(figures, bands)].tolist()))
    for networks in (Enumerated.of(graph, limits), CountTable.of(graph, limits, levels)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nas.exact.feasible_set._DRAWN_IN_VAIN", 5000)
            drawn = networks.draw(20, np.random.default_rng(seed))
        assert len(drawn) == (20 if inside else 0)
        assert inside.issuperset(map(tuple, graph.population(drawn).tolist()))


def evenness(graph: Graph, networks: FeasibleSet, expected: set[tuple[int, ...]]) -> float:
    """The p-value of Pearson's test that all networks are equally likely."""
    drawn = networks.draw(100 * len(expected), np.random.default_rng(0))
    rows, counts = np.unique(graph.population(drawn), axis=0, return_counts=True)
    assert set(map(tuple, rows.tolist())) == expected
    return float(chisquare(counts).pvalue)


@examples(10, 200)
@given(bounded(), st.sampled_from([10**9, 30, 8]))
def test_draws_are_even(question: tuple[StageTables, list[Band]], levels: int) -> None:
    tables, bands = question
    graph = Graph.of(tables)
    rows, figures = everything(tables)
    inside = set(map(tuple, rows[meets(figures, bands)].tolist()))
    if len(inside) > 1:
        for networks in (
            Enumerated.of(graph, limits_of(graph, bands)),
            CountTable.of(graph, limits_of(graph, bands), levels),
        ):
            assert evenness(graph, networks, inside) > 1e-6


def plain_table(masses: list[int], costs: list[int], column: int) -> StageTable:
    """A stage without states: a cell an option."""
    figures = np.zeros((len(masses), 4), np.int64)
    figures[:, 0], figures[:, 1] = masses, costs
    cells = np.arange(len(masses))
    return StageTable(1, (column,), (len(cells),), figures, np.zeros_like(cells), cells)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_more_ties_than_there_is_room_for_crowd_nothing_out(k: int) -> None:
    """20,000 ways on of equal value: the few better ones of every path are followed before any of them."""
    ties = [0] * 20_000
    tables = StageTables(
        (
            plain_table([1000, 990], [0, 0], 0),
            plain_table([600, 500, 200, *ties], [11, 10, 10, *ties], 1),
        )
    )
    graph = Graph.of(tables)
    found = best(graph, Objective(0), [Limit.of(graph, 1, most=10)], k)
    assert found.paths.figures[:k, 0].tolist() == [1500, 1490, 1200, 1190, 1000][:k]
    assert found.bound >= [1500, 1490, 1200, 1190, 1000][k - 1]


def test_an_end_that_is_not_proven_shows_in_the_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph.of(StageTables((plain_table(list(range(100)), list(range(100)), 0),)))
    whole = best(graph, Objective(0), [])
    monkeypatch.setattr(pareto, "best", lambda *a, **b: Optimum(whole.paths, 200.0))
    assert front(graph, 1, []).gap > 1


def test_counts_without_limits_and_at_the_very_top_are_whole() -> None:
    tables = StageTables(tuple(plain_table([0, 1], [0, 10**9 + stage], stage) for stage in range(4)))
    graph = Graph.of(tables)
    assert CountTable.of(graph, [], 8).count == 16
    largest = int(graph.extent("flops")[1])
    assert CountTable.of(graph, [Limit.of(graph, 1, least=largest)], 8).count >= 1
