"""The figure of a training run: loss and accuracy by epoch, a line a network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

from nas.files import write_whole
from nas.png import as_png

_NAMED_AT_MOST = 12


def draw(curves: pd.DataFrame, path: Path) -> None:
    """Draw the rows of curves.csv, where matplotlib is installed and there is something to draw."""
    if curves.empty or not importlib.util.find_spec("matplotlib"):
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    jobs = curves.groupby(["row", "seed"], sort=False)
    for (row, seed), epochs in jobs:
        label = f"row {row}, seed {seed}"
        loss.plot(epochs["number"], epochs["train_loss"], marker=".", linewidth=1.2, label=label)
        accuracy.plot(epochs["number"], epochs["top1"], marker=".", linewidth=1.2, label=label)
    loss.set(xlabel="epoch", ylabel="training loss")
    where = "held-out images" if (curves["tested_on"] == "held_out").any() else "test set"
    accuracy.set(xlabel="epoch", ylabel=f"top-1 accuracy on the {where}, %")
    for axes in (loss, accuracy):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    if len(jobs) <= _NAMED_AT_MOST:
        accuracy.legend(frameon=False, fontsize="small")
    write_whole(path, as_png(figure, dpi=120))
