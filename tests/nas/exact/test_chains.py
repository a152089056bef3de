"""The algorithms of `nas.exact` against brute force, on synthetic chains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from nas.exact import buckets, halves, pareto
from nas.exact.feasible_set import CountTable, Enumerated, FeasibleSet
from nas.exact.graph import Graph, Limit
from nas.exact.optimum import Optimum, best
from nas.exact.pareto import front
from nas.exact.paths import Objective, follow
from nas.exact.relaxation import Relaxation
from nas.tables import FIGURES, StageTable, StageTables
from tests.conftest import examples
from tests.nas.exact.chains import everything, stage_tables

Band = tuple[int, int, int]
"""The index of a figure, and its least and largest value."""


@st.composite
def bounded(draw: st.DrawFn) -> tuple[StageTables, list[Band]]:
    """A chain, and bounds on up to three figures: caps, floors and bands, some of which no network meets."""
    tables = draw(stage_tables())
    _, figures = everything(tables)
    bands = []
    for column in draw(st.lists(st.integers(0, 3), max_size=3, unique=True)):
        order = np.sort(figures[:, column])
        place = st.floats(0, 1).map(lambda part, order=order: int(order[round(part * (len(order) - 1))]))
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
def test_the_graph_contains_every_network_once(tables: StageTables) -> None:
    graph = Graph.of(tables)
    rows, figures = everything(tables)
    listed = Enumerated.of(graph, [])
    assert graph.size() == listed.count == len(rows)
    population = graph.population(listed.paths.cells)
    assert sorted(map(tuple, population.tolist())) == sorted(map(tuple, rows.tolist()))
    for column in range(1, 4):
        name = ("nn_mass", "flops", "macs", "params")[column]
        assert graph.extent(name) == (figures[:, column].min(), figures[:, column].max())


@examples(50, 1000)
@given(bounded(), st.integers(0, 4), st.sampled_from([1, -1]), st.integers(1, 5))
def test_the_best_equal_brute_force(
    query: tuple[StageTables, list[Band]], column: int, sign: int, k: int
) -> None:
    tables, bands = query
    graph = Graph.of(tables)
    objective = Objective(column, sign, ties=((0, 1), (1, -1), (2, -1), (3, -1)))
    found = best(graph, objective, limits_of(graph, bands), k)
    _, figures = everything(tables)
    inside = figures[meets(figures, bands)]
    keys = sorted((-sign * row[column], -row[0], *row[1:4]) for row in inside.tolist())
    keys = [key for key in keys if key <= keys[min(k, len(keys)) - 1]]
    assert [(-sign * row[column], -row[0], *row[1:4]) for row in found.paths.figures.tolist()] == keys
    assert len(set(map(tuple, found.paths.cells.tolist()))) == len(keys)
    assert found.bound == (objective.of_paths(found.paths)[-1] if len(keys) >= k else -np.inf)


@given(bounded(), st.integers(1, 3), st.integers(1, 3))
def test_the_bound_holds_with_little_room(query: tuple[StageTables, list[Band]], room: int, k: int) -> None:
    tables, bands = query
    graph = Graph.of(tables)
    objective = Objective(0)
    paths, discarded = follow(
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
    assert not missed or max(missed) <= discarded


def small_parts(patch: pytest.MonkeyPatch) -> None:
    """Make a join work in many small parts, with frequent collisions of keys."""
    few = {
        halves: {"_QUERIES_PER_BLOCK": 2, "_QUERIES_AT_ONCE": 3},
        buckets: {"_MATCHES_AT_ONCE": 5, "_LEAST_BITS": 2, "_MOST_BITS": 3},
    }
    for module, values in few.items():
        for name, value in values.items():
            patch.setattr(module, name, value)


@given(bounded())
def test_a_join_lists_all_paths_inside(query: tuple[StageTables, list[Band]]) -> None:
    tables, bands = query
    graph = Graph.of(tables)
    limits = limits_of(graph, bands)
    assume(limits and len(graph.steps) > 1)
    with pytest.MonkeyPatch.context() as patch:
        small_parts(patch)
        found = halves.listed(graph, limits, most=10**6)
    rows, figures = everything(tables)
    inside = meets(figures, bands)
    population = graph.population(found.cells)
    assert sorted(map(tuple, population.tolist())) == sorted(map(tuple, rows[inside].tolist()))
    assert sorted(found.figures.tolist()) == sorted(figures[inside].tolist())


@given(bounded(), st.integers(0, 4), st.sampled_from([1, -1]), st.integers(1, 5), st.booleans())
def test_the_best_of_a_join_equal_brute_force(
    query: tuple[StageTables, list[Band]], column: int, sign: int, k: int, known: bool
) -> None:
    """With little room at first, with and without a known lower bound on the k-th value."""
    tables, bands = query
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
        small_parts(patch)
        patch.setattr(halves, "_ROOMS", (1, 4, 10**6))
        found, bound = halves.best(graph, objective, limits, k, relaxation, least)
    keys = [key for key in keys if key <= keys[min(k, len(keys)) - 1]]
    assert [(-sign * row[column], -row[0], row[1]) for row in found.figures.tolist()] == keys
    assert bound == (-keys[k - 1][0] if len(keys) >= k else -np.inf)


def test_a_join_that_is_too_large_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = StageTables(tuple(plain_table([0, 1, 2], [0, 1, 2], stage) for stage in range(4)))
    graph = Graph.of(tables)
    limits = [Limit.of(graph, 1, least=2, most=4)]
    assert len(halves.listed(graph, limits, most=100)) == 10 + 16 + 19
    for few in ({"_MOST_MATCHES": 10}, {"_BEGINNINGS": 2}, {"_QUERIES": 2}, {"_ENDS": 2}):
        with monkeypatch.context() as patch, pytest.raises(halves.TooManyError):
            for name, value in few.items():
                patch.setattr(halves, name, value)
            halves.listed(graph, limits, most=100)
    for too_wide, most in ((limits, 20), ([], 100)):
        with pytest.raises(halves.TooManyError):
            halves.listed(graph, too_wide, most)


def test_a_limit_knows_the_grid_of_values() -> None:
    tables = StageTables((plain_table([0, 1], [5, 13], 0), plain_table([0, 1], [5, 17], 1)))
    graph = Graph.of(tables)
    assert Limit.of(graph, 1, least=11, most=20).ends == (14, 18)
    between = Limit.of(graph, 1, least=11, most=13)
    assert between.spacing == 4 and between.empty
    assert not len(best(graph, Objective(0), [between]).paths)
    assert CountTable.of(graph, [between], 10).count == 0


def mass_against(cost: int) -> Objective:
    """The largest NN-Mass, with ties as in a front against a cost."""
    return Objective(0, 1, ((cost, -1), *((column, -1) for column in (1, 3) if column != cost)))


SCORES = st.sampled_from([(0, 1), (0, -1), (4, 1), (4, -1), (2, 1)])
"""The column of a score, and the sign of better values."""


@examples(20, 300)
@given(bounded(), SCORES, st.sampled_from([1, 3]))
def test_the_front_equals_brute_force(
    query: tuple[StageTables, list[Band]], score: tuple[int, int], cost: int
) -> None:
    tables, bands = query
    graph = Graph.of(tables)
    (column, sign), others = score, [column for column in (1, 3) if column != cost]
    ties = ((cost, -1), *(((0, 1),) if column else ()), *((other, -1) for other in others))
    found = front(graph, Objective(column, sign, ties), cost, limits_of(graph, bands))
    _, figures = everything(tables)
    inside = figures[meets(figures, bands)].tolist()
    ranked = sorted(
        (row[cost], -sign * row[column], -row[0] * bool(column), *(row[other] for other in others))
        for row in inside
    )
    expected: list[tuple[int, ...]] = []
    for key in ranked:
        if not expected or key[1] < expected[-1][1] or key == expected[-1]:
            expected.append(key)
    assert found.gap == 0
    assert [
        (row[cost], -sign * row[column], -row[0] * bool(column), *(row[other] for other in others))
        for row in found.paths.figures.tolist()
    ] == expected
    assert len(set(map(tuple, found.paths.cells.tolist()))) == len(expected)


@examples(10, 100)
@given(stage_tables(), st.integers(1, 3), st.sampled_from([(1, 2), (4, 8)]))
def test_the_gap_of_a_front_holds_with_little_room(
    tables: StageTables, cost: int, rooms: tuple[int, ...]
) -> None:
    graph = Graph.of(tables)
    whole = front(graph, mass_against(cost), cost, []).paths.figures
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pareto, "_ROOMS", rooms)
        found = front(graph, mass_against(cost), cost, [])
    for mass, least in whole[:, [0, cost]].tolist():
        cheaper = found.paths.figures[found.paths.figures[:, cost] <= least]
        assert cheaper[:, 0].max() * (1 + found.gap) >= mass or found.gap == np.inf
    assert found.gap > 0 or np.array_equal(found.paths.figures[:, [0, cost]], whole[:, [0, cost]])


@examples(20, 400)
@given(bounded())
def test_the_count_equals_brute_force(query: tuple[StageTables, list[Band]]) -> None:
    tables, bands = query
    graph = Graph.of(tables)
    limits = limits_of(graph, bands)
    _, figures = everything(tables)
    expected = int(meets(figures, bands).sum())
    table = CountTable.of(graph, limits, levels=10**6)
    assume(table.rounding == 0)
    assert Enumerated.of(graph, limits).count == table.count == expected
    for limit in limits:
        values = np.unique(figures[meets(figures, bands)][:, limit.column])
        assert np.array_equal(table.values(limit.column), values)
        assert np.array_equal(Enumerated.of(graph, limits).values(limit.column), values)


@given(bounded(), st.integers(2, 40))
def test_a_rounded_count_is_correct_within_its_rounding(
    query: tuple[StageTables, list[Band]], levels: int
) -> None:
    tables, bands = query
    graph = Graph.of(tables)
    table = CountTable.of(graph, limits_of(graph, bands), levels)
    _, figures = everything(tables)
    off = max(((axis.margin + 1) * axis.unit for axis in table.axes if axis.margin), default=0)
    least, most = (meets(figures, bands, wider).sum() for wider in (-off, off))
    assert least <= table.count <= most


@given(bounded(), st.integers(2, 10**6), st.integers(0, 100))
def test_samples_lie_inside(query: tuple[StageTables, list[Band]], levels: int, seed: int) -> None:
    tables, bands = query
    graph = Graph.of(tables)
    limits = limits_of(graph, bands)
    rows, figures = everything(tables)
    inside = set(map(tuple, rows[meets(figures, bands)].tolist()))
    for networks in (Enumerated.of(graph, limits), CountTable.of(graph, limits, levels)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nas.exact.feasible_set._MOST_REJECTED", 5000)
            sampled = networks.sample(20, np.random.default_rng(seed))
        assert len(sampled) == (20 if inside else 0)
        assert inside.issuperset(map(tuple, graph.population(sampled).tolist()))


def uniformity(graph: Graph, networks: FeasibleSet, expected: set[tuple[int, ...]]) -> float:
    """The p-value of Pearson's chi-squared test for a uniform sample."""
    sampled = networks.sample(100 * len(expected), np.random.default_rng(0))
    rows, counts = np.unique(graph.population(sampled), axis=0, return_counts=True)
    assert set(map(tuple, rows.tolist())) == expected
    return float(chisquare(counts).pvalue)


