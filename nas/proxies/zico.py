"""ZiCo: the mean of the gradients at initialisation relative to their deviation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.proxies.layers import weighted
from nas.proxies.registry import register
from nas.proxies.subject import Subject
from search_spaces import RequestError

_LEAST = 4


@register("zico", "network", "images", "labels", "gradients", axis="ZiCo")
def zico(subject: Subject) -> float:
    """ZiCo: the sum over layers of the log of the sum over weights of mean |gradient| / its deviation.

    Mean and deviation are taken over the two halves of the batch; weights with equal |gradient| in both are
    left out. More is better. It costs a forward and a backward pass of each half.

    As in the paper, the deviation is that of |gradient|. The authors' released code (compute_zico.py) uses
    the signed gradient: the result is equal where a weight's gradient keeps its sign between batches;
    elsewhere the deviation is larger, so the weight counts less.

    Raises:
        RequestError: The batch has fewer than four images: batch norm needs two in each half.

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
    """Log of the sum of mean |gradient| / deviation over the weights of one layer."""
    deviation, mean = torch.std_mean(torch.stack(gradients), 0, correction=0)
    steady = float((mean[deviation > 0] / deviation[deviation > 0]).sum())
    return math.log(steady) if steady > 0 else 0.0
