"""Proxies of the first gradient: its norm, SNIP, and SynFlow."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.proxies.layers import weighted
from nas.proxies.registry import Subject, register


@register("grad_norm", "network", "images", "labels", "gradients", axis="gradient norm", logarithmic=True)
def grad_norm(subject: Subject) -> float:
    """Gradient norm: the sum over layers of the Euclidean norm of the loss's gradient by their weights.

    More is better. It costs a forward and a backward pass of the batch. The loss is a mean over the batch, so
    more images make the gradient less noisy, and its norm a little smaller.

    Source: Abdelfattah et al., ICLR 2021, arXiv 2101.08134, section 3.2.
    """
    return float(sum(gradient.norm() for _, gradient in _gradients(subject)))


@register("snip", "network", "images", "labels", "gradients", axis="SNIP", logarithmic=True)
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


@register("synflow", "network", "gradients", axis="log SynFlow")
def synflow(subject: Subject) -> float:
    """SynFlow: log of the sum over all weights of (dR/dw) w, where R is the sum of the outputs.

    The weights are replaced by their absolute values, the input is one image of ones, and batch norm does
    nothing (its statistics are those of initialisation). A ReLU then does nothing either; nor does a ReLU6
    here, or it would cut off at 6 what flows. The logarithm, which changes no order, keeps deep networks in
    range. More is better. It needs no data, so it depends on no batch; it costs a forward and a
    backward pass of one image, in float64.

    Source: Tanaka et al., NeurIPS 2020, arXiv 2006.05467, equation 2, summed over the network as by
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
