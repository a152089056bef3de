"""Stage tables: scores and costs of every stage under every choice, and the scores of populations from them.

These few thousand rows give the scores of populations, and the exact optima, counts and samples of whole
spaces (`nas.exact`), without evaluating the description of an architecture again. A population is an array of
option numbers, with one row per architecture and one column per choice, in the order of `space.choices`.
Fortran order (contiguous columns) and the narrowest integers are fastest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.fitted.sum import FittedSum
from nas.sums import Cells, Sum
from search_spaces import Space
from search_spaces.chain import Values
from search_spaces.cost import MASS_SCALE, Column, total
from search_spaces.layers import through
from search_spaces.memory import Memory

FIGURES = ("nn_mass", "flops", "macs", "params")
"""NN-Mass and costs of an architecture, in the order of the columns of tables."""
_IN_WHOLE_NUMBERS = ("mass_units", "flops", "macs", "params")
"""`FIGURES` as whole numbers, as the tables store them: NN-Mass in units of 1 / `MASS_SCALE`."""
_WHOLE = FIGURES[1:]
"""Columns whose values are whole numbers."""

PEAK: Final = "peak_memory"
"""The column of peak activation memory, in bytes: a maximum over stages, where all others are sums."""

Population: TypeAlias = NDArray[np.integer]


@dataclass(frozen=True)
class StageTable:
    """Scores and costs of one stage: one cell per combination of input state and options.

    Attributes:
        states: Number of input states.
        columns: Indices of the columns of a population that hold its choices.
        options: Number of options of each of these choices.
        figures: Shape (cells, columns), cells ordered by state and options. The columns are those of
            `StageTables.names`, in whole numbers.
        leaving: Index of the output state of each cell.
        canonical: For each cell, the first cell that gives the same network.
        peak: Peak activation memory of the stage, in elements; None if it is not tabulated.
    """

    states: int
    columns: tuple[int, ...]
    options: tuple[int, ...]
    figures: NDArray[np.int64]
    leaving: NDArray[np.intp]
    canonical: NDArray[np.intp]
    peak: NDArray[np.int64] | None = None

    def cells(self, entering: NDArray[np.intp], population: Population) -> NDArray[np.intp]:
        """The cell of each architecture, given its input states."""
        cell = entering
        for column, count in zip(self.columns, self.options, strict=True):
            cell = cell * count + population[:, column]
        return cell

    def write(self, cells: NDArray[np.intp], population: Population) -> None:
        """Write the options of cells into a population, one cell per row."""
        _, *options = np.unravel_index(cells, (self.states, *self.options))
        for column, numbers in zip(self.columns, options, strict=True):
            population[:, column] = numbers


@dataclass(frozen=True)
class StageTables:
    """The stage tables of a space.

    Attributes:
        tables: The tables, in the order of the stages.
        sums: Scores other than NN-Mass that have a column.
        element_bytes: Bytes per element of a tensor, if peak memory has a column; otherwise None.

    >>> import search_spaces
    >>> tables = StageTables.of(search_spaces.get("mobilenet"))
    >>> {name: column.tolist() for name, column in tables.score(np.zeros((1, 15), np.uint8)).items()}
    {'nn_mass': [221.0], 'flops': [53226272], 'macs': [48243168], 'params': [1598152]}
    """

    tables: tuple[StageTable, ...]
    sums: tuple[Sum, ...] = ()
    element_bytes: int | None = None

    @classmethod
    def of(cls, space: Space, sums: Sequence[Sum] = (), element_bytes: int | None = None) -> StageTables:
        """Make the tables of a space.

        Args:
            sums: Further scores; each adds a column.
            element_bytes: Bytes per element of a tensor; adds the column of peak memory.

        Raises:
            ValueError: A term of a score is not finite, or its sums are too large.
        """
        constants = space.architecture(**space.constants).constants()
        sums = [one.at(constants) for one in sums]
        tables = tuple(_tabulate(space, sums, element_bytes is not None))
        for place, one in enumerate(sums, len(FIGURES)):
            one.check(sum(int(np.abs(table.figures[:, place]).max()) for table in tables))
        return cls(tables, tuple(sums), element_bytes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns: `FIGURES`, then the further scores."""
        return (*FIGURES, *(one.name for one in self.sums))

    def column(self, name: str) -> int:
        """Index of a column."""
        return self.names.index(name)

    def of_units(self, name: str, units: Column) -> Column:
        """Values of a column from whole numbers as the tables store them, which are sums over stages."""
        if name in _WHOLE:
            return units
        return units / MASS_SCALE if name == "nn_mass" else self._sum(name).value(units)

    def in_units(self, name: str, values: Column) -> Column:
        """Values of a column as whole numbers; the inverse of `of_units`."""
        if name in _WHOLE:
            return np.asarray(values, np.int64)
        if name == "nn_mass":
            return np.rint(np.multiply(values, MASS_SCALE)).astype(np.int64)
        return self._sum(name).units_of(values)

    def units_within(self, name: str, least: float, most: float) -> tuple[int | None, int | None]:
        """The least and the largest whole number of a column in a closed interval; None for no limit."""
        ends = (None if math.isinf(least) else least), (None if math.isinf(most) else most)
        if name in FIGURES:
            low, high = (None if end is None else int(self.in_units(name, end)) for end in ends)
            return low, high
        ends = ends[::-1] if self.falls(name) else ends
        low, high = self._sum(name).units_within(least, most)
        return (None if ends[0] is None else low), (None if ends[1] is None else high)

    def falls(self, name: str) -> bool:
        """Whether the sums of a column fall as its values grow."""
        one = self._sum(name) if name not in FIGURES else None
        return isinstance(one, FittedSum) and one.sign < 0

    def _sum(self, name: str) -> Sum:
        return self.sums[self.names.index(name) - len(FIGURES)]

    @cached_property
    def scorer(self) -> Scorer:
        """The merged tables that score populations."""
        return Scorer.of(self.tables)

    def score(self, population: Population) -> dict[str, Column]:
        """Score each row of a population.

        The option numbers are not checked.

        Returns:
            The columns by name: flops, macs, params and peak_memory as int64, others as float64.
        """
        columns = zip(self.names, self.scorer.sums(population), strict=True)
        peak = {} if self.element_bytes is None else {PEAK: self._peaks(population)}
        return {**{name: self.of_units(name, sums) for name, sums in columns}, **peak}

    def peak_of(self, table: StageTable) -> NDArray[np.int64]:
        """Peak activation memory of each cell of a stage, in bytes."""
        assert table.peak is not None and self.element_bytes is not None
        return table.peak * self.element_bytes

    def _peaks(self, population: Population) -> NDArray[np.int64]:
        state, peak = np.zeros(len(population), np.intp), np.zeros(len(population), np.int64)
        for table in self.tables:
            cells = table.cells(state, population)
            np.maximum(peak, self.peak_of(table)[cells], out=peak)
            state = table.leaving[cells]
        return peak

    def canonical(self, population: Population) -> Population:
        """The same networks, each with the first options that give it: equal networks have equal rows."""
        state = np.zeros(len(population), np.intp)
        least = population.copy()
        for table in self.tables:
            cells = table.canonical[table.cells(state, population)]
            table.write(cells, least)
            state = table.leaving[cells]
        return least

    def are_canonical(self, population: Population) -> NDArray[np.bool_]:
        """Whether each row has the first options that give its network."""
        state, canonical = np.zeros(len(population), np.intp), np.ones(len(population), bool)
        for table in self.tables:
            cells = table.cells(state, population)
            canonical &= table.canonical[cells] == cells
            state = table.leaving[cells]
        return canonical


