"""The upper bound: limits turned into prices, under which the best path is a sum of best cells.

For prices p, one a limit, and any path inside the limits with value v and limited figures f,

    v <= v + p * (end - f) <= max over all paths of (v - p * f) + p * end,

where `end` is a limit's upper end for a price above 0 and its lower end for one below (Lagrangian relaxation:
Geoffrion, "Lagrangean relaxation for integer programming", 1974). The maximum on the right is found state by
state from the last step to the first, and gives for every state also the most that any path from there can
still add.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.exact.graph import NO_LEAST, NO_MOST, Graph, Limit, Values

_ROUNDS = 60
"""Prices tried, a limit. The last halving of a range moves a price by 1e-15 of it; with two it is 1e-4."""
_FIRST_RANGE = 64.0
"""The first range of prices: so many times the span of values over the span of the limited figure."""


@dataclass(frozen=True)
class Relaxation:
    """What any path can reach at most, from every state.

    Attributes:
        prices: Value a unit of each limited figure.
        constant: Price times end, summed over the limits.
        priced: For each cell its value less the price of what it uses.
        ahead: For each state before each step, the most that a path from there adds, priced.
        slack: How far float rounding may move a bound, generously.
    """

    prices: NDArray[np.float64]
    constant: float
    priced: Values
    ahead: list[NDArray[np.float64]]
    slack: float

    @classmethod
    def at(cls, graph: Graph, values: Values, limits: Sequence[Limit], prices: NDArray[np.float64]) -> Self:
        """The relaxation at given prices."""
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
        """The relaxation of the lowest bound that some rounds of the ellipsoid method find.

        The bound is convex in the prices, and how far the path that attains it misses the limits is its slope
        (Yudin and Nemirovskii, 1976). Any prices give a valid bound; good ones leave less to look through.
        """
        span = sum(float(value.max() - value.min()) for value in values)
        scale = np.array([span / max(limit.width, 1) for limit in limits])
        best = cls.at(graph, values, limits, np.zeros(len(limits)))
        place, shape = np.zeros(len(limits)), np.eye(len(limits)) * _FIRST_RANGE**2
        for _ in range(_ROUNDS * len(limits)):
            slope = _towards_allowed(place, limits)
            if not slope.any():
                tried = cls.at(graph, values, limits, place * scale)
                slope = tried._slope(graph, limits) * scale
                best = min(best, tried, key=lambda relaxation: relaxation.bound)
            squared = float(slope @ shape @ slope)
            if not squared > 0:  # the ellipsoid is as thin as floats are
                break
            place, shape = _halved(place, shape, shape @ slope / np.sqrt(squared))
        return best

    @property
    def bound(self) -> float:
        """No path inside the limits has a larger value."""
        return self.constant + float(self.ahead[0][0])

    def _slope(self, graph: Graph, limits: Sequence[Limit]) -> NDArray[np.float64]:
        """What the best priced path leaves of each limit's end."""
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


def _towards_allowed(place: NDArray[np.float64], limits: Sequence[Limit]) -> NDArray[np.float64]:
    """The direction away from a price below 0 without a lower end, or above 0 without an upper one."""
    slope = np.zeros(len(limits))
    for number, (price, limit) in enumerate(zip(place, limits, strict=True)):
        if (price < 0 and limit.least == NO_LEAST) or (price > 0 and limit.most == NO_MOST):
            slope[number] = price
            break
    return slope


def _halved(
    place: NDArray[np.float64], shape: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smallest ellipsoid around the half that lies against `step`."""
    size = len(place)
    moved = place - step / (size + 1)
    if size == 1:
        return moved, shape / 4
    return moved, size**2 / (size**2 - 1) * (shape - 2 / (size + 1) * np.outer(step, step))