@examples(10, 200)
@given(bounded(), st.sampled_from([10**9, 30, 8]))
def test_samples_are_uniform(query: tuple[StageTables, list[Band]], levels: int) -> None:
    tables, bands = query
    graph = Graph.of(tables)
    rows, figures = everything(tables)
    inside = set(map(tuple, rows[meets(figures, bands)].tolist()))
    if len(inside) > 1:
        for networks in (
            Enumerated.of(graph, limits_of(graph, bands)),
            CountTable.of(graph, limits_of(graph, bands), levels),
        ):
            assert uniformity(graph, networks, inside) > 1e-6


def plain_table(masses: list[int], costs: list[int], column: int) -> StageTable:
    """A stage with one state: one cell per option."""
    figures = np.zeros((len(masses), len(FIGURES)), np.int64)
    figures[:, 0], figures[:, 1] = masses, costs
    cells = np.arange(len(masses))
    return StageTable(1, (column,), (len(cells),), figures, np.zeros_like(cells), cells)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_many_ties_do_not_displace_better_paths(k: int) -> None:
    """With 20,000 equal continuations, the few better ones of every path are followed first."""
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


def test_an_unproven_end_of_a_front_increases_the_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph.of(StageTables((plain_table(list(range(100)), list(range(100)), 0),)))
    whole = best(graph, Objective(0), [])
    monkeypatch.setattr(pareto, "best", lambda *a, **b: Optimum(whole.paths, 200.0))
    assert front(graph, mass_against(1), 1, []).gap > 1


def test_counts_without_limits_and_at_the_maximum() -> None:
    tables = StageTables(tuple(plain_table([0, 1], [0, 10**9 + stage], stage) for stage in range(4)))
    graph = Graph.of(tables)
    assert CountTable.of(graph, [], 8).count == 16
    largest = int(graph.extent("flops")[1])
    assert CountTable.of(graph, [Limit.of(graph, 1, least=largest)], 8).count >= 1
