"""The stages of networks: their outlines are those of built networks, their costs add up."""

from __future__ import annotations

import math

import pytest
import torch

import search_spaces
from nas.score import score
from nas.stages import stage_table
from nas.tables import FIGURES
from search_spaces import RequestError
from search_spaces.chain import ChainArchitecture
from search_spaces.modules import Residual
from tests.search_spaces.conformance import architecture, extremes, small


def check_stages(network: ChainArchitecture) -> None:
    table = stage_table(network)
    model, x = network.assemble().eval(), torch.zeros(1, *network.input_shape)
    for (name, stage), row in zip(model.named_children(), table.itertuples(), strict=True):
        with torch.no_grad():
            x = stage(x)
        assert (name, row.channels, row.side) == (row.stage, x.shape[1], x.shape[2] if x.dim() > 2 else 1)
        if not network.family.startswith(("densenet", "mlp")):
            assert sum(isinstance(module, Residual) for module in stage.modules()) == row.skips <= row.blocks
    whole = score(network)
    for figure in FIGURES:
        assert math.isclose(table[figure].sum(), whole[figure], rel_tol=1e-12)
        assert not whole[figure] or math.isclose(table[f"{figure}_of_network"].sum(), 1)


@pytest.mark.parametrize("name", search_spaces.names())
def test_stages_are_those_of_built_networks(name: str) -> None:
    space = small(search_spaces.get(name))
    network = architecture(space, next(extremes(space)))
    assert isinstance(network, ChainArchitecture)
    check_stages(network)


@pytest.mark.parametrize(
    "spec",
    ["nasbench-macro:02012100", "ofa-mobilenetv3:k35-357-33-3355-77_e34-346-66-6644-63_r33",
     "densenet:k1_d1-2-3_t0-5-9_r9", "mlp:w8_d4_t9", "resnet:bottleneck_d2-1-3-1_w8_r33",
     "mobilenet-wide:w8-8-16-16-16-8-8_d2-2-1-3-2-2-2_e1-1-3-1-1-1-1_r33_s1"],
)  # fmt: skip
def test_stages_of_further_networks(spec: str) -> None:
    network = search_spaces.parse(spec)
    assert isinstance(network, ChainArchitecture)
    check_stages(network)


def test_layers_of_cells_are_blocks_and_their_links_skips() -> None:
    cell = stage_table(search_spaces.parse("mlp:w8_d12_t10")).iloc[0]
    assert (cell.blocks, cell.skips, cell.channels) == (12, 10, 8)


def test_a_network_without_stages_is_refused() -> None:
    with pytest.raises(RequestError, match="'torchvision:resnet18' has no stages"):
        stage_table(search_spaces.parse("torchvision:resnet18"))
