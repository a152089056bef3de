"""The optimism of a fitted score: how far it overestimates the networks that are chosen by it.

The best of many networks is one that the fit overestimates. To measure this, scores are fitted to two halves
of the networks; each chooses the best networks of the space under caps of FLOPs, and the other judges them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.bounds import Bound
from nas.exact.graph import Graph
from nas.exact.problem import Problem, proven_best
from nas.fitted.score import Excess, FittedScore
from nas.fitted.sum import FittedSum
from nas.goal import MAXIMIZE, MINIMIZE, Direction, Goal
from nas.tables import StageTables
from search_spaces import Space

SPLITS = 3
"""Random splits into halves."""
_QUANTILES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
"""Caps, as quantiles of the FLOPs of the networks."""
_CHOSEN = 10
"""Networks chosen under a cap."""


@dataclass(frozen=True)
class Half:
    """A score fitted to half of the networks, with what choosing and judging by it needs."""

    score: FittedScore
    tables: StageTables
    graph: Graph

    @classmethod
    def of(cls, space: Space, score: FittedScore) -> Self:
        """Make the stage tables of a score."""
        tables = StageTables.of(space, [FittedSum(score)])
        return cls(score, tables, Graph.of(tables))


def optimism(
    space: Space, fit: Callable[[NDArray[np.intp]], FittedScore], flops: NDArray[np.float64], seed: int = 0
) -> tuple[Excess, ...]:
    """The median overestimation of the networks chosen under each cap, by their predicted value; at least 0.

    It is larger under small caps, where few of the networks are as good as those chosen. The halves have half
    the networks, so that their noise is larger than that of the fit to all; errors of terms that both lack do
    not show. So the figures are neither reduced nor raised.

    Args:
        space: The space to choose from.
        fit: Fits the score to the networks of these indices.
        flops: FLOPs of each network.
        seed: Seed of the splits.
    """
    generator = np.random.default_rng(seed)
    caps = np.quantile(flops, _QUANTILES).tolist()
    found: dict[float, list[tuple[float, float]]] = {cap: [] for cap in caps}
    for _ in range(SPLITS):
        order = generator.permutation(len(flops))
        scores = [fit(order[start::2]) for start in (0, 1)]
        if not all(map(_chooses, scores)):
            continue
        halves = [Half.of(space, score) for score in scores]
        for chooser, judge in (halves, halves[::-1]):
            for cap, pairs in zip(caps, excesses(space, chooser, judge, caps), strict=True):
                found[cap] += pairs
    medians = [np.median(pairs, axis=0).tolist() for pairs in found.values() if pairs]
    by_value = {_rounded(value): max(0.0, _rounded(excess)) for value, excess in medians}
    return tuple(Excess(value, excess) for value, excess in sorted(by_value.items()))


def excesses(
    space: Space, chooser: Half, judge: Half, caps: Sequence[float]
) -> Iterator[list[tuple[float, float]]]:
    """What the chooser thinks of the networks it chooses under each cap, and how much better than the judge.

    Yields:
        The mean predicted value and the mean excess; empty if no network meets the cap.
    """
    score = chooser.score
    direction: Direction = MAXIMIZE if score.more_is_better else MINIMIZE
    sign = 1 if score.more_is_better else -1
    for cap in caps:
        goal = Goal(((score.name, direction),), (Bound("flops", most=cap),))
        best = proven_best(Problem(space, goal, chooser.tables, chooser.graph), _CHOSEN)
        predicted = np.array(best.values[:_CHOSEN])
        over = predicted - judge.tables.score(best.population[: len(predicted)])[judge.score.name]
        there = len(predicted) > 0 and np.isfinite(over).all()
        yield [(float(predicted.mean()), sign * float(over.mean()))] if there else []


def _chooses(score: FittedScore) -> bool:
    """Whether the values of a score differ; a search by equal values lists the space."""
    return any(any(term.coefficients) for term in score.interactions)


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
