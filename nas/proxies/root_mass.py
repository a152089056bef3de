"""The sum over stages of the root of NN-Mass, which prefers mass in every stage to much mass in one."""

from __future__ import annotations

import numpy as np

from nas.proxies.registry import register_sum
from search_spaces.cost import Column, Figures


@register_sum(
    "root_mass", title="Σ√mass", axis="sum over stages of √NN-Mass", logarithmic=True, one_width=True
)
def root_mass(stage: Figures) -> Column:
    """Sum over stages of the square root of NN-Mass. More is better.

    At equal NN-Mass it is largest where all stages have the same mass, and a stage without skip connections
    adds nothing. nan for torchvision baselines, where NN-Mass is not defined.

    Source: this project; NN-Mass is from Bhardwaj, Li, Marculescu, CVPR 2021, arXiv 1910.00780.
    """
    return np.sqrt(stage.nn_mass)
