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
_AT_ONCE = 1 << 16
"""Networks looked at together, so that what they take does not add up."""


@dataclass(frozen=True)
class Listing:
    """All networks inside the bounds, in the order of the figure that the goal names first.

    Attributes:
        networks: A row of option numbers a network.
        keys: What ranks them, less before more: a column of whole numbers for each figure that ranks.
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
        rows, keys = [everything[:0]], [np.zeros((0, len(list(_order(goal)))), np.int64)]
        for start in range(0, len(everything), _AT_ONCE):
            some = everything[start : start + _AT_ONCE]
            figures = tables.score(some)
            inside = goal.meets(figures)
            inside[inside] = tables.are_canonical(some[inside])
            rows.append(some[inside])
            keys.append(
                np.column_stack(
                    [_key(figures[name][inside], name, ascends) for name, ascends in _order(goal)]
                )
            )
        networks, ranked_by = np.concatenate(rows), np.concatenate(keys)
        order = np.argsort(ranked_by[:, 0])
        return cls(space, goal, networks[order], ranked_by[order])

    def __len__(self) -> int:
        return len(self.networks)

    def rank(self, figures: Mapping[Any, Any], spec: str) -> int:
        """The rank of a network among all, from 1; of one outside the space, the rank that it would have.

        Args:
            figures: nn_mass, flops, macs and params.
            spec: Its spec, which ranks networks of equal figures.
        """
        first, *others = (_key(np.asarray(figures[name]), name, up) for name, up in _order(self.goal))
        low, high = (int(np.searchsorted(self.keys[:, 0], first, side)) for side in ("left", "right"))
        equal, better = np.ones(high - low, bool), np.zeros(high - low, bool)
        for place, value in enumerate(others, 1):
            column = self.keys[low:high, place]
            better |= equal & (column < value)
            equal &= column == value
        specs = (str(self.space.of_options(row)) for row in self.networks[low:high][equal])
        return 1 + low + int(better.sum()) + sum(other < spec for other in specs)

    def first_of_each_base(self, count: int) -> Population:
        """The first `count` networks of each base width, and those whose figures equal those of the last."""
        places = [list(self.space.choices).index(name) for name in self.space.base]
        _, base = np.unique(self.networks[:, places], axis=0, return_inverse=True)
        order = np.lexsort((*self.keys.T[::-1], base))
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
