"""Listings beyond the proven top rows: all networks of a small space, and the best of each base width."""

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

from nas.exact.resolutions import AnyProblem, problem_of, proven_best
from nas.goal import Goal
from nas.query import Query
from nas.resolutions import Tables
from nas.tables import Population, enumerate_all
from search_spaces import Space
from search_spaces.architecture import Value

MOST = 1_000_000
"""Size of the largest space that is listed."""
_CHUNK = 1 << 16
"""Networks scored at a time, which limits memory."""


@dataclass(frozen=True)
class Listing:
    """All networks inside the bounds, sorted by the first value of the goal.

    Attributes:
        space: The space.
        goal: The goal.
        tables: The stage tables of the space.
        networks: Option numbers, one row per network.
        keys: Sort keys, smaller first: whole numbers, one row per network and one column per value.
    """

    space: Space
    goal: Goal
    tables: Tables
    networks: Population
    keys: NDArray[np.int64]

    @classmethod
    def of(cls, problem: AnyProblem) -> Self | None:
        """The networks of a problem; None for more than `MOST`, or if the goal is not a sum over stages."""
        space, goal, tables = problem.space, problem.goal, problem.tables
        if space.size > MOST or any(figure not in tables.names for figure, _ in goal.optimise):
            return None
        everything = enumerate_all(space)
        rows, keys = [everything[:0]], [np.zeros((0, len(list(_order(goal, tables)))), np.int64)]
        for start in range(0, len(everything), _CHUNK):
            chunk = everything[start : start + _CHUNK]
            figures = tables.score(chunk)
            inside = goal.meets(figures)
            inside[inside] = tables.are_canonical(chunk[inside])
            rows.append(chunk[inside])
            keys.append(
                np.column_stack(
                    [
                        (1 if ascends else -1) * tables.in_units(name, figures[name][inside])
                        for name, ascends in _order(goal, tables)
                    ]
                )
            )
        networks, sort_keys = np.concatenate(rows), np.concatenate(keys)
        order = np.argsort(sort_keys[:, 0])
        return cls(space, goal, tables, networks[order], sort_keys[order])

    def __len__(self) -> int:
        return len(self.networks)

    def rank(self, figures: Mapping[Any, Any], spec: str) -> int:
        """The rank of a network among all, from 1; a network outside the space gets the rank it would have.

        Args:
            figures: The columns of the stage tables.
            spec: Spec of the network, which breaks ties.
        """
        first, *others = (
            (1 if ascends else -1) * self.tables.in_units(name, figures[name])
            for name, ascends in _order(self.goal, self.tables)
        )
        low, high = (int(np.searchsorted(self.keys[:, 0], first, side)) for side in ("left", "right"))
        equal, better = np.ones(high - low, bool), np.zeros(high - low, bool)
        for place, value in enumerate(others, 1):
            column = self.keys[low:high, place]
            better |= equal & (column < value)
            equal &= column == value
        specs = (str(self.space.of_options(row)) for row in self.networks[low:high][equal])
        return 1 + low + int(better.sum()) + sum(other < spec for other in specs)

    def first_of_each_base(self, count: int) -> Population:
        """The first `count` networks of each base width, and those with the same values as the last one."""
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


def _order(goal: Goal, tables: Tables) -> Iterator[tuple[str, bool]]:
    """The columns of tables by which a goal sorts, and whether each ascends."""
    return ((name, ascends) for name, ascends in goal.order if name in tables.names)


_WIDTHS = 200
"""Largest number of base widths solved one by one; for more, the best of all networks are searched."""
_MOST_SEARCHED = 20_000
"""Largest number of best networks searched for base widths."""


def first_of_each_width(ranked: pd.DataFrame, space: Space, count: int) -> pd.DataFrame:
    """The first `count` rows of each base width, in the same order.

    Args:
        ranked: A table with the column arch, best first.
        space: The space of the networks.
        count: Number of rows per base width.
    """
    taken: Counter[tuple[Value, ...]] = Counter()
    kept = []
    for place, arch in enumerate(ranked["arch"]):
        choices = space.choices_of(space.parse(arch))
        base = tuple(choices[name] for name in space.base)
        taken[base] += 1
        if taken[base] <= count:
            kept.append(place)
    return ranked.iloc[kept].reset_index(drop=True)


class BestOfWidths(NamedTuple):
    """The best networks of each base width.

    Attributes:
        networks: Option numbers, shape (networks, choices); a width may have more networks than requested, if
            they are equal to the last one.
        gap: 0 if the networks are proven to be the best of their widths, else infinite.
        complete: Whether every base width with a network inside the bounds is included.
        ranks: True ranks among all networks, if known.
    """

    networks: Population
    gap: float
    complete: bool
    ranks: NDArray[np.intp] | None = None


def best_of_each_width(
    query: Query, problem: AnyProblem, count: int, rows: int, listing: Listing | None
) -> BestOfWidths:
    """The `count` best networks of each base width inside the bounds.

    For more than `_WIDTHS` widths, only those of the best networks of all are included.

    Args:
        query: The query of the problem.
        problem: A problem with one goal, a sum over stages.
        count: Number of networks per base width.
        rows: Number of networks that suffices for more than `_WIDTHS` widths.
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
        best = proven_best(problem_of(query, space.fix(**base), feasible=False), count)
        of_width = best.population.astype(np.uint16)
        of_width[:, places] = numbers
        found.append(of_width)
        proven &= best.gap == 0  # fewer networks than `count` are fine if proven complete
    return BestOfWidths(np.concatenate(found), 0.0 if proven else math.inf, complete=proven)


def _among_the_best(problem: AnyProblem, count: int, rows: int) -> BestOfWidths:
    """The first of each base width among the best networks; their number grows until there are `rows`."""
    places = [list(problem.space.choices).index(name) for name in problem.space.base]
    searched = rows
    while True:
        best = proven_best(problem, searched)
        taken: Counter[tuple[int, ...]] = Counter()
        kept = []
        for place, base in enumerate(map(tuple, best.population[: best.certain, places].tolist())):
            taken[base] += 1
            if taken[base] <= count:
                kept.append(place)
        exhausted = best.certain < searched
        if len(kept) >= rows or exhausted or searched >= _MOST_SEARCHED:
            complete = bool(exhausted and best.gap == 0)
            return BestOfWidths(best.population[kept], 0.0, complete, np.array(kept, np.intp) + 1)
        searched = min(4 * searched, _MOST_SEARCHED)
