"""Layerwise dynamical isometry: how much a layer at initialisation stretches what passes through it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas.proxies.layers import watched, weighted
from nas.proxies.registry import Subject, register


@register("ldi", "network", "images", axis="LDI")
def ldi(subject: Subject) -> float:
    """LDI: the mean singular value of the layers' input-output Jacobians, averaged over layers and images.

    A linear layer with ReLU has the Jacobian D W, where D keeps the neurons that are on for an image. A
    convolution is taken as the matrix of its kernel, out x (in x k x k), a group of it each; what normalises
    and cuts its input is not looked at. The classifier is left out.

    Nearer to 1 is better: signals then keep their length. Networks of the paper's initialisation lie below 1,
    so more is better there. It costs one forward pass and an SVD a layer and image, and needs images, for
    which neurons are on; it does not depend on how many there are but for the mean over them.

    Source: Bhardwaj, Li, Marculescu, CVPR 2021, arXiv 1910.00780, section 3.3, after Lee et al., ICLR 2020.
    """
    network = subject.network()
    layers = weighted(network)[:-1]
    means: dict[nn.Module, float] = {}

    def note(layer: nn.Module, given: Tensor, came: Tensor) -> None:
        if layer in layers:
            means[layer] = _mean_singular_value(layer, came)

    with torch.no_grad(), watched(network, nn.Linear, note), watched(network, nn.Conv2d, note):
        network(subject.images)
    return sum(means.values()) / len(means)


def _mean_singular_value(layer: nn.Module, came: Tensor) -> float:
    if isinstance(layer, nn.Linear):
        on = (came > 0).to(layer.weight.dtype)
        return float(torch.linalg.svdvals(on[:, :, None] * layer.weight).mean())
    assert isinstance(layer, nn.Conv2d)
    kernels = layer.weight.flatten(1)
    return float(torch.linalg.svdvals(kernels.view(layer.groups, -1, kernels.shape[1])).mean())
