"""Stage tables: every figure of every stage under every choice, from which populations are scored.

A population is an array of option numbers, one row an architecture and one column a choice, in the order of
`space.choices`. Scoring looks each stage up and adds: no architecture is described again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces import Space
from search_spaces.chain import Stage, Values
from search_spaces.figures import Column, total

FIGURES = ("nn_mass", "flops", "macs", "params")
"""The figures of an architecture, in the order in which tables show them."""

Population = NDArray[np.integer]


@dataclass(frozen=True)
class StageTable:
    """The figures of one stage, a cell for each state that may enter it and each of its choices.

    Attributes:
        states: How many states may enter.
        columns: Which columns of a population hold its choices.
        options: How many options each of these has.
        figures: For each figure, a flat array over states and options.
        leaving: For each cell, the number of the state that leaves the stage.
    """

    states: int
    columns: tuple[int, ...]
    options: tuple[int, ...]
    figures: dict[str, Column]
    leaving: NDArray[np.intp]

    def cells(self, entering: NDArray[np.intp], population: Population) -> NDArray[np.intp]:
        """The cell that each architecture falls in, from the state that enters."""
        cell = entering
        for column, count in zip(self.columns, self.options, strict=True):
            cell = cell * count + population[:, column]
        return cell


@dataclass(frozen=True)
class StageTables:
    """The stage tables of a space.

    >>> import search_spaces
    >>> tables = StageTables.of(search_spaces.get("mobilenet"))
    >>> {name: column.tolist() for name, column in tables.score(np.zeros((1, 15), np.uint8)).items()}
    {'nn_mass': [0.0], 'flops': [38694048], 'macs': [35046096], 'params': [1526600]}
    """

    tables: tuple[StageTable, ...]

    @classmethod
    def of(cls, space: Space) -> StageTables:
        """Tabulate a space."""
        return cls(tuple(_tabulate(space)))

    def score(self, population: Population) -> dict[str, Column]:
        """The figures of each row of a population: nn_mass as float64, the rest as int64."""
        state = np.zeros(len(population), np.intp)
        columns: dict[str, Column] = dict.fromkeys(FIGURES, np.zeros(len(population), np.int64))
        for table in self.tables:
            cells = table.cells(state, population)
            columns = {name: columns[name] + table.figures[name][cells] for name in FIGURES}
            state = table.leaving[cells]
        return columns

    def extent(self, figure: str) -> tuple[float, float]:
        """The least and the largest value of a figure over all architectures."""
        least = largest = np.zeros(1)
        for table in self.tables:
            cost = table.figures[figure].reshape(table.states, -1)
            leaving = table.leaving.reshape(table.states, -1)
            count = int(table.leaving.max()) + 1
            low, high = np.full(count, np.inf), np.full(count, -np.inf)
            np.minimum.at(low, leaving, least[:, None] + cost)
            np.maximum.at(high, leaving, largest[:, None] + cost)
            least, largest = low, high
        return float(least.min()), float(largest.max())


def enumerate_all(space: Space) -> Population:
    """Every architecture of a space, as a population; for spaces small enough for memory."""
    counts = [len(options) for options in space.choices.values()]
    numbers: Population = np.indices(counts, dtype=np.uint8 if max(counts) <= 256 else np.uint16)
    return numbers.reshape(len(counts), -1).T


def _tabulate(space: Space) -> Iterator[StageTable]:
    names = list(space.choices)
    states: Values = {}
    count = 1
    for stage in space.chain():
        options = tuple(len(space.choices[name]) for name in stage.choices)
        entering, *chosen = np.indices((count, *options)).reshape(1 + len(options), -1)
        values, leaving = _describe(
            stage,
            {name: column[entering] for name, column in states.items()},
            {
                name: np.asarray(space.choices[name])[index]
                for name, index in zip(stage.choices, chosen, strict=True)
            },
            cells=count * math.prod(options),
        )
        states, numbers = _distinct(leaving, cells=len(entering))
        yield StageTable(count, tuple(names.index(name) for name in stage.choices), options, values, numbers)
        count = int(numbers.max()) + 1


def _describe(stage: Stage, entering: Values, chosen: Values, cells: int) -> tuple[dict[str, Column], Values]:
    parts, leaving = stage.describe(entering, chosen)
    figures = total(part.figures() for part in parts)
    kinds = {name: np.float64 if name == "nn_mass" else np.int64 for name in FIGURES}
    return {name: _full(getattr(figures, name), cells).astype(kinds[name]) for name in FIGURES}, leaving


def _full(column: Column, cells: int) -> Column:
    return np.broadcast_to(np.asarray(column), cells)


def _distinct(states: Values, cells: int) -> tuple[Values, NDArray[np.intp]]:
    """The distinct states, and for each cell the number of its state."""
    numbers = np.zeros(cells, np.intp)
    columns: Sequence[Column] = [_full(column, cells) for column in states.values()]
    for column in columns:
        values, inverse = np.unique(column, return_inverse=True)
        numbers = numbers * len(values) + inverse
    _, first, numbers = np.unique(numbers, return_index=True, return_inverse=True)
    return {name: column[first] for name, column in zip(states, columns, strict=True)}, numbers
