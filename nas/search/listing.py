"""Spaces small enough to list: all networks inside the bounds in their true order, for ranks and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nas.goal import Goal
from nas.problem import Problem
from nas.scoring import FIGURES, Population
from nas.stage_tables import enumerate_all
from search_spaces import Space
from search_spaces.figures import in_units

MOST = 1_000_000
"""Networks of the largest space that is listed."""


@dataclass(frozen=True)
class Listing:
    """All networks inside the bounds, best first; networks of equal figures in no order.

    Attributes:
        networks: A row of option numbers a network.
        keys: What ranks them, least first: a column of whole numbers for each figure that the goal orders by.
    """

    space: Space
    goal: Goal
    networks: Population
    keys: NDArray[np.int64]

    @classmethod
    def of(cls, problem: Problem) -> Self | None:
        """List a problem's networks; nothing where there are more than `MOST` or the goal is no sum."""
        space, goal, tables = problem.space, problem.goal, problem.tables
        if space.size > MOST or any(figure not in FIGURES for figure, _ in goal.optimise):
            return None
        everything = enumerate_all(space)
        figures = tables.score(everything)
        inside = np.flatnonzero(goal.meets(figures))
        inside = inside[tables.are_canonical(everything[inside])]
        figures = {name: column[inside] for name, column in figures.items()}
        keys = np.column_stack([_key(figures[name], name, ascends) for name, ascends in _order(goal)])
        order = np.lexsort(keys.T[::-1])
        return cls(space, goal, everything[inside[order]], np.asfortranarray(keys[order]))

    def __len__(self) -> int:
        return len(self.networks)

    def rank(self, figures: Mapping[Any, Any], spec: str) -> int:
        """The rank of a network among all, from 1; of one outside the space, the rank that it would have.

        Args:
            figures: nn_mass, flops, macs and params.
            spec: Its spec, which ranks networks of equal figures.
        """
        low, high = 0, len(self)
        for place, (name, ascends) in enumerate(_order(self.goal)):
            value, column = _key(np.asarray(figures[name]), name, ascends), self.keys[low:high, place]
            low, high = (
                low + int(np.searchsorted(column, value)),
                low + int(np.searchsorted(column, value, side="right")),
            )
        equals = (str(self.space.of_options(row)) for row in self.networks[low:high])
        return 1 + low + sum(equal < spec for equal in equals)

    def first_of_each_base(self, count: int) -> Population:
        """The first `count` networks of each base width, and those whose figures equal those of the last."""
        places = [list(self.space.choices).index(name) for name in self.space.base]
        _, base = np.unique(self.networks[:, places], axis=0, return_inverse=True)
        order = np.argsort(base, kind="stable")
        base, keys = base[order], self.keys[order]
        begins = np.append(True, base[1:] != base[:-1])[: len(base)]
        differs = begins | np.append(True, (keys[1:] != keys[:-1]).any(axis=1))[: len(base)]
        place = np.arange(len(base))
        first_of_base, first_of_equals = (
            np.maximum.accumulate(np.where(starts, place, 0)) for starts in (begins, differs)
        )
        kept: Population = self.networks[order[first_of_equals - first_of_base < count]]
        return kept


def _order(goal: Goal) -> Iterator[tuple[str, bool]]:
    """The figures that the goal orders by, and whether each ascends."""
    return ((name, ascends) for name, ascends in goal.order if name in FIGURES)


def _key(values: NDArray[Any], name: str, ascends: bool) -> NDArray[np.int64]:
    """Figures as whole numbers of which less is better."""
    whole: NDArray[np.int64] = np.asarray(in_units(values) if name == "nn_mass" else values, np.int64)
    return whole if ascends else -whole
