"""The figure of a search: its score against a cost, for all that was tried, chosen and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from nas.columns import column
from nas.files import as_png
from nas.query import COSTS, Goal
from search_spaces.cost import Column

_MARKERS = "^vsDPX*<>hp"
_BEYOND = 1.6
"""The axis of a cost ends at so many times the budget, or at the largest reference within twice that."""


def drawn(
    score: str,
    goal: Goal,
    tried: Mapping[str, Column],
    found: pd.DataFrame,
    chosen: pd.DataFrame,
    compared: pd.DataFrame,
) -> bytes:
    """A PNG of all trials, the candidates, the chosen and the references.

    The horizontal axis is the first cost that the goal names, FLOPs where it names none.

    Args:
        score: The vertical axis.
        tried: The figures of all trials; those outside the bounds are plotted if it has their score.
        found: The candidates.
    """
    named = [bound.figure for bound in goal.bounds] + [figure for figure, _ in goal.optimise]
    cost = next(figure for figure in (*named, "flops", "params") if figure in COSTS and figure != score)
    end = _end(cost, goal, compared)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    if score in tried:
        outside = ~goal.meets(tried) & (tried[cost] <= end)
        axes.scatter(tried[cost][outside], tried[score][outside], s=6, c="0.85",
                     label="trials outside the budget")  # fmt: skip
    top = f"top {len(chosen)}" if len(goal.optimise) == 1 else "the front"
    for table, size, color, label in ((found, 6, "0.6", "candidates"), (chosen, 22, "tab:blue", top)):
        axes.scatter(table[cost], table[score].where(np.isfinite(table[score])), s=size, c=color, label=label)
    compared = compared[np.isfinite(compared[score]) & (compared[cost] <= end)]
    for (_, row), marker in zip(compared.iterrows(), cycle(_MARKERS), strict=False):
        axes.scatter([row[cost]], [row[score]], s=42, c="tab:red", marker=marker, label=row["name"])
    for bound in goal.bounds:
        draw = axes.axvline if bound.figure == cost else axes.axhline if bound.figure == score else None
        for limit in (bound.least, bound.most):
            if draw and 0 < limit < float("inf"):
                draw(limit, color="0.4", linestyle="--", linewidth=1)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if score in COSTS:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(column(cost).label())
    axes.set_ylabel(column(score).label())
    figure.legend(fontsize=8, loc="outside right upper")
    return as_png(figure, dpi=150)


def _end(cost: str, goal: Goal, compared: pd.DataFrame) -> float:
    """Where the axis of a cost ends: some way beyond the budget, so that what meets it fills the figure."""
    caps = [bound.most for bound in goal.bounds if bound.figure == cost]
    end = _BEYOND * min(caps, default=math.inf)
    near = compared[cost][compared[cost] <= 2 * end]
    return max(end, float(near.max()) if len(near) else 0.0)
