"""The proven optimum: branch and bound over paths.

Why a result is proven. Paths are built step by step. A partial path is discarded only for one of three
reasons:

1. its sums, with the least or the largest that any continuation adds, cannot end inside some limit
   (`Limit.reachable`, exact in whole numbers);
2. its value and the most that any continuation can add (`Relaxation`, an upper bound) stay below a threshold,
   and the requested number of paths at or above the threshold has been found;
3. there is no room for it; then its bound is recorded.

So no path inside the limits is better than both the k-th best found and the largest recorded bound. If that
bound is no better than what was found, the result is the optimum. Otherwise beginnings of paths are joined
with ends (`halves`), which narrow limits need. If the join is too large, the search is repeated with more
room and the better threshold; the remaining difference is the gap.
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
"""Partial paths kept after a step in successive attempts, of about 100 bytes each."""


@dataclass(frozen=True)
class Optimum:
    """The best paths inside limits.

    Attributes:
        paths: The paths, best first, followed by all that equal the k-th, ties included, if that is proven.
            Fewer than k if no more exist or no more were found.
        bound: No other path inside the limits has a larger value; minus infinity if no other exists.
    """

    paths: Paths
    bound: float


def best(graph: Graph, objective: Objective, limits: Sequence[Limit], k: int = 1) -> Optimum:
    """The k best paths inside limits; the module docstring states the proof."""
    if any(limit.empty for limit in limits):
        return Optimum(Paths.none(graph), -np.inf)
    relaxation = Relaxation.tightest(graph, objective.of_cells(graph), limits)
    threshold = -np.inf
    for room in _ROOMS:
        found, discarded = follow(graph, relaxation, limits, threshold, max(room, 4 * k))
        found = objective.first(found, k)
        if len(found) >= k:
            threshold = max(threshold, float(objective.of_paths(found)[k - 1]))
        if discarded <= threshold:
            return Optimum(found, threshold)
        if room == _ROOMS[0]:
            try:
                return Optimum(*halves.best(graph, objective, limits, k, relaxation, threshold))
            except halves.TooManyError:
                pass
    return Optimum(found, discarded)
