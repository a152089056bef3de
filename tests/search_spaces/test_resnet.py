"""ResNets have the weights of torchvision's, and the NN-Mass calculated explicitly."""

import itertools

import pytest
import torch
import torchvision

import search_spaces
from nas import score
from search_spaces import ResNet

REFERENCES = search_spaces.get("resnet").references


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "wide_resnet50_2"])
def test_weights_are_those_of_torchvision(name: str) -> None:
    with torch.device("meta"):  # without memory for weights
        ours, theirs = REFERENCES[name].assemble(), getattr(torchvision.models, name)()
    assert sorted(tuple(p.shape) for p in ours.parameters()) == sorted(
        tuple(p.shape) for p in theirs.parameters()
    )


def test_mass_of_basic_blocks_is_input_plus_output_width() -> None:
    """Also with a projected shortcut: ResNet-18 has 64+64 twice, 64+128, 128+128, ..."""
    widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    assert score("resnet:resnet18")["nn_mass"] == sum(a + b for a, b in itertools.pairwise(widths))


def test_mass_of_bottlenecks() -> None:
    blocks = [(64, 64), (256, 128), (512, 256), (1024, 512)]
    expected = sum((i + 2 * w) * i / (2 * i + w) for i, w in blocks)
    assert score(ResNet("bottleneck", (1, 1, 1, 1)))["nn_mass"] == pytest.approx(expected)


def test_width_per_group_scales_the_output_of_basic_blocks() -> None:
    shapes = [tuple(p.shape) for p in ResNet(width_per_group=128, depths=(1, 1, 1, 1)).build().parameters()]
    assert (128, 64, 3, 3) in shapes and (1024, 1024, 3, 3) in shapes
