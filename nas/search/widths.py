"""Rows for each base width: NN-Mass compares only networks that share one."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.exact.answers import proven_best
from nas.problem import Problem
from nas.question import Question
from nas.scoring import Population
from nas.search.listing import Listing
from search_spaces import Space
from search_spaces.architecture import Value

_WIDTHS = 200
"""Base widths that are each asked for their best; of more, the best of all networks are looked through."""
_LOOKED_THROUGH = 20_000


def first_of_each_width(ranked: pd.DataFrame, space: Space, count: int) -> pd.DataFrame:
    """The first `count` rows of each base width, in the order that they have.

    Args:
        ranked: arch, best first, as `nas.table.candidates` gives.
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
    question: Question, problem: Problem, count: int, rows: int, listing: Listing | None
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
