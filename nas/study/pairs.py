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
        larger = f"the larger of {self.pairs} pairs" if self.pairs > 1 else "the larger of a pair"
        return f"at equal NN-Mass {larger} has {self.mean:+.2f}{interval} points more"
