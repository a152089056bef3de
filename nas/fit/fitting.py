"""Fitting a score to trained networks: ridge regression of terms, chosen by cross-validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.fit.design import Level, bases, columns, levels
from nas.fitted.link import Link
from nas.fitted.score import FORMAT, FittedScore, Quality
from nas.fitted.terms import Basis, Interaction
from nas.runs import versions
from search_spaces import RequestError, Space

FOLDS = 5
LEAST = 16
"""Fewest networks of a fit."""
LEVEL = 0.9
"""Fraction of networks whose interval should contain their value."""
_STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Strengths of the ridge penalty."""
_ABOVE = (0.25, 0.5, 1.0, 2.0)
"""Ceilings of a saturating target above its largest value, in standard deviations."""
_WORTH = 0.99
"""A further level is used if it reduces the error to less than this fraction."""
_DIGITS = 8
"""Significant digits of stored coefficients."""
_BITS = 34
"""Bits of sums below their largest value."""
_BAND = 40
"""Networks in a band of nearly equal FLOPs."""
_MOST_ROWS_PER_TERM = 1

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """What cross-validation chooses.

    Attributes:
        level: The terms.
        link: The link.
        strength: Strength of the ridge penalty.
        rmse: Root mean squared error on held-out networks, in units of the target.
    """

    level: Level
    link: Link
    strength: float
    rmse: float


def fitted(
    space: Space,
    choices: pd.DataFrame,
    flops: Sequence[float],
    target: Sequence[float],
    *,
    name: str,
    of: str,
    unit: str,
    more_is_better: bool,
    constants: Mapping[str, Any],
    source: str,
    seed: int = 0,
) -> FittedScore:
    """Fit a score.

    Args:
        space: The space, whose options limit the terms.
        choices: One row per network, its choices replaced as by `effects`.
        flops: FLOPs of each network.
        target: Value of each network.
        name: Name of the score.
        of: Name of the target.
        unit: Unit of the target.
        more_is_better: Whether larger values are better.
        constants: Values of what a search does not vary.
        source: Where the networks come from.
        seed: Seed of the folds.

    Raises:
        RequestError: There are too few networks, or nothing varies.
    """
    y = np.asarray(target, float)
    if len(y) < LEAST:
        raise RequestError(f"{source}: {len(y)} networks are too few for a fit; at least {LEAST} are needed")
    if np.ptp(y) == 0:
        raise RequestError(f"{source}: {of} is {y[0]:g} for every network; a fit needs different values")
    basis = bases(choices)
    if not basis:
        raise RequestError(f"{source}: all networks have the same choices; a fit needs different ones")
    chosen = _choose(levels(space, tuple(basis)), _links(y, more_is_better), basis, choices, y, seed)
    design = [values for _, values in columns(chosen.level, basis, choices)]
    x = np.hstack(design)
    held_out = _held_out(x, chosen.link.sum(y), chosen.strength, seed + 1)
    residuals = np.abs(chosen.link.sum(y) - held_out)
    coefficients, intercept = _ridge(x, chosen.link.sum(y)[:, None], chosen.strength)
    interactions, start = [], 0
    for group, values in columns(chosen.level, basis, choices):
        stop = start + values.shape[1]
        interactions.append(Interaction(group, tuple(map(_rounded, coefficients[start:stop, 0].tolist()))))
        start = stop
    used = {
        one: Basis(one, base.seen, base.logarithm, base.polynomials[: chosen.level.degree])
        for one, base in basis.items()
    }
    largest = abs(float(intercept[0])) + float(np.abs(held_out).max())
    return FittedScore(
        format=FORMAT,
        name=name,
        family=space.architecture.family,
        target=of,
        unit=unit,
        more_is_better=more_is_better,
        link=chosen.link,
        bits=_BITS - math.ceil(math.log2(largest)),
        intercept=_rounded(float(intercept[0])),
        bases=tuple(used.values()),
        interactions=tuple(interactions),
        half=_rounded(float(np.quantile(residuals, LEVEL))),
        optimism=0.0,
        networks=len(y),
        terms=chosen.level.name,
        quality=_quality(chosen.link, y, held_out, np.asarray(flops, float), seed),
        constants=dict(constants),
        source=source,
        versions=versions(["zero-cost-nas", "numpy", "scikit-learn"]),
    )


def _links(y: Values, more_is_better: bool) -> list[Link]:
    found = [Link()]
    if more_is_better:
        ceilings = (float(f"{y.max() + above * y.std():.6g}") for above in _ABOVE)
        found += [Link("saturating", ceiling) for ceiling in ceilings]
    if y.min() > 0:
        found += [Link("logarithm"), Link("reciprocal")]
    return found


def _choose(
    all_levels: Sequence[Level],
    links: Sequence[Link],
    basis: Mapping[str, Basis],
    choices: pd.DataFrame,
    y: Values,
    seed: int,
) -> Choice:
    """The level, link and strength of the smallest error on held-out networks."""
    best: Choice | None = None
    for level in all_levels:
        x = np.hstack([values for _, values in columns(level, basis, choices)])
        sums = np.column_stack([link.sum(y) for link in links])
        for strength in _STRENGTHS:
            held_out = _held_out(x, sums, strength, seed)
            for link, column in zip(links, held_out.T, strict=True):
                with np.errstate(over="ignore", invalid="ignore"):
                    error = float(np.sqrt(np.mean((link.value(column) - y) ** 2)))
                worth = 1.0 if best is None or best.level is level else _WORTH
                if math.isfinite(error) and (best is None or error < worth * best.rmse):
                    best = Choice(level, link, strength, error)
    assert best is not None  # the identity is always finite
    return best


def _held_out(x: Values, sums: Values, strength: float, seed: int) -> Values:
    """Predictions of each network by a fit to the other folds."""
    from sklearn.model_selection import KFold

    found = np.zeros_like(sums)
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(x):
        columns_of = sums[train] if sums.ndim > 1 else sums[train, None]
        coefficients, intercept = _ridge(x[train], columns_of, strength)
        predicted = x[test] @ coefficients + intercept
        found[test] = predicted if sums.ndim > 1 else predicted[:, 0]
    return found


def _ridge(x: Values, sums: Values, strength: float) -> tuple[Values, Values]:
    """Coefficients, shape (terms, targets), and intercepts of a ridge regression."""
    from sklearn.linear_model import Ridge

    model = Ridge(strength, solver="cholesky" if x.shape[1] <= len(x) else "auto").fit(x, sums)
    return np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)


def _quality(link: Link, y: Values, held_out: Values, flops: Values, seed: int) -> Quality:
    from scipy.stats import spearmanr
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold

    predicted = link.value(held_out)
    residuals = np.abs(link.sum(y) - held_out)
    inside = np.zeros(len(y), bool)
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(y):
        inside[test] = residuals[test] <= np.quantile(residuals[train], LEVEL)
    order = np.argsort(flops, kind="stable")
    bands = np.array_split(order, len(y) // _BAND) if len(y) >= 2 * _BAND else []
    within = [spearmanr(y[band], predicted[band]).statistic for band in bands]
    return Quality(
        folds=FOLDS,
        r2=_rounded(float(r2_score(y, predicted))),
        rmse=_rounded(float(np.sqrt(np.mean((y - predicted) ** 2)))),
        rho=_rounded(float(spearmanr(y, predicted).statistic)),
        equal_flops=_rounded(float(np.nanmean(within))) if within else None,
        coverage=_rounded(float(inside.mean())),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
