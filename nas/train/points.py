"""Generated data sets: points of the synthetic tasks of the paper on NN-Mass."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from nas.train.config import GENERATED
from nas.train.images import InMemory

BANDS = 20
TRAIN, TEST = 12_000, 12_000
"""Points per part, equally many per band; the authors test on 1,200."""


def generated(task: str) -> tuple[InMemory, InMemory]:
    """Training and test points of a synthetic task, with a fixed seed.

    "seg20": a uniform number from 0 to 1, as both features; the class is the parity of its twentieth.
    "circle20": a point in the unit circle; the class is the parity of its ring. Within a ring the radius
    follows a normal distribution about the middle, truncated at one standard deviation: the edges.

    Returns:
        Two sets of float32 "images" of 2 channels and 1x1 pixels from 0 to 255.

    >>> train, test = generated("seg20")
    >>> train.pixels.shape, test.labels.unique().tolist()
    (torch.Size([12000, 2, 1, 1]), [0, 1])
    """
    generator = torch.Generator().manual_seed(GENERATED.index(task))
    return _points(_FEATURES[task], TRAIN, generator), _points(_FEATURES[task], TEST, generator)


def _points(features: Callable[[Tensor, Generator], Tensor], count: int, generator: Generator) -> InMemory:
    bands = torch.arange(count) % BANDS
    return InMemory(255 * features(bands, generator).float()[:, :, None, None], bands % 2)


def _on_a_line(bands: Tensor, generator: Generator) -> Tensor:
    within = torch.rand(len(bands), generator=generator, dtype=torch.float64)
    return ((bands + within) / BANDS)[:, None].expand(-1, 2)


def _in_rings(bands: Tensor, generator: Generator) -> Tensor:
    # A normal distribution truncated at one standard deviation, by its inverse.
    edge = math.erf(math.sqrt(0.5))
    uniform = torch.rand(len(bands), generator=generator, dtype=torch.float64)
    within = (1 + math.sqrt(2) * torch.erfinv(edge * (2 * uniform - 1))) / 2
    angle = 2 * math.pi * torch.rand(len(bands), generator=generator, dtype=torch.float64)
    radius = (bands + within) / BANDS
    return (1 + radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)) / 2


_FEATURES = {"seg20": _on_a_line, "circle20": _in_rings}
