"""Where networks named by hand stand among those drawn: rank, and margins with their standard errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nas.study.statistics import RESAMPLES, Values


def standing(table: pd.DataFrame, named: Sequence[str]) -> pd.DataFrame:
    """A row a network named, in the order given.

    Args:
        table: arch, top1, top1_std and seeds, as `report.joined` gives.
        named: Specs, the one that the others are compared with first; what was not trained is left out.

    Returns:
        arch, top1, its standard error over seeds (from the deviations of all networks together), rank among
        all networks (1 is the best), networks; points above the first one named and above the median of
        those drawn, each with its standard error; nan where there are no seeds, or none drawn, to tell.
    """
    there = table.set_index("arch")
    kept = [arch for arch in named if arch in there.index]
    if not kept:
        return pd.DataFrame()
    deviation = between_seeds(table)
    errors = deviation / np.sqrt(there["seeds"])
    ranks = there["top1"].rank(ascending=False, method="min").astype(int)
    others = there["top1"].drop(kept).to_numpy(float)
    middle, middle_error = _median(others)
    first = kept[0]
    rows = []
    for arch in kept:
        top1, error = float(there.loc[arch, "top1"]), float(errors[arch])  # type: ignore[arg-type]
        rows.append(
            {
                "arch": arch,
                "top1": top1,
                "error": error,
                "rank": int(ranks[arch]),
                "networks": len(table),
                "above_first": top1 - float(there.loc[first, "top1"]),  # type: ignore[arg-type]
                "above_first_error": 0.0 if arch == first else float(np.hypot(error, errors[first])),
                "above_median": top1 - middle,
                "above_median_error": float(np.hypot(error, middle_error)),
            }
        )
    return pd.DataFrame(rows)


def between_seeds(table: pd.DataFrame) -> float:
    """The deviation between trainings of one network, pooled over networks; nan if each was trained once."""
    free = table["seeds"] - 1
    if not free.sum():
        return float("nan")
    squares = (free * table["top1_std"].fillna(0) ** 2).sum()
    return float(np.sqrt(squares / free.sum()))


def _median(accuracy: Values) -> tuple[float, float]:
    """The median, and its standard error over networks drawn with replacement."""
    if not len(accuracy):
        return float("nan"), float("nan")
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, len(accuracy), (RESAMPLES, len(accuracy)))
    return float(np.median(accuracy)), float(np.median(accuracy[drawn], axis=1).std())
