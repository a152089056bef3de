"""NASWOT: how differently a network at initialisation sees different images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.proxies.layers import watched
from nas.proxies.registry import Subject, register


@register("naswot", "network", "images", axis="NASWOT")
def naswot(subject: Subject) -> float:
    """NASWOT: log |det K|, where K counts, for each two images, the ReLUs that are on for both or off for
    both.

    It looks at ReLU and ReLU6, and is nan for networks that have neither.

    More is better: images whose patterns differ can be told apart. It costs a forward pass of the batch,
    whose size it depends on: compare values of equal batches only.

    Source: Mellor et al., ICML 2021, arXiv 2006.04647, equation 2.
    """
    network = subject.network()
    images = len(subject.images)
    kernel = torch.zeros(images, images, dtype=torch.float64)

    def note(layer: nn.Module, given: Tensor, came: Tensor) -> None:
        on = (came > 0).flatten(1).double()
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    with torch.no_grad(), watched(network, nn.ReLU, note), watched(network, nn.ReLU6, note):
        network(subject.images)
    if not kernel.any():
        return math.nan
    return float(torch.linalg.slogdet(kernel).logabsdet)
