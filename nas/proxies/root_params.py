"""The sum over stages of the fourth root of the parameters, which prefers parameters in all stages."""

from __future__ import annotations

import numpy as np

from nas.proxies.registry import register_sum
from search_spaces.cost import Column, Figures


@register_sum("root_params", title="Σ⁴√params", axis="sum over stages of ⁴√parameters", logarithmic=True)
def root_params(stage: Figures) -> Column:
    """Sum over stages of the fourth root of the trainable parameters, stem and head included. More is better.

    nan for torchvision baselines, which have no stages.

    Source: this project.
    """
    return np.power(stage.params, 0.25)
