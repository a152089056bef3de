"""The stage tables of a space whose resolution is a choice: those of each resolution, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.sums import StageSum, Sum
from nas.tables import FIGURES, Population, StageTables
from search_spaces import Space
from search_spaces.cost import Column


def at_each(space: Space) -> list[Space]:
    """A space at each of its resolutions, without the choice."""
    return [space.at(side) for side in space.resolutions]


def placed(population: Population, number: int) -> Population:
    """Networks of the space at one resolution, given by its number, as networks of the whole space."""
    return np.insert(population.astype(np.uint16), 0, number, axis=1)


@dataclass(frozen=True)
class TablesByResolution:
    """The stage tables of each resolution, by which populations of all resolutions are scored.

    The first column of a population is the resolution.

    Attributes:
        parts: The tables, in the order of the resolutions.
    """

    parts: tuple[StageTables, ...]

    @classmethod
    def of(cls, space: Space, sums: Sequence[Sum] = (), element_bytes: int | None = None) -> Self:
        """Make the tables of a space; the arguments are those of `StageTables.of`."""
        return cls(tuple(StageTables.of(each, sums, element_bytes) for each in at_each(space)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are sums over stages."""
        return self.parts[0].names

    @property
    def sums(self) -> tuple[Sum, ...]:
        """Scores other than NN-Mass that have a column, as at the first resolution."""
        return self.parts[0].sums

    @property
    def element_bytes(self) -> int | None:
        """Bytes per element of a tensor, if peak memory has a column; otherwise None."""
        return self.parts[0].element_bytes

    def score(self, population: Population) -> dict[str, Column]:
        """The columns of a population by name, as `StageTables.score`."""
        found: dict[str, Column] = {}
        for rows, tables, networks in self._each(population):
            for name, column in tables.score(networks).items():
                found.setdefault(name, np.zeros(len(population), column.dtype))[rows] = column
        return found

    def canonical(self, population: Population) -> Population:
        """The same networks, each with the first options that give it."""
        least = population.copy()
        for rows, tables, networks in self._each(population):
            least[rows, 1:] = tables.canonical(networks)
        return least

    def are_canonical(self, population: Population) -> NDArray[np.bool_]:
        """Whether each row has the first options that give its network."""
        canonical = np.ones(len(population), bool)
        for rows, tables, networks in self._each(population):
            canonical[rows] = tables.are_canonical(networks)
        return canonical

    def in_units(self, name: str, values: Column) -> Column:
        """Whole numbers in the order of the values of a column."""
        if name in FIGURES or any(one.name == name and isinstance(one, StageSum) for one in self.sums):
            return self.parts[0].in_units(name, values)
        bits = np.asarray(values, np.float64).view(np.int64)  # in the order of positive floats
        return np.where(bits < 0, np.iinfo(np.int64).min - bits, bits)

    def _each(self, population: Population) -> Iterator[tuple[NDArray[np.intp], StageTables, Population]]:
        """The rows of each resolution, its tables, and the networks without their resolution."""
        for number, tables in enumerate(self.parts):
            rows = np.flatnonzero(population[:, 0] == number)
            if len(rows) or not number:
                yield rows, tables, np.asfortranarray(population[rows, 1:])


Tables: TypeAlias = StageTables | TablesByResolution


def tables_of(space: Space, sums: Sequence[Sum] = (), element_bytes: int | None = None) -> Tables:
    """The tables of a space, with further scores and peak memory as `StageTables.of` describes them."""
    kind = TablesByResolution if space.resolutions else StageTables
    return kind.of(space, sums, element_bytes)
