"""Answers over several resolutions: those of each resolution, merged.

At one resolution a problem is solved as any other. A fitted score increases with its sum over stages by a
function that depends on the resolution. The k best networks of all are among the k best of each resolution,
the front is that of the fronts, and counts add, so nothing of a proof is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import pandas as pd

from nas.exact import problem as single
from nas.exact.feasible_set import FINE
from nas.exact.problem import Problem, Proven, sums_of
from nas.goal import MAXIMIZE, Goal
from nas.query import Query
from nas.ranking import ranked
from nas.resolutions import TablesByResolution, at_each, placed
from nas.tables import Population
from search_spaces import RequestError, Space


@dataclass(frozen=True)
class Problems:
    """A space whose resolution is a choice, with a goal.

    Attributes:
        space: The space.
        goal: Objectives and bounds.
        tables: The stage tables of every resolution.
        parts: The resolutions at which networks meet the bounds, by number, and the problem at each.
    """

    space: Space
    goal: Goal
    tables: TablesByResolution
    parts: tuple[tuple[int, Problem], ...]

    @classmethod
    def of_goal(cls, space: Space, goal: Goal, feasible: bool = True) -> Self:
        """The problems of a space and a goal.

        Args:
            feasible: Whether to refuse bounds that no network meets.

        Raises:
            RequestError: No network meets the bounds at any resolution.
        """
        parts, errors = list[tuple[int, Problem]](), list[RequestError]()
        for number, each in enumerate(at_each(space)):
            try:
                parts.append((number, Problem.of_goal(each, goal, feasible)))
            except RequestError as error:
                errors.append(error)
        if not parts:
            capped = any(math.isfinite(bound.most) for bound in goal.bounds)
            which, place = ("smallest", 0) if capped else ("largest", -1)
            side = space.resolutions[place]
            raise RequestError(f"{errors[place]}, at {side} pixels, the {which} resolution")
        tables = TablesByResolution.of(space, sums_of(goal), goal.tabulated_bytes)
        return cls(space, goal, tables, tuple(parts))

    def table(self, population: Population) -> pd.DataFrame:
        """The networks of a population with their figures, best first, and their rows in it."""
        specs = [str(self.space.of_options(row)) for row in population.tolist()]
        figures = {"arch": specs, **self.tables.score(population), "row": np.arange(len(specs))}
        return ranked(pd.DataFrame(figures), self.goal)


AnyProblem: TypeAlias = Problem | Problems


@dataclass(frozen=True)
class Inside:
    """The networks inside the bounds of a problem.

    Attributes:
        count: Their number.
        rounding: The largest error of a counted sum, as a fraction of its limit; 0 if the count is exact.
    """

    count: int
    rounding: float


def problem_of(query: Query, space: Space | None = None, feasible: bool = True) -> AnyProblem:
    """The problem of a query; the arguments are those of `Problem.of`."""
    return problem_of_goal(*query.resolve(space), feasible)


def problem_of_goal(space: Space, goal: Goal, feasible: bool = True) -> AnyProblem:
    """The problem of a space and a goal; the arguments are those of `Problem.of_goal`."""
    kind = Problems if space.resolutions else Problem
    return kind.of_goal(space, goal, feasible)


def proven_best(problem: AnyProblem, k: int = 1) -> Proven:
    """The k best networks for a goal of one objective, as `nas.exact.problem.proven_best`."""
    if isinstance(problem, Problem):
        return single.proven_best(problem, k)
    found = [single.proven_best(part, k) for _, part in problem.parts]
    merged = _merged(problem, found)
    table = problem.table(merged).head(k)
    ((figure, direction),) = problem.goal.optimise
    values = table[figure].tolist()
    if not any(each.gap for each in found):
        return Proven(merged[table["row"]], values, 0.0, len(table))
    sign = 1 if direction == MAXIMIZE else -1
    bound = max(sign * _beyond(each, sign) for each in found if each.gap)
    certain = int((sign * table[figure] > bound).sum())
    gap = (
        max(0.0, (bound - sign * values[-1]) / abs(values[-1]))
        if len(values) == k and values[-1]
        else math.inf
    )
    return Proven(merged[table["row"]], values, gap, certain)


def _beyond(proven: Proven, sign: int) -> float:
    """A bound on the networks that are not among the proven ones of one resolution."""
    if not proven.values or math.isinf(proven.gap):
        return sign * math.inf
    return proven.values[-1] + sign * proven.gap * abs(proven.values[-1])


def proven_front(problem: AnyProblem) -> Proven:
    """The front of a goal of two objectives, the cheapest first, as `nas.exact.problem.proven_front`."""
    if isinstance(problem, Problem):
        return single.proven_front(problem)
    found = [single.proven_front(part) for _, part in problem.parts]
    merged = _merged(problem, found)
    table = problem.table(merged)
    table = table[table["front"]].iloc[::-1]
    gap = max(each.gap for each in found)
    values = table[problem.goal.optimise[0][0]].tolist()
    return Proven(merged[table["row"]], values, gap, len(table) if gap == 0 else 0)


def inside_of(problem: AnyProblem, levels: int = FINE) -> Inside:
    """The number of networks inside the bounds; the arguments are those of `nas.exact.problem.inside_of`."""
    parts = [problem] if isinstance(problem, Problem) else [part for _, part in problem.parts]
    found = [single.inside_of(part, levels) for part in parts]
    return Inside(sum(each.count for each in found), max(each.rounding for each in found))


def sampled(problem: AnyProblem, count: int, generator: np.random.Generator) -> Population:
    """A uniform random sample, with replacement, of the networks inside the bounds; it may be empty."""
    if isinstance(problem, Problem):
        return problem.graph.population(single.inside_of(problem).sample(count, generator))
    sets = [single.inside_of(part) for _, part in problem.parts]
    weights = np.array([float(each.count) for each in sets])
    if not weights.sum():
        return np.zeros((0, len(problem.space.choices)), np.uint16)
    drawn = generator.multinomial(count, weights / weights.sum())
    networks = [
        placed(part.graph.population(each.sample(int(some), generator)), number)
        for (number, part), each, some in zip(problem.parts, sets, drawn, strict=True)
    ]
    return generator.permutation(np.concatenate(networks))


def _merged(problem: Problems, found: Sequence[Proven]) -> Population:
    """The networks of every resolution as networks of the whole space."""
    parts = zip(problem.parts, found, strict=True)
    return np.concatenate([placed(each.population, number) for (number, _), each in parts])
