"""The picture of published accuracies: a row a family, a column a score, a colour a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from nas.files import as_png
from nas.study.published.fits import RANKED_BY
from nas.study.report import logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figure(table: pd.DataFrame) -> bytes:
    """A PNG; each layout is named once, at the highest of its leftmost points."""
    from matplotlib.figure import Figure

    families = table["family"].unique()
    drawn = Figure(figsize=(14, 5 * len(families)), layout="constrained")
    panels = drawn.subplots(len(families), len(RANKED_BY), squeeze=False, sharey="row")
    for row, family in zip(panels, families, strict=True):
        for panel, score in zip(row, RANKED_BY, strict=True):
            _draw(panel, table[table["family"] == family], score)
        row[0].set_ylabel(f"{family}: top-1 on ImageNet, %")
        row[-1].legend(fontsize=7, loc="lower right")
    return as_png(drawn, dpi=110)


def _draw(panel: Axes, networks: pd.DataFrame, score: str) -> None:
    for number, (recipe, rows) in enumerate(networks.groupby("recipe", sort=False)):
        panel.scatter(rows[score], rows["top1"], s=18, color=f"C{number}", label=recipe)
    named = networks.sort_values([score, "top1"], ascending=[True, False]).drop_duplicates("layout")
    for x, top1, name in zip(named[score], named["top1"], named["name"], strict=True):
        panel.annotate(
            name, (x, top1), xytext=(1, 4), textcoords="offset points", rotation=35, fontsize=7, ha="left"
        )
    logarithmic(panel, score)
