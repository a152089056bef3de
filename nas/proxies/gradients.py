"""Proxies from the gradient at initialisation: gradient norm, SNIP and SynFlow."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.proxies.layers import weighted
from nas.proxies.registry import register
from nas.proxies.subject import Subject


@register("grad_norm", "network", "images", "labels", "gradients", axis="gradient norm", logarithmic=True)
def grad_norm(subject: Subject) -> float:
    """Gradient norm: the sum over layers of the Euclidean norm of the loss gradient.

    More is better. It costs a forward and a backward pass of the batch. The loss is a mean over the batch,
    so a larger batch makes the gradient less noisy and its norm slightly smaller.

    Source: Abdelfattah et al., ICLR 2021, arXiv 2101.08134, section 3.2.
    """
    return float(sum(gradient.norm() for _, gradient in _gradients(subject)))


@register("snip", "network", "images", "labels", "gradients", axis="SNIP", logarithmic=True)
def snip(subject: Subject) -> float:
    """SNIP: the sum over weights of |gradient x weight|, the first-order change of the loss by pruning.

    More is better. It costs a forward and a backward pass of the batch.

    Source: Lee, Ajanthan, Torr, ICLR 2019, arXiv 1810.02340, summed over the network as in Abdelfattah et
    al., ICLR 2021, arXiv 2101.08134, section 3.2.
    """
    return sum((weight * gradient).abs().sum().item() for weight, gradient in _gradients(subject))


def _gradients(subject: Subject) -> list[tuple[Tensor, Tensor]]:
    """The weight of each layer with the gradient of the loss with respect to it."""
    network = subject.network()
    weights = [layer.weight for layer in weighted(network)]
    return list(zip(weights, torch.autograd.grad(subject.loss(network), weights), strict=True))


@register("synflow", "network", "gradients", axis="log SynFlow")
def synflow(subject: Subject) -> float:
    """SynFlow: log of the sum over all weights of (dR/dw) w, where R is the sum of the outputs.

    The weights are replaced by their absolute values, the input is one image of ones, and batch norm is the
    identity (its statistics are those of initialisation). ReLU is then the identity as well. ReLU6 is
    replaced by the identity, because it would clip the flow at 6. The logarithm keeps deep networks in range
    and changes no order. More is better. It needs no data and costs a forward and a backward pass of one
    image, in float64.

    Source: Tanaka et al., NeurIPS 2020, arXiv 2006.05467, equation 2, summed over the network as in
    Abdelfattah et al., ICLR 2021, arXiv 2101.08134.
    """
    network = _without_activations(subject.network(torch.float64).eval())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    weights = [layer.weight for layer in weighted(network)]
    outputs = network(torch.ones_like(subject.images[:1], dtype=torch.float64))
    gradients = torch.autograd.grad(outputs.sum(), weights)
    flow = sum((weight * gradient).sum().item() for weight, gradient in zip(weights, gradients, strict=True))
    return math.log(flow) if flow > 0 else -math.inf


def _without_activations(network: nn.Module) -> nn.Module:
    for name, layer in network.named_children():
        if isinstance(layer, nn.ReLU | nn.ReLU6):
            setattr(network, name, nn.Identity())
        else:
            _without_activations(layer)
    return network
