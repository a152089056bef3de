"""Paths through a graph, objectives that rank them, and a beam search with bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.exact.graph import Graph, Limit, Step, Values
from nas.exact.relaxation import Relaxation

_TRIED_PER_PATH = 4
"""Continuations tried per path that there is room for; most end outside the limits."""


@dataclass(frozen=True)
class Paths:
    """Paths from the first state, all with the same number of steps.

    Attributes:
        cells: The cell of each step, one row per path.
        states: The state that each path has reached.
        figures: Shape (paths, columns): sums in whole numbers, in the columns of the stage tables.
        priced: Sums of priced values.
    """

    cells: NDArray[np.int32]
    states: NDArray[np.intp]
    figures: NDArray[np.int64]
    priced: NDArray[np.float64]

    @classmethod
    def start(cls, graph: Graph, states: int = 1) -> Self:
        """Empty paths, one per state."""
        figures = np.zeros((states, graph.steps[0].figures.shape[1]), np.int64)
        return cls(np.zeros((states, 0), np.int32), np.arange(states), figures, np.zeros(states))

    @classmethod
    def none(cls, graph: Graph) -> Self:
        """No paths, with all steps of a graph."""
        return replace(cls.start(graph, 0), cells=np.zeros((0, len(graph.steps)), np.int32))

    def __len__(self) -> int:
        return len(self.states)

    def take(self, which: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Paths:
        """The selected paths."""
        return Paths(self.cells[which], self.states[which], self.figures[which], self.priced[which])

    def joined(self, *others: Paths) -> Paths:
        """These paths followed by others."""
        every = (self, *others)
        return Paths(
            np.concatenate([paths.cells for paths in every]),
            np.concatenate([paths.states for paths in every]),
            np.concatenate([paths.figures for paths in every]),
            np.concatenate([paths.priced for paths in every]),
        )


@dataclass(frozen=True)
class Objective:
    """The figure to maximise, or to minimise if `sign` is -1.

    Attributes:
        column: Index of the figure.
        sign: 1 or -1.
        ties: Pairs of column and sign that rank paths with equal values.
    """

    column: int
    sign: int = 1
    ties: tuple[tuple[int, int], ...] = ()

    @property
    def keys(self) -> tuple[tuple[int, int], ...]:
        """Pairs of column and sign by which paths are ranked, the value first."""
        return ((self.column, self.sign), *self.ties)

    def of_cells(self, graph: Graph) -> Values:
        """The value of each cell."""
        return [self.sign * figures for figures in graph.figure(self.column)]

    def of_paths(self, paths: Paths) -> NDArray[np.int64]:
        """The value of each path."""
        return self.sign * paths.figures[:, self.column]

    def ranked(self, paths: Paths) -> Paths:
        """The paths, best first."""
        keys = [-sign * paths.figures[:, column] for column, sign in reversed(self.keys)]
        return paths.take(np.lexsort(keys))

    def first(self, paths: Paths, k: int) -> Paths:
        """The k best, best first, followed by all that equal the k-th in value and ties."""
        ranked = self.ranked(paths)
        keys = ranked.figures[:, [column for column, _ in self.keys]]
        return ranked.take(slice(k + int((keys[k:] == keys[k - 1 : k]).all(axis=1).sum())))

    def above(self, graph: Graph, value: int) -> Limit:
        """The limit for values above one of them."""
        if self.sign > 0:
            return Limit.of(graph, self.column, least=value + 1)
        return Limit.of(graph, self.column, most=-value - 1)

    def between(self, graph: Graph, least: float, most: float) -> list[Limit]:
        """The limit for values from `least` to `most`; none if `least` is minus infinity."""
        if least == -np.inf:
            return []
        ends = sorted((self.sign * math.ceil(least), self.sign * math.floor(most)))
        return [Limit.of(graph, self.column, *ends)]


def follow(
    graph: Graph, relaxation: Relaxation, limits: Sequence[Limit], threshold: float, room: int
) -> tuple[Paths, float]:
    """Find paths inside limits whose value may reach a threshold.

    Args:
        threshold: Paths with smaller values are ignored.
        room: Maximum number of partial paths after a step; those with the largest bounds are kept.

    Returns:
        Complete paths inside the limits, and a bound on the value of those discarded for lack of room: minus
        infinity if there are none. All other paths inside are below the threshold.
    """
    paths, discarded = Paths.start(graph), -np.inf
    for number, step in enumerate(graph.steps):
        ways = Ways.on(step, number, relaxation)
        counts, bound = ways.counts(paths, threshold - relaxation.slack, _TRIED_PER_PATH * room)
        paths = fitting(ways.followed(paths, counts), number + 1, limits)
        discarded = max(discarded, bound)
        if len(paths) > room:
            bounds = relaxation.constant + paths.priced + relaxation.ahead[number + 1][paths.states]
            order = np.argpartition(-bounds, room)
            discarded = max(discarded, float(bounds[order[room:]].max()))
            paths = paths.take(order[:room])
    return paths, discarded + relaxation.slack


def fitting(paths: Paths, number: int, limits: Sequence[Limit]) -> Paths:
    """The paths, of `number` steps, that can still end inside all limits."""
    kept = np.ones(len(paths), bool)
    for limit in limits:
        kept &= limit.reachable(number, paths.states, paths.figures[:, limit.column])
    return paths.take(kept)


@dataclass(frozen=True)
class Ways:
    """The cells of a step, ordered by input state and then by descending bound.

    Attributes:
        step: The step.
        relaxation: The relaxation that gives the bounds.
        priced: The priced value of each cell.
        order: Indices of the cells in this order.
        adds: The maximum that a path through each cell adds to its priced value, in this order.
    """

    step: Step
    relaxation: Relaxation
    priced: NDArray[np.float64]
    order: NDArray[np.intp]
    adds: NDArray[np.float64]

    @classmethod
    def on(cls, step: Step, number: int, relaxation: Relaxation) -> Self:
        """Order the cells of step `number`."""
        priced = relaxation.priced[number]
        adds = priced + relaxation.ahead[number + 1][step.leaving]
        order = np.lexsort((-adds, step.entering))
        return cls(step, relaxation, priced, order, adds[order])

    def counts(self, paths: Paths, threshold: float, most: int) -> tuple[NDArray[np.intp], float]:
        """How many cells to try after each path, and a bound on paths through the others."""
        counts = self.reaching(paths, threshold)
        if counts.sum() <= most:
            return counts, -np.inf
        so_far = self.relaxation.constant + paths.priced
        low = max(threshold, float((so_far + self.adds[self.step.starts[paths.states + 1] - 1]).min()))
        high = float((so_far + self.adds[self.step.starts[paths.states]]).max())
        # Bisect for a threshold that leaves between most / 2 and most cells.
        for _ in range(50):
            middle = (low + high) / 2
            tried = self.reaching(paths, middle)
            if tried.sum() > most:
                low = middle
            else:
                high, counts = middle, tried
                if 2 * tried.sum() > most:
                    return counts, high
        # More than `most` bounds are almost equal: take those above, then as many of these as fit.
        above = _first(self.reaching(paths, high), most)
        equal = _first(self.reaching(paths, low) - above, most - above.sum())
        return above + equal, high

    def reaching(self, paths: Paths, threshold: float) -> NDArray[np.intp]:
        """The number of cells after each path whose bound reaches the threshold."""
        counts = np.zeros(len(paths), np.intp)
        missing = threshold - self.relaxation.constant - paths.priced
        order = np.argsort(paths.states, kind="stable")
        states, starts = np.unique(paths.states[order], return_index=True)
        for state, (start, stop) in zip(states, pairwise([*starts, len(order)]), strict=True):
            group = order[start:stop]
            adds = self.adds[self.step.starts[state] : self.step.starts[state + 1]]
            counts[group] = np.searchsorted(-adds, -missing[group], side="right")
        return counts

    def leading_to(self, state: int) -> Ways:
        """Only the cells that lead to one state."""
        kept = np.flatnonzero(self.step.leaving[self.order] == state)
        entering = self.step.entering[self.order[kept]]
        starts = np.searchsorted(entering, np.arange(len(self.step.starts)))
        step = replace(self.step, starts=starts)
        return replace(self, step=step, order=self.order[kept], adds=self.adds[kept])

    def taken(self, paths: Paths, counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs of the index of a path and one of its first `counts` cells."""
        which = np.repeat(np.arange(len(paths)), counts)
        place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        return which, self.order[self.step.starts[paths.states[which]] + place]

    def followed(self, paths: Paths, counts: NDArray[np.intp]) -> Paths:
        """Each path continued with each of its first `counts` cells."""
        which, cells = self.taken(paths, counts)
        return Paths(
            np.column_stack([paths.cells[which], cells.astype(np.int32)]),
            self.step.leaving[cells],
            paths.figures[which] + self.step.figures[cells],
            paths.priced[which] + self.priced[cells],
        )


def _first(counts: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Counts reduced to a sum of at most `most`, the last ones first."""
    return np.diff(np.minimum(np.cumsum(counts), most), prepend=0)
