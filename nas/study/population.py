"""Populations: sample the networks of a space that a study trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import search_spaces
from nas.exact import sample
from nas.study.stats import MASS_TOLERANCE, SIZE_RATIO, base_of
from search_spaces import RequestError
from search_spaces.architecture import Value
from search_spaces.chain import ChainArchitecture

Draw = Literal["uniform", "spread", "pairs", "design"]

MOST_NETWORKS = 10_000
"""Maximum size of a population; up to four times as many networks are sampled."""
_POOL = 4_000
"""Size of the random sample from which a spread population or pairs are selected."""
_MASSES = 60
"""Number of NN-Mass values at which pairs are sought."""


def sampled(
    space: str,
    count: int,
    draw: Draw,
    draw_seed: int,
    budgets: Mapping[str, str],
    fix: Mapping[str, Value],
) -> pd.DataFrame:
    """Sample distinct networks within budgets.

    Args:
        space: Name of the space.
        count: Number of networks; even for "pairs".
        draw: "uniform": a uniform random sample. "spread": a grid of NN-Mass and parameters, so that
            their logarithms are nearly uncorrelated. "pairs": the smallest and the largest network at each of
            several values of NN-Mass. "design": those that tell most about all others, for a fit.
        draw_seed: Seed of the sample.
        budgets: Budgets by cost, as text ("400M").
        fix: Values of choices to hold fixed.

    Returns:
        arch, nn_mass, flops, macs, params; one row for each network.

    Raises:
        RequestError: There are too few distinct networks, or too few pairs.
    """
    pool = sample(space, 4 * count + 100 if draw == "uniform" else _POOL, draw_seed, fix=fix, **budgets)
    pool = pool.drop_duplicates("arch")
    if draw in ("spread", "pairs"):
        pool = pool[pool["nn_mass"] > 0]
    if len(pool) < count:
        raise RequestError(
            f"--count {count}: the sample has {len(pool)} distinct networks; widen the budgets"
        )
    if draw == "uniform":
        chosen = np.arange(count)
    elif draw == "design":
        chosen = _designed(space, fix, pool["arch"], count)
    else:
        mass, size = np.log(pool[["nn_mass", "params"]].to_numpy(float)).T
        if draw == "spread":
            chosen = _spread(mass, size, count)
        else:
            chosen = _pairs(mass, size, pool["arch"].map(base_of).to_numpy(object), count)
    return pool.iloc[chosen][["arch", "nn_mass", "flops", "macs", "params"]].reset_index(drop=True)


def _designed(space: str, fix: Mapping[str, Value], specs: Iterable[str], count: int) -> NDArray[np.int64]:
    """Indices of the networks whose accuracies tell most about those of all given."""
    from nas.device.design import designed

    networks = [one for one in map(search_spaces.parse, specs) if isinstance(one, ChainArchitecture)]
    return np.array(designed(search_spaces.get(space).fix(**fix), networks, count))


def _spread(mass: NDArray[np.float64], size: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Indices of the networks nearest to the points of a grid of log NN-Mass and log parameters.

    The grid combines every mass with every size. Among several candidate grids, the one with the longest
    shorter side is used, so that the two have similar ranges.
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
            distance = np.hypot((mass - at_mass) / spans[0], (size - at_size) / spans[1])
            distance[chosen] = np.inf
            chosen.append(int(distance.argmin()))
    return np.array(chosen[:count])


def _pairs(
    mass: NDArray[np.float64], size: NDArray[np.float64], bases: NDArray[np.object_], count: int
) -> NDArray[np.int64]:
    """Indices of pairs: the smallest and the largest network of a base width, in order of NN-Mass.

    Raises:
        RequestError: The count is odd, or there are too few pairs.
    """
    if count % 2:
        raise RequestError(f"--count {count}: pairs need an even number")
    found: list[tuple[int, int]] = []
    for at in np.linspace(mass.min(), mass.max(), _MASSES):
        near = np.flatnonzero(np.abs(mass - at) <= np.log1p(MASS_TOLERANCE) / 2)
        near = near[~np.isin(near, found)]
        groups = [near[bases[near] == base] for base in dict.fromkeys(bases[near])]
        if groups:
            widest = max(groups, key=lambda group: float(np.ptp(size[group])))
            if np.ptp(size[widest]) >= np.log(SIZE_RATIO):
                found.append((int(widest[size[widest].argmin()]), int(widest[size[widest].argmax()])))
    if not found:
        raise RequestError(
            f"--draw pairs: no two networks of equal base width and NN-Mass differ {SIZE_RATIO:g} times in"
            " parameters; widen the budgets, or fix other choices"
        )
    if len(found) < count // 2:
        raise RequestError(
            f"--draw pairs --count {count}: there are {len(found)} pairs of equal base width and NN-Mass"
            f" whose sizes differ by {SIZE_RATIO:g} times; give at most {2 * len(found)}, or wider budgets"
        )
    evenly = np.linspace(0, len(found) - 1, count // 2).round().astype(int)
    return np.array([network for place in evenly for network in found[place]])


def _grid(
    mass: NDArray[np.float64], size: NDArray[np.float64], tail: float, bands: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ranges of a grid: mass without a fraction `tail` at each end, and size common to all bands."""
    ends = np.quantile(mass, [tail, 1 - tail])
    centres = np.linspace(ends[0], ends[1], bands)
    within = (mass >= ends[0]) & (mass <= ends[1])
    of_band = np.where(within, np.abs(mass[:, None] - centres).argmin(1), -1)
    found = [np.quantile(size[of_band == band], [0.02, 0.98]) for band in set(of_band.tolist()) - {-1}]
    least, most = max(low for low, _ in found), min(high for _, high in found)
    middle = (least + most) / 2
    common = (least, most) if least < most else (middle, middle)
    return (float(ends[0]), float(ends[1])), (float(common[0]), float(common[1]))
