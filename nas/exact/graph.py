"""A space as a layered graph: cells, one per set of options of a stage, connect the states between stages.

A network is a path; its scores and costs are sums over its cells. Options that give the same network are one
cell, so paths and networks correspond one to one. Limits are bounds in whole numbers, with the range of the
sums that a path can still reach.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.bounds import Bound
from nas.tables import PEAK, Population, StageTable, StageTables

Values: TypeAlias = Sequence[NDArray[Any]]
"""One value per cell, for each step."""


@dataclass(frozen=True)
class Step:
    """The cells of one stage, sorted by input state.

    Attributes:
        entering: Input state of each cell.
        leaving: Output state of each cell.
        leaving_states: Number of output states.
        starts: Index of the first cell of each input state, then the number of cells.
        figures: Shape (cells, columns), in whole numbers as in the stage tables.
        numbers: Index of each cell in the stage table.
    """

    entering: NDArray[np.intp]
    leaving: NDArray[np.intp]
    leaving_states: int
    starts: NDArray[np.intp]
    figures: NDArray[np.int64]
    numbers: NDArray[np.intp]

    @classmethod
    def of(cls, table: StageTable) -> Self:
        """The canonical cells of a stage table."""
        numbers = np.flatnonzero(table.canonical == np.arange(len(table.canonical)))
        entering = numbers // (len(table.canonical) // table.states)
        return cls(
            entering=entering,
            leaving=table.leaving[numbers],
            leaving_states=int(table.leaving.max()) + 1,
            starts=np.searchsorted(entering, np.arange(table.states + 1)),
            figures=table.figures[numbers],
            numbers=numbers,
        )

    def only(self, kept: NDArray[np.intp]) -> Step:
        """The step with these cells alone, by ascending index, at least one per input state."""
        return replace(
            self,
            entering=self.entering[kept],
            leaving=self.leaving[kept],
            starts=np.searchsorted(self.entering[kept], np.arange(len(self.starts))),
            figures=self.figures[kept],
            numbers=self.numbers[kept],
        )

    def among(self, kept: NDArray[np.intp], entered: NDArray[np.bool_]) -> Step:
        """The step with these cells alone, and its states numbered anew.

        Args:
            kept: Indices of cells, ascending.
            entered: Which input states remain; each has a cell.
        """
        states, leaving = np.unique(self.leaving[kept], return_inverse=True)
        entering = (np.cumsum(entered) - 1)[self.entering[kept]]
        return Step(
            entering=entering,
            leaving=leaving,
            leaving_states=len(states),
            starts=np.searchsorted(entering, np.arange(int(entered.sum()) + 1)),
            figures=self.figures[kept],
            numbers=self.numbers[kept],
        )


@dataclass(frozen=True)
class Graph:
    """All networks of a space."""

    tables: StageTables
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, tables: StageTables) -> Self:
        """Make the graph of a space from its stage tables."""
        return cls(tables, tuple(Step.of(table) for table in tables.tables))

    def below(self, peak: float) -> Graph | None:
        """The networks of at most so much peak memory, in bytes; None if there are none.

        A peak is a maximum over stages, so cells above it are left out, and those that then lead nowhere or
        that no path reaches.
        """
        kept = [values <= peak for values in self.peaks()]
        ends = np.ones(self.steps[-1].leaving_states, bool)
        for number, step in reversed(list(enumerate(self.steps))):
            kept[number] = kept[number] & ends[step.leaving]
            ends = np.bincount(step.entering[kept[number]], minlength=len(step.starts) - 1) > 0
        if not ends.any():
            return None
        steps, reached = list[Step](), ends
        for step, keep in zip(self.steps, kept, strict=True):
            cells = np.flatnonzero(keep & reached[step.entering])
            steps.append(step.among(cells, reached))
            reached = np.bincount(step.leaving[cells], minlength=step.leaving_states) > 0
        return Graph(self.tables, tuple(steps))

    def peaks(self) -> Values:
        """Peak memory of every cell, in bytes."""
        tables = zip(self.tables.tables, self.steps, strict=True)
        return [self.tables.peak_of(table)[step.numbers] for table, step in tables]

    def least_peak(self) -> int:
        """The smallest peak memory of all networks, in bytes."""
        least = np.zeros(self.steps[-1].leaving_states, np.int64)
        for step, peak in zip(reversed(self.steps), reversed(self.peaks()), strict=True):
            least = np.minimum.reduceat(np.maximum(peak, least[step.leaving]), step.starts[:-1])
        return int(least[0])

    def completions(self, values: Values, best: np.ufunc) -> list[NDArray[Any]]:
        """For each state, before each step and after the last, the best sum of values on a path to the end.

        Args:
            best: np.minimum or np.maximum.
        """
        found: list[NDArray[Any]] = [np.zeros(self.steps[-1].leaving_states, values[0].dtype)]
        for step, value in zip(reversed(self.steps), reversed(values), strict=True):
            found.append(best.reduceat(value + found[-1][step.leaving], step.starts[:-1]))
        return found[::-1]

    def figure(self, column: int) -> Values:
        """The values of one figure, by the index of its column, for every cell."""
        return [step.figures[:, column] for step in self.steps]

    def extent(self, figure: str) -> tuple[float, float]:
        """The minimum and the maximum of a figure over all networks."""
        values = self.figure(self.tables.column(figure))
        least, largest = (self.completions(values, best)[0].item() for best in (np.minimum, np.maximum))
        return self.tables.of_units(figure, least), self.tables.of_units(figure, largest)

    def size(self) -> int:
        """Number of different networks."""
        paths = [1] * self.steps[-1].leaving_states
        for step in reversed(self.steps):
            ends = [paths[state] for state in step.leaving.tolist()]
            paths = [sum(ends[start:stop]) for start, stop in pairwise(step.starts.tolist())]
        return paths[0]

    def population(self, paths: NDArray[np.integer]) -> Population:
        """Convert paths, with one row per path and one cell per step, to option numbers."""
        columns = [column for table in self.tables.tables for column in table.columns]
        options = [count for table in self.tables.tables for count in table.options]
        kind = np.min_scalar_type(max(options, default=1) - 1)
        population: Population = np.zeros((len(paths), len(columns)), kind, order="F")
        for step, table, cells in zip(self.steps, self.tables.tables, paths.T, strict=True):
            table.write(step.numbers[cells], population)
        return population


NO_LEAST, NO_MOST = -(2**62), 2**62
"""Stand for a missing end of a limit."""


@dataclass(frozen=True)
class Limit:
    """A closed interval of whole numbers for one figure, in a graph.

    Attributes:
        column: Index of the figure.
        least: Lower end, or `NO_LEAST`.
        most: Upper end, or `NO_MOST`.
        spacing: A common divisor of all differences between values of paths.
        low: For each state before each step, the minimum that a path from there adds.
        high: The maximum that it adds.
    """

    column: int
    least: int
    most: int
    spacing: int
    low: Sequence[NDArray[np.int64]]
    high: Sequence[NDArray[np.int64]]

    @classmethod
    def of(cls, graph: Graph, column: int, least: int = NO_LEAST, most: int = NO_MOST) -> Self:
        """Make a limit, without an end that no path exceeds."""
        values = graph.figure(column)
        low, high = graph.completions(values, np.minimum), graph.completions(values, np.maximum)
        return cls(
            column,
            least if least > low[0].item() else NO_LEAST,
            most if most < high[0].item() else NO_MOST,
            _spacing(graph, values, low),
            low,
            high,
        )

    @classmethod
    def of_bound(cls, graph: Graph, bound: Bound) -> Self:
        """Make the limit of a bound."""
        least, most = graph.tables.units_within(bound.figure, bound.least, bound.most)
        return cls.of(
            graph,
            graph.tables.column(bound.figure),
            NO_LEAST if least is None else least,
            NO_MOST if most is None else most,
        )

    @property
    def binds(self) -> bool:
        """Whether some path violates the limit."""
        return self.least > NO_LEAST or self.most < NO_MOST

    @property
    def width(self) -> int:
        """Difference between the largest and the least value of any path."""
        return int(self.high[0].item() - self.low[0].item())

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the largest value on the grid inside the limit; reversed if there is none."""
        lowest, highest = self.low[0].item(), self.high[0].item()
        least, most = max(self.least, lowest) - lowest, min(self.most, highest) - lowest
        return lowest - -least // self.spacing * self.spacing, lowest + most // self.spacing * self.spacing

    @property
    def empty(self) -> bool:
        """Whether no value on the grid lies inside."""
        return self.ends[0] > self.ends[1]

    def on(self, graph: Graph) -> Limit:
        """The same limit on another graph of the same cells."""
        values = graph.figure(self.column)
        low, high = graph.completions(values, np.minimum), graph.completions(values, np.maximum)
        return replace(self, low=low, high=high)

    def reachable(self, step: int, states: NDArray[np.intp], values: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a partial path with these values can end inside, by this figure alone."""
        inside: NDArray[np.bool_] = values + self.low[step][states] <= self.most
        inside &= values + self.high[step][states] >= self.least
        return inside


def _spacing(graph: Graph, values: Values, low: Sequence[NDArray[np.int64]]) -> int:
    """The greatest common divisor of the differences between values of paths.

    The value of a path is the minimum over all paths plus, for each of its cells, the increase of the minimum
    from its start when the path must pass this cell.
    """
    beyond = (
        value + low[number + 1][step.leaving] - low[number][step.entering]
        for number, (value, step) in enumerate(zip(values, graph.steps, strict=True))
    )
    return math.gcd(*(int(np.gcd.reduce(more)) for more in beyond)) or 1


def limits(graph: Graph, bounds: Sequence[Bound]) -> list[Limit]:
    """The limits of bounds on sums, without those that every path meets."""
    sums = [bound for bound in bounds if bound.figure != PEAK]
    return [limit for bound in sums if (limit := Limit.of_bound(graph, bound)).binds]
