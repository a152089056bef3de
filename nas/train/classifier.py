"""A network with what it was trained on: how its pixels are normalised, and the names of its classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas.train.data import Data, Spread
from search_spaces import Architecture


class Classifier(nn.Module):
    """A network that takes images as they are and has a score for each class.

    Attributes:
        architecture: What the network is.
        network: The network itself, which takes normalised pixels.
        classes: Names of the classes, in the order of the scores.
        side: Side of the images it was trained on.

    Shape: pixels from 0 to 1, (N, C, side, side), to logits, (N, classes). C is 3, or 1 if it was trained on
    grey images.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, architecture: Architecture, spread: Spread, classes: tuple[str, ...], side: int
    ) -> None:
        super().__init__()
        self.architecture, self.classes, self.side = architecture, classes, side
        self.network = architecture.build()
        for name, values in spread._asdict().items():
            self.register_buffer(name, values.clone()[:, None, None])
        # A network made for colour images is shown grey ones thrice.
        self._channels = 3 if len(architecture.input_shape) == 3 else -1

    @classmethod
    def untrained(cls, architecture: Architecture, data: Data) -> Classifier:
        """For some data, with weights from torch's random state."""
        return cls(architecture, data.spread, data.classes, data.side)

    @property
    def spread(self) -> Spread:
        """By what pixels are normalised."""
        return Spread(self.mean.flatten(), self.deviation.flatten())

    def forward(self, pixels: Tensor) -> Tensor:
        """The logits of some images."""
        normalised = (pixels - self.mean) / self.deviation
        logits: Tensor = self.network(normalised.expand(-1, self._channels, -1, -1))
        return logits

    def example(self, images: int = 2) -> Tensor:
        """Pixels drawn at random, of the shape that it takes."""
        return torch.rand(images, len(self.mean), self.side, self.side, device=self.mean.device)
