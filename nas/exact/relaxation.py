"""The upper bound: a Lagrangian relaxation, which replaces limits by prices.

For prices p, one per limit, and any path inside the limits with value v and limited figures f,

    v <= v + p * (end - f) <= max over all paths of (v - p * f) + p * end,

where `end` is the upper end of a limit for a positive price and its lower end for a negative one (Geoffrion,
"Lagrangean relaxation for integer programming", 1974). A backward pass over the steps computes the maximum on
the right, and for every state the maximum that a path from there can add.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.exact.graph import NO_LEAST, NO_MOST, Graph, Limit, Values

_ROUNDS = 60
"""Iterations per limit. The last one moves a price by 1e-15 of its range, or by 1e-4 with two limits."""
_FIRST_RANGE = 64.0
"""Initial range of prices, in units of the span of values divided by the span of the limited figure."""


@dataclass(frozen=True)
class Relaxation:
    """Upper bounds on the values of paths from every state.

    Attributes:
        prices: Price per unit of each limited figure.
        constant: Price times end, summed over the limits.
        priced: For each cell its value minus the price of what it uses.
        ahead: For each state before each step, the maximum priced value that a path from there adds.
        slack: An upper bound on float rounding errors of a bound.
    """

    prices: NDArray[np.float64]
    constant: float
    priced: Values
    ahead: list[NDArray[np.float64]]
    slack: float

    @classmethod
    def at(cls, graph: Graph, values: Values, limits: Sequence[Limit], prices: NDArray[np.float64]) -> Self:
        """The relaxation with given prices."""
        columns = [limit.column for limit in limits]
        priced = [
            value - step.figures[:, columns] @ prices for value, step in zip(values, graph.steps, strict=True)
        ]
        charges = [
            price * (limit.most if price > 0 else limit.least)
            for price, limit in zip(prices, limits, strict=True)
            if price
        ]
        ahead = graph.completions(priced, np.maximum)
        size = sum(map(abs, charges)) + sum(float(np.abs(value).max()) for value in (*values, *priced))
        return cls(prices, sum(charges), priced, ahead, slack=1e-12 * size + 0.5)

    @classmethod
    def tightest(cls, graph: Graph, values: Values, limits: Sequence[Limit]) -> Self:
        """Minimise the bound over the prices by the ellipsoid method.

        The bound is convex in the prices; its subgradient is the amount by which the path that attains it
        misses the limits (Yudin and Nemirovskii, 1976). Any prices give a valid bound; good ones leave fewer
        paths to search.
        """
        span = sum(float(value.max() - value.min()) for value in values)
        scale = np.array([span / max(limit.width, 1) for limit in limits])
        best = cls.at(graph, values, limits, np.zeros(len(limits)))
        place, shape = np.zeros(len(limits)), np.eye(len(limits)) * _FIRST_RANGE**2
        for _ in range(_ROUNDS * len(limits)):
            slope = _infeasible_direction(place, limits)
            if not slope.any():
                tried = cls.at(graph, values, limits, place * scale)
                slope = tried._slope(graph, limits) * scale
                best = min(best, tried, key=lambda relaxation: relaxation.bound)
            squared = float(slope @ shape @ slope)
            if not squared > 0:  # the ellipsoid is degenerate in float precision
                break
            place, shape = _halved(place, shape, shape @ slope / np.sqrt(squared))
        return best

    @property
    def bound(self) -> float:
        """An upper bound on the value of all paths inside the limits."""
        return self.constant + float(self.ahead[0][0])

    def _slope(self, graph: Graph, limits: Sequence[Limit]) -> NDArray[np.float64]:
        """A subgradient: the ends of the limits minus what the best priced path uses."""
        state, used = 0, np.zeros(len(limits))
        columns = [limit.column for limit in limits]
        for number, step in enumerate(graph.steps):
            cells = slice(step.starts[state], step.starts[state + 1])
            values = self.priced[number][cells] + self.ahead[number + 1][step.leaving[cells]]
            cell = step.starts[state] + int(np.argmax(values))
            used += step.figures[cell, columns]
            state = int(step.leaving[cell])
        ends = [
            limit.most if price > 0 or limit.least == NO_LEAST else limit.least
            for price, limit in zip(self.prices, limits, strict=True)
        ]
        return np.array(ends, float) - used


def _infeasible_direction(place: NDArray[np.float64], limits: Sequence[Limit]) -> NDArray[np.float64]:
    """A cut for prices of a missing end: negative without a lower end, or positive without an upper end."""
    slope = np.zeros(len(limits))
    for number, (price, limit) in enumerate(zip(place, limits, strict=True)):
        if (price < 0 and limit.least == NO_LEAST) or (price > 0 and limit.most == NO_MOST):
            slope[number] = price
            break
    return slope


def _halved(
    place: NDArray[np.float64], shape: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smallest ellipsoid around the half of an ellipsoid opposite to `step`."""
    size = len(place)
    moved = place - step / (size + 1)
    if size == 1:
        return moved, shape / 4
    return moved, size**2 / (size**2 - 1) * (shape - 2 / (size + 1) * np.outer(step, step))
