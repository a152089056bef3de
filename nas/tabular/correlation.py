"""Rank correlation of scores with accuracy over a whole table, and within bands of nearly equal cost.

The bootstrap resamples networks. A resample is a column of weights, how often it has each network, so that
all resamples are ranked at once, from one sort. Bands are those of the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.statistics import Values, kendall
from nas.study.stats import LEVEL

Bands = NDArray[np.intp]
"""The band of each network, from 0."""

BAND = 50
"""Smallest number of networks in a band."""
FEW = 8
"""Smallest number of networks in a band of a table that is too small for two bands of `BAND`."""
_BLOCK = 16
"""Resamples ranked at once: more do not fit a core's cache."""
NOTHING = "nothing"
"""What is held equal where all networks are compared."""


@dataclass(frozen=True)
class Resamples:
    """Weights of networks, shape (networks, 3 + resamples): all, a random half, the other half, resamples.

    Attributes:
        weights: How often each network counts.
    """

    weights: NDArray[np.float64]

    @classmethod
    def of(cls, networks: int, count: int, seed: int = 0) -> Resamples:
        """Draw two halves and `count` bootstrap resamples."""
        generator = np.random.default_rng(seed)
        half = generator.permutation(networks) < networks // 2
        drawn = [
            np.bincount(generator.integers(0, networks, networks), minlength=networks) for _ in range(count)
        ]
        return cls(np.stack([np.ones(networks), half, ~half, *drawn], axis=1).astype(float))

    def row(self, name: str, values: Values) -> dict[str, float]:
        """The value of all networks, its bootstrap interval, and its values in both halves.

        Args:
            name: Name of the value.
            values: One value per column of weights.
        """
        resampled = values[3:][np.isfinite(values[3:])]
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(resampled, [tail, 1 - tail]) if len(resampled) else (np.nan, np.nan)
        return {
            name: float(values[0]),
            f"{name}_low": float(low),
            f"{name}_high": float(high),
            f"{name}_half_1": float(values[1]),
            f"{name}_half_2": float(values[2]),
        }


def bands_of(cost: Values, least: int = BAND) -> Bands | None:
    """Quantile bands of nearly equal cost, of at least `least` networks; None if there are too few networks.

    A table of fewer than 2 * `least` networks has bands of at least `FEW`.

    >>> bands_of(np.arange(100.0)).tolist() == [0] * 50 + [1] * 50
    True
    >>> bands_of(np.array([1.0, 2.0])) is None
    True
    """
    count = len(cost) // (least if len(cost) >= 2 * least else FEW)
    if count < 2:
        return None
    bands: Bands = np.empty(len(cost), np.intp)
    for number, members in enumerate(np.array_split(np.argsort(cost, kind="stable"), count)):
        bands[members] = number
    return bands


def ranks(values: Values, bands: Bands, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mid-ranks within bands, for each column of weights: shape (networks, columns).

    >>> ranks(np.array([3.0, 1.0, 1.0]), np.zeros(3, int), np.array([[1.0, 2.0], [1.0, 1.0], [1.0, 0.0]])).T
    array([[3. , 1.5, 1.5],
           [2.5, 1. , 1. ]])
    """
    order = np.lexsort((values, bands))
    ordered, band = values[order], bands[order]
    new_band = np.append(True, band[1:] != band[:-1])
    new_value = new_band | np.append(True, ordered[1:] != ordered[:-1])
    group = np.cumsum(new_value) - 1
    totals = np.add.reduceat(weights[order], np.flatnonzero(new_value))
    before = np.cumsum(totals, axis=0) - totals
    first = group[np.flatnonzero(new_band)]  # the first group of each band
    before -= before[first][band[new_value]]
    group_of = np.empty(len(values), np.intp)
    group_of[order] = group
    found: NDArray[np.float64] = (before + (totals + 1) / 2)[group_of]
    return found


def spearman_within(
    first: NDArray[np.float64], second: NDArray[np.float64], bands: Bands, weights: NDArray[np.float64]
) -> Values:
    """Mean over bands of the weighted correlation of ranks, for each column of weights.

    Args:
        first, second: Ranks, as `ranks` returns them.
    """
    order = np.argsort(bands, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(bands[order]) != 0))
    w, x, y = weights[order], first[order], second[order]
    mean = ((np.add.reduceat(w, starts) + 1) / 2)[bands[order]]
    x, y = x - mean, y - mean
    wx = w * x
    covariance, x_square = np.add.reduceat(wx * y, starts), np.add.reduceat(wx * x, starts)
    y_square = np.add.reduceat(w * y * y, starts)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = covariance / np.sqrt(x_square * y_square)
    there = np.isfinite(found)
    counts = there.sum(axis=0)
    means: Values = np.where(counts, np.where(there, found, 0).sum(axis=0) / np.maximum(counts, 1), np.nan)
    return means


def kendall_within(score: Values, accuracy: Values, bands: Bands) -> float:
    """Mean over bands of Kendall's tau-b; bands in which either is constant are left out."""
    taus = [kendall(score[bands == band], accuracy[bands == band]) for band in range(bands.max() + 1)]
    known = [tau for tau in taus if np.isfinite(tau)]
    return float(np.mean(known)) if known else float("nan")


def correlated(
    scores: Mapping[str, Values],
    accuracy: Values,
    costs: Mapping[str, Values],
    resamples: Resamples,
    least: int = BAND,
) -> pd.DataFrame:
    """Rank correlation of each score with accuracy, over all networks and at equal costs.

    Args:
        scores: Score of each network, by name; more is better.
        accuracy: Accuracy of each network.
        costs: Costs to hold equal, by name; networks with an unknown cost (nan) are left out there.
        resamples: Weights of the networks.
        least: Smallest number of networks in a band.

    Returns:
        One row per score and cost: score, held_equal (`NOTHING`, or the cost), n, bands; rho with its 95%
        bootstrap interval over networks, and in two random halves; tau. Within bands both are means over
        bands. A cost with too few networks for two bands is left out.
    """
    rows = []
    for held, cost in {NOTHING: accuracy, **costs}.items():
        known = np.isfinite(cost)
        bands = np.zeros(len(cost), np.intp) if held == NOTHING else bands_of(cost[known], least)
        if bands is None:
            continue
        of_known = {name: score[known] for name, score in scores.items()}
        weights = resamples.weights[known]
        starts = np.arange(_BLOCK, weights.shape[1], _BLOCK)
        blocks = [
            _rhos(of_known, accuracy[known], bands, block)
            for block in np.array_split(weights, starts, axis=1)
        ]
        for name, score in of_known.items():
            rho = np.concatenate([block[name] for block in blocks])
            rows.append(
                {
                    "score": name,
                    "held_equal": held,
                    "n": len(bands),
                    "bands": int(bands.max()) + 1,
                    **resamples.row("rho", rho),
                    "tau": kendall_within(score, accuracy[known], bands),
                }
            )
    return pd.DataFrame(rows)


def _rhos(
    scores: Mapping[str, Values], accuracy: Values, bands: Bands, weights: NDArray[np.float64]
) -> dict[str, Values]:
    of_accuracy = ranks(accuracy, bands, weights)
    return {
        name: spearman_within(ranks(score, bands, weights), of_accuracy, bands, weights)
        for name, score in scores.items()
    }
