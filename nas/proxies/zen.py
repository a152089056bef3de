"""Zen-score: how much a network's features answer to small changes of its input."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.proxies.layers import watched, weighted
from nas.proxies.registry import Subject, register
from search_spaces.modules import Residual

_STEP = 0.01


@register("zen", "network", axis="Zen-score")
def zen(subject: Subject) -> float:
    """Zen-score: log E|f(x) - f(x + 0.01 e)| + sum over batch norms of log of their mean deviation.

    f is what the last pooling over whole channels is given (without one, what the classifier is given), x and
    e are normal noise, and the weights of all layers are normal; the second term gives back the scale that
    batch norm has taken out of the first. Sums with the input of a block are left out, those of our own
    spaces: networks of torchvision keep theirs. More is better. It needs no data, and averages over the
    batch; it costs two forward passes of it.

    Source: Lin et al., ICCV 2021, arXiv 2102.01063, algorithm 1.
    """
    network = _without_residuals(subject.network())
    generator = torch.Generator().manual_seed(subject.seed)
    with torch.no_grad():
        for layer in weighted(network):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
    noise, change = torch.randn(2, *subject.images.shape, generator=generator)
    pools = [layer for layer in network.modules() if isinstance(layer, nn.AdaptiveAvgPool2d)]
    last = (pools or weighted(network))[-1]
    features: list[Tensor] = []
    scales: list[float] = []

    def note_features(layer: nn.Module, given: Tensor, came: Tensor) -> None:
        if layer is last:
            features.append(given.flatten(1))

    def note_scale(layer: nn.Module, given: Tensor, came: Tensor) -> None:
        variance = given.transpose(0, 1).flatten(1).var(1, correction=0)
        scales.append(0.5 * math.log(variance.mean().item() + 1e-30))

    with torch.no_grad(), watched(network, type(last), note_features):
        with watched(network, nn.BatchNorm2d, note_scale):
            network(noise)
        network(noise + _STEP * change)
    difference = (features[0] - features[1]).norm(dim=1).mean().item()
    return math.log(difference + 1e-30) + sum(scales)


def _without_residuals(network: nn.Module) -> nn.Module:
    for name, layer in network.named_children():
        if isinstance(layer, Residual):
            setattr(network, name, layer.body)
        _without_residuals(layer)
    return network
