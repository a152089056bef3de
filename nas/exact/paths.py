"""Paths through a graph, what ranks them, and how they are followed step by step."""

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
from nas.tables import FIGURES

_TRIED_A_PLACE = 4
"""Ways on that are looked at for each path that there is room for; most end outside the limits."""


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
    def start(cls, states: int = 1) -> Self:
        """The paths of no steps, one from each state."""
        figures = np.zeros((states, len(FIGURES)), np.int64)
        return cls(np.zeros((states, 0), np.int32), np.arange(states), figures, np.zeros(states))

    @classmethod
    def none(cls, steps: int) -> Self:
        """No paths, of some steps."""
        return replace(cls.start(0), cells=np.zeros((0, steps), np.int32))

    def __len__(self) -> int:
        return len(self.states)

    def take(self, which: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Paths:
        """Some of them."""
        return Paths(self.cells[which], self.states[which], self.figures[which], self.priced[which])

    def joined(self, *others: Paths) -> Paths:
        """These, then others."""
        every = (self, *others)
        return Paths(
            np.concatenate([paths.cells for paths in every]),
            np.concatenate([paths.states for paths in every]),
            np.concatenate([paths.figures for paths in every]),
            np.concatenate([paths.priced for paths in every]),
        )


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

    def first(self, paths: Paths, k: int) -> Paths:
        """The k best, best first, then all that equal the last of these in value and in what ranks ties."""
        ranked = self.ranked(paths)
        keys = ranked.figures[:, [self.column, *(column for column, _ in self.ties)]]
        return ranked.take(slice(k + int((keys[k:] == keys[k - 1 : k]).all(axis=1).sum())))

    def between(self, graph: Graph, least: float, most: float) -> list[Limit]:
        """The limit on the figure for values of at least `least`, if none is known to exceed `most`."""
        if least == -np.inf:
            return []
        ends = sorted((self.sign * math.ceil(least), self.sign * math.floor(most)))
        return [Limit.of(graph, self.column, *ends)]


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
        ways = Ways.on(step, number, relaxation)
        counts, bound = ways.counts(paths, threshold - relaxation.slack, _TRIED_A_PLACE * room)
        paths = fitting(ways.followed(paths, counts), number + 1, limits)
        left_aside = max(left_aside, bound)
        if len(paths) > room:
            bounds = relaxation.constant + paths.priced + relaxation.ahead[number + 1][paths.states]
            order = np.argpartition(-bounds, room)
            left_aside = max(left_aside, float(bounds[order[room:]].max()))
            paths = paths.take(order[:room])
    return paths, left_aside + relaxation.slack


def fitting(paths: Paths, number: int, limits: Sequence[Limit]) -> Paths:
    """The paths of `number` steps that can still end inside all limits."""
    kept = np.ones(len(paths), bool)
    for limit in limits:
        kept &= limit.reachable(number, paths.states, paths.figures[:, limit.column])
    return paths.take(kept)


@dataclass(frozen=True)
class Ways:
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
        counts = self.reaching(paths, threshold)
        if counts.sum() <= most:
            return counts, -np.inf
        so_far = self.relaxation.constant + paths.priced
        low = max(threshold, float((so_far + self.adds[self.step.starts[paths.states + 1] - 1]).min()))
        high = float((so_far + self.adds[self.step.starts[paths.states]]).max())
        # Find where the bounds that there is room for begin; any place in between is right.
        for _ in range(50):
            middle = (low + high) / 2
            tried = self.reaching(paths, middle)
            if tried.sum() > most:
                low = middle
            else:
                high, counts = middle, tried
                if 2 * tried.sum() > most:
                    return counts, high
        # More than `most` bounds are all but equal: those above them, then as many of them as fit.
        above = _first(self.reaching(paths, high), most)
        equal = _first(self.reaching(paths, low) - above, most - above.sum())
        return above + equal, high

    def reaching(self, paths: Paths, threshold: float) -> NDArray[np.intp]:
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

    def leading_to(self, state: int) -> Ways:
        """Only those that lead to one state."""
        kept = np.flatnonzero(self.step.leaving[self.order] == state)
        entering = self.step.entering[self.order[kept]]
        starts = np.searchsorted(entering, np.arange(len(self.step.starts)))
        step = replace(self.step, starts=starts)
        return replace(self, step=step, order=self.order[kept], adds=self.adds[kept])

    def taken(self, paths: Paths, counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Each path, by its number, with each of its first `counts` cells."""
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
    """Counts cut to a sum of at most `most`, the last ones first."""
    return np.diff(np.minimum(np.cumsum(counts), most), prepend=0)
