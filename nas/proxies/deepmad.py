"""DeepMAD's entropy: how much a convolutional network can express at each of its resolutions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, takewhile
from typing import NamedTuple

from nas.proxies.registry import register_stages
from search_spaces.blocks import DenseCell, Residual
from search_spaces.layers import Conv, GlobalPool, Linear, Part, Repeat

LAST_WEIGHT = 8.0
"""Weight of the smallest resolution; all others have weight 1, as in the authors' code."""


class _Layer(NamedTuple):
    """Equal layers: their number, log of the fan-in, output channels, and side of the output in pixels."""

    copies: int
    log_width: float
    channels: int
    side: int


def layers_of(parts: Sequence[Part]) -> list[_Layer | None]:
    """The layers of a stage; None stands for the global pooling."""
    found: list[_Layer | None] = []
    for part in parts:
        found += [None] if isinstance(part, GlobalPool) else [layer for layer in _of(part) if layer.copies]
    return found


@register_stages("deepmad", layers_of, title="DeepMAD", axis="DeepMAD's entropy")
def deepmad(stages: Sequence[Sequence[_Layer | None]]) -> float:
    """DeepMAD: the weighted sum over resolutions s of log(r_s^2 c_s) * sum of log(c_in k^2 / groups).

    r_s and c_s are the side and the channels of the last output of resolution s; the inner sum is over the
    layers up to it, from the stem to the global pooling, without squeeze-and-excitation and shortcuts. The
    smallest resolution has weight 8, the others 1. More is better. nan for torchvision baselines.

    The penalty on unequal depths and the limit of effectiveness, depth over mean width, are not part of it.

    Source: Shen et al., "DeepMAD", CVPR 2023, arXiv 2303.02165; the weights are those of the authors' code,
    alibaba/lightweight-neural-architecture-search.
    """
    entropy, by_resolution = 0.0, list[float]()
    for _, layers in groupby(_up_to_pooling(stages), key=lambda layer: layer.side):
        for layer in layers:
            entropy += layer.copies * layer.log_width
        by_resolution.append(math.log(layer.side**2 * layer.channels) * entropy)
    *others, last = by_resolution
    return sum(others) + LAST_WEIGHT * last


def _up_to_pooling(stages: Sequence[Sequence[_Layer | None]]) -> list[_Layer]:
    """The layers up to the global pooling; without one, up to the classifier."""
    layers = list(chain.from_iterable(stages))
    before = list(takewhile(lambda layer: layer is not None, layers))
    found = [layer for layer in before if layer is not None]
    return found if len(before) < len(layers) else found[:-1]


def _of(part: Part) -> Iterator[_Layer]:
    if isinstance(part, Conv):
        fan_in = part.kernel**2 * (1 if part.depthwise else part.channels_in)
        yield _Layer(1, math.log(fan_in), int(part.channels_out), part.side)
    elif isinstance(part, Linear):
        yield _Layer(1, math.log(part.features_in), int(part.features_out), 1)
    elif isinstance(part, Repeat):
        for inner in part.parts:
            yield from (layer._replace(copies=layer.copies * int(part.count)) for layer in _of(inner))
    elif isinstance(part, Residual):
        for inner in part.body:
            yield from _of(inner)
    elif isinstance(part, DenseCell):
        for inner in (*part.first, *(one for layer in part.layers if layer.present for one in layer.body)):
            yield from _of(inner)
