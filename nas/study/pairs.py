"""Pairs of equal NN-Mass and unequal size: whether the smaller network is as accurate, as the paper says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nas.study.bases import base_of
from nas.study.statistics import mean_interval

SAME_MASS = 0.02
"""By how much the NN-Mass of a pair may differ, as a share of the smaller one."""
APART = 2.0
"""How many times the parameters of the smaller network the larger one has at least."""


def paired(table: pd.DataFrame) -> pd.DataFrame:
    """Each network with the largest one of its base width and NN-Mass, where that is at least twice its size.

    Args:
        table: arch, nn_mass, params, seeds, top1 and top1_std, as `report.joined` gives.

    Returns:
        A row a pair: arch, nn_mass, params, top1 of the small and the large one, how many times as large it
        is, and in points the accuracy that the large one has more, with its standard error over seeds (nan
        where a network was trained once).
    """
    rows = []
    bases, mass = table["arch"].map(base_of), table["nn_mass"].to_numpy(float)
    for (_, small), base in zip(table.iterrows(), bases, strict=True):
        same = np.abs(mass - small["nn_mass"]) <= SAME_MASS * np.minimum(mass, small["nn_mass"])
        large = table[same & (bases == base) & (table["params"] >= APART * small["params"])]
        if small["nn_mass"] > 0 and len(large):
            rows.append(_pair(small, large.sort_values("params").iloc[-1]))
    return pd.DataFrame(rows)


def _pair(small: pd.Series, large: pd.Series) -> dict[str, object]:
    told = {
        f"{name}_{which}": network[name]
        for name in ("arch", "nn_mass", "params", "top1")
        for which, network in (("small", small), ("large", large))
    }
    return told | {
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
        return f"at equal NN-Mass the larger of {self.pairs} pairs has {self.mean:+.2f}{interval} points more"