def enumerate_all(space: Space) -> Population:
    """All combinations of options of a space, as a population. The space must fit into memory."""
    counts = [len(options) for options in space.choices.values()]
    numbers: Population = np.indices(counts, dtype=np.min_scalar_type(max(counts) - 1))
    return numbers.reshape(len(counts), -1).T


_CARRIED_CHOICE = "choice "
"""How the name of a state begins that holds a choice, which the terms of later stages need."""

_ELEMENTS = "elements leaving"
"""Name of the state that holds the elements of the tensor that enters a stage, for peak memory."""


def _tabulate(space: Space, sums: Sequence[Sum], with_peak: bool) -> Iterator[StageTable]:
    names = list(space.choices)
    states: dict[str, Column] = {}
    elements = np.array([math.prod(space.architecture(**space.constants).input_shape)])
    read: frozenset[str] = frozenset()
    count = 1
    for place, stage in enumerate(space.chain()):
        options = tuple(len(space.choices[name]) for name in stage.choices)
        numbers, *taken = np.indices((count, *options)).reshape(1 + len(options), -1)
        every = {name: column[numbers] for name, column in states.items()}
        entering = {name: column for name, column in every.items() if not name.startswith(_CARRIED_CHOICE)}
        chosen = {
            name: np.asarray(space.choices[name])[i] for name, i in zip(stage.choices, taken, strict=True)
        }
        parts, left = stage.describe(entering, chosen)
        effective = stage.canonical(entering, chosen)
        known = {
            **{name.removeprefix(_CARRIED_CHOICE): every[name] for name in every.keys() - entering.keys()},
            **effective,
        }
        cells = Cells(len(numbers), total(part.figures() for part in parts), known, read, first=place == 0)
        read = read.union(stage.choices)
        carried = sorted(set[str]().union(*(one.carried(read) for one in sums)))
        left = {**left, **{_CARRIED_CHOICE + name: known[name] for name in carried}}
        memory = through(parts, Memory(elements[numbers])) if with_peak else None
        if memory:
            left = {**left, _ELEMENTS: memory.current}
        states, first, leaving = _distinct(left, len(numbers))
        elements = states.pop(_ELEMENTS, elements)
        _, same, group = _distinct({"entering": numbers, **effective}, len(numbers))
        yield StageTable(
            states=count,
            columns=tuple(names.index(name) for name in stage.choices),
            options=options,
            figures=_in_whole_numbers(cells, sums),
            leaving=leaving,
            canonical=same[group],
            peak=None if memory is None else np.broadcast_to(memory.peak, len(numbers)),
        )
        count = len(first)


