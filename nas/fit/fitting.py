"""Fitting a score to trained networks: ridge regression of terms, chosen by cross-validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nas.fit.design import Level, columns, levels, scales
from nas.fit.optimism import optimism
from nas.fit.table import Trained
from nas.fitted.link import Link
from nas.fitted.score import FORMAT, FittedScore, Interval, Quality
from nas.fitted.terms import Interaction
from nas.runs import versions
from nas.statistics import spearman
from search_spaces import RequestError

FOLDS = 5
LEAST = 16
"""Fewest networks of a fit."""
LEVEL = 0.9
"""Fraction of networks whose interval should contain their value."""
_STRENGTHS = (1e-6, 1e-4, 0.01, 0.1, 1.0, 10.0)
"""Strengths of the ridge penalty."""
_ABOVE = (0.25, 0.5, 1.0, 2.0)
"""Ceilings of a saturating target above its largest value, in standard deviations."""
_WORTH = 0.99
"""A further level is used if it reduces the error to less than this fraction."""
_LARGEST = 1e100
"""Largest value of a target: squares of it, and of 1 / sums, are floats."""
_DIGITS = 5
"""Significant digits of stored coefficients."""
_BITS = 34
"""Bits of sums below their largest value."""
_PER_INTERVAL, _MOST_INTERVALS = 200, 10
"""Networks of similar predicted values that give the width of an interval, and most such groups."""
_BAND = 40
"""Networks in a band of nearly equal FLOPs."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Aim:
    """What a score predicts.

    Attributes:
        name: Name of the score.
        target: Name of the column that it predicts.
        unit: Unit of its values; may be empty.
        more_is_better: Whether larger values are better.
        relative: Whether terms and link are chosen by errors as fractions of the value, as a limit of latency
            needs over a wide range of networks; not where a value is 0 or negative.
    """

    name: str
    target: str
    unit: str
    more_is_better: bool
    relative: bool = False


@dataclass(frozen=True)
class Choice:
    """What cross-validation chooses.

    Attributes:
        level: The terms.
        link: The link.
        strength: Strength of the ridge penalty.
        rmse: Root mean squared error on held-out networks, in units of the target, or as a fraction of it.
    """

    level: Level
    link: Link
    strength: float
    rmse: float


def fit(trained: Trained, aim: Aim, seed: int = 0) -> FittedScore:
    """Fit a score: choose terms and link, solve, and measure its quality and optimism.

    Args:
        trained: The networks.
        aim: What the score predicts.
        seed: Seed of the folds and splits.

    Raises:
        RequestError: There are too few networks, or nothing varies.
    """
    import scipy.linalg  # noqa: F401  # loads the library whose threads are limited
    from threadpoolctl import threadpool_limits

    _check(trained, aim)
    with threadpool_limits(1):  # threads that wait for each other on a busy machine take many times as long
        return _fit(trained, aim, seed)


def _fit(trained: Trained, aim: Aim, seed: int) -> FittedScore:
    trained, chosen = _with_or_without_costs(trained, aim, seed)
    held_out = _held_out(
        _design(trained, chosen.level), chosen.link.sum(trained.target), chosen.strength, seed + 1
    )
    predicted = chosen.link.value(held_out)
    score = solved(trained, aim, chosen)

    def of_some(rows: NDArray[np.intp]) -> FittedScore:
        return solved(trained.take(rows), aim, chosen)

    return replace(
        score,
        intervals=_widened(_intervals(predicted, trained.target), trained.error),
        quality=_quality(predicted, trained.target, trained.flops, seed),
        optimism=optimism(trained.space, of_some, trained.flops, seed),
    )


def _with_or_without_costs(trained: Trained, aim: Aim, seed: int) -> tuple[Trained, Choice]:
    """The networks without costs of stages if they are of no use, and the choice."""
    found = [(trained, choose(trained, aim, seed))]
    if trained.costs:
        plain = replace(trained, costs=None)
        found.append((plain, choose(plain, aim, seed)))
    return min(found, key=lambda each: each[1].rmse)


def solved(trained: Trained, aim: Aim, chosen: Choice) -> FittedScore:
    """A score of given terms and link, without its quality; without terms of choices that do not vary."""
    basis = trained.bases
    groups = tuple(group for group in chosen.level.groups if basis.keys() >= set(group))
    chosen = replace(chosen, level=replace(chosen.level, groups=groups))
    sums = chosen.link.sum(trained.target)
    coefficients, intercept = _ridge(_design(trained, chosen.level), sums[:, None], chosen.strength)
    coefficients = _of_terms(trained, chosen.level, coefficients)
    interactions, start = [], 0
    for group in chosen.level.groups:
        stop = start + math.prod(len(basis[name].polynomials[: chosen.level.degree]) for name in group)
        interactions.append(Interaction(group, tuple(map(_rounded, coefficients[start:stop, 0].tolist()))))
        start = stop
    used = [replace(base, polynomials=base.polynomials[: chosen.level.degree]) for base in basis.values()]
    return FittedScore(
        format=FORMAT,
        name=aim.name,
        family=trained.space.architecture.family,
        target=aim.target,
        unit=aim.unit,
        more_is_better=aim.more_is_better,
        link=chosen.link,
        bits=_BITS - math.ceil(math.log2(np.abs(sums).max() or 1.0)),  # half of them may all be 0
        intercept=_rounded(float(intercept[0])),
        bases=tuple(used),
        interactions=tuple(interactions),
        intervals=(),
        optimism=(),
        networks=len(trained.target),
        terms=chosen.level.name,
        quality=None,
        constants=trained.constants,
        source=trained.source,
        versions=versions(["zero-cost-nas", "numpy", "scikit-learn"]),
    )


