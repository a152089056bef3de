"""The proven optimum: each path is followed, or shown to be outside the limits or below what is found.

Why a result is proven. Paths are built step by step. A partial path is left aside only for one of three
reasons:

1. its figures so far, with the least or the largest that any way on adds, cannot end inside some limit
   (`Limit.reachable`, exact in whole numbers);
2. its value so far and the most that any way on can add (`Relaxation`, an upper bound) stay below a
   threshold, and as many paths at or above the threshold have been found as were asked for;
3. there is no room for it. Then its bound is remembered.

So no path inside the limits is better than the k-th best found and, of those left without room, the largest
bound. Where that bound is no better than what was found, what was found is the optimum; else the difference
is the gap, and the search is repeated with more room and the better threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.exact.graph import Graph, Step, Values
from nas.exact.limits import Limit
from nas.exact.relaxation import Relaxation
from nas.scoring import FIGURES

ROOMS = (1 << 12, 1 << 16, 1 << 20)
"""Partial paths kept after a step; each of about 100 bytes."""
_TRIED_A_PLACE = 4
"""Ways on that are looked at for each of these places; most end outside the limits."""


@dataclass(frozen=True)
class Objective:
    """What to make large: a figure, or the least of one where `sign` is -1.

    Attributes:
        column: The figure's column.
        sign: 1 or -1.
        ties: What ranks paths of equal value, as pairs of column and sign.
    """

    column: int
    sign: int = 1
    ties: tuple[tuple[int, int], ...] = ()

    def of_cells(self, graph: Graph) -> Values:
        """The value of each cell."""
        return [self.sign * figures for figures in graph.figure(self.column)]

    def of_paths(self, paths: Paths) -> NDArray[np.int64]:
        """The value of each path."""
        return self.sign * paths.figures[:, self.column]

    def ranked(self, paths: Paths) -> Paths:
        """Best first."""
        keys = ((self.column, self.sign), *self.ties)
        return paths.take(np.lexsort([-sign * paths.figures[:, column] for column, sign in reversed(keys)]))


@dataclass(frozen=True)
class Optimum:
    """The best paths inside limits.

    Attributes:
        paths: Best first; fewer than asked for only where there are no more, or none was found in time.
        bound: No other path inside the limits has a larger value; minus infinity where there is no other.
    """

    paths: Paths
    bound: float


def best(
    graph: Graph,
    objective: Objective,
    limits: Sequence[Limit],
    k: int = 1,
    rooms: Sequence[int] = ROOMS,
) -> Optimum:
    """The k best paths inside limits, by the argument at the top of this file.

    Args:
        rooms: How many partial paths to keep after a step, from try to try.
    """
    relaxation = Relaxation.tightest(graph, objective.of_cells(graph), limits)
    threshold = -np.inf
    for room in rooms:
        found, left_aside = follow(graph, relaxation, limits, threshold, max(room, 4 * k))
        found = objective.ranked(found).take(slice(k))
        if len(found) == k:
            threshold = max(threshold, float(objective.of_paths(found)[-1]))
        if left_aside <= threshold:
            return Optimum(found, threshold)
    return Optimum(found, left_aside)


@dataclass(frozen=True)
class Paths:
    """Paths from the first state, all of one length.

    Attributes:
        cells: The cell of each step, a row a path.
        states: Where they have come to.
        figures: Their sums, in whole numbers.
        priced: Their sums of priced values.
    """

    cells: NDArray[np.int32]
    states: NDArray[np.intp]
    figures: NDArray[np.int64]
    priced: NDArray[np.float64]

    @classmethod
    def start(cls) -> Self:
        """The path of no steps."""
        figures = np.zeros((1, len(FIGURES)), np.int64)
        return cls(np.zeros((1, 0), np.int32), np.zeros(1, np.intp), figures, np.zeros(1))

    def __len__(self) -> int:
        return len(self.states)

    def take(self, which: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Paths:
        """Some of them."""
        return Paths(self.cells[which], self.states[which], self.figures[which], self.priced[which])

    def joined(self, others: Paths) -> Paths:
        """These, then others."""
        return Paths(
            np.concatenate([self.cells, others.cells]),
            np.concatenate([self.states, others.states]),
            np.concatenate([self.figures, others.figures]),
            np.concatenate([self.priced, others.priced]),
        )


def follow(
    graph: Graph, relaxation: Relaxation, limits: Sequence[Limit], threshold: float, room: int
) -> tuple[Paths, float]:
    """Paths inside limits whose value may reach a threshold.

    Args:
        threshold: Value below which a path is of no interest.
        room: Partial paths kept after a step; those of the largest bounds.

    Returns:
        Whole paths inside the limits, and a bound on the value of those left aside for lack of room: minus
        infinity where none was. All others inside are below the threshold.
    """
    paths, left_aside = Paths.start(), -np.inf
    for number, step in enumerate(graph.steps):
        ways = _Ways.on(step, number, relaxation)
        counts, bound = ways.counts(paths, threshold - relaxation.slack, _TRIED_A_PLACE * room)
        paths = _inside(ways.followed(paths, counts), number + 1, limits)
        left_aside = max(left_aside, bound)
        if len(paths) > room:
            bounds = relaxation.constant + paths.priced + relaxation.ahead[number + 1][paths.states]
            order = np.argpartition(-bounds, room)
            left_aside = max(left_aside, float(bounds[order[room:]].max()))
            paths = paths.take(order[:room])
    return paths, left_aside + relaxation.slack


def _inside(paths: Paths, number: int, limits: Sequence[Limit]) -> Paths:
    """The paths that can still end inside all limits."""
    inside = np.ones(len(paths), bool)
    for limit in limits:
        inside &= limit.reachable(number, paths.states, paths.figures[:, limit.column])
    return paths.take(inside)


@dataclass(frozen=True)
class _Ways:
    """The cells of a step in the order in which they are tried: from each state, the largest bound first.

    Attributes:
        order: The cells so ordered.
        adds: The most that a path through each cell adds to its priced value, in that order.
    """

    step: Step
    relaxation: Relaxation
    priced: NDArray[np.float64]
    order: NDArray[np.intp]
    adds: NDArray[np.float64]

    @classmethod
    def on(cls, step: Step, number: int, relaxation: Relaxation) -> Self:
        """The cells of step `number`."""
        priced = relaxation.priced[number]
        adds = priced + relaxation.ahead[number + 1][step.leaving]
        order = np.lexsort((-adds, step.entering))
        return cls(step, relaxation, priced, order, adds[order])

    def counts(self, paths: Paths, threshold: float, most: int) -> tuple[NDArray[np.intp], float]:
        """How many cells to try after each path, and a bound on what the others lead to, if any matter."""
        counts = self._reaching(paths, threshold)
        if counts.sum() <= most:
            return counts, -np.inf
        so_far = self.relaxation.constant + paths.priced
        low = max(threshold, float((so_far + self.adds[self.step.starts[paths.states + 1] - 1]).min()))
        high = float((so_far + self.adds[self.step.starts[paths.states]]).max())
        # Find where the bounds that there is room for begin; any place in between is right.
        for _ in range(50):
            middle = (low + high) / 2
            tried = self._reaching(paths, middle)
            if tried.sum() > most:
                low = middle
            else:
                high, counts = middle, tried
                if 2 * tried.sum() > most:
                    return counts, high
        # More than `most` bounds are all but equal: those above them, then as many of them as fit.
        above = _first(self._reaching(paths, high), most)
        equal = _first(self._reaching(paths, low) - above, most - above.sum())
        return above + equal, high

    def _reaching(self, paths: Paths, threshold: float) -> NDArray[np.intp]:
        """How many cells after each path have a bound of at least the threshold."""
        counts = np.zeros(len(paths), np.intp)
        missing = threshold - self.relaxation.constant - paths.priced
        order = np.argsort(paths.states, kind="stable")
        states, starts = np.unique(paths.states[order], return_index=True)
        for state, (start, stop) in zip(states, pairwise([*starts, len(order)]), strict=True):
            group = order[start:stop]
            adds = self.adds[self.step.starts[state] : self.step.starts[state + 1]]
            counts[group] = np.searchsorted(-adds, -missing[group], side="right")
        return counts

    def followed(self, paths: Paths, counts: NDArray[np.intp]) -> Paths:
        """Each path with each of its first `counts` cells."""
        which = np.repeat(np.arange(len(paths)), counts)
        place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        cells = self.order[self.step.starts[paths.states[which]] + place]
        return Paths(
            np.column_stack([paths.cells[which], cells.astype(np.int32)]),
            self.step.leaving[cells],
            paths.figures[which] + self.step.figures[cells],
            paths.priced[which] + self.priced[cells],
        )


def _first(counts: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Counts cut to a sum of at most `most`, the last ones first."""
    return np.diff(np.minimum(np.cumsum(counts), most), prepend=0)
