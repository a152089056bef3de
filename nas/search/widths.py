"""Rows for each base width: NN-Mass promises something only among networks that share one."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

import numpy as np
import pandas as pd

from nas.exact.answers import proven_best
from nas.problem import Problem
from nas.question import Question
from nas.scoring import Population
from search_spaces import Space
from search_spaces.architecture import Value


def first_of_each_width(ranked: pd.DataFrame, space: Space, count: int) -> pd.DataFrame:
    """The first `count` rows of each base width, with the ranks that they have among all.

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


def best_of_each_width(
    question: Question, problem: Problem, count: int, most: int
) -> tuple[Population, bool]:
    """The best of each base width inside the bounds, and whether they are its proven `count` best.

    There are at most `most` in all: fewer of each where `count` would be more, none where one would.

    Args:
        question: What the problem asks.
        problem: A problem of one goal whose figures are sums over stages.
        count: How many of each base width.
        most: How many in all.

    Returns:
        A row an architecture, shape (architectures, choices), the best of a width first; and whether that is
        proven.
    """
    space = problem.space
    options = [range(len(space.choices[name])) for name in space.base]
    none = np.empty((0, len(space.choices)), np.uint16)
    each = min(count, most // math.prod(map(len, options)))
    if not each:
        return none, False
    found, proven = [none], each == count
    places = [list(space.choices).index(name) for name in space.base]
    for numbers in product(*options):
        base = {name: space.choices[name][number] for name, number in zip(space.base, numbers, strict=True)}
        best = proven_best(Problem.of(question, space.fix(**base), feasible=False), each)
        of_width = best.population.astype(np.uint16)
        of_width[:, places] = numbers
        found.append(of_width)
        proven &= best.gap == 0  # also where there are fewer, if it is proven that there are no more
    return np.concatenate(found), proven
