"""The effect of the resolution on accuracy, fitted to networks that were trained at several resolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.fitted.resolution import KNOWN, ResolutionEffect
from nas.fitted.score import side_of
from nas.tabular.readers import trained
from search_spaces import RequestError
from search_spaces.chain import ChainArchitecture
from search_spaces.errors import did_you_mean, shown
from search_spaces.space import RESOLUTION

_DIGITS = 6
Values = NDArray[np.float64]


def effect(named: str, target: str, base: int) -> ResolutionEffect:
    """The effect of a name of the package, or of a table of networks at several resolutions.

    Args:
        named: The name, or the path of a CSV with columns `arch` and the target, in percent.
        target: Name of the column of accuracies.
        base: Resolution that the effect is relative to.

    Raises:
        RequestError: There is no such effect or table, or the base is not among its resolutions.
    """
    if named in KNOWN:
        found = KNOWN[named].rebased(base)
    elif not Path(named).exists():
        hint = did_you_mean(named, KNOWN)
        raise RequestError(
            f"--resolution-effect {shown(named)}: expected {', '.join(KNOWN)}, or a table of networks{hint}"
        )
    else:
        table = trained(Path(named), target)
        found = fitted(table.networks, table.table[target].to_numpy(float), Path(named).name, base)
    if not found.covers(base):
        raise RequestError(
            f"--resolution-effect {shown(named)} is known from {found.least} to {found.most} pixels, and the"
            f" networks of the fit have {base}"
        )
    return found


def fitted(
    networks: Sequence[ChainArchitecture], accuracy: Values, source: str, base: int
) -> ResolutionEffect:
    """The effect that networks show which differ in nothing but the resolution.

    The logarithm of the error rate is a constant of each network plus slope * x + curvature * x^2, by least
    squares; with two resolutions there is no curvature.

    Args:
        networks: The networks.
        accuracy: Their accuracies, in percent.
        source: Where they come from.
        base: Resolution that the effect is relative to.

    Raises:
        RequestError: No network has several resolutions, or accuracies are no percent below 100.
    """
    sides = np.array([side_of(network) or 0 for network in networks], float)
    if not (accuracy < 100).all() or not sides.all():
        raise RequestError(f"{source}: expected accuracies below 100% of networks for images")
    if accuracy.min() < 0 or accuracy.max() <= 1:
        ends = f"{accuracy.min():g} to {accuracy.max():g}"
        raise RequestError(
            f"{source}: accuracies are from {ends}, expected percent; multiply fractions by 100"
        )
    same = [str(replace(network, **{RESOLUTION: base})) for network in networks]
    _, group = np.unique(same, return_inverse=True)
    x = np.log(sides / base)
    if len(set(zip(group.tolist(), sides.tolist(), strict=True))) == group.max() + 1:
        raise RequestError(f"{source}: no network has several resolutions; train some at two or more")
    powers = np.column_stack([x, x**2])[:, : 2 if len(set(sides.tolist())) > 2 else 1]
    errors = np.log(100 - accuracy)
    slope, *curvature = _coefficients(powers, errors, group)
    return ResolutionEffect(
        base=base,
        least=int(sides.min()),
        most=int(sides.max()),
        slope=_rounded(slope),
        curvature=_rounded(curvature[0]) if curvature else 0.0,
        error=_rounded(_unseen(powers, errors, group)),
        source=source,
    )


def _coefficients(powers: Values, errors: Values, group: NDArray[np.intp]) -> list[float]:
    """Coefficients of the powers, beside a constant of each group."""
    found: list[float] = np.linalg.lstsq(_within(powers, group), _within(errors[:, None], group)[:, 0])[
        0
    ].tolist()
    return found


def _within(values: Values, group: NDArray[np.intp]) -> Values:
    """Values without the means of their groups."""
    means = np.stack([np.bincount(group, column) / np.bincount(group) for column in values.T], axis=1)
    return np.asarray(values - means[group])


def _unseen(powers: Values, errors: Values, group: NDArray[np.intp]) -> float:
    """Root mean squared error of changes from the resolution nearest to the base.

    Each group is left out of the fit in turn, unless it is the only one.
    """
    squared = []
    for number in range(group.max() + 1):
        own = np.flatnonzero(group == number)
        others = group != number if group.max() else group == number
        _, again = np.unique(group[others], return_inverse=True)
        found = np.array(_coefficients(powers[others], errors[others], again))
        near = own[np.abs(powers[own, 0]).argmin()]
        changes = (errors[own] - errors[near]) - (powers[own] - powers[near]) @ found
        squared += [change**2 for place, change in zip(own, changes, strict=True) if place != near]
    return math.sqrt(float(np.mean(squared)))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
