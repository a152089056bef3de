"""The figure of a search: its score against a cost, for all that was tried, chosen and compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from nas.budget import COSTS
from nas.goal import Goal
from nas.png import as_png
from search_spaces.figures import Column

_TITLES = {"nn_mass": "NN-Mass", "flops": "FLOPs", "macs": "MACs", "params": "parameters"}


def drawn(
    score: str,
    goal: Goal,
    tried: Mapping[str, Column],
    found: pd.DataFrame,
    chosen: pd.DataFrame,
    compared: pd.DataFrame,
) -> bytes:
    """A PNG of all trials, the chosen and the references.

    The horizontal axis is the first cost that the goal names, FLOPs where it names none.

    Args:
        score: The vertical axis.
        tried: The figures of all trials; those outside the bounds are drawn if it has their score.
        found: The candidates.
    """
    named = [bound.figure for bound in goal.bounds] + [figure for figure, _ in goal.optimise]
    cost = next(figure for figure in (*named, "flops", "params") if figure in COSTS and figure != score)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    if score in tried:
        outside = ~goal.meets(tried)
        axes.scatter(tried[cost][outside], tried[score][outside], s=6, c="0.85",
                     label="trials outside the bounds")  # fmt: skip
    chosen_are = f"the first {len(chosen)}" if len(goal.optimise) == 1 else "the front"
    for table, label, size, color, marker in (
        (found, "trials inside", 6, "0.6", "o"),
        (chosen, chosen_are, 22, "tab:blue", "o"),
        (compared, "references", 40, "tab:red", "^"),
    ):
        axes.scatter(table[cost], _finite(table[score]), s=size, c=color, marker=marker, label=label)
    for _, row in compared[np.isfinite(compared[score])].iterrows():
        axes.annotate(row["name"], (row[cost], row[score]), xytext=(6, -3), textcoords="offset points",
                      fontsize=8)  # fmt: skip
    for bound in goal.bounds:
        draw = axes.axvline if bound.figure == cost else axes.axhline if bound.figure == score else None
        for end in (bound.least, bound.most):
            if draw and 0 < end < float("inf"):
                draw(end, color="0.4", linestyle="--", linewidth=1)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if score in COSTS:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(_TITLES[cost])
    axes.set_ylabel(_TITLES.get(score, score))
    axes.legend(fontsize=8)
    return as_png(figure, dpi=150)


def _finite(values: pd.Series[float]) -> pd.Series[float]:
    """Values that have a place in a figure; the others are missing."""
    return values.where(np.isfinite(values))
