"""Torch modules of the blocks (a residual sum, a scaling, a cell with random links), and initialisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from search_spaces.layers import Part


def sequence(parts: Iterable[Part]) -> nn.Sequential:
    """The modules of some parts in sequence."""
    return nn.Sequential(*(module for part in parts for module in part.modules()))


class Residual(nn.Module):
    """The sum of a body and a shortcut; an empty shortcut is the identity.

    Shape: (N, C, H, W) to (N, C', H', W').
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, images: Tensor) -> Tensor:
        summed: Tensor = self.body(images) + self.shortcut(images)
        return summed


class Scaled(nn.Module):
    """Images times the factors that a module computes from them, one per channel.

    Shape: (N, C, H, W) to the same; the module maps it to (N, C, 1, 1).
    """

    def __init__(self, factors: nn.Module) -> None:
        super().__init__()
        self.factors = factors

    def forward(self, images: Tensor) -> Tensor:
        scaled: Tensor = self.factors(images) * images
        return scaled


class DenseCell(nn.Module):
    """Layers that read the previous layer and random channels of the layers before that.

    The indices of the channels are a buffer, so they are saved with the weights.

    Args:
        first: Layer 0.
        layers: Layers 1, 2, ...
        links: For each of `layers`, how many channels it links, and how many it could link.
        seed: Seed of the random links.

    Shape: (N, C, ...) to (N, width, ...).
    """

    def __init__(
        self, first: nn.Module, layers: Sequence[nn.Module], links: Sequence[tuple[int, int]], seed: int
    ) -> None:
        super().__init__()
        self.first = first
        self.layers = nn.ModuleList(layers)
        generator = torch.Generator().manual_seed(seed)
        for index, (linked, linkable) in enumerate(links):
            picked = torch.randperm(linkable, generator=generator)[:linked].sort().values
            self.register_buffer(f"picked_{index}", picked)

    def forward(self, inputs: Tensor) -> Tensor:
        latest: Tensor = self.first(inputs)
        earlier = latest[:, :0]
        for index, layer in enumerate(self.layers):
            picked: Tensor = self.get_buffer(f"picked_{index}")
            reads = torch.cat([latest, earlier.index_select(1, picked)], 1) if len(picked) else latest
            earlier = torch.cat([earlier, latest], 1)
            latest = layer(reads)
        return latest


def initialise_images(model: nn.Module) -> None:
    """Initialise as MobileNetV2 does: He for convolutions (fan out), N(0, 0.01) for the classifier."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


def initialise_features(model: nn.Module) -> None:
    """Initialise linear layers by He's method (fan in), with zero biases."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
