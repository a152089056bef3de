"""The accuracy of MobileNetV2 by width and resolution, from which a search chooses both.

NN-Mass sees no resolution. TF-slim's 22 MobileNetV2s of one recipe (ImageNet) say which pairs are good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from nas.fitted.resolution import TF_SLIM
from search_spaces import Space
from search_spaces.architecture import Value
from search_spaces.space import RESOLUTION, Scaled

BASE_FLOPS: Final = 3e8
ERROR_BY_WIDTH: Final = (3.3389, -0.176, 0.0284)
"""The logarithm of the error rate at 224 pixels, in powers of log(FLOPs at 224 pixels / `BASE_FLOPS`)."""
SOURCE: Final = "TF-slim's MobileNetV2s on ImageNet"
_BASELINE: Final = "mobilenet_v2"


def known(space: Space) -> bool:
    """Whether the accuracy of the baselines of a space is known at all its resolutions."""
    return space.baselines == (_BASELINE,) and all(TF_SLIM.covers(float(side)) for side in space.resolutions)


def accuracy(space: Space, scaled: Scaled) -> float:
    """The accuracy on ImageNet of MobileNetV2 at a width and a resolution, in percent.

    >>> import search_spaces
    >>> space = search_spaces.get("mobilenet").over((160, 224)).fix(width_mult=1.0)
    >>> [round(accuracy(space, scaled), 1) for scaled in space.scaled_baselines()]
    [68.7, 72.0]
    """
    base: Mapping[str, Value] = {**scaled.base, RESOLUTION: TF_SLIM.base}
    network = space.of_choices({**space.choices_of(scaled.network), **base})
    x = math.log(float(network.figures().flops) / BASE_FLOPS)
    error = math.exp(sum(each * x**power for power, each in enumerate(ERROR_BY_WIDTH)))
    return float(TF_SLIM.value(100 - error, float(scaled.base[RESOLUTION])))
