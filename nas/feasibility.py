"""Whether any network meets the bounds, and if not, what the nearest ones cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.budget import Bound, exactly
from nas.exact.graph import Graph, unit_of
from nas.exact.inside import inside
from nas.exact.limits import Limit, limits
from nas.exact.optimum import Objective, best
from nas.scoring import FIGURES
from search_spaces import RequestError

_ROOMS = (1 << 12, 1 << 15)
"""Room to look for a network in; where it is not enough, counting decides."""
_NEAR = 100
"""The nearest network above a bound is looked for one part in so many above it, then further."""


def check(name: str, graph: Graph, bounds: Sequence[Bound]) -> None:
    """Hold bounds against a space.

    Args:
        name: What the space is called.

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
    if not _none_meets(graph, limits(graph, bounds)):
        return
    met = 0
    while not _none_meets(graph, limits(graph, bounds[: met + 1])):
        met += 1
    raise RequestError(f"no network of {name} has {_nearest(graph, bounds[:met], bounds[met])}")


def _none_meets(graph: Graph, within: Sequence[Limit]) -> bool:
    """Whether it is proven that no network lies inside limits."""
    optimum = best(graph, Objective(FIGURES.index("nn_mass")), within, rooms=_ROOMS)
    if len(optimum.paths) or optimum.bound == -np.inf:
        return not len(optimum.paths)
    networks = inside(graph, within)
    return networks.count == networks.rounding == 0


def _nearest(graph: Graph, met: Sequence[Bound], bound: Bound) -> str:
    """What comes nearest to a bound that no network meets together with others, in words."""
    column, within, whole = FIGURES.index(bound.figure), limits(graph, met), Limit.of_bound(graph, bound)
    nearby = inside(graph, [*within, Limit.of(graph, column, most=whole.most + whole.most // _NEAR)])
    values = nearby.values(column)
    ends = [*values[values < whole.least][-1:], *values[values > whole.most][:1]]
    if not (values > whole.most).any():
        above = Limit.of(graph, column, least=whole.most + 1)
        ends += (
            best(graph, Objective(column, -1), [*within, above], rooms=_ROOMS)
            .paths.figures[:, column]
            .tolist()
        )
    shown = [f"{exactly(end / unit_of(bound.figure))} {bound.figure}" for end in ends]
    others = f" among those with {' and '.join(map(str, met))}" if met else ""
    have = ("has" if len(ends) == 1 else "have") + (" about" if nearby.rounding else "")
    return f"{bound}{others}; the nearest {have} {' and '.join(shown)}"
