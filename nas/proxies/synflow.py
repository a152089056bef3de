"""SynFlow: how much flows from the input to the output along all paths of a network."""

from __future__ import annotations

import math

import torch
from torch import nn

from nas.proxies.layers import weighted
from nas.proxies.registry import register
from nas.proxies.subject import Subject


@register("synflow", "network", "gradients")
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
