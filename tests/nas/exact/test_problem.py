"""Errors for budgets that no network meets, against enumeration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import search_spaces
from nas.bounds import Bound
from nas.exact.graph import Graph
from nas.exact.problem import check
from nas.fitted.sum import FittedSum
from nas.tables import FIGURES, StageTables, enumerate_all
from search_spaces import RequestError
from tests.nas.fitted.scores import made

SPACE = search_spaces.get("mlp")
TABLES = StageTables.of(SPACE)
GRAPH = Graph.of(TABLES)
ALL = TABLES.score(enumerate_all(SPACE))


@pytest.mark.parametrize("name", ["mlp", "mobilenet", "resnet"])
def test_the_extent_equals_that_of_all_networks(name: str) -> None:
    space = search_spaces.get(name)
    tables = StageTables.of(space)
    figures = tables.score(enumerate_all(space))
    for figure in FIGURES:
        assert Graph.of(tables).extent(figure) == (figures[figure].min(), figures[figure].max())


@given(st.integers(1, 400_000), st.integers(0, 50), st.integers(1, 400_000), st.integers(0, 200_000))
def test_bounds_are_refused_if_and_only_if_no_network_meets_them(
    flops: int, band: int, params: int, other_band: int
) -> None:
    bounds = (Bound("flops", flops, flops + band), Bound("params", params, params + other_band))
    meets = np.logical_and.reduce([bound.meets(ALL[bound.figure]) for bound in bounds])
    try:
        check(SPACE.name, GRAPH, bounds)
    except RequestError as error:
        assert not meets.any()
        assert "\n" not in str(error)
    else:
        assert meets.any()


def test_the_error_of_an_empty_band_names_both_neighbours() -> None:
    costs = np.unique(ALL["flops"])
    gap = np.argmax(np.diff(costs))
    below, above = costs[gap], costs[gap + 1]
    with pytest.raises(RequestError) as error:
        check(SPACE.name, GRAPH, [Bound("flops", int(below) + 1, int(above) - 1)])
    assert f"{below:,} flops and {above:,} flops" in str(error.value)


def test_the_error_of_an_empty_band_of_negative_sums_names_both_neighbours() -> None:
    total = FittedSum(made(SPACE, 2, 0, "reciprocal"))
    tables = StageTables.of(SPACE, [total])
    values = np.unique(tables.score(enumerate_all(SPACE))[total.name])
    below, above = values[100:102]
    step = (above - below) / 4
    with pytest.raises(RequestError) as error:
        check(SPACE.name, Graph.of(tables), [Bound(total.name, below + step, above - step)])
    assert f"the nearest have {below:.6g} made and {above:.6g} made" in str(error.value)


def test_the_error_of_a_low_cap_names_the_smallest_cost() -> None:
    mobilenet = search_spaces.get("mobilenet")
    with pytest.raises(RequestError, match="smallest network of mobilenet has 53,226,272 flops"):
        check(mobilenet.name, Graph.of(StageTables.of(mobilenet)), [Bound("flops", most=10e6)])
