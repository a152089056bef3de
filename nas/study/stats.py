"""Statistics of a study: correlations, fits and pairs, with bootstrap intervals, also within strata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import search_spaces
from nas import proxies
from search_spaces import parse

Values = NDArray[np.float64]
Indices = NDArray[np.integer]

RESAMPLES = 2_000
LEVEL = 0.95
LEAST = 8
"""Networks without which nothing is concluded from an order: the bootstrap of fewer means nothing."""


@dataclass(frozen=True)
class Interval:
    """A statistic with its bootstrap interval.

    Attributes:
        value: On all networks.
        low: Percentile (1 - LEVEL) / 2 over resamples of the networks.
        high: Percentile (1 + LEVEL) / 2.
    """

    value: float
    low: float
    high: float


def spearman(score: Values, accuracy: Values) -> float:
    """Spearman's rho; nan if either does not vary."""
    from scipy.stats import spearmanr

    return float(spearmanr(score, accuracy).statistic) if _vary(score, accuracy) else float("nan")


def kendall(score: Values, accuracy: Values) -> float:
    """Kendall's tau-b; nan if either does not vary."""
    from scipy.stats import kendalltau

    return float(kendalltau(score, accuracy).statistic) if _vary(score, accuracy) else float("nan")


def r_squared(score: Values, accuracy: Values) -> float:
    """R^2 of the line of accuracy against the score; nan if either does not vary or is not finite.

    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    1.0
    """
    if not (np.isfinite(score).all() and _vary(score, accuracy)):
        return float("nan")
    return float(np.corrcoef(score, accuracy)[0, 1] ** 2)


def with_interval(
    statistic: Callable[[Values, Values], float],
    score: Values,
    accuracy: Values,
    seed: int = 0,
    least: int = LEAST,
) -> Interval:
    """A statistic of score and accuracy, and its percentile interval over networks."""
    return bootstrapped(lambda which: statistic(score[which], accuracy[which]), len(score), seed, least)


