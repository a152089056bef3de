"""What a proxy looks at: an architecture, its network as initialised, a batch of images with labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nas.train.data import Data
    from search_spaces import Architecture

BATCH = 32
"""Images in a batch, where nobody says how many."""


@dataclass(frozen=True)
class Subject:
    """What a proxy looks at.

    Attributes:
        architecture: The architecture.
        build: Makes its network, with weights from torch's random state.
        seed: Seed of the weights, and of noise.
        images: A batch of normalised images, of the shape that the network takes.
        labels: Their classes.
        classes: How many there are.
    """

    architecture: Architecture
    build: Callable[[], nn.Module]
    seed: int
    images: Tensor
    labels: Tensor
    classes: int

    @classmethod
    def bare(cls, architecture: Architecture) -> Subject:
        """With no images: enough for a closed form."""
        import torch

        nothing = torch.empty(0)
        return cls(architecture, architecture.build, 0, nothing, nothing, 0)

    @classmethod
    def of_noise(cls, architecture: Architecture, batch: int = BATCH, seed: int = 0) -> Subject:
        """With a batch of normal noise and random labels, where no data are at hand."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        classes = int(architecture.constants()["num_classes"])
        images = torch.randn(batch, *architecture.input_shape, generator=generator)
        labels = torch.randint(classes, (batch,), generator=generator)
        return cls(architecture, architecture.build, seed, images, labels, classes)

    @classmethod
    def of_data(cls, architecture: Architecture, data: Data, batch: int = BATCH, seed: int = 0) -> Subject:
        """With the first batch of a data set's training images, in an order that follows from the seed."""
        import torch

        order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:batch]
        pixels, labels = next(data.train.batches(order, batch))
        mean, deviation = (values[:, None, None] for values in data.spread)
        images = (pixels.cpu().float() / 255 - mean) / deviation
        if len(architecture.input_shape) == 3:
            images = images.expand(-1, 3, -1, -1)
        return cls(architecture, architecture.build, seed, images, labels.cpu(), len(data.classes))

    def network(self, dtype: torch.dtype | None = None) -> nn.Module:
        """The network as initialised, the same every time; in training mode, but with nothing dropped out."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self.build()
        network.to(dtype).train()
        for layer in network.modules():
            # Layers without weights do the same in both modes, but for those that drop values or branches.
            if not any(True for _ in layer.parameters()):
                layer.eval()
        return network

    def loss(self, network: nn.Module) -> Tensor:
        """Cross-entropy over the batch."""
        from torch import nn

        return nn.functional.cross_entropy(network(self.images), self.labels)
