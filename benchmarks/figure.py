"""The figure speed.png: scoring time by population size, proof time by stages and by options."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.record import FOLDER


def main() -> None:
    """Plot the tables of `scoring` and `growth`; labels of proofs are numbers of architectures."""
    scoring, growth = (pd.read_csv(FOLDER / f"{name}.csv") for name in ("scoring", "growth"))
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    population, stages, options = figure.subplots(1, 3)
    for name, rows in scoring.groupby("space", sort=False):
        population.plot(rows["architectures"], rows["seconds"], marker="o", markersize=3, label=name)
    population.set(title="scoring a population", xlabel="architectures", xscale="log")
    for axes, grown, label in ((stages, "stages", "stages"), (options, "options", "options of all choices")):
        rows = growth[growth["grown"] == grown]
        axes.plot(rows["size"], rows["seconds"], marker="o", markersize=4, color="tab:blue")
        axes.set(title=f"proving the optimum, by {grown}", xlabel=label, xscale="log")
        axes.margins(0.18, 0.12)
        axes.set_xticks(rows["size"], labels=rows["size"], minor=False)
        axes.minorticks_off()
        for _, row in rows.iterrows():
            power = f"$10^{{{math.log10(row['architectures']):.0f}}}$"
            place = (row["size"], row["seconds"])
            axes.annotate(power, place, fontsize=8, xytext=(-4, 5), textcoords="offset points", ha="right")
    for axes in (population, stages, options):
        axes.set(yscale="log", ylabel="seconds")
        axes.title.set_fontsize(11)
        axes.grid(alpha=0.3)
    population.legend(fontsize=7)
    figure.savefig(FOLDER / "speed.png", dpi=150)
