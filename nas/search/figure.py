"""The figure of a search: NN-Mass against a cost, for all that was tried, chosen and compared."""

from __future__ import annotations

from io import BytesIO

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from nas.goal import Goal
from nas.scoring import Population
from nas.stage_tables import StageTables


def drawn(
    tables: StageTables,
    goal: Goal,
    population: Population,
    chosen: pd.DataFrame,
    compared: pd.DataFrame,
) -> bytes:
    """A PNG of all trials, the chosen and the references.

    The horizontal axis is the first cost that the goal names, FLOPs where it names none.
    """
    named = [bound.figure for bound in goal.bounds] + [figure for figure, _ in goal.optimise]
    cost = next((figure for figure in named if figure != "nn_mass"), "flops")
    tried = tables.score(population)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    meets = goal.meets(tried)
    for shade, which, label in (("0.85", ~meets, "outside the bounds"), ("0.6", meets, "inside")):
        axes.scatter(tried[cost][which], tried["nn_mass"][which], s=6, c=shade, label=f"trials {label}")
    chosen_are = f"the first {len(chosen)}" if len(goal.optimise) == 1 else "the front"
    axes.scatter(chosen[cost], chosen["nn_mass"], s=22, c="tab:blue", label=chosen_are)
    axes.scatter(compared[cost], compared["nn_mass"], s=40, c="tab:red", marker="^", label="references")
    for _, row in compared.iterrows():
        axes.annotate(row["name"], (row[cost], row["nn_mass"]), xytext=(6, -3), textcoords="offset points",
                      fontsize=8)  # fmt: skip
    for bound in goal.bounds:
        draw = axes.axvline if bound.figure == cost else axes.axhline if bound.figure == "nn_mass" else None
        for end in (bound.least, bound.most):
            if draw and 0 < end < float("inf"):
                draw(end, color="0.4", linestyle="--", linewidth=1)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel({"flops": "FLOPs", "macs": "MACs", "params": "parameters"}[cost])
    axes.set_ylabel("NN-Mass")
    axes.legend(fontsize=8)
    image = BytesIO()
    figure.savefig(image, format="png", dpi=150)
    return image.getvalue()
