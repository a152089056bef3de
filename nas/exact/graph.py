"""The chain as a layered graph: between its states run cells, one for each set of choices of a stage.

An architecture is a path; its figures are the sums over its cells. Choices that make the same network are one
cell, so paths and networks are one to one.


Limits are bounds in whole numbers, and how far a path can still move within them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.query import Bound
from nas.tables import FIGURES, Population, StageTable, StageTables
from search_spaces.cost import MASS_SCALE

Values: TypeAlias = Sequence[NDArray[Any]]
"""A value for each cell of each step."""


def unit_of(figure: str) -> int:
    """How many of the graph's whole numbers make one of a figure."""
    return MASS_SCALE if figure == "nn_mass" else 1


@dataclass(frozen=True)
class Step:
    """The cells of one stage, sorted by the state that enters.

    Attributes:
        entering: State that each cell starts from.
        leaving: State that it leads to.
        leaving_states: How many states there are to lead to.
        starts: The first cell of each entering state, then the number of cells.
        figures: A row a cell, in whole numbers as in the stage tables.
        numbers: The number of each cell in the stage's table.
    """

    entering: NDArray[np.intp]
    leaving: NDArray[np.intp]
    leaving_states: int
    starts: NDArray[np.intp]
    figures: NDArray[np.int64]
    numbers: NDArray[np.intp]

    @classmethod
    def of(cls, table: StageTable) -> Self:
        """The cells of a stage that are networks of their own."""
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


@dataclass(frozen=True)
class Graph:
    """All architectures of a space."""

    tables: StageTables
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, tables: StageTables) -> Self:
        """The graph of a space's stage tables."""
        return cls(tables, tuple(Step.of(table) for table in tables.tables))

    def completions(self, values: Values, best: np.ufunc) -> list[NDArray[Any]]:
        """For each state before each step, and after the last, the best sum of values on a path to the end.

        Args:
            best: np.minimum or np.maximum.
        """
        found: list[NDArray[Any]] = [np.zeros(self.steps[-1].leaving_states, values[0].dtype)]
        for step, value in zip(reversed(self.steps), reversed(values), strict=True):
            found.append(best.reduceat(value + found[-1][step.leaving], step.starts[:-1]))
        return found[::-1]

    def figure(self, column: int) -> Values:
        """One figure of every cell."""
        return [step.figures[:, column] for step in self.steps]

    def extent(self, figure: str) -> tuple[float, float]:
        """The least and the largest value of a figure over all architectures."""
        values = self.figure(FIGURES.index(figure))
        least, largest = (self.completions(values, best)[0].item() for best in (np.minimum, np.maximum))
        return least / unit_of(figure), largest / unit_of(figure)

    def size(self) -> int:
        """How many different networks there are."""
        paths = [1] * self.steps[-1].leaving_states
        for step in reversed(self.steps):
            ends = [paths[state] for state in step.leaving.tolist()]
            paths = [sum(ends[start:stop]) for start, stop in pairwise(step.starts.tolist())]
        return paths[0]

    def population(self, paths: NDArray[np.integer]) -> Population:
        """Paths, a row each and a column a step, as option numbers."""
        columns = [column for table in self.tables.tables for column in table.columns]
        options = [count for table in self.tables.tables for count in table.options]
        kind = np.min_scalar_type(max(options, default=1) - 1)
        population: Population = np.zeros((len(paths), len(columns)), kind, order="F")
        for step, table, cells in zip(self.steps, self.tables.tables, paths.T, strict=True):
            table.write(step.numbers[cells], population)
        return population


NO_LEAST, NO_MOST = -(2**62), 2**62


@dataclass(frozen=True)
class Limit:
    """The whole-number values that one figure may have, in a graph.

    Attributes:
        column: The figure's column.
        least: Lower end, or `NO_LEAST`.
        most: Upper end, or `NO_MOST`.
        spacing: The values of all paths are the least of any and some multiples of this above it.
        low: For each state before each step, the least that a path from there adds.
        high: The largest.
    """

    column: int
    least: int
    most: int
    spacing: int
    low: Sequence[NDArray[np.int64]]
    high: Sequence[NDArray[np.int64]]

    @classmethod
    def of(cls, graph: Graph, column: int, least: int = NO_LEAST, most: int = NO_MOST) -> Self:
        """A limit; an end that no path passes is dropped."""
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
        """The limit that a bound sets."""
        unit = unit_of(bound.figure)
        most = NO_MOST if math.isinf(bound.most) else round(bound.most * unit)
        return cls.of(graph, FIGURES.index(bound.figure), round(bound.least * unit), most)

    @property
    def binds(self) -> bool:
        """Whether some path breaks it."""
        return self.least > NO_LEAST or self.most < NO_MOST

    @property
    def width(self) -> int:
        """From the least to the largest value of any path."""
        return int(self.high[0].item() - self.low[0].item())

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the largest value inside that some path could have; reversed where there is none."""
        lowest, highest = self.low[0].item(), self.high[0].item()
        least, most = max(self.least, lowest) - lowest, min(self.most, highest) - lowest
        return lowest - -least // self.spacing * self.spacing, lowest + most // self.spacing * self.spacing

    @property
    def empty(self) -> bool:
        """Whether no path can be inside."""
        return self.ends[0] > self.ends[1]

    def on(self, graph: Graph) -> Limit:
        """The same limit on another graph of the same cells."""
        values = graph.figure(self.column)
        low, high = graph.completions(values, np.minimum), graph.completions(values, np.maximum)
        return replace(self, low=low, high=high)

    def reachable(self, step: int, states: NDArray[np.intp], values: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a path with these values so far can end inside, as far as this figure alone tells."""
        inside: NDArray[np.bool_] = values + self.low[step][states] <= self.most
        inside &= values + self.high[step][states] >= self.least
        return inside


def _spacing(graph: Graph, values: Values, low: Sequence[NDArray[np.int64]]) -> int:
    """What divides all differences between the values of paths.

    A path's value is the least of any and, for each of its cells, what a path through it has at least beyond
    the least from where it begins.
    """
    beyond = (
        value + low[number + 1][step.leaving] - low[number][step.entering]
        for number, (value, step) in enumerate(zip(values, graph.steps, strict=True))
    )
    return math.gcd(*(int(np.gcd.reduce(more)) for more in beyond)) or 1


def limits(graph: Graph, bounds: Sequence[Bound]) -> list[Limit]:
    """The limits that bounds set; those that every path keeps are left out."""
    return [limit for bound in bounds if (limit := Limit.of_bound(graph, bound)).binds]
