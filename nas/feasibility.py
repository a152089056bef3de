"""Whether any network meets the bounds, and if not, what the nearest ones cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nas.budget import Bound, exactly
from nas.stage_tables import StageTables, enumerate_all
from search_spaces import RequestError, Space
from search_spaces.figures import Column

ENUMERABLE = 2_000_000
"""The largest space that is looked through whole before a search."""


def check(space: Space, tables: StageTables, bounds: Sequence[Bound]) -> None:
    """Hold bounds against a space.

    A space of up to `ENUMERABLE` architectures is looked through; in a larger one each end of each bound is
    held against the least and the largest network, which are exact.

    Raises:
        RequestError: No network meets the bounds; the message says what the nearest cost.
    """
    for bound in bounds:
        least, largest = tables.extent(bound.figure)
        if bound.most < least:
            raise RequestError(
                f"{bound}: the smallest network of {space.name} has {exactly(least)} {bound.figure}"
            )
        if bound.least > largest:
            raise RequestError(
                f"{bound}: the largest network of {space.name} has {exactly(largest)} {bound.figure}"
            )
    if bounds and space.size <= ENUMERABLE:
        figures = tables.score(enumerate_all(space))
        if not np.any(meeting(figures, bounds)):
            raise RequestError(f"no network of {space.name} has {nearest(figures, bounds)}")


def meeting(figures: Mapping[str, Column], bounds: Sequence[Bound]) -> NDArray[np.bool_]:
    """Which of some networks meet all bounds."""
    meets: NDArray[np.bool_] = np.ones(len(figures["flops"]), bool)
    for bound in bounds:
        meets &= bound.meets(figures[bound.figure])
    return meets


def nearest(figures: Mapping[str, Column], bounds: Sequence[Bound]) -> str:
    """What comes nearest to bounds that none of some networks meets, in words.

    The bounds are taken in turn; the first that empties what is left is the one reported.
    """
    left = np.ones(len(figures["flops"]), bool)
    met: list[Bound] = []
    for bound in bounds:
        still = left & bound.meets(figures[bound.figure])
        if not still.any():
            break
        left, met = still, [*met, bound]
    values = figures[bound.figure][left]
    below, above = values[values < bound.least], values[values > bound.most]
    sides = [f"{exactly(below.max())} {bound.figure}"] if len(below) else []
    sides += [f"{exactly(above.min())} {bound.figure}"] if len(above) else []
    others = f" among those with {' and '.join(map(str, met))}" if met else ""
    return f"{bound}{others}; the nearest {'have' if len(sides) > 1 else 'has'} {' and '.join(sides)}"
