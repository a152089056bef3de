"""The plot of a search: score against cost of trials, candidates and references."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from nas.bounds import COSTS
from nas.columns import column
from nas.files import as_png
from nas.goal import Goal
from search_spaces.cost import Column

_MARKERS = "^vsDPX*<>hp"
_MARGIN = 1.6
"""The cost axis ends at this multiple of the budget, or at the largest reference within twice that."""


def plotted(
    goal: Goal,
    tried: Mapping[str, Column],
    found: pd.DataFrame,
    marked: pd.DataFrame,
    compared: pd.DataFrame,
) -> bytes:
    """A PNG of all trials, the candidates and the references.

    Args:
        goal: The goal of the search, which names the axes.
        tried: Costs of all trials, and perhaps their scores; then trials outside the bounds are plotted, too.
        found: The candidates.
        marked: The candidates to mark: the first ones, or the front.
        compared: The references.
    """
    cost, score = goal.axes
    end = _end(cost, goal, compared)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    if score in tried:
        outside = ~goal.meets(tried) & (tried[cost] <= end)
        axes.scatter(tried[cost][outside], tried[score][outside], s=6, c="0.85",
                     label="trials outside the budget")  # fmt: skip
    top = f"top {len(marked)}" if len(goal.optimise) == 1 else "the front"
    for table, size, color, label in ((found, 6, "0.6", "candidates"), (marked, 22, "tab:blue", top)):
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
    """The end of the cost axis: not far beyond the budget, so that the candidates fill the plot."""
    caps = [bound.most for bound in goal.bounds if bound.figure == cost]
    end = _MARGIN * min(caps, default=math.inf)
    near = compared[cost][compared[cost] <= 2 * end]
    return max(end, float(near.max()) if len(near) else 0.0)
