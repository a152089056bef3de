"""The figure of a training run: loss and accuracy by epoch, a line a network."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nas.files import write_whole
from nas.png import as_png
from search_spaces.errors import shortened

_NAMED_AT_MOST = 12
_NAME = 60
"""Characters of a name; longer ones are cut in the middle."""


def draw(curves: pd.DataFrame, names: Mapping[Any, str], path: Path) -> None:
    """Draw the rows of curves.csv, where matplotlib is installed and there is something to draw.

    Args:
        curves: The rows.
        names: What the network of each row is called.
        path: Of the PNG.
    """
    if curves.empty or not importlib.util.find_spec("matplotlib"):
        return
    from matplotlib.figure import Figure

    jobs = curves.groupby(["row", "seed"], sort=False)
    lines = -(-len(jobs) // 2) if len(jobs) <= _NAMED_AT_MOST else 0
    figure = Figure(figsize=(9, 3.6 + 0.2 * lines), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    several = len(jobs) > curves["row"].nunique()
    for (row, seed), epochs in jobs:
        label = shortened(names[row], _NAME) + (f", seed {seed}" if several else "")
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
        handles, labels = accuracy.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    write_whole(path, as_png(figure, dpi=120))
