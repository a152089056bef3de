"""What is proven about a problem: the link between goals, tables and the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.exact.graph import unit_of
from nas.exact.inside import FINE, Inside, inside
from nas.exact.limits import limits
from nas.exact.optimum import Objective, best
from nas.exact.pareto import front
from nas.goal import MAXIMIZE, Goal
from nas.problem import Problem
from nas.scoring import FIGURES, Population


@dataclass(frozen=True)
class Proven:
    """Networks that are the best, or all but.

    Attributes:
        population: The networks.
        values: Their values of the figure that the goal names first.
        gap: The largest share by which another network could be better than the last of these.
    """

    population: Population
    values: list[float]
    gap: float


def proven_best(problem: Problem, k: int = 1) -> Proven:
    """The k best for a goal of one figure."""
    objective = objective_of(problem.goal)
    optimum = best(problem.graph, objective, limits(problem.graph, problem.goal.bounds), k)
    values = objective.of_paths(optimum.paths)
    gap = 0.0
    if len(values) < k:
        gap = 0.0 if optimum.bound == -np.inf else np.inf
    elif optimum.bound > values[-1]:
        gap = float((optimum.bound - values[-1]) / abs(values[-1])) if values[-1] else np.inf
    unit = objective.sign * unit_of(FIGURES[objective.column])
    return Proven(problem.graph.population(optimum.paths.cells), (values / unit).tolist(), gap)


def proven_front(problem: Problem) -> Proven:
    """The front of a goal of two figures."""
    cost, _ = problem.goal.optimise[1]
    found = front(problem.graph, FIGURES.index(cost), limits(problem.graph, problem.goal.bounds))
    masses = found.paths.figures[:, FIGURES.index("nn_mass")] / unit_of("nn_mass")
    return Proven(problem.graph.population(found.paths.cells), masses.tolist(), found.gap)


def inside_of(problem: Problem, levels: int = FINE) -> Inside:
    """The networks inside a problem's bounds."""
    return inside(problem.graph, limits(problem.graph, problem.goal.bounds), levels)


def objective_of(goal: Goal) -> Objective:
    """The figure that a goal names first, with its rules for ties."""
    (figure, direction), *_ = goal.optimise
    ties = [
        (FIGURES.index(name), -1 if ascends else 1) for name, ascends in goal.order[1:] if name in FIGURES
    ]
    return Objective(FIGURES.index(figure), 1 if direction == MAXIMIZE else -1, tuple(ties))