def _in_whole_numbers(cells: Cells, sums: Sequence[Sum]) -> NDArray[np.int64]:
    columns = [np.broadcast_to(getattr(cells.figures, name), cells.count) for name in _IN_WHOLE_NUMBERS]
    columns += [one.of_cells(cells) for one in sums]
    return np.stack(columns, axis=1).astype(np.int64)


def _distinct(values: Values, cells: int) -> tuple[dict[str, Column], NDArray[np.intp], NDArray[np.intp]]:
    """The distinct combinations of columns, the first cell of each, and the combination of each cell."""
    numbers = np.zeros(cells, np.intp)
    columns = {name: np.broadcast_to(np.asarray(column), cells) for name, column in values.items()}
    for column in columns.values():
        different, inverse = np.unique(column, return_inverse=True)
        numbers = numbers * len(different) + inverse
    _, first, numbers = np.unique(numbers, return_index=True, return_inverse=True)
    return {name: column[first] for name, column in columns.items()}, first, numbers


_CELLS = 8192
"""Maximum number of cells of a merged table: larger ones do not fit a core's cache."""
_CHUNK = 32_768
"""Architectures scored per pass, for the same reason."""
_CARRIED: Final = -1
"""Stands for the output state of the previous table among the columns of a merged table."""


@dataclass(frozen=True)
class MergedTable:
    """Scores and costs of neighbouring stages: one cell per combination of the columns they depend on.

    Attributes:
        columns: Columns of a population, or `_CARRIED`.
        options: Number of options of each column.
        figures: Shape (cells, columns), as in a stage table.
        leaving: Output state of each cell; None if the next table derives it from columns.
    """

    columns: tuple[int, ...]
    options: tuple[int, ...]
    figures: NDArray[np.int64]
    leaving: NDArray[np.intp] | None = None

    def cells(self, columns: NDArray[np.integer], carried: NDArray[np.intp]) -> NDArray[np.integer]:
        """The cell of each architecture.

        Args:
            columns: A transposed population, one row per choice.
            carried: Output states of the previous table.
        """
        kind = np.uint16 if len(self.figures) < 2**16 else np.intp
        cells: NDArray[np.integer] = np.zeros(columns.shape[1], kind)
        for column, count in zip(self.columns, self.options, strict=True):
            cells *= kind(count)
            cells += (carried if column == _CARRIED else columns[column]).astype(kind, copy=False)
        return cells


