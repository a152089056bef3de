"""The optimism of a fitted score: how far it overestimates the networks that are chosen by it.

The best of many networks is one that the fit overestimates. To measure this, scores are fitted to two halves
of the networks; each chooses the best networks of the space under caps of FLOPs, and the other judges them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nas.bounds import Bound
from nas.exact.graph import Graph
from nas.exact.problem import Problem, proven_best
from nas.fitted.score import FittedScore
from nas.fitted.sum import FittedSum
from nas.query import MAXIMIZE, MINIMIZE, Direction, Goal
from nas.tables import StageTables
from search_spaces import Space

SPLITS = 3
"""Random splits into halves."""
_QUANTILES = (0.2, 0.4, 0.6, 0.8)
"""Caps, as quantiles of the FLOPs of the networks."""
_CHOSEN = 10
"""Networks chosen under a cap."""


def optimism(
    space: Space, fit: Callable[[NDArray[np.intp]], FittedScore], flops: NDArray[np.float64], seed: int = 0
) -> float:
    """The median overestimation of chosen networks, in units of the target; at least 0.

    The halves have half the networks, so their errors are larger than those of the fit to all by a factor of
    the root of 2, if they are independent; the result is divided by it.

    Args:
        space: The space to choose from.
        fit: Fits the score to the networks of these indices.
        flops: FLOPs of each network.
        seed: Seed of the splits.
    """
    generator = np.random.default_rng(seed)
    caps = np.quantile(flops, _QUANTILES).tolist()
    excess: list[float] = []
    for _ in range(SPLITS):
        order = generator.permutation(len(flops))
        halves = [fit(order[start::2]) for start in (0, 1)]
        for chooser, judge in (halves, halves[::-1]):
            excess += excesses(space, chooser, judge, caps)
    found = [one for one in excess if math.isfinite(one)]
    return max(0.0, float(np.median(found)) / math.sqrt(2)) if found else 0.0


def excesses(
    space: Space, chooser: FittedScore, judge: FittedScore, caps: Sequence[float]
) -> Iterator[float]:
    """How much better a score thinks of the networks it chooses under each cap than another score does.

    Caps of FLOPs that no network meets are left out.
    """
    tables = StageTables.of(space, [FittedSum(chooser)])
    graph, judged_by = Graph.of(tables), FittedSum(judge)
    direction: Direction = MAXIMIZE if chooser.more_is_better else MINIMIZE
    for cap in caps:
        goal = Goal(((chooser.name, direction),), (Bound("flops", most=cap),))
        best = proven_best(Problem(space, goal, tables, graph), _CHOSEN)
        judged = [judged_by.of(space.of_options(row)) for row in best.population[:_CHOSEN].tolist()]
        if judged:
            difference = float(np.mean(np.array(best.values[: len(judged)]) - judged))
            yield difference if chooser.more_is_better else -difference
