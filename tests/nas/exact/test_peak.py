"""Caps of peak memory: tables, optima, counts, samples and fronts equal those of an enumeration."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas
import search_spaces
from nas import exact
from nas.bounds import Bound
from nas.exact.feasible_set import Enumerated
from nas.exact.graph import Graph
from nas.exact.problem import Problem
from nas.query import Query
from nas.tables import PEAK, StageTables, enumerate_all
from search_spaces import RequestError, Space
from tests.conftest import examples
from tests.nas.exact.chains import everything, stage_tables
from tests.nas.exact.test_exact import small_spaces
from tests.search_spaces.conformance import SUMS


def every_network(space: Space, element_bytes: int) -> pd.DataFrame:
    """The different networks of a space, each with the peak memory of its own description."""
    tables = StageTables.of(space)
    rows = np.unique(tables.canonical(enumerate_all(space)), axis=0)
    networks = [space.of_options(row) for row in rows.tolist()]
    peaks = [network.peak_memory(element_bytes) for network in networks]  # type: ignore[attr-defined]
    return pd.DataFrame(tables.score(rows)).assign(arch=list(map(str, networks)), peak_memory=peaks)


@pytest.mark.parametrize("name", search_spaces.names())
def test_tables_and_networks_have_the_same_peaks(name: str) -> None:
    space = search_spaces.get(name)
    generator = np.random.default_rng(0)
    counts = [len(options) for options in space.choices.values()]
    population = np.column_stack([generator.integers(0, count, 40) for count in counts])
    plain, peaked = StageTables.of(space, SUMS), StageTables.of(space, SUMS, element_bytes=2)
    found = peaked.score(population)
    networks = map(space.of_options, population.tolist())
    assert found.pop(PEAK).tolist() == [one.peak_memory(2) for one in networks]  # type: ignore[attr-defined]
    assert {key: column.tolist() for key, column in found.items()} == {
        key: column.tolist() for key, column in plain.score(population).items()
    }
    assert Graph.of(peaked).size() == Graph.of(plain).size()  # the peak adds no state
    assert [len(table.canonical) for table in peaked.tables] == [
        len(table.canonical) for table in plain.tables
    ]


@examples(12, 80)
@given(small_spaces(300), st.data())
def test_answers_equal_enumeration(space: Space, data: st.DataObject) -> None:
    width = data.draw(st.sampled_from((1, 2, 4)))
    every = every_network(space, width)
    cap = int(every[PEAK].quantile(data.draw(st.floats(0, 1)), "nearest"))
    most = int(every["flops"].quantile(data.draw(st.floats(0, 1)), "nearest"))
    options: dict[str, Any] = {
        "flops": str(most), "at_most": {"peak-memory": f"{cap}B"}, "element_bytes": width
    }  # fmt: skip
    inside = every[(every["flops"] <= most) & (every[PEAK] <= cap)]
    assert exact.count(space, **options) == len(inside)
    if inside.empty:
        for ask in (exact.best, exact.front, lambda *a, **b: exact.sample(*a, 3, **b)):
            with pytest.raises(RequestError, match=r"smallest network of|no network of"):
                ask(space, **options)
        return
    ranked = inside.sort_values(["nn_mass", "flops", "params"], ascending=[False, True, True])
    found = exact.best(space, 5, **options)
    columns = ["nn_mass", "flops", "macs", "params"]
    assert found[columns].to_numpy().tolist() == ranked[columns].head(5).to_numpy().tolist()
    assert found.set_index("arch")[PEAK].to_dict().items() <= inside.set_index("arch")[PEAK].to_dict().items()
    front = exact.front(space, "params", **options)
    before = inside.sort_values(["params", "nn_mass"], ascending=[True, False])
    unbeaten = before[before["nn_mass"] > before["nn_mass"].cummax().shift(fill_value=-1)]
    assert front["params"].tolist() == unbeaten["params"].tolist()[::-1]
    sampled = exact.sample(space, 50, **options)
    assert set(sampled["arch"]) <= set(inside["arch"])
    if len(inside) <= 3:
        assert set(sampled["arch"]) == set(inside["arch"])


@given(stage_tables(), st.data())
def test_a_graph_below_a_cap_has_the_paths_whose_cells_are(tables: StageTables, data: st.DataObject) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    peaked = []
    for table in tables.tables:
        peak = generator.integers(1, 9, len(table.canonical))[table.canonical]
        peaked.append(dataclasses.replace(table, peak=peak))
    tables = dataclasses.replace(tables, tables=tuple(peaked), element_bytes=1)
    population, _ = everything(tables)
    peaks = tables.score(population)[PEAK]
    graph, cap = Graph.of(tables), data.draw(st.integers(0, 9))
    assert graph.least_peak() == peaks.min()
    below, inside = graph.below(cap), population[peaks <= cap]
    assert (below is None) == (len(inside) == 0)
    if below is not None:
        assert below.size() == len(inside)
        found = below.population(Enumerated.of(below, []).paths.cells)
        assert sorted(found.tolist()) == sorted(inside.tolist())


def test_the_whole_default_space() -> None:
    space = search_spaces.get("mobilenet").fix(resolution=64)
    tables = StageTables.of(space, element_bytes=1)
    population = enumerate_all(space)
    columns = tables.score(population)
    peaks = columns[PEAK]
    cap = int(np.quantile(peaks, 0.3, method="nearest"))
    assert exact.count(space, at_most={"peak-memory": cap}, element_bytes=1) == (peaks <= cap).sum()
    best = exact.best(space, at_most={"peak-memory": cap}, element_bytes=1)
    assert best["nn_mass"].item() == columns["nn_mass"][peaks <= cap].max()


def test_several_limits_at_once() -> None:
    fitted = {"at_most": {"peak_memory": "900KiB", "latency-zcu102": "5ms"}, "element_bytes": 1}
    found = exact.best("mbconv", 3, flops="100M", score="imagenet", **fitted)  # type: ignore[arg-type]
    assert found.attrs["gap"] == 0
    assert (found[PEAK] <= 900 * 1024).all() and (found["latency-zcu102"] <= 5).all()


def test_a_search_keeps_the_largest_width_of_a_baseline_below_the_cap() -> None:
    cap, above = (search_spaces.MobileNet(width, resolution=64).peak_memory() for width in (0.55, 0.6))
    assert cap < above
    table = nas.search("mobilenet", at_most={"peak-memory": cap}, fix={"resolution": 64}, trials=20)
    assert table["arch"].str.contains(":w0.55_").all() and (table[PEAK] <= cap).all()
    assert table["found"].iloc[0] == "proof"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at_most": {"peak-memory": "1KB"}}, r"peak_memory at most 1KB: the smallest of mlp is 3,168B"),
        ({"at_most": {"peak-memory": "700B"}, "element_bytes": 1}, r"the smallest of mlp is 792B$"),
        ({"at_most": {"peak-memory": "5KX"}}, "at_most peak-memory=5KX: expected a number of bytes"),
        (
            {"at_most": {"peak-memory": 0}},
            "expected a number of bytes from 1 to 1e18, such as 512KB or 512KiB",
        ),
        ({"at_least": {"peak-memory": "5KB"}}, "at_least peak-memory=5KB: peak memory has a cap alone"),
        ({"at_most": {"peak-memory": "9KB"}, "element_bytes": 3}, "element_bytes"),
    ],
)
def test_a_wrong_cap_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        exact.best("mlp", **options)


@pytest.mark.parametrize(
    ("written", "size"),
    [("512KB", 512_000), ("512K", 512_000), ("512KiB", 524_288), ("1.5 MB", 1_500_000), (4096, 4096),
     ("1e6", 10**6), ("2MiB", 2**21), ("700B", 700)],
)  # fmt: skip
def test_units_of_bytes(written: str | int, size: int) -> None:
    query = Query("mlp", at_most={"peak-memory": written})
    assert query.limits(search_spaces.get("mlp")) == (Bound(PEAK, most=size),)


def test_a_problem_that_nothing_meets_is_empty() -> None:
    problem = Problem.of(Query("mlp", at_most={"peak-memory": 10}), feasible=False)
    assert problem.few is not None and len(problem.few) == 0
