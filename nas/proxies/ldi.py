"""Layerwise dynamical isometry: how much a layer at initialisation scales its input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas.proxies.layers import observed, weighted
from nas.proxies.registry import register
from nas.proxies.subject import Subject


@register("ldi", "network", "images", axis="LDI")
def ldi(subject: Subject) -> float:
    """LDI: the mean singular value of the layers' input-output Jacobians, averaged over layers and images.

    A linear layer with ReLU has the Jacobian D W, where D keeps the neurons that are on for an image. A
    convolution is represented by its kernel as a matrix, out x (in x k x k), one for each group, without its
    normalisation and activation. The classifier is left out.

    Values near 1 are best, because signals then keep their norm. Networks with the paper's initialisation lie
    below 1, so more is better. It costs one forward pass and one SVD for each layer (for each linear layer
    and image). The images determine which neurons are on; their number affects only the mean.

    Source: Bhardwaj, Li, Marculescu, CVPR 2021, arXiv 1910.00780, section 3.3, after Lee et al., ICLR 2020.
    """
    network = subject.network()
    layers = weighted(network)[:-1]
    means: dict[nn.Module, float] = {}

    def note(layer: nn.Module, inputs: Tensor, output: Tensor) -> None:
        if layer in layers:
            means[layer] = _mean_singular_value(layer, output)

    with torch.no_grad(), observed(network, nn.Linear, note), observed(network, nn.Conv2d, note):
        network(subject.images)
    return sum(means.values()) / len(means)


def _mean_singular_value(layer: nn.Module, output: Tensor) -> float:
    if isinstance(layer, nn.Linear):
        on = (output > 0).to(layer.weight.dtype)
        return float(torch.linalg.svdvals(on[:, :, None] * layer.weight).mean())
    assert isinstance(layer, nn.Conv2d)
    kernels = layer.weight.flatten(1)
    return float(torch.linalg.svdvals(kernels.view(layer.groups, -1, kernels.shape[1])).mean())
