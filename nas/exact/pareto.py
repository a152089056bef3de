"""The proven Pareto front of a score against a cost, found piece by piece along the cost.

In a piece the front is a staircase from a lower to a higher cost. A partial path matters only if, for some
cost in the piece, its bound at that cost is above the staircase found so far. The bound grows linearly with
the cost, with the price of the cost as slope, so it is sufficient to compare it at the end of the piece with
the lowest of the lines through the corners of the staircase. As for a single optimum, `follow` returns a
bound on what it discards for lack of room. A piece is repeated with more room, then in halves, until no
discarded path could lie on the front.

If all limits are caps, dominated cells are left out first: another cell of the same states has no larger
cost, uses no more of the limits, and has a better score, or the same score and precedes in the order of ties.
The path through the other cell lies inside the caps, too, and has a better score at no larger cost, or
precedes the path through a dominated cell in the order of the front. Where choices change costs and not the
score, few cells remain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.exact.graph import NO_LEAST, Graph, Limit, Step
from nas.exact.optimum import Optimum, best
from nas.exact.paths import Objective, Paths, follow
from nas.exact.relaxation import Relaxation

_PIECES = 16
_FINEST = 512
"""Initial and maximum number of pieces of a front; if the maximum does not suffice, the gap is reported."""
_ROOMS = (1 << 12, 1 << 15)
_CELLS_AT_ONCE = 256


@dataclass(frozen=True)
class Front:
    """A Pareto front.

    Attributes:
        paths: Its members, the cheapest first; of those with equal score and cost the first by ties,
            and all that equal it in these, too.
        gap: The largest fraction by which a discarded network could lie above the front or beyond its ends;
            0 if it is proven.
    """

    paths: Paths
    gap: float


Fraction: TypeAlias = Callable[[Any, Any], Any]
"""The fraction by which a bound exceeds a value, both in units; of numbers or columns."""


def _of_units(value: Any, bound: Any) -> Any:
    return (bound - value) / np.maximum(np.abs(value), 1)


def front(
    graph: Graph, score: Objective, cost: int, limits: Sequence[Limit], fraction: Fraction = _of_units
) -> Front:
    """The front of the best score against the least of a cost, inside limits.

    Args:
        score: The score, and the order of networks of the same score and cost.
        cost: Index of the column of the cost.
        fraction: Gives the gap from a score and a bound, by default as a fraction of the units.
    """
    if all(limit.least == NO_LEAST for limit in limits):
        capped = {cost, *(limit.column for limit in limits)}
        kept = [_undominated(step, score, sorted(capped)) for step in graph.steps]
        reduced = Graph(graph.tables, tuple(map(Step.only, graph.steps, kept)))
        found = _front(reduced, score, cost, [limit.on(reduced) for limit in limits], fraction)
        columns = [cells[column] for cells, column in zip(kept, found.paths.cells.T, strict=True)]
        cells = np.column_stack(columns).astype(found.paths.cells.dtype)
        return Front(replace(found.paths, cells=cells), found.gap)
    return _front(graph, score, cost, limits, fraction)


def _undominated(step: Step, score: Objective, capped: Sequence[int]) -> NDArray[np.intp]:
    """The indices of the cells that no other of the same states dominates.

    Args:
        capped: The columns of the cost and of the limits.
    """
    values = np.column_stack([sign * step.figures[:, column] for column, sign in score.keys])
    costs = step.figures[:, capped]
    # Within the same states, a cell precedes all that it dominates.
    order = np.lexsort((*-values.T[::-1], step.leaving, step.entering))
    states = np.column_stack([step.entering, step.leaving])[order]
    kept = []
    for cells in np.split(order, np.flatnonzero((states[1:] != states[:-1]).any(axis=1)) + 1):
        best = cells[:0]
        for some in np.split(cells, range(_CELLS_AT_ONCE, len(cells), _CELLS_AT_ONCE)):
            others = np.append(best, some)
            better = values[others] - values[some, None]
            precedes = (better >= 0).all(axis=2) & (better > 0).any(axis=2)
            cheap = (costs[others] <= costs[some, None]).all(axis=2)
            dominated = cheap & ((better[..., 0] > 0) | precedes)
            best = np.append(best, some[~dominated.any(axis=1)])
        kept.append(best)
    return np.sort(np.concatenate(kept))


def _front(graph: Graph, score: Objective, cost: int, limits: Sequence[Limit], fraction: Fraction) -> Front:
    """The front, from all cells of a graph."""
    cheapest = best(graph, cheapest_first(score, cost), limits)
    highest = best(graph, replace(score, ties=((cost, -1),)), limits)
    if not len(cheapest.paths) or not len(highest.paths):
        return Front(cheapest.paths, 0.0 if cheapest.bound == highest.bound == -np.inf else np.inf)
    found = cheapest.paths
    start, largest = (int(end.paths.figures[0, cost]) for end in (cheapest, highest))
    gap = max(
        _missed(cheapest, -start, _of_units),
        _missed(highest, int(score.of_paths(highest.paths)[0]), fraction),
    )
    finest = max((largest - start) // _FINEST, 1)
    stops = np.unique(np.linspace(largest, start, _PIECES, endpoint=False).astype(np.int64))[::-1].tolist()
    while stops:
        stop = stops.pop()
        found, missed = _extended(graph, score, cost, start, stop, limits, found, fraction)
        if missed and stop - start > finest:
            stops += [stop, (start + stop) // 2]
        else:
            start, gap = stop, max(gap, missed)
    return Front(found, gap)


def _extended(
    graph: Graph,
    score: Objective,
    cost: int,
    start: int,
    stop: int,
    limits: Sequence[Limit],
    found: Paths,
    fraction: Fraction,
) -> tuple[Paths, float]:
    """Extend a front that is correct up to the cost `start` to the cost `stop`.

    Returns:
        The front, and the largest fraction by which it may be too low between the two costs.
    """
    known = found.take(found.figures[:, cost] <= start)
    cap, *floors = (
        Limit.of(graph, cost, most=stop),
        Limit.of(graph, cost, least=start + 1),
        score.above(graph, int(score.of_paths(known)[-1])),
    )
    priced = [*limits, *([cap] if cap.binds else [])]
    relaxation = Relaxation.tightest(graph, score.of_cells(graph), priced)
    price = relaxation.prices[-1] if cap.binds else 0.0
    for room in _ROOMS:
        corners = found.take(found.figures[:, cost] <= stop).take(slice(len(known) - 1, None))
        until = np.append(corners.figures[1:, cost] - 1, stop)
        values = score.of_paths(corners)
        least = values + np.append(1, np.zeros(len(corners) - 1, np.int64))
        threshold = float((least + price * (stop - until)).min())
        more, discarded = follow(graph, relaxation, [*priced, *floors], threshold, room)
        found = staircase(found.joined(more), score, cost)
        if discarded < threshold:
            return found, 0.0
    return found, float(np.max(fraction(values, discarded - price * (stop - until))))


def _missed(end: Optimum, value: int, fraction: Fraction) -> float:
    """The fraction by which an end of the front may lie beyond the one found."""
    return float(fraction(value, end.bound)) if np.isfinite(end.bound) else np.inf


def cheapest_first(score: Objective, cost: int) -> Objective:
    """The order of a front: by its cost, then the best score, then as networks of equal score and cost."""
    ties = [(column, sign) for column, sign in score.ties if column != cost]
    return Objective(cost, -1, ties=((score.column, score.sign), *ties))


def staircase(paths: Paths, score: Objective, cost: int) -> Paths:
    """The paths that are members of the front, as in `Front.paths`."""
    if not len(paths):
        return paths
    objective = cheapest_first(score, cost)
    ranked = objective.ranked(paths)
    values = score.of_paths(ranked)
    before = np.maximum.accumulate(np.append(np.iinfo(np.int64).min, values[:-1]))
    step = np.maximum.accumulate(np.where(values > before, np.arange(len(values)), 0))
    keys = ranked.figures[:, [column for column, _ in objective.keys]]
    members = ranked.take((keys == keys[step]).all(axis=1))
    _, first = np.unique(members.cells, axis=0, return_index=True)
    return members.take(np.sort(first))
