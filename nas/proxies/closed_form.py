"""Closed-form proxies: they need the architecture alone and take microseconds."""

from __future__ import annotations

from collections.abc import Sequence

from nas.proxies.registry import register, register_stages
from nas.proxies.subject import Subject
from nas.values import quantity
from search_spaces.blocks import DenseCell, Residual
from search_spaces.layers import Part, Repeat


@register("nn_mass", title="NN-Mass", logarithmic=True, one_width=True, number_format="{:.1f}".format)
def nn_mass(subject: Subject) -> float:
    """NN-Mass: density of skip connections times width times depth, summed over cells or blocks.

    nan for torchvision baselines, where it is not defined.

    Source: Bhardwaj, Li, Marculescu, CVPR 2021, arXiv 1910.00780, equation 4.
    """
    return float(subject.architecture.figures().nn_mass)


@register("params", axis="parameters", logarithmic=True, number_format=quantity)
def params(subject: Subject) -> float:
    """Trainable parameters."""
    return float(subject.architecture.figures().params)


@register("flops", title="FLOPs", logarithmic=True, number_format=quantity)
def flops(subject: Subject) -> float:
    """Operations for one image, as fvcore counts them."""
    return float(subject.architecture.figures().flops)


def blocks(parts: Sequence[Part]) -> int:
    """The number of residual blocks, with and without a skip, and of layers of cells in a stage."""
    count = 0
    for part in parts:
        if isinstance(part, Residual):
            count += 1
        elif isinstance(part, DenseCell):
            count += int(part.depth)
        elif isinstance(part, Repeat):
            count += int(part.count) * blocks(part.parts)
    return count


@register_stages("depth", blocks, logarithmic=True)
def depth(stages: Sequence[int]) -> float:
    """Depth: the number of layers of all cells, or of blocks of all stages.

    The unit is a layer in DenseNet and MLP and a block in MobileNetV2 and ResNet, so values compare only
    within a space. nan for torchvision baselines, which have no stages.
    """
    return float(sum(stages))
