"""Bootstrap intervals, correlations within strata, and pairs of networks of equal NN-Mass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import search_spaces
from nas import proxies
from nas.statistics import Values
from search_spaces import parse

Indices = NDArray[np.integer]

RESAMPLES = 2_000
"""Bootstrap resamples."""
LEVEL = 0.95
"""Confidence level of intervals."""
MIN_NETWORKS = 8
"""Minimum number of networks for an interval or a conclusion."""


@dataclass(frozen=True)
class Interval:
    """A statistic with its bootstrap interval.

    Attributes:
        value: The statistic of all networks.
        low: Quantile (1 - LEVEL) / 2 over resamples of the networks.
        high: Quantile (1 + LEVEL) / 2.
    """

    value: float
    low: float
    high: float


def with_interval(
    statistic: Callable[[Values, Values], float],
    score: Values,
    accuracy: Values,
    seed: int = 0,
    least: int = MIN_NETWORKS,
) -> Interval:
    """A statistic of score and accuracy with its bootstrap interval over networks; see `bootstrapped`."""
    return bootstrapped(lambda which: statistic(score[which], accuracy[which]), len(score), seed, least)


def bootstrapped(
    statistic: Callable[[Indices], float], count: int, seed: int = 0, least: int = MIN_NETWORKS
) -> Interval:
    """A statistic with its percentile bootstrap interval over networks.

    Args:
        statistic: Function of the indices of networks; indices may repeat.
        count: Number of networks. The value is nan for none.
        seed: Seed of the resamples.
        least: Minimum number of networks for an interval; with fewer it is nan.
    """
    nan = float("nan")
    if count < max(least, 1):
        return Interval(statistic(np.arange(count)) if count else nan, nan, nan)
    resamples = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    values = np.array([statistic(which) for which in resamples])
    values = values[np.isfinite(values)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (np.nan, np.nan)
    return Interval(statistic(np.arange(count)), float(low), float(high))


def mean_interval(values: Values) -> tuple[float, float]:
    """The mean and the half-width of its t interval at LEVEL, which is nan for a single value.

    >>> mean_interval(np.array([1.0, 1.0, 1.0]))
    (1.0, 0.0)
    """
    from scipy.stats import t

    if len(values) < 2:
        return float(values.mean()), float("nan")
    factor = float(t.ppf((1 + LEVEL) / 2, len(values) - 1))
    return float(values.mean()), factor * float(values.std(ddof=1)) / float(np.sqrt(len(values)))


def base_of(arch: str) -> str:
    """The base width of a network, in words; the family if no choice sets it, as for torchvision baselines.

    >>> base_of("densenet:k2_d13-13-13_t40-80-125_conv3x3"), base_of("mlp:w8_d4_t5")
    ('width_mult 2, op conv3x3', 'width 8')
    >>> base_of("torchvision:efficientnet_b0")  # a baseline
    'torchvision'
    """
    architecture = search_spaces.parse(arch)
    if architecture.family not in search_spaces.names():
        return architecture.family
    choices = architecture.choices()
    base = search_spaces.get(architecture.family).base
    return ", ".join(f"{name} {choices[name]}" for name in base) or architecture.family


def distinguishing(bases: Sequence[str]) -> list[str]:
    """Base widths in words, without their common parts.

    >>> distinguishing(["width_mult 1, op conv3x3", "width_mult 2, op conv3x3"])
    ['width_mult 1', 'width_mult 2']
    """
    parts = [base.split(", ") for base in bases]
    common = set(parts[0]).intersection(*parts)
    kept = [[part for part in own if part not in common] for own in parts]
    return [", ".join(own) or base for own, base in zip(kept, bases, strict=True)]


SIZE_TOLERANCE = 1.1
"""Maximum ratio of parameters of two networks that count as equal in size."""


def strata(table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """The pairs of networks in each stratum, as symmetric matrices of shape (networks, networks).

    Args:
        table: Networks, with a column `arch`.
    """
    bases = table["arch"].map(base_of).to_numpy()
    logs = np.log([float(parse(arch).figures().params) for arch in table["arch"]])
    return {
        "all": np.ones((len(table), len(table)), bool),
        "equal width": np.equal.outer(bases, bases),
        "equal size": np.abs(np.subtract.outer(logs, logs)) <= np.log(SIZE_TOLERANCE),
    }


def tau_within(score: Values, accuracy: Values, which: NDArray[np.bool_]) -> float:
    """Kendall's tau-a over some pairs: the fraction in the right order minus the fraction in the wrong order.

    Ties of the score count as neither. Pairs of equal accuracy are left out; nan if no pair is left.

    Args:
        score: Score of each network.
        accuracy: Accuracy of each network.
        which: The pairs, as a symmetric matrix of shape (networks, networks).

    >>> score, accuracy = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    >>> round(tau_within(score, accuracy, np.ones((3, 3), bool)), 3)
    0.333
    """
    pairs = np.triu(which, 1) & (accuracy[:, None] != accuracy)
    if not pairs.any():
        return float("nan")
    return float((_order(score) * _order(accuracy))[pairs].mean())


def _order(values: Values) -> NDArray[np.int64]:
    """Sign of the difference of every two values; equal infinities give 0."""
    larger = values[:, None] > values
    return larger.astype(np.int64) - larger.T


def stratified(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Kendall's tau of each score within each stratum, one row for each score and stratum.

    Args:
        table: Networks, as `report.joined` returns them.
        names: Names of scores.

    Returns:
        score, band (the stratum), pairs, tau and its bootstrap interval over networks. tau is signed so that
        1 means the score always prefers the better network. Networks without the score are left out.
    """
    rows = []
    pairs_of = strata(table)
    for name in names:
        defined = table[name].notna().to_numpy()
        signed = table[name].to_numpy(float)[defined] * (1 if proxies.get(name).more_is_better else -1)
        accuracy = table["top1"].to_numpy(float)[defined]
        for band, of_all in pairs_of.items():
            which = of_all[np.ix_(defined, defined)]
            found = bootstrapped(partial(_resampled_tau, signed, accuracy, which), len(signed))
            rows.append(
                {
                    "score": name,
                    "band": band,
                    "pairs": int(np.triu(which, 1).sum()),
                    "tau": found.value,
                    "tau_low": found.low,
                    "tau_high": found.high,
                }
            )
    return pd.DataFrame(rows)


