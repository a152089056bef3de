"""Baselines among the random sample: rank and margins with standard errors, as a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nas.columns import column
from nas.figures import plain
from nas.files import as_png
from nas.statistics import Values
from nas.study.stats import RESAMPLES, base_of, distinguishing
from search_spaces import parse


def standing(table: pd.DataFrame, named: Sequence[str]) -> pd.DataFrame:
    """Rank and margins of the named networks, one row each, in the order given.

    Args:
        table: arch, top1, top1_std and seeds, as `report.joined` returns them.
        named: Specs; the first is the reference. Networks that were not trained are left out.

    Returns:
        arch, top1, error (standard error of top1 over seeds, pooled over networks), rank among all networks
        (1 is the best), networks; above_first and above_median, points above the first named network and
        above the median of the sample, each with its standard error. nan without repeated seeds, or without a
        sample.
    """
    there = table.set_index("arch")
    kept = [arch for arch in named if arch in there.index]
    if not kept:
        return pd.DataFrame()
    deviation = between_seeds(table)
    errors = deviation / np.sqrt(there["seeds"])
    ranks = there["top1"].rank(ascending=False, method="min").astype(int)
    others = there["top1"].drop(kept).to_numpy(float)
    median, median_error = _median(others)
    first = kept[0]
    rows = []
    for arch in kept:
        top1, error = float(there.loc[arch, "top1"]), float(errors[arch])  # type: ignore[arg-type]
        rows.append(
            {
                "arch": arch,
                "top1": top1,
                "error": error,
                "rank": int(ranks[arch]),
                "networks": len(table),
                "above_first": top1 - float(there.loc[first, "top1"]),  # type: ignore[arg-type]
                "above_first_error": 0.0 if arch == first else float(np.hypot(error, errors[first])),
                "above_median": top1 - median,
                "above_median_error": float(np.hypot(error, median_error)),
            }
        )
    return pd.DataFrame(rows)


def between_seeds(table: pd.DataFrame) -> float:
    """Standard deviation of top-1 over seeds, pooled over networks; nan if each was trained once."""
    free = table["seeds"] - 1
    if not free.sum():
        return float("nan")
    squares = (free * table["top1_std"].fillna(0) ** 2).sum()
    return float(np.sqrt(squares / free.sum()))


def _median(accuracy: Values) -> tuple[float, float]:
    """The median and its bootstrap standard error over networks."""
    if not len(accuracy):
        return float("nan"), float("nan")
    generator = np.random.default_rng(0)
    resampled = generator.integers(0, len(accuracy), (RESAMPLES, len(accuracy)))
    return float(np.median(accuracy)), float(np.median(accuracy[resampled], axis=1).std())


def standing_figure(table: pd.DataFrame, found: pd.DataFrame, title: str) -> bytes:
    """A PNG of the accuracy of the named networks and of the sample.

    Args:
        table: arch, top1 and optionally nn_mass of all networks.
        found: The named networks, as `standing` returns them.
        title: Title of the figure.
    """
    from matplotlib.figure import Figure

    with_mass = "nn_mass" in table and table["nn_mass"].notna().any()
    size = (10.5 if with_mass else 5.5, max(3.2, 0.28 * len(found) + 1.4))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, 2 if with_mass else 1, squeeze=False)[0]
    _ranks(panels[0], table, found)
    if with_mass:
        _masses(panels[1], table, found)
    plain(*panels)
    for panel in panels:
        panel.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=10)
    return as_png(figure)


def short_spec(arch: str) -> str:
    """A spec for display: without family, image size and number of classes.

    >>> short_spec("mobilenet:w0.5_d1-2-3-4-3-3-1_r32_c10_s1"), short_spec("torchvision:regnet_y_400mf_r64")
    ('w0.5_d1-2-3-4-3-3-1', 'regnet_y_400mf')
    """
    network = parse(arch)
    return str(network.of_choices(network.choices())).partition(":")[2]


def _ranks(panel: Any, table: pd.DataFrame, found: pd.DataFrame) -> None:
    """One row for each named network, the most accurate on top, and one for the whole sample."""
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
        places, labels = np.append(places, -1), [*labels, f"{len(others)} sampled, with median"]
    panel.set_yticks(places, labels)
    label = column("top1").label()
    panel.set_xlabel(f"{label}, ± standard error" if found["error"].notna().any() else label, fontsize=8)


def _masses(panel: Any, table: pd.DataFrame, found: pd.DataFrame) -> None:
    """Accuracy against NN-Mass, one colour for each base width; rings mark the named networks."""
    from matplotlib import colormaps

    defined = table[table["nn_mass"].notna()]
    bases = defined["arch"].map(base_of)
    order = sorted(bases.unique())
    colours = colormaps["viridis"](np.linspace(0, 0.95, len(order)))
    for base, label, colour in zip(order, distinguishing(order), colours, strict=True):
        of_base = defined[bases == base]
        panel.scatter(of_base["nn_mass"], of_base["top1"], s=22, color=colour, label=label)
    named = defined[defined["arch"].isin(found["arch"])]
    panel.scatter(named["nn_mass"], named["top1"], s=80, facecolors="none", edgecolors="black", label="named")
    panel.set_xlabel(column("nn_mass").label(), fontsize=8)
    panel.set_ylabel(column("top1").label(), fontsize=8)
    panel.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
