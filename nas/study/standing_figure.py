"""The figure of networks named by hand among those drawn: what each reached, and at what NN-Mass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nas.png import as_png
from nas.study.bases import base_of, telling
from search_spaces import parse


def figure(table: pd.DataFrame, found: pd.DataFrame, title: str) -> bytes:
    """A PNG.

    Args:
        table: arch, top1 and perhaps nn_mass of all networks.
        found: As `standing.standing` gives.
        title: What the networks are.
    """
    from matplotlib.figure import Figure

    with_mass = "nn_mass" in table and table["nn_mass"].notna().any()
    size = (10.5 if with_mass else 5.5, max(3.2, 0.28 * len(found) + 1.4))
    drawn = Figure(figsize=size, layout="constrained")
    panels = drawn.subplots(1, 2 if with_mass else 1, squeeze=False)[0]
    _ranks(panels[0], table, found)
    if with_mass:
        _masses(panels[1], table, found)
    for panel in panels:
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    drawn.suptitle(title, fontsize=10)
    return as_png(drawn)


def short_spec(arch: str) -> str:
    """A spec without the image size and the classes that a network was trained for, and without a family
    that can be searched.

    >>> short_spec("mobilenet:w0.5_d1-2-3-4-3-3-1_r32_c10_s1"), short_spec("torchvision:regnet_y_400mf_r64")
    ('w0.5_d1-2-3-4-3-3-1', 'regnet_y_400mf')
    """
    network = parse(arch)
    return str(network.of_choices(network.choices())).partition(":")[2]


def _ranks(panel: Any, table: pd.DataFrame, found: pd.DataFrame) -> None:
    """A row for each network named, the most accurate on top, and one for all that were drawn."""
    ordered = found.sort_values("top1")
    places = np.arange(len(ordered))
    panel.errorbar(
        ordered["top1"], places, xerr=ordered["error"].fillna(0), fmt="D", ms=5, color="tab:orange"
    )
    labels = ordered["arch"].map(short_spec).tolist()
    others = table.loc[~table["arch"].isin(found["arch"]), "top1"]
    if len(others):
        panel.plot(others, np.full(len(others), -1), "|", ms=12, color="tab:blue")
        panel.axvline(others.median(), ls=":", lw=1, color="tab:blue")
        places, labels = np.append(places, -1), [*labels, f"{len(others)} drawn, and their median"]
    panel.set_yticks(places, labels)
    panel.set_xlabel("top-1, %, ± standard error" if found["error"].notna().any() else "top-1, %", fontsize=8)


def _masses(panel: Any, table: pd.DataFrame, found: pd.DataFrame) -> None:
    """Accuracy against NN-Mass, a colour a base width; rings around those named."""
    from matplotlib import colormaps

    known = table[table["nn_mass"].notna()]
    bases = known["arch"].map(base_of)
    order = sorted(bases.unique())
    colours = colormaps["viridis"](np.linspace(0, 0.95, len(order)))
    for base, label, colour in zip(order, telling(order), colours, strict=True):
        of_base = known[bases == base]
        panel.scatter(of_base["nn_mass"], of_base["top1"], s=22, color=colour, label=label)
    named = known[known["arch"].isin(found["arch"])]
    panel.scatter(
        named["nn_mass"], named["top1"], s=80, facecolors="none", edgecolors="black", label="by name"
    )
    panel.set_xlabel("NN-Mass", fontsize=8)
    panel.set_ylabel("top-1, %", fontsize=8)
    panel.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
