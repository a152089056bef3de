"""ZiCo: how large and how steady the gradients of a network at initialisation are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.proxies.layers import weighted
from nas.proxies.registry import Subject, register
from search_spaces import RequestError

_LEAST = 4


@register("zico", "network", "images", "labels", "gradients", axis="ZiCo")
def zico(subject: Subject) -> float:
    """ZiCo: the sum over layers of log of the sum over weights of mean |gradient| / its deviation.

    Mean and deviation are over the halves of the batch; weights whose gradient is the same in both are left
    out. More is better. It costs a forward and a backward pass of each half.

    As in the paper, the deviation is that of |gradient|. The authors' released code (compute_zico.py) takes
    that of the gradient with its sign, over the batches of a data loader: the same where a weight's gradient
    keeps its sign from batch to batch, and larger, so that the weight counts less, where it does not.

    Raises:
        RequestError: The batch is too small to have halves that batch norm can look at.

    Source: Li et al., ICLR 2023, arXiv 2301.11300, equation 18.
    """
    if len(subject.images) < _LEAST:
        raise RequestError(f"--score-batch {len(subject.images)}: zico needs at least {_LEAST} images")
    network = subject.network()
    weights = [layer.weight for layer in weighted(network)]
    halves = []
    for images, labels in zip(subject.images.chunk(2), subject.labels.chunk(2), strict=True):
        loss = nn.functional.cross_entropy(network(images), labels)
        halves.append([gradient.abs().double() for gradient in torch.autograd.grad(loss, weights)])
    return sum(map(_steadiness, zip(*halves, strict=True)))


def _steadiness(gradients: tuple[Tensor, ...]) -> float:
    """Of one layer."""
    deviation, mean = torch.std_mean(torch.stack(gradients), 0, correction=0)
    steady = float((mean[deviation > 0] / deviation[deviation > 0]).sum())
    return math.log(steady) if steady > 0 else 0.0
