"""Costs of stages as terms: what a latency is expected to follow, where few networks are measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.fit.design import Level, columns
from nas.fitted.terms import Basis
from search_spaces.chain import Chain, described

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
        values: dict[str, Any] = {}
        for name in map(str, choices):
            options = np.asarray(sorted(set(choices[name].tolist())))
            values[name] = options[generator.integers(len(options), size=_NETWORKS)]
        effective: dict[str, Any] = {}
        costs: dict[str, Any] = {}
        for stage in described(chain, values):
            effective |= stage.effective
            costs |= {f"{stage.name} params": stage.figures.params}
            costs |= {f"{stage.name} {kind}": count for kind, count in stage.figures.operators.items()}
        table = np.column_stack([np.broadcast_to(cost, _NETWORKS) for cost in costs.values()]).astype(float)
        table = table[:, table.std(0) > 0]
        return cls(pd.DataFrame(effective), (table - table.mean(0)) / table.std(0))

    def terms(self, level: Level, bases: Mapping[str, Basis]) -> Values:
        """The coefficients of the terms of a level that come closest to each cost; shape (terms, costs)."""
        values = np.hstack([values for _, values in columns(level, bases, self.choices)])
        found: Values = np.linalg.lstsq(values - values.mean(0), self.costs, rcond=None)[0]
        return found
