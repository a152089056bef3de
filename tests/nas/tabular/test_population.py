"""Samples of a table: bands of equal cost, spread evenly."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nas.tabular.correlation import BAND, bands_of
from nas.tabular.population import drawn_evenly
from nas.tabular.request import SAMPLED


@given(st.integers(2 * SAMPLED, 300), st.integers(1, 2000), st.integers(0, 9))
def test_a_sample_has_bands_as_narrow_as_those_of_the_table(count: int, more: int, seed: int) -> None:
    cost = np.random.default_rng(seed).permutation(count + more).astype(float)
    drawn = drawn_evenly(cost, count, seed)
    assert len(set(drawn.tolist())) == count and (np.diff(drawn) > 0).all()
    bands = bands_of(cost[drawn], SAMPLED)
    assert bands is not None and bands.max() + 1 == count // SAMPLED
    for band in range(bands.max() + 1):
        members = cost[drawn][bands == band]
        assert len(members) >= SAMPLED
        assert members.max() - members.min() < max(BAND, len(members))  # the cost is the rank


def test_a_sample_is_spread_over_the_whole_cost() -> None:
    drawn = drawn_evenly(np.arange(2400.0), 240, 0)
    assert [int(places.mean()) // 200 for places in np.split(drawn, 12)] == list(range(12))


def test_a_sample_follows_its_seed() -> None:
    first, again, other = (drawn_evenly(np.arange(500.0), 100, seed) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()
