"""Populations: which networks of a space are trained, so that their accuracies say something about scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.exact import sample
from search_spaces import RequestError
from search_spaces.architecture import Value

Draw = Literal["uniform", "spread"]

_POOL = 4_000
"""Networks drawn, of which a spread population is chosen."""


def drawn(
    space: str,
    count: int,
    how: Draw,
    seed: int,
    budgets: Mapping[str, str],
    fix: Mapping[str, Value],
) -> pd.DataFrame:
    """Different networks from inside budgets, in the order drawn.

    Args:
        space: Name of the space.
        count: How many.
        how: "uniform", each as likely as any other; or "spread", as far apart as can be in the logarithms of
            NN-Mass and of parameters, so that the two are as little correlated as the space allows.
        seed: The same seed gives the same networks.
        budgets: By cost.
        fix: Choices that are pinned.

    Returns:
        arch, nn_mass, flops, macs, params.

    Raises:
        RequestError: There are not so many different networks.
    """
    pool = sample(space, _POOL if how == "spread" else 4 * count + 100, seed, fix=fix, **budgets)
    pool = pool.drop_duplicates("arch")
    if how == "spread":
        pool = pool[pool["nn_mass"] > 0]
    if len(pool) < count:
        raise RequestError(
            f"--count {count}: the draws gave {len(pool)} different networks; widen the budgets"
        )
    if how == "uniform":
        chosen = np.arange(count)
    else:
        chosen = _far_apart(np.log(pool[["nn_mass", "params"]].to_numpy(float)), count)
    return pool.iloc[chosen][["arch", "nn_mass", "flops", "macs", "params"]].reset_index(drop=True)


def _far_apart(points: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Points each of which is, when it is chosen, the farthest from those chosen before.

    It begins with the one nearest to the middle; axes are scaled to their range.
    """
    span = np.ptp(points, axis=0)
    points = (points - points.min(0)) / np.where(span > 0, span, 1)
    chosen = [int(np.square(points - 0.5).sum(1).argmin())]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.square(points - points[chosen[-1]]).sum(1))
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)
