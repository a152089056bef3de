"""Costs of MLPs against values calculated explicitly."""

import pytest
import torch

from nas import score
from search_spaces import MLP


def test_costs_of_a_small_mlp() -> None:
    """Width 4, depth 4, links 3: layers read 5, 4, 4 + 3 and 4 + 3 values, with 6 of 12 possible links."""
    weights = 4 * (5 + 4 + 7 + 7) + 4 * 2
    assert score(MLP(width=4, depth=4, links=3, in_features=5, num_classes=2)) == {
        "nn_mass": pytest.approx(8), "flops": weights, "macs": weights, "params": weights + 18
    }  # fmt: skip


def test_images_are_flattened() -> None:
    assert MLP(in_features=12).build()(torch.zeros(2, 3, 2, 2)).shape == (2, 10)
