"""Zen-score: how sensitive a network's features are to small changes of its input."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.proxies.layers import observed, weighted
from nas.proxies.registry import register
from nas.proxies.subject import Subject
from search_spaces.modules import Residual

_STEP = 0.01


@register("zen", "network", axis="Zen-score")
def zen(subject: Subject) -> float:
    """Zen-score: log E|f(x) - f(x + 0.01 e)| + the sum over batch norms of the log of their deviation.

    f is the input of the last global average pooling (without one, of the classifier), x and e are normal
    noise, and all weights are normal. The second term restores the scale that batch norm removes from the
    first. Residual sums are removed in the blocks of our own spaces; torchvision baselines keep theirs.

    More is better. It needs no data and averages over the batch; it costs two forward passes of the batch.

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

    def note_features(layer: nn.Module, inputs: Tensor, output: Tensor) -> None:
        if layer is last:
            features.append(inputs.flatten(1))

    def note_scale(layer: nn.Module, inputs: Tensor, output: Tensor) -> None:
        variance = inputs.transpose(0, 1).flatten(1).var(1, correction=0)
        scales.append(0.5 * math.log(variance.mean().item() + 1e-30))

    with torch.no_grad(), observed(network, type(last), note_features):
        with observed(network, nn.BatchNorm2d, note_scale):
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
