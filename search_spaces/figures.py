"""What a part of a network counts for: its NN-Mass, its parameters and its operations by operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, TypeAlias

import numpy as np

Column: TypeAlias = Any
"""A number, or a NumPy array of numbers with one entry an architecture. Every formula takes both."""

MULTIPLY_ADDS = ("conv", "linear")
"""The operators, by fvcore's names, whose operations are multiply-adds: together they are the MACs."""


@dataclass(frozen=True)
class Figures:
    """NN-Mass, parameters and operations of a part, for one architecture or a column of them.

    Attributes:
        nn_mass: NN-Mass (Bhardwaj et al., CVPR 2021), at least 0.
        params: Trainable parameters.
        operators: Operations of one image by fvcore's operator names, in evaluation mode, a multiply-add
            counted as one.

    >>> conv = Figures(params=9, operators={"conv": 100})
    >>> norm = Figures(params=2, operators={"batch_norm": 20})
    >>> both = conv + norm.times(2)
    >>> both.params, both.macs, both.flops
    (13, 100, 140)
    """

    nn_mass: Column = 0.0
    params: Column = 0
    operators: Mapping[str, Column] = field(default_factory=dict)

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
        return Figures(self.nn_mass + other.nn_mass, self.params + other.params, operators)

    def times(self, count: Column) -> Figures:
        """The figures of `count` copies: a number, or a truth value for one copy or none."""
        count = count.astype(np.int64) if isinstance(count, np.ndarray) else int(count)
        operators = {name: operations * count for name, operations in self.operators.items()}
        return Figures(self.nn_mass * count, self.params * count, operators)


def total(figures: Iterable[Figures]) -> Figures:
    """The sum, in the order given: NN-Mass is a float, so one order everywhere gives one result."""
    return reduce(add, figures, Figures())
