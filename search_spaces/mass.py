"""NN-Mass, the score: how much of a cell's width and depth its skip connections make use of.

Source: Bhardwaj, Li, Marculescu, "How does topology influence gradient propagation and model performance of
deep networks with DenseNet-type skip connections?", CVPR 2021, arXiv 1910.00780.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search_spaces.figures import Column


def concatenation_mass(width: Column, depth: Column, linked: Column, linkable: Column) -> Column:
    """NN-Mass of a cell with concatenating skips: width x depth x density.

    Args:
        width: Channels or neurons a layer.
        depth: Layers in the cell.
        linked: Channels that skip connections bring, summed over the layers.
        linkable: Channels that they could bring at most; 0 in a cell of fewer than three layers.

    >>> print(concatenation_mass(width=32, depth=13, linked=432, linkable=2112))
    85.0909090909091
    >>> print(concatenation_mass(width=32, depth=2, linked=0, linkable=0))
    0.0
    """
    return width * depth * (linked / np.maximum(linkable, 1))


def addition_mass(entering: Column, widths: Sequence[Column]) -> Column:
    """NN-Mass of a block whose input is added to its output: summed widths x density.

    The density is the channels that skip, `entering`, over all that could: each layer of the block could also
    read everything before the layer it reads. The last layer counts with the width of the skip.

    Args:
        entering: Channels that enter the block.
        widths: Output channels of its layers, in order.

    >>> addition_mass(16, [96, 96, 16]) == (16 + 2 * 96) * 16 / (2 * 16 + 96)  # inverted residual
    True
    >>> addition_mass(64, [128, 128])  # basic block: input width + output width
    192.0
    """
    inner = sum(widths[:-1])
    linkable = sum(entering + sum(widths[:layer]) for layer in range(len(widths) - 1))
    return (inner + entering) * entering / linkable
