"""Synthetic chains with states, ties, gaps and choices without effect, and their networks by brute force."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from nas.sums import StageSum
from nas.tables import FIGURES, Population, StageTable, StageTables

FURTHER = StageSum("further", lambda stage: 0.0)
"""The score of the last column of the tables, of which a term may be negative."""
COLUMNS = len(FIGURES) + 1
_OPTIONS = st.sampled_from([(), (1,), (2,), (3,), (5,), (2, 2), (3, 2), (2, 1, 3)])
"""Numbers of options of the choices of a stage."""


@st.composite
def stage_tables(draw: st.DrawFn) -> StageTables:
    """The tables of a chain of two to four stages with at most 1,296 networks."""
    tables, states, column = [], 1, 0
    spread = draw(st.sampled_from([3, 20, 1000]))
    for options in draw(st.lists(_OPTIONS, min_size=2, max_size=4)):
        cells = states * math.prod(options)
        generator = np.random.default_rng(draw(st.integers(0, 2**32)))
        figures = generator.integers(0, spread, (cells, COLUMNS)) * generator.integers(1, 4, COLUMNS)
        figures[:, -1] -= generator.integers(0, 2 * spread)
        leaving = generator.integers(0, 3, cells)
        canonical = np.arange(cells)
        for cell in np.flatnonzero(generator.random(cells) < 0.2):
            first = cell - cell % math.prod(options)
            canonical[cell] = canonical[generator.integers(first, cell + 1)]
        leaving = np.unique(leaving[canonical], return_inverse=True)[1]
        columns = tuple(range(column, column + len(options)))
        tables.append(StageTable(states, columns, options, figures[canonical], leaving, canonical))
        states, column = int(leaving.max()) + 1, column + len(options)
    return StageTables(tuple(tables), (FURTHER,))


def everything(tables: StageTables) -> tuple[Population, NDArray[np.int64]]:
    """Every network once: its options, and its figures in whole numbers, calculated one by one."""
    options = [count for table in tables.tables for count in table.options]
    rows, figures = [], []
    for row in np.ndindex(*options):
        state, total, canonical = 0, np.zeros(COLUMNS, np.int64), True
        for table in tables.tables:
            cell = state
            for column, count in zip(table.columns, table.options, strict=True):
                cell = cell * count + row[column]
            canonical &= bool(table.canonical[cell] == cell)
            total, state = total + table.figures[cell], int(table.leaving[cell])
        if canonical:
            rows.append(row)
            figures.append(total)
    return np.array(rows, np.uint8).reshape(len(rows), len(options)), np.array(figures)
