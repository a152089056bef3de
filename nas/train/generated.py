"""Tasks that are generated: points of two features in 20 bands, each of the other class than its neighbours.

Source: Bhardwaj, Li, Marculescu, CVPR 2021, arXiv 1910.00780, section 4, and the authors' code
(github.com/SLDGroup/NN_Mass, dataset.py), whose numbers of points for training are taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from nas.train.images import InMemory
from nas.train.order import GENERATED

BANDS = 20
TRAIN, TEST = 12_000, 12_000
"""Points of either part, equally many a band; the authors test on 1,200."""


def generated(task: str) -> tuple[InMemory, InMemory]:
    """Points to train and to test on, the same every time.

    "seg20": a number from 0 to 1, in both features, whose class is the parity of its twentieth.
    "circle20": a point within the unit circle, whose class is the parity of its ring; within a ring the
    radius is normal about the middle, cut off at its edges, which lie one deviation away.

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
    # A normal deviate within one deviation of the mean, by the inverse of its distribution.
    edge = math.erf(math.sqrt(0.5))
    share = torch.rand(len(bands), generator=generator, dtype=torch.float64)
    within = (1 + math.sqrt(2) * torch.erfinv(edge * (2 * share - 1))) / 2
    angle = 2 * math.pi * torch.rand(len(bands), generator=generator, dtype=torch.float64)
    radius = (bands + within) / BANDS
    return (1 + radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)) / 2


_FEATURES = {"seg20": _on_a_line, "circle20": _in_rings}
