"""Designs cover the options of mbconv, leave less variance than random samples, and begin larger designs."""

from __future__ import annotations

import numpy as np
import pytest

import search_spaces
from nas import exact
from nas.device.design import _NOISE, _terms, designed
from search_spaces.chain import ChainArchitecture


def sample(name: str, count: int, seed: int = 0) -> list[ChainArchitecture]:
    archs = dict.fromkeys(exact.sample(name, count, seed)["arch"])
    return [found for arch in archs if isinstance(found := search_spaces.parse(arch), ChainArchitecture)]


@pytest.mark.parametrize("name", ["mbconv", "mobilenet", "mlp"])
def test_a_design_leaves_less_variance_than_a_random_sample(name: str) -> None:
    networks = sample(name, 300)
    x = _terms(search_spaces.get(name), networks)

    def variance(rows: list[int]) -> float:
        chosen = x[rows]
        left = np.linalg.inv(np.eye(x.shape[1]) + chosen.T @ chosen / _NOISE**2)
        return float(np.einsum("np,pq,nq->n", x, left, x).mean())

    found = designed(search_spaces.get(name), networks, 32)
    assert len(set(found)) == 32
    assert variance(found) < min(variance(list(range(start, start + 32))) for start in (0, 32, 64))


def test_a_smaller_design_begins_a_larger_one() -> None:
    networks = sample("mbconv", 200)
    space = search_spaces.get("mbconv")
    assert designed(space, networks, 40)[:16] == designed(space, networks, 16)
    assert sorted(designed(space, networks[:20], 20)) == list(range(20))


def test_a_design_has_every_option_of_every_choice() -> None:
    space, networks = search_spaces.get("mbconv"), sample("mbconv", 1000)
    rows = [networks[place].choices() for place in designed(space, networks, 64)]
    for name, options in space.choices.items():
        counts = [sum(row[name] == option for row in rows) for option in options]
        assert min(counts) >= 64 / len(options) / 3, (name, counts)
