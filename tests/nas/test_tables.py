"""Scores of merged tables equal the sums over the stage tables."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import search_spaces
from nas.tables import FIGURES, StageTables, enumerate_all
from search_spaces.cost import MASS_SCALE
from tests.nas.exact.chains import FURTHER, everything, stage_tables


@given(stage_tables(), st.sampled_from([1, 2, 8, 40, 8192]), st.sampled_from([1, 7, 32_768]))
def test_scores_are_the_sums_over_the_stages(tables: StageTables, cells: int, chunk: int) -> None:
    rows, figures = everything(tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.tables._CELLS", cells)
        patch.setattr("nas.tables._CHUNK", chunk)
        scored = tables.score(rows)
    assert np.array_equal(scored["nn_mass"], figures[:, 0] / MASS_SCALE)
    for name, column in zip(FIGURES[1:], figures.T[1:-1], strict=True):
        assert np.array_equal(scored[name], column)
    assert np.array_equal(scored[FURTHER.name], figures[:, -1] / FURTHER.scale)
    assert np.array_equal(tables.in_units(FURTHER.name, scored[FURTHER.name]), figures[:, -1])


@given(stage_tables())
def test_the_canonical_row_is_the_first_of_its_network(tables: StageTables) -> None:
    rows, _ = everything(tables)
    assert np.array_equal(tables.canonical(rows), rows)
    options = [count for table in tables.tables for count in table.options]
    every = np.array(list(np.ndindex(*options)), np.uint8).reshape(math.prod(options), len(options))
    same = tables.canonical(every)
    assert set(map(tuple, same.tolist())) == set(map(tuple, rows.tolist()))
    scored, again = tables.score(every), tables.score(same)
    assert all(np.array_equal(scored[name], again[name]) for name in FIGURES)


def test_all_layouts_and_integer_types_are_accepted() -> None:
    space = search_spaces.get("mlp")
    tables, population = StageTables.of(space), enumerate_all(space)
    assert population.dtype == np.uint8 and population[:, 0].flags.c_contiguous
    plain = tables.score(population)
    for other in (np.ascontiguousarray(population), population.astype(np.int64), population[::-1][::-1]):
        scored = tables.score(other)
        assert all(np.array_equal(plain[name], scored[name]) for name in FIGURES)


def test_an_empty_population_has_no_scores() -> None:
    space = search_spaces.get("mlp")
    scored = StageTables.of(space).score(np.zeros((0, 3), np.uint8))
    assert all(len(column) == 0 for column in scored.values())


def test_few_tables_remain_after_merging() -> None:
    gathers = {"mobilenet": 2, "mobilenet-wide": 6, "resnet": 2, "mlp": 2, "densenet": 4, "mbconv": 4}
    for name, most in gathers.items():
        assert len(StageTables.of(search_spaces.get(name)).scorer.tables) <= most
