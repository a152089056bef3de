"""The layers that proxies look at, and what passes through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

Seen = Callable[[nn.Module, Tensor, Tensor], None]
"""Told of a layer, what went into it and what came out."""


def weighted(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """All convolutions and linear layers, in order."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


@contextmanager
def watched(network: nn.Module, kind: type[nn.Module], seen: Seen) -> Iterator[None]:
    """Have all layers of a kind watched."""
    hooks = [
        layer.register_forward_hook(lambda layer, given, came: seen(layer, given[0], came))
        for layer in network.modules()
        if isinstance(layer, kind)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
