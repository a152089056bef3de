"""Axes of figures: logarithmic ones with readable ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = {"nn_mass": "NN-Mass", "params": "parameters", "flops": "FLOPs"}


def logarithmic(panel: Axes, score: str) -> None:
    """Make the horizontal axis that of a score, with ticks at 1, 2 and 5."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel(_NAMES.get(score, score))
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
