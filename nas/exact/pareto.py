"""The proven Pareto front of NN-Mass against a cost, found piece by piece along the cost.

In a piece the front is a staircase from a lower to a higher cost. A partial path matters only if, for some
cost in the piece, its bound at that cost is above the staircase found so far. The bound grows linearly with
the cost, with the price of the cost as slope, so it is sufficient to compare it at the end of the piece with
the lowest of the lines through the corners of the staircase. As for a single optimum, `follow` returns a
bound on what it discards for lack of room. A piece is repeated with more room, then in halves, until no
discarded path could lie on the front.

If all limits are caps, dominated cells are left out first: another cell of the same states and NN-Mass has
no larger cost, and fewer FLOPs or parameters. The path through the other cell lies inside the caps, too, and
precedes the path through a dominated cell in the order of the front. Where choices change costs and not
NN-Mass, few cells remain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nas.exact.graph import NO_LEAST, Graph, Limit, Step
from nas.exact.optimum import Optimum, best
from nas.exact.paths import Objective, Paths, follow
from nas.exact.relaxation import Relaxation
from nas.tables import FIGURES

_MASS = FIGURES.index("nn_mass")
_TIES = (FIGURES.index("flops"), FIGURES.index("params"))
_PIECES = 16
_FINEST = 512
"""Initial and maximum number of pieces of a front; if the maximum does not suffice, the gap is reported."""
_ROOMS = (1 << 12, 1 << 15)
_PAIRS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Front:
    """A Pareto front.

    Attributes:
        paths: Its members, the cheapest first; of those with equal mass and cost the first by the other
            costs, and all that equal it in these, too.
        gap: The largest fraction by which a discarded network could lie above the front or beyond its ends;
            0 if it is proven.
    """

    paths: Paths
    gap: float


def front(graph: Graph, cost: int, limits: Sequence[Limit]) -> Front:
    """The front of the largest NN-Mass against the least of a cost, inside limits.

    Args:
        cost: Index of the cost among `FIGURES`.
    """
    if all(limit.least == NO_LEAST for limit in limits):
        kept = [_undominated(step) for step in graph.steps]
        reduced = Graph(graph.tables, tuple(map(Step.only, graph.steps, kept)))
        found = _front(reduced, cost, [limit.on(reduced) for limit in limits])
        columns = [cells[column] for cells, column in zip(kept, found.paths.cells.T, strict=True)]
        cells = np.column_stack(columns).astype(found.paths.cells.dtype)
        return Front(replace(found.paths, cells=cells), found.gap)
    return _front(graph, cost, limits)


def _undominated(step: Step) -> NDArray[np.intp]:
    """The indices of the cells that no other of the same states and NN-Mass dominates."""
    same = np.column_stack([step.entering, step.leaving, step.figures[:, _MASS]])
    _, group, sizes = np.unique(same, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    kept = np.ones(len(order), bool)
    for cells in np.split(order, np.cumsum(sizes)[:-1]):
        if len(cells) > 1:
            for some in np.array_split(cells, -(-(len(cells) ** 2) // _PAIRS_AT_ONCE)):
                more = step.figures[some, None] - step.figures[cells]
                dominated = np.all(more >= 0, axis=2) & np.any(more[..., _TIES] > 0, axis=2)
                kept[some] = ~np.any(dominated, axis=1)
    return np.flatnonzero(kept)


def _front(graph: Graph, cost: int, limits: Sequence[Limit]) -> Front:
    """The front, from all cells of a graph."""
    cheapest = best(graph, cheapest_first(cost), limits)
    heaviest = best(graph, Objective(_MASS, 1, ties=((cost, -1),)), limits)
    if not len(cheapest.paths) or not len(heaviest.paths):
        return Front(cheapest.paths, 0.0 if cheapest.bound == heaviest.bound == -np.inf else np.inf)
    found = cheapest.paths
    gap = max(_missed(cheapest, found.figures[0, cost]), _missed(heaviest, heaviest.paths.figures[0, _MASS]))
    start, largest = (int(end.paths.figures[0, cost]) for end in (cheapest, heaviest))
    finest = max((largest - start) // _FINEST, 1)
    stops = np.unique(np.linspace(largest, start, _PIECES, endpoint=False).astype(np.int64))[::-1].tolist()
    while stops:
        stop = stops.pop()
        found, missed = _extended(graph, cost, start, stop, limits, found)
        if missed and stop - start > finest:
            stops += [stop, (start + stop) // 2]
        else:
            start, gap = stop, max(gap, missed)
    return Front(found, gap)


def _extended(
    graph: Graph, cost: int, start: int, stop: int, limits: Sequence[Limit], found: Paths
) -> tuple[Paths, float]:
    """Extend a front that is correct up to the cost `start` to the cost `stop`.

    Returns:
        The front, and the largest fraction by which it may be too low between the two costs.
    """
    known = found.take(found.figures[:, cost] <= start)
    cap, *floors = (
        Limit.of(graph, cost, most=stop),
        Limit.of(graph, cost, least=start + 1),
        Limit.of(graph, _MASS, least=int(known.figures[-1, _MASS]) + 1),
    )
    priced = [*limits, *([cap] if cap.binds else [])]
    relaxation = Relaxation.tightest(graph, graph.figure(_MASS), priced)
    price = relaxation.prices[-1] if cap.binds else 0.0
    for room in _ROOMS:
        corners = found.figures[(found.figures[:, cost] <= stop)][len(known) - 1 :]
        until = np.append(corners[1:, cost] - 1, stop)
        least = corners[:, _MASS] + np.append(1, np.zeros(len(corners) - 1, np.int64))
        threshold = float((least + price * (stop - until)).min())
        more, discarded = follow(graph, relaxation, [*priced, *floors], threshold, room)
        found = staircase(found.joined(more), cost)
        if discarded < threshold:
            return found, 0.0
    could_be = (discarded - price * (stop - until)) / np.maximum(corners[:, _MASS], 1)
    return found, float(could_be.max()) - 1


def _missed(end: Optimum, value: int) -> float:
    """The fraction by which an end of the front may lie beyond the one found."""
    best_possible = abs(end.bound)
    return abs(best_possible - value) / max(value, 1) if np.isfinite(best_possible) else np.inf


def cheapest_first(cost: int) -> Objective:
    """The order of a front: by its cost, then the largest NN-Mass, then the other costs as in tables."""
    others = [column for column in _TIES if column != cost]
    return Objective(cost, -1, ties=((_MASS, 1), *((column, -1) for column in others)))


def staircase(paths: Paths, cost: int) -> Paths:
    """The paths that are members of the front, as in `Front.paths`."""
    if not len(paths):
        return paths
    objective = cheapest_first(cost)
    ranked = objective.ranked(paths)
    masses = ranked.figures[:, _MASS]
    higher = masses > np.maximum.accumulate(np.append(-1, masses[:-1]))
    step = np.maximum.accumulate(np.where(higher, np.arange(len(masses)), 0))
    keys = ranked.figures[:, [cost, *(column for column, _ in objective.ties)]]
    members = ranked.take((keys == keys[step]).all(axis=1))
    _, first = np.unique(members.cells, axis=0, return_index=True)
    return members.take(np.sort(first))
