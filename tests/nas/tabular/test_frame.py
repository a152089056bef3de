"""Scores of many networks equal those of each."""

from __future__ import annotations

import random

import pytest

import nas
import search_spaces
from nas.tabular.frame import SKIPS, closed_forms, scored
from search_spaces import MBConv, MobileNet
from search_spaces.chain import ChainArchitecture


@pytest.mark.parametrize("name", search_spaces.names())
def test_shared_stages_change_nothing(name: str) -> None:
    generator, space = random.Random(0), search_spaces.get(name)
    networks = []
    for _ in range(12):
        drawn = {choice: generator.choice(options) for choice, options in space.choices.items()}
        network = space.of_choices(drawn)
        assert isinstance(network, ChainArchitecture)
        networks.append(network)
    found = scored(networks)
    expected = nas.score(networks, scores=closed_forms())
    assert found["arch"].tolist() == expected["arch"].tolist()
    for score in closed_forms():
        assert found[score].tolist() == pytest.approx(expected[score].tolist())


def test_constants_are_distinguished() -> None:
    found = scored([MobileNet(), MobileNet(resolution=128)])
    assert found["flops"].nunique() == 2 and found["params"].nunique() == 1


def test_a_skip_in_every_stage() -> None:
    depths = [(1, 2, 2, 2, 2, 2, 1), (3, 1, 2, 2, 2, 2, 3), (1, 2, 2, 2, 2, 1, 1)]
    assert scored([MBConv(depths=each) for each in depths])[SKIPS].tolist() == [True, False, False]
    networks = [search_spaces.DenseNet(), search_spaces.DenseNet(links=(40, 0, 125))]
    assert scored(networks)[SKIPS].tolist() == [True, False]
