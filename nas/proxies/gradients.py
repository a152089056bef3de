"""Proxies of the first gradient: its norm, and what it says of each weight."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.proxies.layers import weighted
from nas.proxies.registry import register
from nas.proxies.subject import Subject


@register("grad_norm", "network", "images", "labels", "gradients")
def grad_norm(subject: Subject) -> float:
    """Gradient norm: the sum over layers of the Euclidean norm of the loss's gradient by their weights.

    More is better. It costs a forward and a backward pass of the batch. The loss is a mean over the batch, so
    more images make the gradient less noisy, and its norm a little smaller.

    Source: Abdelfattah et al., ICLR 2021, arXiv 2101.08134, section 3.2.
    """
    return float(sum(gradient.norm() for _, gradient in _gradients(subject)))


@register("snip", "network", "images", "labels", "gradients")
def snip(subject: Subject) -> float:
    """SNIP: the sum over all weights of |gradient x weight|, what the loss would change if each were cut.

    More is better. It costs a forward and a backward pass of the batch.

    Source: Lee, Ajanthan, Torr, ICLR 2019, arXiv 1810.02340, summed over the network as by Abdelfattah et
    al., ICLR 2021, arXiv 2101.08134, section 3.2.
    """
    return sum((weight * gradient).abs().sum().item() for weight, gradient in _gradients(subject))


def _gradients(subject: Subject) -> list[tuple[Tensor, Tensor]]:
    """The weights of all layers, and the loss's gradients by them."""
    network = subject.network()
    weights = [layer.weight for layer in weighted(network)]
    return list(zip(weights, torch.autograd.grad(subject.loss(network), weights), strict=True))
