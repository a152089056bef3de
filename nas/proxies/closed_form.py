"""Proxies in closed form: they look at the architecture alone, and cost microseconds."""

from __future__ import annotations

import math

from nas.proxies.registry import Subject, register
from nas.query import quantity


@register("nn_mass", title="NN-Mass", logarithmic=True, number_format="{:.1f}".format)
def nn_mass(subject: Subject) -> float:
    """NN-Mass: density of skip connections times width times depth, summed over cells or blocks.

    It is not defined for known networks: nan.

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
    """Layers on the way from the input to the output: the sum of the depths of cells or stages.

    The choices named `depth` are added up: layers a cell in DenseNet and MLP, blocks a stage in MobileNetV2
    and ResNet. It compares networks of one space only, and is nan for known networks, which have no choice of
    it.
    """
    choices = subject.architecture.choices()
    depths = [int(value) for name, value in choices.items() if name.startswith("depth")]
    return float(sum(depths)) if depths else math.nan
