"""Rows beyond the proven top: all networks of a small space in order, and the best of each base width."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.exact.problem import Problem, proven_best
from nas.query import Goal, Query
from nas.tables import FIGURES, Population, enumerate_all
from search_spaces import Space
from search_spaces.architecture import Value
from search_spaces.cost import in_units

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


_WIDTHS = 200
"""Base widths that are each asked for their best; of more, the best of all networks are looked through."""
_LOOKED_THROUGH = 20_000


def first_of_each_width(ranked: pd.DataFrame, space: Space, count: int) -> pd.DataFrame:
    """The first `count` rows of each base width, in the order that they have.

    Args:
        ranked: arch, best first, as `nas.ranking.candidates` gives.
        space: The space that they are of.
        count: How many of each base width.
    """
    taken: Counter[tuple[Value, ...]] = Counter()
    kept = []
    for place, arch in enumerate(ranked["arch"]):
        choices = space.parse(arch).choices()
        base = tuple(choices[name] for name in space.base)
        taken[base] += 1
        if taken[base] <= count:
            kept.append(place)
    return ranked.iloc[kept].reset_index(drop=True)


class BestOfWidths(NamedTuple):
    """The best networks of base widths.

    Attributes:
        networks: A row of option numbers a network, shape (networks, choices); of a width there may be more
            than were asked for, all of equal figures.
        gap: 0 where they are proven to be the best of their widths, else infinite.
        complete: Whether no base width that has a network inside the bounds is missing.
        ranks: Their true ranks among all, where they are known by the way.
    """

    networks: Population
    gap: float
    complete: bool
    ranks: NDArray[np.intp] | None = None


def best_of_each_width(
    question: Query, problem: Problem, count: int, rows: int, listing: Listing | None
) -> BestOfWidths:
    """The `count` best of each base width inside the bounds.

    Where there are more than `_WIDTHS` widths, they are those that the best networks of all have.

    Args:
        question: What the problem asks.
        problem: A problem of one goal whose figures are sums over stages.
        count: How many of each base width.
        rows: Rows that are enough, where there are more than `_WIDTHS` widths.
        listing: All networks inside the bounds, if they can be listed.
    """
    if listing is not None:
        return BestOfWidths(listing.first_of_each_base(count), 0.0, complete=True)
    space = problem.space
    options = [range(len(space.choices[name])) for name in space.base]
    if math.prod(map(len, options)) > _WIDTHS:
        return _among_the_best(problem, count, rows)
    found, proven = [np.empty((0, len(space.choices)), np.uint16)], True
    places = [list(space.choices).index(name) for name in space.base]
    for numbers in product(*options):
        base = {name: space.choices[name][number] for name, number in zip(space.base, numbers, strict=True)}
        best = proven_best(Problem.of(question, space.fix(**base), feasible=False), count)
        of_width = best.population.astype(np.uint16)
        of_width[:, places] = numbers
        found.append(of_width)
        proven &= best.gap == 0  # also where there are fewer, if it is proven that there are no more
    return BestOfWidths(np.concatenate(found), 0.0 if proven else math.inf, complete=proven)


def _among_the_best(problem: Problem, count: int, rows: int) -> BestOfWidths:
    """The first of each base width among ever more of the best networks, until there are enough."""
    places = [list(problem.space.choices).index(name) for name in problem.space.base]
    looked_through = rows
    while True:
        best = proven_best(problem, looked_through)
        taken: Counter[tuple[int, ...]] = Counter()
        kept = []
        for place, base in enumerate(map(tuple, best.population[: best.certain, places].tolist())):
            taken[base] += 1
            if taken[base] <= count:
                kept.append(place)
        all_there_are = best.certain < looked_through
        if len(kept) >= rows or all_there_are or looked_through >= _LOOKED_THROUGH:
            complete = bool(all_there_are and best.gap == 0)
            return BestOfWidths(best.population[kept], 0.0, complete, np.array(kept, np.intp) + 1)
        looked_through = min(4 * looked_through, _LOOKED_THROUGH)
