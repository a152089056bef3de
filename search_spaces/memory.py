"""Peak activation memory: the tensors that are alive at once while a network runs on one input.

The peak is the largest sum of the sizes of the tensors that are alive while one layer runs, in evaluation
mode: the input and the output of the layer, and what a later layer needs as well:

- in a residual block, its input until the sum, and the output of its body while the shortcut runs;
- in squeeze-and-excitation, the tensor that is scaled;
- in a cell with concatenation-type skips, the features of all its layers so far, if a later layer links any.
  The channels that a layer reads are first gathered into a tensor of their own, which counts as a layer.

Batch norm, activations, dropout, flattening, and the sums and scalings of blocks run in place. Weights and
the workspaces of kernels do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from search_spaces.cost import Column


@dataclass(frozen=True)
class Memory:
    """The tensors alive between two layers, and the peak so far, in elements; numbers or columns.

    Attributes:
        current: Elements of the tensor that the next layer reads.
        kept: Elements of other tensors that a later layer needs.
        needed: Whether a later layer needs the current tensor as well.
        peak: The largest sum of elements alive while a layer ran; 0 before the first layer.

    >>> int(Memory(current=100).layer(200).layer(50).peak)
    300
    """

    current: Column
    kept: Column = 0
    needed: Column = False
    peak: Column = 0

    def layer(self, leaving: Column) -> Memory:
        """After a layer with an output of so many elements."""
        peak = np.maximum(self.peak, self.kept + self.current + leaving)[()]
        return Memory(leaving, self.kept + self.current * self.needed, False, peak)

    def in_place(self) -> Memory:
        """After a layer that writes its output over its input, or beside it where that is needed later."""
        beside = self.layer(self.current)
        over = replace(self, peak=np.maximum(self.peak, self.kept + self.current)[()])
        return beside.where(self.needed, over)

    def keeping(self, needed: Column = True) -> Memory:
        """The same tensors, of which a later layer needs the current one as well if `needed` holds."""
        return replace(self, needed=np.logical_or(self.needed, needed)[()])

    def where(self, condition: Column, other: Memory) -> Memory:
        """These tensors where a condition holds, otherwise others."""
        return Memory(*(_where(condition, *(getattr(one, field.name) for one in (self, other)))
                        for field in fields(self)))  # fmt: skip


def _where(condition: Column, first: Any, second: Any) -> Any:
    return np.where(condition, first, second)[()]
