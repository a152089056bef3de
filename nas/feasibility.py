"""Whether any network meets the bounds, and if not, what the nearest ones cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.budget import Bound, exactly
from nas.exact.graph import Graph, unit_of
from nas.exact.inside import LISTED, few_inside, inside
from nas.exact.limits import Limit, limits
from nas.exact.optimum import best
from nas.exact.paths import Objective, Paths, follow
from nas.exact.relaxation import Relaxation
from nas.scoring import FIGURES
from search_spaces import RequestError

_ROOM = 1 << 12
"""Partial paths to look for a network among, before more is tried."""
_NEAR = 100
"""The nearest network above a bound is looked for one part in so many above it, then further."""


def check(name: str, graph: Graph, bounds: Sequence[Bound]) -> Paths | None:
    """Hold bounds against a space.

    Args:
        name: What the space is called.

    Returns:
        All networks that meet them, where they are so few that they had to be listed to find one.

    Raises:
        RequestError: No network meets the bounds, which is proven; the message says what the nearest cost.
    """
    for bound in bounds:
        least, largest = graph.extent(bound.figure)
        if bound.most < least:
            raise RequestError(f"{bound}: the smallest network of {name} has {exactly(least)} {bound.figure}")
        if bound.least > largest:
            raise RequestError(
                f"{bound}: the largest network of {name} has {exactly(largest)} {bound.figure}"
            )
    none, few = _meeting(graph, limits(graph, bounds))
    if not none:
        return few
    met = 0
    while not _meeting(graph, limits(graph, bounds[: met + 1]))[0]:
        met += 1
    raise RequestError(f"no network of {name} has {_nearest(graph, bounds[:met], bounds[met])}")


def _meeting(graph: Graph, within: Sequence[Limit]) -> tuple[bool, Paths | None]:
    """Whether it is proven that no network lies inside limits; and all that do, if they had to be listed."""
    if any(limit.empty for limit in within):
        return True, None
    objective = Objective(FIGURES.index("nn_mass"))
    relaxation = Relaxation.tightest(graph, objective.of_cells(graph), within)
    found, left_aside = follow(graph, relaxation, within, -np.inf, _ROOM)
    if len(found) or left_aside == -np.inf:
        return not len(found), None
    if graph.size() > LISTED and (few := few_inside(graph, within)) is not None:
        return not len(few), few
    optimum = best(graph, objective, within)
    if len(optimum.paths) or optimum.bound == -np.inf:
        return not len(optimum.paths), None
    networks = inside(graph, within)
    return networks.count == networks.rounding == 0, None


def _nearest(graph: Graph, met: Sequence[Bound], bound: Bound) -> str:
    """What comes nearest to a bound that no network meets together with others, in words."""
    column, within, whole = FIGURES.index(bound.figure), limits(graph, met), Limit.of_bound(graph, bound)
    nearby = inside(graph, [*within, Limit.of(graph, column, most=whole.most + whole.most // _NEAR)])
    values = nearby.values(column)
    ends = [*values[values < whole.least][-1:], *values[values > whole.most][:1]]
    if not (values > whole.most).any():
        above = Limit.of(graph, column, least=whole.most + 1)
        ends += best(graph, Objective(column, -1), [*within, above]).paths.figures[:1, column].tolist()
    shown = [f"{exactly(end / unit_of(bound.figure))} {bound.figure}" for end in ends]
    others = f" among those with {' and '.join(map(str, met))}" if met else ""
    have = ("has" if len(ends) == 1 else "have") + (" about" if nearby.rounding else "")
    return f"{bound}{others}; the nearest {have} {' and '.join(shown)}"