def _resampled_tau(score: Values, accuracy: Values, which: NDArray[np.bool_], resample: Indices) -> float:
    """`tau_within` of a resample; copies of a network have equal accuracy, so they form no pair."""
    return tau_within(score[resample], accuracy[resample], which[np.ix_(resample, resample)])


MASS_TOLERANCE = 0.02
"""Maximum difference of NN-Mass in a pair, as a fraction of the smaller value."""
SIZE_RATIO = 2.0
"""Minimum ratio of parameters in a pair."""


def equal_mass_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Pairs of networks of equal base width and NN-Mass whose sizes differ by at least `SIZE_RATIO`.

    Each network is in at most one pair; pairs with the largest ratio of sizes are taken first.

    Args:
        table: arch, nn_mass, params, seeds, top1 and top1_std, as `report.joined` returns them.

    Returns:
        One row for each pair: arch, nn_mass, params and top1 of the smaller and the larger network (`_small`,
        `_large`), times (ratio of parameters), difference (accuracy of the larger minus the smaller, in
        points) and error, its standard error over seeds (nan if a network was trained once).
    """
    bases, mass, size = (
        table["arch"].map(base_of).to_numpy(),
        table["nn_mass"].to_numpy(float),
        table["params"].to_numpy(float),
    )
    same = np.abs(np.subtract.outer(mass, mass)) <= MASS_TOLERANCE * np.minimum.outer(mass, mass)
    pairs = np.argwhere(
        same & (mass > 0) & np.equal.outer(bases, bases) & (size >= SIZE_RATIO * size[:, None])
    ).tolist()
    rows, taken = [], set[int]()
    for small, large in sorted(pairs, key=lambda pair: size[pair[0]] / size[pair[1]]):
        if not {small, large} & taken:
            taken |= {small, large}
            rows.append(_pair(table.iloc[small], table.iloc[large]))
    return pd.DataFrame(rows)


def _pair(small: pd.Series, large: pd.Series) -> dict[str, object]:
    row: dict[str, object] = {
        f"{name}_{which}": network[name]
        for name in ("arch", "nn_mass", "params", "top1")
        for which, network in (("small", small), ("large", large))
    }
    return row | {
        "times": large["params"] / small["params"],
        "difference": large["top1"] - small["top1"],
        "error": float(np.hypot(*(one["top1_std"] / np.sqrt(one["seeds"]) for one in (small, large)))),
    }


@dataclass(frozen=True)
class Difference:
    """The effect of size on accuracy at equal NN-Mass.

    Attributes:
        pairs: Number of pairs.
        mean: Mean accuracy of the larger minus the smaller network, in points.
        half: Half-width of its 95% interval over pairs, in points; nan for a single pair.
    """

    pairs: int
    mean: float
    half: float

    @classmethod
    def of(cls, found: pd.DataFrame) -> Difference:
        """From pairs, as `equal_mass_pairs` returns them."""
        mean, half = mean_interval(found["difference"].to_numpy(float))
        return cls(len(found), mean, half)

    def __str__(self) -> str:
        interval = f" [{self.mean - self.half:.2f}, {self.mean + self.half:.2f}]" if self.pairs > 1 else ""
        larger = f"the larger of {self.pairs} pairs" if self.pairs > 1 else "the larger of a pair"
        return f"at equal NN-Mass {larger} has {self.mean:+.2f}{interval} points more"
