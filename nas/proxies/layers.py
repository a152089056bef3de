"""Access to the layers of a network, and to their inputs and outputs, for proxies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

Observer = Callable[[nn.Module, Tensor, Tensor], None]
"""A function of a layer, its first input and its output."""


def weighted(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """All convolutions and linear layers, in the order of `network.modules()`."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


@contextmanager
def observed(network: nn.Module, kind: type[nn.Module], observer: Observer) -> Iterator[None]:
    """Call `observer` at every forward pass of a layer of one kind, inside the with block."""
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: observer(layer, inputs[0], output))
        for layer in network.modules()
        if isinstance(layer, kind)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
