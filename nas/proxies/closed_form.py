"""Closed-form proxies: they need the architecture alone and take microseconds."""

from __future__ import annotations

import math

from nas.proxies.registry import Subject, register
from nas.query import quantity


@register("nn_mass", title="NN-Mass", logarithmic=True, number_format="{:.1f}".format)
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


@register("depth", logarithmic=True)
def depth(subject: Subject) -> float:
    """Depth: the sum of the depths of all cells or stages.

    The unit is a layer in DenseNet and MLP and a block in MobileNetV2 and ResNet, so values compare only
    within a space. nan for families without a choice of depth.
    """
    choices = subject.architecture.choices()
    depths = [int(value) for name, value in choices.items() if name.startswith("depth")]
    return float(sum(depths)) if depths else math.nan
