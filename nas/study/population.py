"""Populations: which networks of a space are trained, so that their accuracies say something about scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.exact import sample
from nas.study.stats import APART, SAME_MASS, base_of
from search_spaces import RequestError
from search_spaces.architecture import Value

Draw = Literal["uniform", "spread", "pairs"]

MOST_NETWORKS = 10_000
"""Networks of a population: four times as many are drawn, and more than these nobody trains."""
_POOL = 4_000
"""Networks drawn, of which a spread population or pairs are chosen."""
_MASSES = 60
"""Masses at which pairs are looked for."""


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
        how: "uniform", each as likely as any other; "spread", at each mass of the same sizes, so that the
            logarithms of NN-Mass and of parameters are as little correlated as the space allows; or "pairs",
            the smallest and the largest network of each of some masses.
        seed: The same seed gives the same networks.
        budgets: By cost.
        fix: Choices that are pinned.

    Returns:
        arch, nn_mass, flops, macs, params.

    Raises:
        RequestError: There are not so many different networks, or none of equal mass and unequal size.
    """
    pool = sample(space, 4 * count + 100 if how == "uniform" else _POOL, seed, fix=fix, **budgets)
    pool = pool.drop_duplicates("arch")
    if how != "uniform":
        pool = pool[pool["nn_mass"] > 0]
    if len(pool) < count:
        raise RequestError(f"--count {count}: {len(pool)} different networks were drawn; widen the budgets")
    if how == "uniform":
        chosen = np.arange(count)
    else:
        mass, size = np.log(pool[["nn_mass", "params"]].to_numpy(float)).T
        if how == "spread":
            chosen = _crossed(mass, size, count)
        else:
            chosen = _paired(mass, size, pool["arch"].map(base_of).to_numpy(object), count)
    return pool.iloc[chosen][["arch", "nn_mass", "flops", "macs", "params"]].reset_index(drop=True)


def _crossed(mass: NDArray[np.float64], size: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The networks nearest to the points of a grid of masses and sizes.

    In the grid every mass goes with every size; of those tried it is the one whose shorter side is longest,
    so that neither has much of an advantage of range over the other.
    """
    bands = int(np.ceil(np.sqrt(count)))
    grids = [
        _grid(mass, size, tail, bands) for tail in (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
    ]
    masses, sizes = max(grids, key=lambda grid: min(high - low for low, high in grid))
    spans = max(float(np.ptp(mass)), 1e-9), max(float(np.ptp(size)), 1e-9)
    chosen: list[int] = []
    for at_size in np.linspace(*sizes, -(-count // bands)):
        for at_mass in np.linspace(*masses, bands):
            far = np.hypot((mass - at_mass) / spans[0], (size - at_size) / spans[1])
            far[chosen] = np.inf
            chosen.append(int(far.argmin()))
    return np.array(chosen[:count])


def _paired(
    mass: NDArray[np.float64], size: NDArray[np.float64], bases: NDArray[np.object_], count: int
) -> NDArray[np.int64]:
    """The smallest and the largest network of one base width near each of some masses, from few to many.

    Raises:
        RequestError: The count is odd, or there are not so many masses with such networks.
    """
    if count % 2:
        raise RequestError(f"--count {count}: pairs need an even number")
    found: list[tuple[int, int]] = []
    for at in np.linspace(mass.min(), mass.max(), _MASSES):
        near = np.flatnonzero(np.abs(mass - at) <= np.log1p(SAME_MASS) / 2)
        near = near[~np.isin(near, found)]
        groups = [near[bases[near] == base] for base in dict.fromkeys(bases[near])]
        if groups:
            widest = max(groups, key=lambda group: float(np.ptp(size[group])))
            if np.ptp(size[widest]) >= np.log(APART):
                found.append((int(widest[size[widest].argmin()]), int(widest[size[widest].argmax()])))
    if len(found) < count // 2:
        raise RequestError(
            f"--draw pairs --count {count}: there are {len(found)} pairs of one base width and NN-Mass with"
            f" sizes {APART:g} times apart; ask for at most {2 * len(found)}, or widen the budgets"
        )
    evenly = np.linspace(0, len(found) - 1, count // 2).round().astype(int)
    return np.array([network for place in evenly for network in found[place]])


def _grid(
    mass: NDArray[np.float64], size: NDArray[np.float64], tail: float, bands: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends of mass, with this share of networks beyond each, and of the sizes that all bands of it have."""
    ends = np.quantile(mass, [tail, 1 - tail])
    centres = np.linspace(ends[0], ends[1], bands)
    within = (mass >= ends[0]) & (mass <= ends[1])
    of_band = np.where(within, np.abs(mass[:, None] - centres).argmin(1), -1)
    found = [np.quantile(size[of_band == band], [0.02, 0.98]) for band in set(of_band.tolist()) - {-1}]
    least, most = max(low for low, _ in found), min(high for _, high in found)
    middle = (least + most) / 2
    common = (least, most) if least < most else (middle, middle)
    return (float(ends[0]), float(ends[1])), (float(common[0]), float(common[1]))
