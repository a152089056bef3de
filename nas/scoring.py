"""Scoring of populations: gathers and sums over stage tables, neighbours merged so that few gathers remain.

A population is an array of option numbers, one row an architecture and one column a choice, in the order of
`space.choices`. Columns that lie together in memory (Fortran order) and the narrowest integers are fastest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search_spaces.figures import MASS_UNITS, Column

if TYPE_CHECKING:
    from nas.stage_tables import StageTable

FIGURES = ("nn_mass", "flops", "macs", "params")
"""The figures of an architecture, in the order in which tables show them."""

Population: TypeAlias = NDArray[np.integer]

_CELLS = 8192
"""Rows of four figures that a merged table may have: more do not stay in a core's cache."""
_CHUNK = 32_768
"""Architectures scored at once, for the same reason."""
_CARRIED: Final = -1
"""The column of a merged table that is no choice but the state that an earlier table left."""


@dataclass(frozen=True)
class MergedTable:
    """The figures of neighbouring stages together, a cell for each combination of what they depend on.

    Attributes:
        columns: Columns of a population, or `_CARRIED`.
        options: How many options each has.
        figures: A row of figures a cell, as in a stage table.
        leaving: For each cell the state that leaves, where the next table cannot tell it from columns.
    """

    columns: tuple[int, ...]
    options: tuple[int, ...]
    figures: NDArray[np.int64]
    leaving: NDArray[np.intp] | None = None

    def cells(self, columns: NDArray[np.integer], carried: NDArray[np.intp]) -> NDArray[np.integer]:
        """The cell that each architecture falls in."""
        kind = np.uint16 if len(self.figures) < 2**16 else np.intp
        cells: NDArray[np.integer] = np.zeros(columns.shape[1], kind)
        for column, count in zip(self.columns, self.options, strict=True):
            cells *= kind(count)
            cells += (carried if column == _CARRIED else columns[column]).astype(kind, copy=False)
        return cells


@dataclass(frozen=True)
class Scorer:
    """The tables that score a space's populations."""

    tables: tuple[MergedTable, ...]

    @classmethod
    def of(cls, stages: Sequence[StageTable]) -> Self:
        """Merge neighbouring stage tables, as long as they stay small."""
        closed: list[MergedTable] = []
        group = _Group((), (), np.zeros((1, len(FIGURES)), np.int64), np.zeros(1, np.intp))
        begun = False
        for stage in stages:
            if begun and len(group.leaving) * math.prod(stage.options) > _CELLS:
                following = group.following(room=_CELLS // math.prod(stage.options))
                closed.append(group.table(carried=following is None))
                group = following or _Group.after(group.leaving)
            group, begun = group.extended(stage), True
        return cls((*closed, group.table(carried=False)))

    def score(self, population: Population) -> dict[str, Column]:
        """The figures of each row of a population: nn_mass as float64, the rest as int64.

        That each number is one of an option is not checked.
        """
        sums = np.empty((len(FIGURES), len(population)), np.int64)
        room = min(_CHUNK, len(population))
        total, figures = np.empty((2, room, len(FIGURES)), np.int64)
        for start in range(0, len(population), _CHUNK):
            columns = population[start : start + _CHUNK].T
            carried = np.zeros(0, np.intp)
            for number, table in enumerate(self.tables):
                cells = table.cells(columns, carried)
                # Other modes than "clip" copy once more; cells are inside the table.
                out = (figures if number else total)[: len(cells)]
                np.take(table.figures, cells, axis=0, out=out, mode="clip")
                if number:
                    total[: len(cells)] += out
                if table.leaving is not None:
                    carried = table.leaving[cells]
            sums[:, start : start + len(cells)] = total[: len(cells)].T
        mass, *costs = sums
        return dict(zip(FIGURES, (mass / MASS_UNITS, *costs), strict=True))


@dataclass(frozen=True)
class _Group:
    """Stages being merged: their figures, and the state that leaves them, over what they depend on."""

    columns: tuple[int, ...]
    options: tuple[int, ...]
    figures: NDArray[np.int64]
    leaving: NDArray[np.intp]

    def extended(self, stage: StageTable) -> _Group:
        """With one more stage."""
        own = np.arange(math.prod(stage.options))
        cells = (self.leaving[:, None] * len(own) + own).ravel()
        return _Group(
            self.columns + stage.columns,
            self.options + stage.options,
            np.repeat(self.figures, len(own), axis=0) + stage.figures[cells],
            stage.leaving[cells],
        )

    @classmethod
    def after(cls, leaving: NDArray[np.intp]) -> _Group:
        """The start of a group that an earlier table hands its state."""
        states = int(leaving.max()) + 1
        return cls((_CARRIED,), (states,), np.zeros((states, len(FIGURES)), np.int64), np.arange(states))

    def following(self, room: int) -> _Group | None:
        """The start of the next group, over the columns that decide the state; none if these are too many."""
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
        return _Group(tuple(columns), options, np.zeros((state.size, len(FIGURES)), np.int64), state.ravel())

    def table(self, carried: bool) -> MergedTable:
        """What has been merged; columns of one option say nothing."""
        varied = [(c, count) for c, count in zip(self.columns, self.options, strict=True) if count > 1]
        columns, options = zip(*varied, strict=True) if varied else ((), ())
        return MergedTable(columns, options, self.figures, self.leaving if carried else None)
