"""NASWOT: how well the ReLU patterns of a network at initialisation separate images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.proxies.layers import observed
from nas.proxies.registry import register
from nas.proxies.subject import Subject


@register("naswot", "network", "images", axis="NASWOT")
def naswot(subject: Subject) -> float:
    """NASWOT: log |det K|, where K[i, j] counts the ReLUs with the same state for images i and j.

    ReLU and ReLU6 count; nan for networks that have neither.

    More is better: images with different patterns are easier to separate. It costs a forward pass of the
    batch. The value depends on the batch size: compare values of equal batches only.

    Source: Mellor et al., ICML 2021, arXiv 2006.04647, equation 2.
    """
    network = subject.network()
    images = len(subject.images)
    kernel = torch.zeros(images, images, dtype=torch.float64)

    def note(layer: nn.Module, inputs: Tensor, output: Tensor) -> None:
        on = (output > 0).flatten(1).double()
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    with torch.no_grad(), observed(network, nn.ReLU, note), observed(network, nn.ReLU6, note):
        network(subject.images)
    if not kernel.any():
        return math.nan
    return float(torch.linalg.slogdet(kernel).logabsdet)
