"""The chain as a layered graph: between its states run cells, one for each set of choices of a stage.

An architecture is a path; its figures are the sums over its cells. Choices that make the same network are one
cell, so paths and networks are one to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.scoring import FIGURES, Population
from nas.stage_tables import StageTable, StageTables
from search_spaces.figures import MASS_UNITS

Values: TypeAlias = Sequence[NDArray[Any]]
"""A value for each cell of each step."""


def unit_of(figure: str) -> int:
    """How many of the graph's whole numbers make one of a figure."""
    return MASS_UNITS if figure == "nn_mass" else 1


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
