"""Which networks to measure: those that leave the least uncertainty about the latency of all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.fit.design import bases, columns, effects, levels, scales
from search_spaces import Space
from search_spaces.chain import ChainArchitecture, KnownStages

_LEVELS = 3
"""The terms: of the first levels of detail of a fit, up to pairs of choices of a stage."""
_INTERCEPT, _NOISE = 10.0, 0.3
"""Standard deviations of the intercept and of a measurement; that of a smooth term of one choice is 1."""
Values = NDArray[np.float64]


def designed(space: Space, networks: Sequence[ChainArchitecture], count: int) -> list[int]:
    """The numbers of the networks to measure, in the order of choice: a smaller design begins a larger one.

    Each network is the one that, with those before it, leaves the smallest mean variance of the predictions
    for all networks given, under a Bayesian linear model of the terms of a fit (I-optimality; Chaloner and
    Verdinelli, "Bayesian Experimental Design: A Review", 1995).

    Args:
        space: Their space.
        networks: A random sample of different networks, none of which is measured twice.
        count: How many to choose, at most all.
    """
    return _least_variance(_terms(space, networks), count)


def _terms(space: Space, networks: Sequence[ChainArchitecture]) -> Values:
    """The terms of each network, scaled as in a fit; shape (networks, terms)."""
    choices = effects(KnownStages(networks[0].chain()), [network.choices() for network in networks])
    basis = bases(choices)
    intercept = np.full((len(networks), 1), _INTERCEPT)
    detail = levels(space, tuple(basis))[:_LEVELS]
    if not detail:
        return intercept
    values = np.hstack([values for _, values in columns(detail[-1], basis, choices)])
    return np.hstack([intercept, values * scales(detail[-1], basis)])


def _least_variance(x: Values, count: int) -> list[int]:
    """Choose rows one by one, each of the greatest reduction of the mean variance of all."""
    moments = x.T @ x / len(x)
    chosen: list[int] = []
    spread = x.copy()
    weighted = x @ moments
    for _ in range(count):
        variance = np.einsum("np,np->n", spread, x)
        reduction = np.einsum("np,np->n", weighted, spread) / (_NOISE**2 + variance)
        reduction[chosen] = -np.inf
        best = int(reduction.argmax())
        chosen.append(best)
        direction, scale = spread[best].copy(), _NOISE**2 + variance[best]
        along = (x @ direction) / scale
        spread -= np.outer(along, direction)
        weighted -= np.outer(along, moments @ direction)
    return chosen
