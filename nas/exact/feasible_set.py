"""The networks inside limits: their number, and uniform random samples of them.

Small sets are enumerated. For large ones, a table counts for every state how many paths reach it with each
sum of the limited figures. The sums lie on a grid, which is exact if it has few enough levels, and rounded
otherwise. Sampling runs backwards: it picks an end inside the limits, then step by step a previous cell, each
with a probability proportional to the number of paths through it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from nas.exact.graph import NO_LEAST, NO_MOST, Graph, Limit, Step
from nas.exact.halves import TooManyError, listed
from nas.exact.paths import Paths, follow
from nas.exact.relaxation import Relaxation

LISTED = 1_000_000
"""Networks of the largest space that is enumerated."""
FINE, ROUGH = 1 << 21, 1 << 16
"""Levels of the grid under one limit: enough for an exact count, if one is possible, and for two digits."""
_ROUGHEST = 1 << 12
"""Levels of the grid that tests whether the set is small."""
_FINE_SEVERAL = 1 << 18
"""Levels of the grid under several limits, multiplied."""
_BLUR = 100
"""A limit is narrow if it is less than this many times as wide as the largest error of a sum."""
_MEMORY = 1 << 27
"""Entries of the table for all states together, 8 bytes each."""
_WEIGHTS_AT_ONCE = 1 << 22
"""Weights of previous cells computed in one pass."""
_SAMPLED_AT_ONCE = 1 << 15
_MOST_REJECTED = 1 << 20
"""If none of this many samples is inside the limits, the set is taken to be empty."""


class FeasibleSet(Protocol):
    """The set of networks inside limits."""

    @property
    def count(self) -> int:
        """Number of networks."""
        ...

    @property
    def rounding(self) -> float:
        """The largest error of a counted sum, as a fraction of its limit; 0 if the count is exact."""
        ...

    def sample(self, count: int, generator: np.random.Generator) -> NDArray[np.integer]:
        """A uniform random sample with replacement: one path per row; no rows if the set is empty."""
        ...

    def values(self, column: int) -> NDArray[np.integer]:
        """The distinct values of a limited figure, sorted; `column` is the index of the figure."""
        ...


def inside(graph: Graph, limits: Sequence[Limit], levels: int = FINE) -> FeasibleSet:
    """The networks of a graph inside limits.

    Args:
        levels: Levels of the grid in spaces that are not enumerated; narrow limits get more.
    """
    if graph.size() <= LISTED:
        return Enumerated.of(graph, limits)
    finest = FINE if len(limits) < 2 else _FINE_SEVERAL
    if any(axis.blurred for axis in _axes(graph, limits, min(levels, finest))):
        few = few_inside(graph, limits)
        if few is not None:
            return Enumerated(few)
    table = CountTable.of(graph, limits, min(levels, finest))
    if levels < finest and any(axis.blurred for axis in table.axes):
        return CountTable.of(graph, limits, finest)
    return table


def few_inside(graph: Graph, limits: Sequence[Limit]) -> Paths | None:
    """The networks inside limits, if these leave at most about a million; otherwise None."""
    if any(limit.empty for limit in limits):
        return Paths.none(graph)
    if CountTable.of(graph, limits, _ROUGHEST).count > LISTED:
        return None
    try:
        return listed(graph, limits, 2 * LISTED)
    except TooManyError:
        return None


@dataclass(frozen=True)
class Enumerated:
    """A set of networks that is enumerated."""

    paths: Paths
    rounding: float = 0.0

    @classmethod
    def of(cls, graph: Graph, limits: Sequence[Limit]) -> Self:
        """Enumerate the networks of a graph inside limits."""
        unpriced = Relaxation.at(graph, graph.figure(0), limits, np.zeros(len(limits)))
        paths, _ = follow(graph, unpriced, limits, -np.inf, room=graph.size())
        return cls(paths)

    @property
    def count(self) -> int:
        return len(self.paths)

    def sample(self, count: int, generator: np.random.Generator) -> NDArray[np.integer]:
        return self.paths.cells[generator.integers(len(self.paths), size=count if len(self.paths) else 0)]

    def values(self, column: int) -> NDArray[np.integer]:
        return np.unique(self.paths.figures[:, column])


@dataclass(frozen=True)
class _Axis:
    """The grid of one limited figure. Levels count what the steps add beyond their minima.

    Attributes:
        limit: The limit.
        base: The sum at level 0.
        unit: The width of a level.
        added: Number of levels that each cell of each step adds.
        first: Lower end of the limit, in levels.
        last: Upper end of the limit, in levels.
        margin: The largest error of a rounded sum, in levels.
    """

    limit: Limit
    base: int
    unit: int
    added: Sequence[NDArray[np.int64]]
    first: float
    last: float
    margin: int

    @classmethod
    def of(cls, graph: Graph, limit: Limit, levels: float) -> Self:
        """A grid of at most about `levels` levels; exact if that is possible."""
        added = [values - values.min() for values in graph.figure(limit.column)]
        base = sum(int(values.min()) for values in graph.figure(limit.column))
        last = min(limit.most, int(limit.high[0].item())) - base
        divisor = math.gcd(*(int(np.gcd.reduce(values)) for values in added)) or 1
        exact = last // divisor < levels
        unit = divisor if exact else math.ceil(last / levels)
        # True sums lie on a grid with this spacing; a rounded sum represents half a step on both sides.
        around = 0.0 if exact else limit.spacing / 2
        least, most = limit.ends
        return cls(
            limit,
            base,
            unit,
            [np.rint(values / unit).astype(np.int64) for values in added],
            first=(NO_LEAST if limit.least == NO_LEAST else least - around - base) / unit,
            last=(most + around - base) / unit,
            margin=0 if exact else (len(added) + 1) // 2,
        )

    @property
    def top(self) -> int:
        """The highest level whose true sum may lie inside."""
        return math.floor(self.last) + self.margin

    def fractions(self, levels: int) -> NDArray[np.float64]:
        """The fraction of each level that lies inside; 0 or 1 if the grid is exact."""
        level = np.arange(levels)
        if not self.margin:
            return np.asarray((level >= self.first) & (level <= self.last), float)
        last = math.inf if self.limit.most == NO_MOST else self.last
        inside = np.minimum(level + 0.5, last) - np.maximum(level - 0.5, self.first)
        return np.asarray(np.clip(inside, 0, 1), float)

    @property
    def blurred(self) -> bool:
        """Whether the limit is so narrow that rounding determines what is inside."""
        return self.last - max(self.first, 0) < _BLUR * self.margin

    @property
    def rounding(self) -> float:
        """The largest error of a sum, as a fraction of the end of the limit."""
        end = self.limit.least if self.limit.most == NO_MOST else self.limit.most
        return self.margin * self.unit / end if self.margin else 0.0


def _axes(graph: Graph, limits: Sequence[Limit], levels: float) -> list[_Axis]:
    """A grid for each limit; the levels that one does not need are available to the others."""
    by_levels = sorted((_Axis.of(graph, limit, math.inf) for limit in limits), key=lambda axis: axis.last)
    axes: list[_Axis] = []
    for axis in by_levels:
        axes.append(_Axis.of(graph, axis.limit, levels ** (1 / (len(limits) - len(axes)))))
        levels /= max(axes[-1].top, 1)
    return axes


@dataclass(frozen=True)
class CountTable:
    """A set of networks, as the number of paths for each state and sum.

    Attributes:
        graph: The graph of the space.
        axes: The grids of the limited figures.
        paths: Before each step and after the last, for each state, how many paths reach it with each sum.
    """

    graph: Graph
    axes: Sequence[_Axis]
    paths: Sequence[Sequence[NDArray[np.float64]]]

    @classmethod
    def of(cls, graph: Graph, limits: Sequence[Limit], levels: int) -> Self:
        """Count the paths to every state, step by step."""
        states = sum(step.leaving_states for step in graph.steps)
        axes = _axes(graph, limits, min(levels, _MEMORY // states))
        paths = [[np.ones((1,) * (len(axes) + 1))]]
        for number, step in enumerate(graph.steps):
            paths.append(_after(step, _added(axes, number, len(step.leaving)), _tops(axes), paths[-1]))
        return cls(graph, axes, paths)

    @property
    def count(self) -> int:
        """Number of networks: exact up to 2^53, with 15 correct digits beyond."""
        if not self.axes:
            return self.graph.size()
        return round(sum(float(ends.sum()) for ends in self._ends_inside()))

    def values(self, column: int) -> NDArray[np.integer]:
        (place,) = (place for place, axis in enumerate(self.axes) if axis.limit.column == column)
        levels = [
            np.flatnonzero(ends.any(axis=tuple(other for other in range(ends.ndim) if other != place)))
            for ends in self._ends_inside()
        ]
        return self.axes[place].base + self.axes[place].unit * np.unique(np.concatenate(levels))

    def _ends_inside(self) -> Iterator[NDArray[np.float64]]:
        """For each final state, how many paths inside the limits reach it with each sum."""
        for ends in self.paths[-1]:
            for place, axis in enumerate(self.axes):
                fractions = axis.fractions(ends.shape[place])
                ends = ends * fractions.reshape(-1, *(1,) * (ends.ndim - place - 1))
            yield ends

    @property
    def rounding(self) -> float:
        return max((axis.rounding for axis in self.axes), default=0.0)

    def sample(self, count: int, generator: np.random.Generator) -> NDArray[np.integer]:
        """A uniform random sample with replacement.

        If sums are rounded, limits are widened by the largest error, and paths outside the true limits are
        rejected.
        """
        kept = np.zeros((0, len(self.graph.steps)), np.intp)
        tried = 0
        while len(kept) < count and (len(kept) or tried < _MOST_REJECTED):
            accepted = (len(kept) + 1) / (tried + 1)
            size = math.ceil(min((count - len(kept)) / accepted, _SAMPLED_AT_ONCE))
            paths = self._paths_to(*self._ends(size, generator), generator)
            if not len(paths):
                break
            kept, tried = np.concatenate([kept, paths[self._inside(paths)]]), tried + len(paths)
        return kept[:count]

    def _ends(self, count: int, generator: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Sample ends of paths: a state and a row of levels for each."""
        lows = [*(max(math.ceil(axis.first) - axis.margin, 0) for axis in self.axes), 0]
        ends = [ends[tuple(slice(low, None) for low in lows)] for ends in self.paths[-1]]
        totals = np.cumsum([state.sum() for state in ends])
        if not totals[-1]:
            return np.zeros(0, np.intp), np.zeros((0, len(lows)), np.intp)
        states = np.searchsorted(totals, generator.random(count) * totals[-1], side="right")
        levels = np.zeros((count, len(lows)), np.intp)
        for state in np.unique(states):
            group = np.flatnonzero(states == state)
            total = np.cumsum(ends[state])
            place = np.searchsorted(total, generator.random(len(group)) * total[-1], side="right")
            levels[group] = np.column_stack(np.unravel_index(place, ends[state].shape))
        return states, levels + np.array(lows, np.intp)

    def _paths_to(
        self, states: NDArray[np.intp], levels: NDArray[np.intp], generator: np.random.Generator
    ) -> NDArray[np.intp]:
        """For each end, a path to it, sampled uniformly."""
        paths = np.zeros((len(states), len(self.graph.steps)), np.intp)
        for number, step in reversed(list(enumerate(self.graph.steps))):
            added, before = _added(self.axes, number, len(step.leaving)), np.zeros_like(states)
            for state in np.unique(states):
                cells = np.flatnonzero(step.leaving == state)
                group = np.flatnonzero(states == state)
                for some in np.array_split(group, math.ceil(len(group) * len(cells) / _WEIGHTS_AT_ONCE)):
                    weights = self._weights(number, step, cells, levels[some, None] - added[cells])
                    total = np.cumsum(weights, axis=1)
                    aim = generator.random((len(some), 1)) * total[:, -1:]
                    paths[some, number] = cells[(total <= aim).sum(axis=1)]
                before[group] = step.entering[paths[group, number]]
            levels = levels - added[paths[:, number]]
            states = before
        return paths

    def _weights(
        self, number: int, step: Step, cells: NDArray[np.intp], levels: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """How many paths reach the start of each cell with the remaining levels; one row per end."""
        weights = np.zeros(levels.shape[:2])
        for state in np.unique(step.entering[cells]):
            which = np.flatnonzero(step.entering[cells] == state)
            paths, left = self.paths[number][state], levels[:, which]
            there = np.logical_and(left >= 0, left < paths.shape).all(axis=2)
            place = tuple(np.moveaxis(np.where(there[..., None], left, 0), 2, 0))
            weights[:, which] = np.where(there, paths[place], 0)
        return weights

    def _inside(self, paths: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which paths lie inside the limits by their true sums."""
        sums = sum(step.figures[cells] for step, cells in zip(self.graph.steps, paths.T, strict=True))
        inside = np.ones(len(paths), bool)
        for axis in self.axes:
            values = sums[:, axis.limit.column]
            inside &= (values >= axis.limit.least) & (values <= axis.limit.most)
        return inside


def _added(axes: Sequence[_Axis], number: int, cells: int) -> NDArray[np.int64]:
    """Levels that each cell of a step adds: one column per axis, and always one of zeros."""
    return np.column_stack([*(axis.added[number] for axis in axes), np.zeros(cells, np.int64)])


def _tops(axes: Sequence[_Axis]) -> NDArray[np.int64]:
    """Number of levels of each axis; higher sums cannot end inside."""
    return np.array([*(axis.top + 1 for axis in axes), 1])


def _after(
    step: Step, added: NDArray[np.int64], tops: NDArray[np.int64], before: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """How many paths reach each output state of a step with each sum."""
    shapes = np.array([paths.shape for paths in before], np.int64)[step.entering]
    ends = np.minimum(shapes + added, tops)
    room = np.zeros((step.leaving_states, len(tops)), np.int64)
    np.maximum.at(room, step.leaving, ends)
    after = [np.zeros(tuple(shape)) for shape in room]
    for entering, leaving, begin, end in zip(
        step.entering.tolist(), step.leaving.tolist(), added.tolist(), ends.tolist(), strict=True
    ):
        if all(b < e for b, e in zip(begin, end, strict=True)):
            source = tuple(slice(e - b) for b, e in zip(begin, end, strict=True))
            target = tuple(slice(b, e) for b, e in zip(begin, end, strict=True))
            after[leaving][target] += before[entering][source]
    return after
