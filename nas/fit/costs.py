"""Costs of stages as terms: what a latency is expected to follow, where few networks are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.fit.design import Level, columns, effects
from nas.fitted.terms import Basis
from search_spaces.chain import Chain, Described, KnownStages

_NETWORKS = 1500
"""Random networks over which costs become terms."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class StageCosts:
    """Costs of the stages of random networks.

    Attributes:
        choices: One row per network: its choices, each replaced by the value that has the same effect.
        costs: Parameters of every stage, and its operations of each kind, each with mean 0 and variance 1
            over the networks; shape (networks, costs).
    """

    choices: pd.DataFrame
    costs: Values

    @classmethod
    def of(cls, chain: Chain, choices: pd.DataFrame) -> Self:
        """The costs of random networks with the options of some networks.

        Args:
            chain: Their chain.
            choices: One row per network.
        """
        generator = np.random.default_rng(0)
        options = {str(name): sorted(set(choices[name].tolist())) for name in choices}
        drawn = {name: generator.integers(len(values), size=_NETWORKS) for name, values in options.items()}
        rows = [
            {name: values[drawn[name][place]] for name, values in options.items()}
            for place in range(_NETWORKS)
        ]
        known = KnownStages(chain)
        costs = pd.DataFrame([_costs(known.of(row)) for row in rows]).fillna(0.0).to_numpy(float)
        costs = costs[:, costs.std(0) > 0]
        return cls(effects(known, rows), (costs - costs.mean(0)) / costs.std(0))

    def terms(self, level: Level, bases: Mapping[str, Basis]) -> Values:
        """The coefficients of the terms of a level that come closest to each cost; shape (terms, costs)."""
        values = np.hstack([values for _, values in columns(level, bases, self.choices)])
        found: Values = np.linalg.lstsq(values - values.mean(0), self.costs, rcond=None)[0]
        return found


def _costs(stages: Sequence[Described]) -> dict[str, float]:
    """Parameters of each stage of a network, and its operations of each kind."""
    return {
        f"{place} {name}": float(cost)
        for place, stage in enumerate(stages)
        for name, cost in {"params": stage.figures.params, **stage.figures.operators}.items()
    }