def bootstrapped(
    statistic: Callable[[Indices], float], count: int, seed: int = 0, least: int = LEAST
) -> Interval:
    """A statistic, and its percentile interval over networks drawn with replacement.

    Of fewer than `least` networks the interval is nan; of none the statistic is, too.

    Args:
        statistic: Of the networks with these indices, which may come several times.
        count: How many networks there are.
        seed: Seed of the draws.
        least: How many an interval needs.
    """
    nan = float("nan")
    if count < max(least, 1):
        return Interval(statistic(np.arange(count)) if count else nan, nan, nan)
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    values = np.array([statistic(which) for which in drawn])
    values = values[np.isfinite(values)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (np.nan, np.nan)
    return Interval(statistic(np.arange(count)), float(low), float(high))


def mean_interval(values: Values) -> tuple[float, float]:
    """The mean, and half of its interval by Student's t; nan for a single value.

    >>> mean_interval(np.array([1.0, 1.0, 1.0]))
    (1.0, 0.0)
    """
    from scipy.stats import t

    if len(values) < 2:
        return float(values.mean()), float("nan")
    factor = float(t.ppf((1 + LEVEL) / 2, len(values) - 1))
    return float(values.mean()), factor * float(values.std(ddof=1)) / float(np.sqrt(len(values)))


def _vary(*values: Values) -> bool:
    return all(len(one) > 1 and one.min() < one.max() for one in values)


def base_of(arch: str) -> str:
    """What a network's base width is, in words.

    >>> base_of("densenet:k2_d13-13-13_t40-80-125_conv3x3"), base_of("mlp:w8_d4_t5")
    ('width_mult 2, op conv3x3', 'width 8')
    >>> base_of("torchvision:efficientnet_b0")  # of no space
    'torchvision'
    """
    architecture = search_spaces.parse(arch)
    if architecture.family not in search_spaces.names():
        return architecture.family
    choices = architecture.choices()
    return ", ".join(f"{name} {choices[name]}" for name in search_spaces.get(architecture.family).base)


def telling(bases: Sequence[str]) -> list[str]:
    """Base widths of networks without what all of them have.

    >>> telling(["width_mult 1, op conv3x3", "width_mult 2, op conv3x3"])
    ['width_mult 1', 'width_mult 2']
    """
    parts = [base.split(", ") for base in bases]
    common = set(parts[0]).intersection(*parts)
    kept = [[part for part in own if part not in common] for own in parts]
    return [", ".join(own) or base for own, base in zip(kept, bases, strict=True)]


NEAR = 1.1
"""How many times the parameters of the smaller one the larger network of nearly its size has at most."""


def alike(table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Which two networks are compared in each band: matrices of shape (networks, networks).

    Args:
        table: arch.
    """
    bases = table["arch"].map(base_of).to_numpy()
    logs = np.log([float(parse(arch).figures().params) for arch in table["arch"]])
    return {
        "all": np.ones((len(table), len(table)), bool),
        "equal width": np.equal.outer(bases, bases),
        "equal size": np.abs(np.subtract.outer(logs, logs)) <= np.log(NEAR),
    }


def order_within(score: Values, accuracy: Values, which: NDArray[np.bool_]) -> float:
    """Kendall's tau-a over some pairs: the share in the right order less the share in the wrong one.

    A pair that the score ties counts as neither; pairs of equal accuracy are left out; nan if none is left.

    >>> score, accuracy = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    >>> round(order_within(score, accuracy, np.ones((3, 3), bool)), 3)
    0.333
    """
    pairs = np.triu(which, 1) & (accuracy[:, None] != accuracy)
    if not pairs.any():
        return float("nan")
    return float((_order(score) * _order(accuracy))[pairs].mean())


def _order(values: Values) -> NDArray[np.int64]:
    """1 where the first of two values is larger, -1 where it is smaller; two infinities are equal."""
    larger = values[:, None] > values
    return larger.astype(np.int64) - larger.T


def within_bands(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A row a score and band: tau over the pairs in it, signed so that 1 always prefers the better network.

    Args:
        table: As `report.joined` gives.
        names: Scores.

    Returns:
        score, band, pairs, tau and its bootstrap interval over networks. Networks without the score are left
        out.
    """
    rows = []
    bands = alike(table)
    for name in names:
        known = table[name].notna().to_numpy()
        signed = table[name].to_numpy(float)[known] * (1 if proxies.get(name).more_is_better else -1)
        accuracy = table["top1"].to_numpy(float)[known]
        for band, of_all in bands.items():
            which = of_all[np.ix_(known, known)]
            found = bootstrapped(partial(_order_of, signed, accuracy, which), len(signed))
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


def _order_of(score: Values, accuracy: Values, which: NDArray[np.bool_], drawn: Indices) -> float:
    """`order_within` of networks drawn; one is not compared with its own copy, whose accuracy is equal."""
    return order_within(score[drawn], accuracy[drawn], which[np.ix_(drawn, drawn)])


SAME_MASS = 0.02
"""By how much the NN-Mass of a pair may differ, as a share of the smaller one."""
APART = 2.0
"""How many times the parameters of the smaller network the larger one has at least."""


def paired(table: pd.DataFrame) -> pd.DataFrame:
    """Two networks of one base width and NN-Mass, the larger at least twice the size.

    Each network is in one pair at most; those whose sizes are furthest apart are taken first.

    Args:
        table: arch, nn_mass, params, seeds, top1 and top1_std, as `report.joined` gives.

    Returns:
        A row a pair: arch, nn_mass, params, top1 of the small and the large one, how many times as large it
        is, and in points the accuracy that the large one has more, with its standard error over seeds (nan
        where a network was trained once).
    """
    bases, mass, size = (
        table["arch"].map(base_of).to_numpy(),
        table["nn_mass"].to_numpy(float),
        table["params"].to_numpy(float),
    )
    same = np.abs(np.subtract.outer(mass, mass)) <= SAME_MASS * np.minimum.outer(mass, mass)
    pairs = np.argwhere(
        same & (mass > 0) & np.equal.outer(bases, bases) & (size >= APART * size[:, None])
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
    """What size adds at equal NN-Mass.

    Attributes:
        pairs: How many.
        mean: Mean accuracy that the larger network has more, in points.
        half: Half of its 95% interval over pairs; nan for a single pair.
    """

    pairs: int
    mean: float
    half: float

    @classmethod
    def of(cls, found: pd.DataFrame) -> Difference:
        """Of the pairs of a study."""
        mean, half = mean_interval(found["difference"].to_numpy(float))
        return cls(len(found), mean, half)

    def __str__(self) -> str:
        interval = f" [{self.mean - self.half:.2f}, {self.mean + self.half:.2f}]" if self.pairs > 1 else ""
        larger = f"the larger of {self.pairs} pairs" if self.pairs > 1 else "the larger of a pair"
        return f"at equal NN-Mass {larger} has {self.mean:+.2f}{interval} points more"
