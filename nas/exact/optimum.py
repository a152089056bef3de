"""The proven optimum: each path is followed, or shown to be outside the limits or below what is found.

Why a result is proven. Paths are built step by step. A partial path is left aside only for one of three
reasons:

1. its figures so far, with the least or the largest that any way on adds, cannot end inside some limit
   (`Limit.reachable`, exact in whole numbers);
2. its value so far and the most that any way on can add (`Relaxation`, an upper bound) stay below a
   threshold, and as many paths at or above the threshold have been found as were asked for;
3. there is no room for it. Then its bound is remembered.

So no path inside the limits is better than the k-th best found and, of those left without room, the largest
bound. Where that bound is no better than what was found, what was found is the optimum. Else the beginnings
of paths are joined with their ends (`halves`), as narrow limits need it. Where that is too much, the search
is repeated with more room and the better threshold; what then remains of the difference is the gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.exact import halves
from nas.exact.graph import Graph, Limit
from nas.exact.paths import Objective, Paths, follow
from nas.exact.relaxation import Relaxation

_ROOMS = (1 << 12, 1 << 16, 1 << 20)
"""Partial paths kept after a step, from try to try; each of about 100 bytes."""


@dataclass(frozen=True)
class Optimum:
    """The best paths inside limits.

    Attributes:
        paths: Best first, then all that equal the last asked for, also in what ranks ties, where that is
            proven; fewer than asked for only where there are no more, or none was found in time.
        bound: No other path inside the limits has a larger value; minus infinity where there is no other.
    """

    paths: Paths
    bound: float


def best(graph: Graph, objective: Objective, limits: Sequence[Limit], k: int = 1) -> Optimum:
    """The k best paths inside limits, by the argument at the top of this file."""
    if any(limit.empty for limit in limits):
        return Optimum(Paths.none(len(graph.steps)), -np.inf)
    relaxation = Relaxation.tightest(graph, objective.of_cells(graph), limits)
    threshold = -np.inf
    for room in _ROOMS:
        found, left_aside = follow(graph, relaxation, limits, threshold, max(room, 4 * k))
        found = objective.first(found, k)
        if len(found) >= k:
            threshold = max(threshold, float(objective.of_paths(found)[k - 1]))
        if left_aside <= threshold:
            return Optimum(found, threshold)
        if room == _ROOMS[0]:
            try:
                return Optimum(*halves.best(graph, objective, limits, k, relaxation, threshold))
            except halves.TooManyError:
                pass
    return Optimum(found, left_aside)
