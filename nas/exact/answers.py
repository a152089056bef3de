"""What is proven about a problem: the link between goals, tables and the graph."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nas.exact.graph import unit_of
from nas.exact.inside import FINE, Inside, Listed, inside
from nas.exact.limits import limits
from nas.exact.optimum import Optimum, best
from nas.exact.pareto import Front, cheapest_first, front, staircase
from nas.exact.paths import Objective, Paths
from nas.goal import MAXIMIZE, Goal
from nas.problem import Problem
from nas.scoring import FIGURES, Population

_MASS = FIGURES.index("nn_mass")


@dataclass(frozen=True)
class Proven:
    """Networks that are the best, or all but.

    Attributes:
        population: The networks.
        values: Their values of the figure that the goal names first.
        gap: The largest share by which another network could be better than the last of these.
        certain: How many of the first are proven to be the best.
    """

    population: Population
    values: list[float]
    gap: float
    certain: int


def proven_best(problem: Problem, k: int = 1) -> Proven:
    """The k best for a goal of one figure, in the order of `nas.table.ranked`."""
    objective = objective_of(problem.goal)
    if problem.few is None:
        optimum = best(problem.graph, objective, limits(problem.graph, problem.goal.bounds), k)
    else:
        optimum = Optimum(objective.first(problem.few, k), -np.inf)
    values = objective.of_paths(optimum.paths)
    gap = 0.0
    if len(values) < k:
        gap = 0.0 if optimum.bound == -np.inf else np.inf
    elif optimum.bound > values[-1]:
        gap = float((optimum.bound - values[-1]) / abs(values[-1])) if values[-1] else np.inf
    unit = objective.sign * unit_of(FIGURES[objective.column])
    paths = _in_order(problem, objective, optimum.paths).take(slice(k))
    certain = len(paths) if gap == 0 else int((values[:k] > optimum.bound).sum())
    return Proven(problem.graph.population(paths.cells), (values[:k] / unit).tolist(), gap, certain)


def proven_front(problem: Problem) -> Proven:
    """The front of a goal of two figures, the cheapest first: of equals the first by `nas.table.ranked`."""
    (_, (cost, _)) = problem.goal.optimise
    return front_against(problem, cost)


def front_against(problem: Problem, cost: str) -> Proven:
    """The front of NN-Mass against a cost inside a problem's bounds, whatever its goal."""
    column, within = FIGURES.index(cost), limits(problem.graph, problem.goal.bounds)
    if problem.few is None:
        found = front(problem.graph, column, within)
    else:
        found = Front(staircase(problem.few, column), 0.0)
    paths = _in_order(problem, cheapest_first(column), found.paths)
    points = paths.figures[:, [_MASS, column]]
    first = np.append(True, (points[1:] != points[:-1]).any(axis=1))[: len(points)]
    paths = paths.take(first)
    masses = paths.figures[:, _MASS] / unit_of("nn_mass")
    certain = len(paths) if found.gap == 0 else 0
    return Proven(problem.graph.population(paths.cells), masses.tolist(), found.gap, certain)


def inside_of(problem: Problem, levels: int = FINE) -> Inside:
    """The networks inside a problem's bounds."""
    if problem.few is not None:
        return Listed(problem.few)
    return inside(problem.graph, limits(problem.graph, problem.goal.bounds), levels)


def objective_of(goal: Goal) -> Objective:
    """The figure that a goal names first, with its rules for ties."""
    (figure, direction), *_ = goal.optimise
    ties = [
        (FIGURES.index(name), -1 if ascends else 1) for name, ascends in goal.order[1:] if name in FIGURES
    ]
    return Objective(FIGURES.index(figure), 1 if direction == MAXIMIZE else -1, tuple(ties))


def _in_order(problem: Problem, objective: Objective, paths: Paths) -> Paths:
    """Ranked paths in the order that specs give those that are equal in all that the objective ranks by."""
    keys = paths.figures[:, [objective.column, *(column for column, _ in objective.ties)]]
    starts = np.flatnonzero(np.append(True, (keys[1:] != keys[:-1]).any(axis=1))[: len(keys)]).tolist()
    order = np.arange(len(keys))
    for start, stop in pairwise([*starts, len(keys)]):
        if stop - start > 1:
            options = problem.graph.population(paths.cells[start:stop])
            specs = [str(problem.space.of_options(row)) for row in options]
            order[start:stop] = start + np.array(sorted(range(len(specs)), key=specs.__getitem__))
    return paths.take(order)
