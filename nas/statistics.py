"""Statistics of how well a score predicts accuracy, each with its column in tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Statistic:
    """A statistic of the scores and accuracies of a population.

    Attributes:
        name: Name of its column; `NAME_low` and `NAME_high` have its interval.
        title: Heading in printed tables.
        axis: Name in figures.
        of: The statistic of scores and accuracies, each of shape (networks,).
        of_ranks: Whether it compares ranks, so that it takes infinite scores, and gets scores negated if less
            is better; otherwise it gets scores as figures show them, in logarithms for some.
    """

    name: str
    title: str
    axis: str
    of: Callable[[Values, Values], float]
    of_ranks: bool


def spearman(score: Values, accuracy: Values) -> float:
    """Spearman's rho; nan if either is constant."""
    from scipy.stats import spearmanr

    return float(spearmanr(score, accuracy).statistic) if _vary(score, accuracy) else float("nan")


def kendall(score: Values, accuracy: Values) -> float:
    """Kendall's tau-b; nan if either is constant."""
    from scipy.stats import kendalltau

    return float(kendalltau(score, accuracy).statistic) if _vary(score, accuracy) else float("nan")


def r_squared(score: Values, accuracy: Values) -> float:
    """R^2 of the least-squares line of accuracy against the score; nan if either is constant or not finite.

    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    1.0
    """
    if not (np.isfinite(score).all() and _vary(score, accuracy)):
        return float("nan")
    return float(np.corrcoef(score, accuracy)[0, 1] ** 2)


def _vary(*values: Values) -> bool:
    return all(len(one) > 1 and one.min() < one.max() for one in values)


STATISTICS = (
    Statistic("rho", "rho", "Spearman's rho", spearman, of_ranks=True),
    Statistic("tau", "tau", "Kendall's tau", kendall, of_ranks=True),
    Statistic("r2", "R²", "R²", r_squared, of_ranks=False),
)
"""The statistics of a study, in the order of their columns; tables are sorted by the first."""
