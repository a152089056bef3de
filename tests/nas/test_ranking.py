"""Candidates, fronts and references against naive implementations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import search_spaces
from nas import score
from nas.bounds import Bound
from nas.goal import Goal, cheapest, front, maximum_mass
from nas.ranking import candidates, references
from nas.tables import StageTables

SPACE = search_spaces.get("mlp").fix(in_features=20)
TABLES = StageTables.of(SPACE)
POPULATIONS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 30), st.integers(0, 64)), max_size=60)
CAPS = st.integers(500, 60_000)


def table(goal: Goal, population: list[tuple[int, ...]]) -> pd.DataFrame:
    return candidates(SPACE, TABLES, goal, np.array(population, np.uint8).reshape(-1, 3))


@given(POPULATIONS, CAPS, CAPS)
def test_candidates(population: list[tuple[int, ...]], flops: int, params: int) -> None:
    goal = maximum_mass((Bound("flops", most=flops), Bound("params", most=params)))
    found = table(goal, population)
    assert found["arch"].is_unique
    assert found["rank"].tolist() == list(range(1, len(found) + 1))
    assert found["nn_mass"].is_monotonic_decreasing
    expected = {}
    for trial, row in enumerate(population):
        width, depth, links = row
        useful = 8 * (width + 1) * depth  # the options of links are 0, 1, ...; those of depth begin with 2
        made = SPACE.of_options((width, depth, min(links, useful)))
        if score(made)["flops"] <= flops and score(made)["params"] <= params:
            expected.setdefault(str(made), f"trial {trial}")
    assert dict(zip(found["arch"], found["found"], strict=True)) == expected
    for _, row in found.iterrows():
        assert {name: row[name] for name in ("nn_mass", "flops", "macs", "params")} == score(row["arch"])
        assert row["flops_share"] == row["flops"] / flops and row["params_share"] == row["params"] / params


@given(POPULATIONS)
def test_a_front_has_exactly_the_networks_that_are_not_dominated(population: list[tuple[int, ...]]) -> None:
    everything = table(front("params", ()), population)
    assert set(everything["arch"]) == set(table(maximum_mass(()), population)["arch"])
    found = everything[everything["front"]]
    assert everything["front"].is_monotonic_decreasing
    points = set(zip(everything["nn_mass"], everything["params"], strict=True))
    unbeaten = {
        (mass, cost)
        for mass, cost in points
        if not any(m >= mass and c <= cost and (m, c) != (mass, cost) for m, c in points)
    }
    assert set(zip(found["nn_mass"], found["params"], strict=True)) == unbeaten
    assert len(found) == len(unbeaten)


@given(POPULATIONS, st.integers(0, 150))
def test_the_cheapest_come_first(population: list[tuple[int, ...]], mass: int) -> None:
    found = table(cheapest("params", mass, ()), population)
    assert found["params"].is_monotonic_increasing
    assert (found["nn_mass"] >= mass).all()
    assert "nn_mass_share" not in found


@given(POPULATIONS, CAPS)
def test_references_have_the_rank_among_the_candidates(population: list[tuple[int, ...]], flops: int) -> None:
    goal = maximum_mass((Bound("flops", most=flops),))
    found = table(goal, population)
    compared = references(SPACE.references, TABLES, goal, found)
    assert set(compared["name"]) == set(SPACE.references)
    for _, row in compared.iterrows():
        if row["flops"] > flops:
            assert pd.isna(row["rank"])
        else:
            better = (found["nn_mass"] > row["nn_mass"]) | (
                (found["nn_mass"] == row["nn_mass"]) & (found["flops"] < row["flops"])
            )
            assert row["rank"] == better.sum() + 1


@pytest.mark.parametrize("cost", ["flops", "params"])
def test_a_dominated_reference_has_no_rank_on_a_front(cost: str) -> None:
    goal = front(cost, ())
    everything = np.indices((8, 31, 65)).reshape(3, -1).T
    compared = references(SPACE.references, TABLES, goal, candidates(SPACE, TABLES, goal, everything))
    assert compared["rank"].isna().any()
