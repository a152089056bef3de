"""Costs of DenseNet cells, and the wiring of their links."""

from dataclasses import replace

import pytest
import torch

from nas import score
from search_spaces import DenseNet, RequestError
from search_spaces.modules import DenseCell

CHECKED = {"conv3x3": (4_653_192, 709_255_040), "depthwise": (867_656, 136_101_760)}


@pytest.mark.parametrize("op", CHECKED)
def test_references_have_the_published_costs(op: str) -> None:
    figures = score(DenseNet(width_mult=2, depths=(13, 13, 13), links=(40, 80, 125), op=op))
    assert (figures["params"], figures["flops"]) == CHECKED[op]
    assert figures["nn_mass"] == pytest.approx(526.106, abs=5e-4)


def test_full_links_have_density_one() -> None:
    depths = (5, 6, 7)
    full = DenseNet(width_mult=1, depths=depths, links=(999, 999, 999))
    assert score(full)["nn_mass"] == pytest.approx(16 * 5 + 32 * 6 + 64 * 7)
    assert score(full) == score(replace(full, links=(16 * 3, 32 * 4, 64 * 5)))


@pytest.mark.parametrize(("depths", "links"), [((2, 2, 2), (9, 9, 9)), ((9, 9, 9), (0, 0, 0))])
def test_cells_without_links_have_no_mass(depths: tuple[int, ...], links: tuple[int, ...]) -> None:
    assert score(DenseNet(depths=depths, links=links))["nn_mass"] == 0


def test_a_layer_reads_the_previous_one_and_its_links() -> None:
    """The output of each layer is its number, so inputs show which layers it reads."""
    reads: list[torch.Tensor] = []

    class Spy(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            reads.append(inputs)
            return torch.full((1, 2, 1, 1), float(len(reads)))

    cell = DenseCell(Spy(), [Spy(), Spy(), Spy()], [(0, 0), (1, 2), (4, 4)], seed=0)
    cell(torch.zeros(1, 3, 1, 1))
    assert [read.flatten().tolist() for read in reads[1:]] == [[1, 1], [2, 2, 1], [3, 3, 1, 1, 2, 2]]


def test_links_are_distinct_and_reproducible() -> None:
    first, second = (DenseNet(depths=(8, 8, 8)).build().state_dict() for _ in range(2))
    picks = [name for name in first if "picked" in name]
    assert len(picks) == 3 * 7
    for name in picks:
        assert torch.equal(first[name], second[name])
        assert len(first[name].unique()) == len(first[name])


def test_the_error_names_the_smallest_resolution() -> None:
    with pytest.raises(RequestError, match="resolution is 4, expected a whole number of at least 5"):
        DenseNet(resolution=4)
    assert DenseNet(resolution=5, depths=(3, 3, 3)).build()(torch.zeros(2, 3, 5, 5)).shape == (2, 10)
