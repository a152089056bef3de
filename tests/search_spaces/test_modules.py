"""Initialisation of the networks."""

import math

import pytest
import torch
from torch import nn

import search_spaces
from search_spaces import Architecture

IMAGES = [
    search_spaces.parse(text) for text in ("mobilenet:mobilenet_v2", "resnet:resnet18", "densenet:cells_13")
]


@pytest.mark.parametrize("made", IMAGES, ids=str)
def test_image_networks_are_initialised_as_mobilenet_v2(made: Architecture) -> None:
    """He's normal initialisation over the fan out, N(0, 0.01) for the classifier, norms at the identity."""
    torch.manual_seed(0)
    for name, module in made.build().named_modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            fan_out = module.out_channels * math.prod(module.kernel_size)
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.05), name
        elif isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.01, rel=0.05), name
            assert not module.bias.any(), name
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and not module.bias.any(), name


def test_the_layers_of_an_mlp_preserve_the_second_moment() -> None:
    """He's normal initialisation over the fan in."""
    torch.manual_seed(0)
    model = search_spaces.MLP(width=512, depth=8, links=0, in_features=512).build()
    inputs = torch.randn(256, 512)
    cell = model[0]
    outputs = cell(inputs)
    assert outputs.square().mean().item() == pytest.approx(1.0, rel=0.35)
