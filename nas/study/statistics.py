"""How well a score predicts accuracy: rank correlations and a fitted line, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces import RequestError

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


@dataclass(frozen=True)
class Line:
    """Accuracy as a line in a score, with what it does not explain.

    Attributes:
        slope: Of the line.
        intercept: Of the line.
        deviation: Residual standard deviation, with n - 2 degrees of freedom.
        count: Networks it was fitted on.
        mean: Their mean score.
        spread: Sum of squared deviations of their scores.
        least: Their smallest score.
        most: Their largest score.
    """

    slope: float
    intercept: float
    deviation: float
    count: int
    mean: float
    spread: float
    least: float
    most: float

    @classmethod
    def fitted(cls, score: Values, accuracy: Values) -> Line:
        """The least-squares line through at least three networks.

        Raises:
            RequestError: There are fewer, or their scores are equal.
        """
        if len(score) < 3 or not _vary(score):
            raise RequestError(
                f"no line goes through {len(score)} networks of {len(np.unique(score))} different scores;"
                " expected three networks and two scores, all finite"
            )
        slope, intercept = np.polyfit(score, accuracy, 1)
        rest = accuracy - (slope * score + intercept)
        deviation = float(np.sqrt(np.square(rest).sum() / (len(score) - 2)))
        spread = float(np.square(score - score.mean()).sum())
        ends = float(score.min()), float(score.max())
        return cls(float(slope), float(intercept), deviation, len(score), float(score.mean()), spread, *ends)

    def predict(self, score: Values) -> tuple[Values, Values]:
        """Accuracy of networks not trained, and the half width of its prediction interval.

        The interval holds the accuracy of one new network LEVEL of the time, if residuals are normal.
        """
        from scipy.stats import t

        factor = float(t.ppf((1 + LEVEL) / 2, self.count - 2))
        width = np.sqrt(1 + 1 / self.count + np.square(score - self.mean) / self.spread)
        return self.slope * score + self.intercept, factor * self.deviation * width

    def outside(self, score: Values) -> NDArray[np.bool_]:
        """Which scores lie beyond those it was fitted on."""
        return (score < self.least) | (score > self.most)
