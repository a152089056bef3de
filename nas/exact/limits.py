"""Bounds in whole numbers, and how far a path can still move within them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.budget import Bound
from nas.exact.graph import Graph, Values, unit_of
from nas.scoring import FIGURES

NO_LEAST, NO_MOST = -(2**62), 2**62


@dataclass(frozen=True)
class Limit:
    """The whole-number values that one figure may have, in a graph.

    Attributes:
        column: The figure's column.
        least: Lower end, or `NO_LEAST`.
        most: Upper end, or `NO_MOST`.
        spacing: The values of all paths are the least of any and some multiples of this above it.
        low: For each state before each step, the least that a path from there adds.
        high: The largest.
    """

    column: int
    least: int
    most: int
    spacing: int
    low: Sequence[NDArray[np.int64]]
    high: Sequence[NDArray[np.int64]]

    @classmethod
    def of(cls, graph: Graph, column: int, least: int = NO_LEAST, most: int = NO_MOST) -> Self:
        """A limit; an end that no path passes is dropped."""
        values = graph.figure(column)
        low, high = graph.completions(values, np.minimum), graph.completions(values, np.maximum)
        return cls(
            column,
            least if least > low[0].item() else NO_LEAST,
            most if most < high[0].item() else NO_MOST,
            _spacing(graph, values, low),
            low,
            high,
        )

    @classmethod
    def of_bound(cls, graph: Graph, bound: Bound) -> Self:
        """The limit that a bound sets."""
        unit = unit_of(bound.figure)
        most = NO_MOST if math.isinf(bound.most) else round(bound.most * unit)
        return cls.of(graph, FIGURES.index(bound.figure), round(bound.least * unit), most)

    @property
    def binds(self) -> bool:
        """Whether some path breaks it."""
        return self.least > NO_LEAST or self.most < NO_MOST

    @property
    def width(self) -> int:
        """From the least to the largest value of any path."""
        return int(self.high[0].item() - self.low[0].item())

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the largest value inside that some path could have; reversed where there is none."""
        lowest, highest = self.low[0].item(), self.high[0].item()
        least, most = max(self.least, lowest) - lowest, min(self.most, highest) - lowest
        return lowest - -least // self.spacing * self.spacing, lowest + most // self.spacing * self.spacing

    @property
    def empty(self) -> bool:
        """Whether no path can be inside."""
        return self.ends[0] > self.ends[1]

    def on(self, graph: Graph) -> Limit:
        """The same limit on another graph of the same cells."""
        values = graph.figure(self.column)
        low, high = graph.completions(values, np.minimum), graph.completions(values, np.maximum)
        return replace(self, low=low, high=high)

    def reachable(self, step: int, states: NDArray[np.intp], values: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a path with these values so far can end inside, as far as this figure alone tells."""
        inside: NDArray[np.bool_] = values + self.low[step][states] <= self.most
        inside &= values + self.high[step][states] >= self.least
        return inside


def _spacing(graph: Graph, values: Values, low: Sequence[NDArray[np.int64]]) -> int:
    """What divides all differences between the values of paths.

    A path's value is the least of any and, for each of its cells, what a path through it has at least beyond
    the least from where it begins.
    """
    beyond = (
        value + low[number + 1][step.leaving] - low[number][step.entering]
        for number, (value, step) in enumerate(zip(values, graph.steps, strict=True))
    )
    return math.gcd(*(int(np.gcd.reduce(more)) for more in beyond)) or 1


def limits(graph: Graph, bounds: Sequence[Bound]) -> list[Limit]:
    """The limits that bounds set; those that every path keeps are left out."""
    return [limit for bound in bounds if (limit := Limit.of_bound(graph, bound)).binds]
