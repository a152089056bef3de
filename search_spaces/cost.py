"""What a part of a network counts for: NN-Mass, the score, parameters and operations by operator.

Source: Bhardwaj, Li, Marculescu, "How does topology influence gradient propagation and model performance of
deep networks with DenseNet-type skip connections?", CVPR 2021, arXiv 1910.00780.

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, TypeAlias

import numpy as np

Column: TypeAlias = Any
"""A number, or a NumPy array of numbers with one entry an architecture. Every formula takes both."""

MASS_SCALE = 720_720 * 4096
"""Parts of one NN-Mass in which masses are kept, as whole numbers.

Sums of whole numbers are the same in any order, sums of floats are not. 720,720 is divisible by all numbers
up to 16, so the masses of inverted residuals, fractions of 2 + expansion, are exact; others are within 2e-10.
"""

MULTIPLY_ADDS = ("conv", "linear")
"""The operators, by fvcore's names, whose operations are multiply-adds: together they are the MACs."""


@dataclass(frozen=True)
class Figures:
    """NN-Mass, parameters and operations of a part, for one architecture or a column of them.

    Attributes:
        mass_units: NN-Mass, at least 0, in parts of 1 / `MASS_SCALE`.
        params: Trainable parameters.
        operators: Operations of one image by fvcore's operator names, in evaluation mode, a multiply-add
            counted as one.

    >>> conv = Figures(params=9, operators={"conv": 100})
    >>> norm = Figures(params=2, operators={"batch_norm": 20})
    >>> both = conv + norm.times(2)
    >>> both.params, both.macs, both.flops
    (13, 100, 140)
    """

    mass_units: Column = 0
    params: Column = 0
    operators: Mapping[str, Column] = field(default_factory=dict)

    @property
    def nn_mass(self) -> Column:
        """NN-Mass (Bhardwaj et al., CVPR 2021)."""
        return self.mass_units / MASS_SCALE

    @property
    def macs(self) -> Column:
        """Multiply-adds of convolutions and linear layers, the figure that most papers print."""
        return sum(self.operators.get(name, 0) for name in MULTIPLY_ADDS)

    @property
    def flops(self) -> Column:
        """All operations that fvcore counts."""
        return sum(self.operators.values())

    def __add__(self, other: Figures) -> Figures:
        operators = dict(self.operators)
        for name, count in other.operators.items():
            operators[name] = operators.get(name, 0) + count
        return Figures(self.mass_units + other.mass_units, self.params + other.params, operators)

    def times(self, count: Column) -> Figures:
        """The figures of `count` copies: a number, or a truth value for one copy or none."""
        count = count.astype(np.int64) if isinstance(count, np.ndarray) else int(count)
        operators = {name: operations * count for name, operations in self.operators.items()}
        return Figures(self.mass_units * count, self.params * count, operators)


def in_units(mass: Column) -> Column:
    """An NN-Mass as the nearest whole number of parts of 1 / `MASS_SCALE`.

    >>> int(in_units(11.2)) * 5 == 56 * MASS_SCALE
    True
    """
    return np.rint(np.multiply(mass, MASS_SCALE)).astype(np.int64)[()]


def total(figures: Iterable[Figures]) -> Figures:
    """The sum."""
    return reduce(add, figures, Figures())


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
