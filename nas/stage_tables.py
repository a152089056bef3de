"""Stage tables: every figure of every stage under every choice.

From these few thousand rows come the scores of populations (`nas.scoring`) and the exact optima, counts and
samples of whole spaces (`nas.exact`): no architecture is described again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas.scoring import Population, Scorer
from search_spaces import Space
from search_spaces.chain import Values
from search_spaces.figures import Column, total
from search_spaces.layers import Part

IN_WHOLE_NUMBERS = ("mass_units", "flops", "macs", "params")
"""`FIGURES` as the tables hold them: NN-Mass in parts of 1 / `search_spaces.figures.MASS_UNITS`."""


@dataclass(frozen=True)
class StageTable:
    """The figures of one stage, a cell for each state that may enter it and each of its choices.

    Attributes:
        states: How many states may enter.
        columns: Which columns of a population hold its choices.
        options: How many options each of these has.
        figures: A row a cell, over states and options, a column for each of `IN_WHOLE_NUMBERS`.
        leaving: For each cell, the number of the state that leaves the stage.
        canonical: For each cell, the first cell that is the same network.
    """

    states: int
    columns: tuple[int, ...]
    options: tuple[int, ...]
    figures: NDArray[np.int64]
    leaving: NDArray[np.intp]
    canonical: NDArray[np.intp]

    def cells(self, entering: NDArray[np.intp], population: Population) -> NDArray[np.intp]:
        """The cell that each architecture falls in, from the state that enters."""
        cell = entering
        for column, count in zip(self.columns, self.options, strict=True):
            cell = cell * count + population[:, column]
        return cell

    def write(self, cells: NDArray[np.intp], population: Population) -> None:
        """Write the options that cells stand for into a population."""
        _, *options = np.unravel_index(cells, (self.states, *self.options))
        for column, numbers in zip(self.columns, options, strict=True):
            population[:, column] = numbers


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

    @cached_property
    def scorer(self) -> Scorer:
        """The tables merged for scoring."""
        return Scorer.of(self.tables)

    def score(self, population: Population) -> dict[str, Column]:
        """The figures of each row of a population: nn_mass as float64, the rest as int64."""
        return self.scorer.score(population)

    def canonical(self, population: Population) -> Population:
        """The same networks, each with the first options that give it: equal rows are equal networks."""
        state = np.zeros(len(population), np.intp)
        least = population.copy()
        for table in self.tables:
            cells = table.canonical[table.cells(state, population)]
            table.write(cells, least)
            state = table.leaving[cells]
        return least

    def are_canonical(self, population: Population) -> NDArray[np.bool_]:
        """Whether each row is the first of those that give its network."""
        state, canonical = np.zeros(len(population), np.intp), np.ones(len(population), bool)
        for table in self.tables:
            cells = table.cells(state, population)
            canonical &= table.canonical[cells] == cells
            state = table.leaving[cells]
        return canonical


def enumerate_all(space: Space) -> Population:
    """Every choice of options in a space, as a population; for spaces small enough for memory."""
    counts = [len(options) for options in space.choices.values()]
    numbers: Population = np.indices(counts, dtype=np.min_scalar_type(max(counts) - 1))
    return numbers.reshape(len(counts), -1).T


def _tabulate(space: Space) -> Iterator[StageTable]:
    names = list(space.choices)
    states: Values = {}
    count = 1
    for stage in space.chain():
        options = tuple(len(space.choices[name]) for name in stage.choices)
        numbers, *taken = np.indices((count, *options)).reshape(1 + len(options), -1)
        entering = {name: column[numbers] for name, column in states.items()}
        chosen = {
            name: np.asarray(space.choices[name])[i] for name, i in zip(stage.choices, taken, strict=True)
        }
        parts, left = stage.describe(entering, chosen)
        states, first, leaving = _distinct(left, len(numbers))
        _, same, group = _distinct({"entering": numbers, **stage.canonical(entering, chosen)}, len(numbers))
        yield StageTable(
            states=count,
            columns=tuple(names.index(name) for name in stage.choices),
            options=options,
            figures=_in_whole_numbers(parts, len(numbers)),
            leaving=leaving,
            canonical=same[group],
        )
        count = len(first)


def _in_whole_numbers(parts: Sequence[Part], cells: int) -> NDArray[np.int64]:
    figures = total(part.figures() for part in parts)
    columns = [np.broadcast_to(getattr(figures, name), cells) for name in IN_WHOLE_NUMBERS]
    return np.stack(columns, axis=1).astype(np.int64)


def _distinct(values: Values, cells: int) -> tuple[Values, NDArray[np.intp], NDArray[np.intp]]:
    """The distinct combinations of some columns, the first cell that has each, and each cell's number."""
    numbers = np.zeros(cells, np.intp)
    columns = {name: np.broadcast_to(np.asarray(column), cells) for name, column in values.items()}
    for column in columns.values():
        different, inverse = np.unique(column, return_inverse=True)
        numbers = numbers * len(different) + inverse
    _, first, numbers = np.unique(numbers, return_index=True, return_inverse=True)
    return {name: column[first] for name, column in columns.items()}, first, numbers
