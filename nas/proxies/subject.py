"""What a proxy is computed on: an architecture, its network at initialisation, and a batch of images."""

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
"""Default number of images in a batch."""


@dataclass(frozen=True)
class Subject:
    """The input of a proxy: an architecture, its network and a batch of images.

    Attributes:
        architecture: The architecture.
        build: Builds the network; initial weights come from torch's random state.
        seed: Seed of the weights and of any noise.
        images: A batch of normalised images, shape (batch, *architecture.input_shape).
        labels: Class of each image, shape (batch,).
        classes: Number of classes.
    """

    architecture: Architecture
    build: Callable[[], nn.Module]
    seed: int
    images: Tensor
    labels: Tensor
    classes: int

    @classmethod
    def bare(cls, architecture: Architecture) -> Subject:
        """A subject without images, sufficient for closed-form proxies."""
        import torch

        nothing = torch.empty(0)
        return cls(architecture, architecture.build, 0, nothing, nothing, 0)

    @classmethod
    def of_noise(cls, architecture: Architecture, batch: int = BATCH, seed: int = 0) -> Subject:
        """A subject with a batch of normal noise and random labels, for use without a data set."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        classes = int(architecture.constants()["num_classes"])
        images = torch.randn(batch, *architecture.input_shape, generator=generator)
        labels = torch.randint(classes, (batch,), generator=generator)
        return cls(architecture, architecture.build, seed, images, labels, classes)

    @classmethod
    def of_data(cls, architecture: Architecture, data: Data, batch: int = BATCH, seed: int = 0) -> Subject:
        """A subject with a random batch of a data set's training images, sampled with the seed."""
        import torch

        order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:batch]
        pixels, labels = next(data.train.batches(order, batch))
        mean, deviation = (values[:, None, None] for values in data.normalization)
        images = (pixels.cpu().float() / 255 - mean) / deviation
        if len(architecture.input_shape) == 3:
            images = images.expand(-1, 3, -1, -1)
        return cls(architecture, architecture.build, seed, images, labels.cpu(), len(data.classes))

    def network(self, dtype: torch.dtype | None = None) -> nn.Module:
        """The network at initialisation, the same on every call, in training mode but without dropout."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self.build()
        network.to(dtype).train()
        for layer in network.modules():
            # Of the layers without weights, only dropout and stochastic depth differ between the modes.
            if not any(True for _ in layer.parameters()):
                layer.eval()
        return network

    def loss(self, network: nn.Module) -> Tensor:
        """Mean cross-entropy of the network over the batch."""
        from torch import nn

        return nn.functional.cross_entropy(network(self.images), self.labels)
