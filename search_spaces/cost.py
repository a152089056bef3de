"""NN-Mass and costs of a part of a network: the score, parameters, and operations per operator.

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
"""A number, or a NumPy array with one number per architecture. Every formula takes both."""

MASS_SCALE = 720_720 * 4096
"""Units per NN-Mass: masses are stored as whole numbers of units.

Sums of whole numbers do not depend on the order, sums of floats do. 720,720 is divisible by all numbers up to
16, so the masses of inverted residuals, fractions of 2 + expansion, are exact; others are within 2e-10.
"""

MULTIPLY_ADDS = ("conv", "linear")
"""fvcore's names of the operators whose operations are multiply-adds; their sum is the MACs."""


@dataclass(frozen=True)
class Figures:
    """NN-Mass, parameters and operations of a part, of one architecture or a column of architectures.

    Attributes:
        mass_units: NN-Mass in units of 1 / `MASS_SCALE`, at least 0.
        params: Trainable parameters.
        operators: Operations per image in evaluation mode, by fvcore's operator names; a multiply-add is one
            operation.

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
        """Multiply-adds of convolutions and linear layers, the cost that most papers report."""
        return sum(self.operators.get(name, 0) for name in MULTIPLY_ADDS)

    @property
    def flops(self) -> Column:
        """All operations that fvcore counts."""
        return sum(self.operators.values())

    def numbers(self) -> dict[str, float]:
        """NN-Mass and costs of one network by name, as numbers of Python."""
        return {
            "nn_mass": float(self.nn_mass),
            "flops": int(self.flops),
            "macs": int(self.macs),
            "params": int(self.params),
        }

    def __add__(self, other: Figures) -> Figures:
        operators = dict(self.operators)
        for name, count in other.operators.items():
            operators[name] = operators.get(name, 0) + count
        return Figures(self.mass_units + other.mass_units, self.params + other.params, operators)

    def times(self, count: Column) -> Figures:
        """The costs of `count` copies; True is one copy, False none."""
        count = count.astype(np.int64) if isinstance(count, np.ndarray) else int(count)
        operators = {name: operations * count for name, operations in self.operators.items()}
        return Figures(self.mass_units * count, self.params * count, operators)


def in_units(mass: Column) -> Column:
    """Round an NN-Mass to a whole number of units of 1 / `MASS_SCALE`.

    >>> int(in_units(11.2)) * 5 == 56 * MASS_SCALE
    True
    """
    return np.rint(np.multiply(mass, MASS_SCALE)).astype(np.int64)[()]


def total(figures: Iterable[Figures]) -> Figures:
    """The sum of the costs of several parts."""
    return reduce(add, figures, Figures())


def concatenation_mass(width: Column, depth: Column, linked: Column, linkable: Column) -> Column:
    """NN-Mass of a cell with concatenation-type skips: width x depth x density.

    Args:
        width: Channels or neurons per layer.
        depth: Number of layers.
        linked: Channels that skip connections supply, summed over the layers.
        linkable: The maximum of `linked`; 0 in a cell of fewer than three layers.

    >>> print(concatenation_mass(width=32, depth=13, linked=432, linkable=2112))
    85.0909090909091
    >>> print(concatenation_mass(width=32, depth=2, linked=0, linkable=0))
    0.0
    """
    return width * depth * (linked / np.maximum(linkable, 1))


def addition_mass(entering: Column, widths: Sequence[Column]) -> Column:
    """NN-Mass of a block with an addition-type skip: summed widths x density.

    The density is the number of skip channels, `entering`, divided by the number of possible ones: each layer
    could also read every output before the layer it reads. The last layer counts with the width of the skip.

    Args:
        entering: Input channels of the block.
        widths: Output channels of its layers, in order.

    >>> addition_mass(16, [96, 96, 16]) == (16 + 2 * 96) * 16 / (2 * 16 + 96)  # inverted residual
    True
    >>> addition_mass(64, [128, 128])  # basic block: input width + output width
    192.0
    """
    inner = sum(widths[:-1])
    linkable = sum(entering + sum(widths[:layer]) for layer in range(len(widths) - 1))
    return (inner + entering) * entering / linkable
