"""A query with its space, stage tables, graph and goal, and the proofs of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from nas import proxies
from nas.bounds import Bound
from nas.exact.feasible_set import FINE, LISTED, Enumerated, FeasibleSet, few_inside, inside
from nas.exact.graph import Graph, Limit, limits
from nas.exact.optimum import Optimum, best
from nas.exact.pareto import Fraction, Front, cheapest_first, front, staircase
from nas.exact.paths import Objective, Paths, follow
from nas.exact.relaxation import Relaxation
from nas.fitted.sum import FittedSum
from nas.goal import MAXIMIZE, Goal
from nas.query import Query
from nas.sums import Sum
from nas.tables import FIGURES, PEAK, Population, StageTables
from search_spaces import RequestError, Space

_ROOM = 1 << 12
"""Partial paths of the first attempt to find a network inside bounds."""
_NEAR = 100
"""The nearest network above a bound is searched up to 1 / `_NEAR` above it first."""


def check(name: str, graph: Graph, bounds: Sequence[Bound]) -> Paths | None:
    """Check that a network of a space meets all bounds.

    Args:
        graph: The networks; they meet a cap of peak memory already.
        name: Name of the space, for the message.

    Returns:
        All networks that meet them, if the check had to enumerate them; otherwise None.

    Raises:
        RequestError: It is proven that no network meets the bounds; the message gives the nearest costs.
    """
    bounds = [bound for bound in bounds if bound.figure != PEAK]
    for bound in bounds:
        least, largest = sorted(graph.extent(bound.figure))
        if bound.most < least:
            raise RequestError(
                f"{bound}: the smallest network of {name} has {bound.with_unit(least)} {bound.figure}"
            )
        if bound.least > largest:
            raise RequestError(
                f"{bound}: the largest network of {name} has {bound.with_unit(largest)} {bound.figure}"
            )
    none, few = _meeting(graph, limits(graph, bounds))
    if not none:
        return few
    met = 0
    while not _meeting(graph, limits(graph, bounds[: met + 1]))[0]:
        met += 1
    raise RequestError(f"no network of {name} has {_nearest(graph, bounds[:met], bounds[met])}")


def _meeting(graph: Graph, within: Sequence[Limit]) -> tuple[bool, Paths | None]:
    """Whether it is proven that no network lies inside limits; and all networks inside, if enumerated."""
    if any(limit.empty for limit in within):
        return True, None
    objective = Objective(graph.tables.column("nn_mass"))
    relaxation = Relaxation.tightest(graph, objective.of_cells(graph), within)
    found, discarded = follow(graph, relaxation, within, -np.inf, _ROOM)
    if len(found) or discarded == -np.inf:
        return not len(found), None
    if graph.size() > LISTED and (few := few_inside(graph, within)) is not None:
        return not len(few), few
    optimum = best(graph, objective, within)
    if len(optimum.paths) or optimum.bound == -np.inf:
        return not len(optimum.paths), None
    networks = inside(graph, within)
    return networks.count == networks.rounding == 0, None


def _nearest(graph: Graph, met: Sequence[Bound], bound: Bound) -> str:
    """Describe the networks nearest to a bound, among those that meet other bounds."""
    column = graph.tables.column(bound.figure)
    within, whole = limits(graph, met), Limit.of_bound(graph, bound)
    nearby = inside(graph, [*within, Limit.of(graph, column, most=whole.most + abs(whole.most) // _NEAR)])
    values = nearby.values(column)
    ends = [*values[values < whole.least][-1:], *values[values > whole.most][:1]]
    if not (values > whole.most).any():
        above = Limit.of(graph, column, least=whole.most + 1)
        ends += best(graph, Objective(column, -1), [*within, above]).paths.figures[:1, column].tolist()
    shown = [f"{bound.with_unit(graph.tables.of_units(bound.figure, end))} {bound.figure}" for end in ends]
    others = f" among those with {' and '.join(map(str, met))}" if met else ""
    have = ("has" if len(ends) == 1 else "have") + (" about" if nearby.rounding else "")
    return f"{bound}{others}; the nearest {have} {' and '.join(shown)}"


@dataclass(frozen=True)
class Problem:
    """A space with a goal.

    Attributes:
        space: The space, with choices pinned and constants set.
        goal: Objectives and bounds.
        tables: The stage tables of the space.
        graph: The networks of the space as paths, for proofs; without those above a cap of peak memory.
        few: All networks inside the bounds, if `check` enumerated them; otherwise None.
    """

    space: Space
    goal: Goal
    tables: StageTables
    graph: Graph
    few: Paths | None = None

    @classmethod
    def of(cls, query: Query, space: Space | None = None, feasible: bool = True) -> Self:
        """Resolve a query.

        Args:
            space: The space, if it is not the one registered under the name.
            feasible: Whether to refuse bounds that no network meets.

        Raises:
            RequestError: The query is wrong, or no network meets its bounds.
        """
        return cls.of_goal(*query.resolve(space), feasible)

    @classmethod
    def of_goal(cls, space: Space, goal: Goal, feasible: bool = True) -> Self:
        """The problem of a space and a goal.

        Args:
            feasible: Whether to refuse bounds that no network meets.

        Raises:
            RequestError: No network meets the bounds.
        """
        caps = [bound for bound in goal.bounds if bound.figure == PEAK]
        tables = StageTables.of(space, sums_of(goal), goal.tabulated_bytes)
        whole = Graph.of(tables)
        graph = whole.below(min(cap.most for cap in caps)) if caps else whole
        if graph is None:
            if feasible:
                raise _too_large(space, whole, caps[0])
            return cls(space, goal, tables, whole, Paths.none(whole))
        few = check(" with ".join([space.name, *map(str, caps)]), graph, goal.bounds) if feasible else None
        return cls(space, goal, tables, graph, few)


def _too_large(space: Space, graph: Graph, cap: Bound) -> RequestError:
    """The error of a cap of peak memory below that of every network."""
    ways = {
        "smaller images (--fix resolution=...)": "resolution" in space.architecture.constant_names(),
        "int8 (--element-bytes 1)": graph.tables.element_bytes != 1,
    }
    tried = " or ".join(way for way, is_open in ways.items() if is_open)
    least = cap.written(graph.least_peak())
    return RequestError(
        f"{cap}: the smallest of {space.name} is {least}" + (f"; try {tried}" if tried else "")
    )


def sums_of(goal: Goal) -> list[Sum]:
    """The sums over stages that a goal names, without the columns of every table.

    A front looks for the least sums of its second objective, so those of one to maximise fall as it grows.
    """
    names = [*(figure for figure, _ in goal.optimise), *(bound.figure for bound in goal.bounds)]
    # Not of peak memory: looking for its score would import all proxies, and torch with them.
    found = (proxies.find(name) for name in dict.fromkeys(names) if name not in (*FIGURES, PEAK))
    sums = [proxy.stage_sum for proxy in found if proxy and proxy.stage_sum]
    falling = [figure for figure, direction in goal.optimise[1:] if direction == MAXIMIZE]
    return [one.falling() if isinstance(one, FittedSum) and one.name in falling else one for one in sums]


@dataclass(frozen=True)
class Proven:
    """The best networks, with the gap of the proof.

    Attributes:
        population: The networks, as option numbers.
        values: Their values of the first objective.
        gap: The largest fraction by which another network could be better than the last of these.
        certain: How many of the first networks are proven to be the best.
    """

    population: Population
    values: list[float]
    gap: float
    certain: int


def proven_best(problem: Problem, k: int = 1) -> Proven:
    """The k best networks for a goal of one objective, in the order of `nas.ranking.ranked`."""
    objective, (figure, _) = objective_of(problem), problem.goal.optimise[0]
    if problem.few is None:
        optimum = best(problem.graph, objective, limits(problem.graph, problem.goal.bounds), k)
    else:
        optimum = Optimum(objective.first(problem.few, k), -np.inf)
    values = objective.of_paths(optimum.paths)
    gap = 0.0
    if len(values) < k:
        gap = 0.0 if optimum.bound == -np.inf else np.inf
    elif optimum.bound > values[-1]:
        gap = float(_fraction(problem)(values[-1], optimum.bound))
    paths = _in_order(problem, objective, optimum.paths).take(slice(k))
    certain = len(paths) if gap == 0 else int((values[:k] > optimum.bound).sum())
    units = objective.sign * values[:k]
    found = np.asarray(problem.tables.of_units(figure, units), float).tolist()
    return Proven(problem.graph.population(paths.cells), found, gap, certain)


def proven_front(problem: Problem) -> Proven:
    """The front of a goal of two objectives, the cheapest first; ties as in `nas.ranking.ranked`."""
    (figure, _), (cost, _) = problem.goal.optimise
    objective, column = objective_of(problem), problem.tables.column(cost)
    if problem.few is None:
        found = front(
            problem.graph, objective, column, limits(problem.graph, problem.goal.bounds), _fraction(problem)
        )
    else:
        found = Front(staircase(problem.few, objective, column), 0.0)
    paths = _in_order(problem, cheapest_first(objective, column), found.paths)
    points = paths.figures[:, [objective.column, column]]
    first = np.append(True, (points[1:] != points[:-1]).any(axis=1))[: len(points)]
    paths = paths.take(first)
    values = np.asarray(problem.tables.of_units(figure, paths.figures[:, objective.column]), float)
    certain = len(paths) if found.gap == 0 else 0
    return Proven(problem.graph.population(paths.cells), values.tolist(), found.gap, certain)


def _fraction(problem: Problem) -> Fraction:
    """The fraction by which a bound on the first objective exceeds a value, both in units."""
    objective, (figure, _) = objective_of(problem), problem.goal.optimise[0]

    def fraction(value: Any, bound: Any) -> Any:
        best, other = (
            np.asarray(problem.tables.of_units(figure, objective.sign * one), float) for one in (bound, value)
        )
        with np.errstate(over="ignore"):  # anything above a score of 0 is infinitely larger
            return np.abs(best - other) / np.maximum(np.abs(other), np.finfo(float).tiny)

    return fraction


def inside_of(problem: Problem, levels: int = FINE) -> FeasibleSet:
    """The networks inside the bounds of a problem.

    Args:
        levels: As in `nas.exact.feasible_set.inside`.
    """
    if problem.few is not None:
        return Enumerated(problem.few)
    return inside(problem.graph, limits(problem.graph, problem.goal.bounds), levels)


def objective_of(problem: Problem) -> Objective:
    """The first objective of a problem, with its rules for ties."""
    tables, ((figure, direction), *_) = problem.tables, problem.goal.optimise
    ties = [
        (tables.column(name), -1 if ascends or tables.falls(name) else 1)
        for name, ascends in problem.goal.order[1:]
        if name in tables.names
    ]
    return Objective(tables.column(figure), 1 if direction == MAXIMIZE else -1, tuple(ties))


def _in_order(problem: Problem, objective: Objective, paths: Paths) -> Paths:
    """Sort ranked paths by spec where the objective and its ties are equal."""
    keys = paths.figures[:, [column for column, _ in objective.keys]]
    starts = np.flatnonzero(np.append(True, (keys[1:] != keys[:-1]).any(axis=1))[: len(keys)]).tolist()
    order = np.arange(len(keys))
    for start, stop in pairwise([*starts, len(keys)]):
        if stop - start > 1:
            options = problem.graph.population(paths.cells[start:stop])
            specs = [str(problem.space.of_options(row)) for row in options]
            order[start:stop] = start + np.array(sorted(range(len(specs)), key=specs.__getitem__))
    return paths.take(order)