def _check(trained: Trained, aim: Aim) -> None:
    y, source = trained.target, trained.source
    if len(y) < LEAST:
        raise RequestError(f"{source}: a fit needs at least {LEAST} networks, and there are {len(y)}")
    if not np.abs(y).max() < _LARGEST:
        raise RequestError(
            f"{source}: {aim.target} is {y[np.abs(y).argmax()]:g}, expected less than {_LARGEST:g}"
        )
    if 0 < np.abs(y).max() < 1 / _LARGEST:
        raise RequestError(
            f"{source}: {aim.target} is at most {np.abs(y).max():g}, expected a unit of larger values"
        )
    if np.ptp(y) == 0:
        raise RequestError(
            f"{source}: {aim.target} is {y[0]:g} for every network; a fit needs different values"
        )
    if not trained.bases:
        raise RequestError(f"{source}: all networks have the same choices; a fit needs different ones")


def _design(trained: Trained, level: Level) -> Values:
    """The values of all terms of a level, each times its scale, and of costs if they are known."""
    basis = trained.bases
    values = np.hstack([values for _, values in columns(level, basis, trained.choices)])
    scaled = values * scales(level, basis)
    return np.hstack([scaled, values @ trained.costs.terms(level, basis)]) if trained.costs else scaled


def _of_terms(trained: Trained, level: Level, coefficients: Values) -> Values:
    """Coefficients of the terms of a level from those of the columns of `_design`."""
    basis = trained.bases
    scale = scales(level, basis)[:, None]
    found = coefficients[: len(scale)] * scale
    if trained.costs:
        found = found + trained.costs.terms(level, basis) @ coefficients[len(scale) :]
    return found


def _links(y: Values, more_is_better: bool) -> list[Link]:
    found = [Link()]
    if more_is_better:
        ceilings = (float(f"{y.max() + above * y.std():.6g}") for above in _ABOVE)
        found += [Link("saturating", ceiling) for ceiling in ceilings]
    if y.min() > 1 / _LARGEST:
        found.append(Link("logarithm"))
        if more_is_better:  # of a throughput; a small value has no pole
            found.append(Link("reciprocal"))
    return found


def choose(trained: Trained, aim: Aim, seed: int = 0) -> Choice:
    """The terms, link and strength of the smallest error on held-out networks.

    A further level of terms must reduce the error by a hundredth.

    Args:
        trained: The networks.
        aim: What the score predicts.
        seed: Seed of the folds.
    """
    y = trained.target
    unit = y if aim.relative and y.min() > 0 else np.ones_like(y)
    links = _links(y, aim.more_is_better)
    sums = np.column_stack([link.sum(y) for link in links])
    best: Choice | None = None
    for level in levels(trained.space, tuple(trained.bases)):
        x = _design(trained, level)
        before = math.inf if best is None else _WORTH * best.rmse
        for strength in _STRENGTHS:
            for link, column in zip(links, _held_out(x, sums, strength, seed).T, strict=True):
                with np.errstate(over="ignore", invalid="ignore"):
                    error = float(np.sqrt(np.mean(((link.value(column) - y) / unit) ** 2)))
                if error < before and (best is None or best.level is not level or error < best.rmse):
                    best = Choice(level, link, strength, error)
    assert best is not None  # the error of the identity is finite
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


def _intervals(predicted: Values, y: Values) -> tuple[Interval, ...]:
    """Half-widths of intervals, from the errors on held-out networks of similar predicted values."""
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, min(max(len(y) // _PER_INTERVAL, 1), _MOST_INTERVALS))
    return tuple(
        Interval(
            _rounded(float(np.median(predicted[part]))),
            # By "weibull" a further error is within it with probability LEVEL, of few networks, too.
            _rounded(float(np.quantile(np.abs(predicted - y)[part], LEVEL, method="weibull"))),
        )
        for part in parts
    )


def _widened(intervals: Sequence[Interval], error: float) -> tuple[Interval, ...]:
    """Intervals with a further, independent normal error of this standard deviation."""
    from scipy.stats import norm

    further = float(norm.ppf((1 + LEVEL) / 2)) * error
    return tuple(Interval(one.value, _rounded(math.hypot(one.half, further))) for one in intervals)


def _quality(predicted: Values, y: Values, flops: Values, seed: int) -> Quality:
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold

    inside = np.zeros(len(y), bool)
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(y):
        known = _intervals(predicted[train], y[train])
        half = np.interp(predicted[test], [one.value for one in known], [one.half for one in known])
        inside[test] = np.abs(predicted - y)[test] <= half
    order = np.argsort(flops, kind="stable")
    bands = np.array_split(order, len(y) // _BAND) if len(y) >= 2 * _BAND else []
    within = [rho for band in bands if math.isfinite(rho := spearman(y[band], predicted[band]))]
    rho = spearman(y, predicted)
    return Quality(
        folds=FOLDS,
        r2=_rounded(float(r2_score(y, predicted))),
        rmse=_rounded(float(np.sqrt(np.mean((y - predicted) ** 2)))),
        rho=_rounded(rho) if math.isfinite(rho) else 0.0,
        equal_flops=_rounded(float(np.mean(within))) if within else None,
        coverage=_rounded(float(inside.mean())),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