@dataclass(frozen=True)
class Scorer:
    """The merged tables that score the populations of a space."""

    tables: tuple[MergedTable, ...]

    @classmethod
    def of(cls, stages: Sequence[StageTable]) -> Self:
        """Merge neighbouring stage tables while they have at most `_CELLS` cells."""
        closed: list[MergedTable] = []
        group = _Group((), (), np.zeros((1, stages[0].figures.shape[1]), np.int64), np.zeros(1, np.intp))
        begun = False
        for stage in stages:
            if begun and len(group.leaving) * math.prod(stage.options) > _CELLS:
                following = group.following(room=_CELLS // math.prod(stage.options))
                closed.append(group.table(carried=following is None))
                group = following or group.after()
            group, begun = group.extended(stage), True
        return cls((*closed, group.table(carried=False)))

    def sums(self, population: Population) -> NDArray[np.int64]:
        """The sums of each row of a population in whole numbers: one row per column of the tables."""
        width = self.tables[0].figures.shape[1]
        sums = np.empty((width, len(population)), np.int64)
        room = min(_CHUNK, len(population))
        total, figures = np.empty((2, room, width), np.int64)
        for start in range(0, len(population), _CHUNK):
            columns = population[start : start + _CHUNK].T
            carried = np.zeros(0, np.intp)
            for number, table in enumerate(self.tables):
                cells = table.cells(columns, carried)
                # Modes other than "clip" make an additional copy; all cells are valid.
                out = (figures if number else total)[: len(cells)]
                np.take(table.figures, cells, axis=0, out=out, mode="clip")
                if number:
                    total[: len(cells)] += out
                if table.leaving is not None:
                    carried = table.leaving[cells]
            sums[:, start : start + len(cells)] = total[: len(cells)].T
        return sums


@dataclass(frozen=True)
class _Group:
    """Stages being merged: their sums and output states, over the columns they depend on."""

    columns: tuple[int, ...]
    options: tuple[int, ...]
    figures: NDArray[np.int64]
    leaving: NDArray[np.intp]

    def extended(self, stage: StageTable) -> _Group:
        """The group with one more stage."""
        own = np.arange(math.prod(stage.options))
        cells = (self.leaving[:, None] * len(own) + own).ravel()
        return _Group(
            self.columns + stage.columns,
            self.options + stage.options,
            np.repeat(self.figures, len(own), axis=0) + stage.figures[cells],
            stage.leaving[cells],
        )

    def after(self) -> _Group:
        """The start of the next group, over the output state of the table of this one."""
        states = int(self.leaving.max()) + 1
        return _Group((_CARRIED,), (states,), self._nothing(states), np.arange(states))

    def following(self, room: int) -> _Group | None:
        """The start of the next group, over the columns that determine the state.

        None if these have more than `room` combinations.
        """
        state = self.leaving.reshape(self.options)
        columns = []
        for axis, column in enumerate(self.columns):
            if (state == state.take([0], axis)).all():
                state = state.take([0], axis)
            else:
                columns.append(column)
        if state.size > room:
            return None
        options = tuple(count for count in state.shape if count > 1)
        return _Group(tuple(columns), options, self._nothing(state.size), state.ravel())

    def _nothing(self, cells: int) -> NDArray[np.int64]:
        """Sums of no stage."""
        return np.zeros((cells, self.figures.shape[1]), np.int64)

    def table(self, carried: bool) -> MergedTable:
        """The merged table, without the columns that have only one option."""
        varied = [(c, count) for c, count in zip(self.columns, self.options, strict=True) if count > 1]
        columns, options = zip(*varied, strict=True) if varied else ((), ())
        return MergedTable(columns, options, self.figures, self.leaving if carried else None)
