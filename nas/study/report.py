"""The report of a study: how well each score predicts accuracy, as tables and as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from nas import proxies, score
from nas.columns import column, is_median
from nas.files import as_png, read_csv
from nas.study.standing import between_seeds
from nas.study.stats import LEAST, LEVEL, kendall, r_squared, spearman, with_interval
from search_spaces import RequestError, parse

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def logarithmic(panel: Axes, score: str) -> None:
    """Make the horizontal axis that of a score, with ticks at 1, 2 and 5."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel(column(score).label())
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)


def columns_of(scores: Sequence[str]) -> list[str]:
    """The columns of some scores in a table: of each its value, and the seconds that it took."""
    return [column for name in scores for column in (name, f"{name}_seconds")]


def read_table(path: Path, numbers: Sequence[str], known: Sequence[str] = ()) -> pd.DataFrame:
    """A table of networks that a study wrote.

    Args:
        path: A CSV file.
        numbers: Columns that must be there beside `arch`, and hold numbers.
        known: Further such columns, which every network must have a number in.

    Raises:
        RequestError: It cannot be read, lacks a column, or has something else in it.
    """
    numbers = (*numbers, *known)
    expected = f"expected a table with {', '.join(('arch', *numbers))}"
    table = read_csv(path, expected)
    missing = [name for name in ("arch", *numbers) if name not in table]
    if missing:
        raise RequestError(f"{path} has no column {', '.join(missing)}; {expected}")
    for name in numbers:
        if not is_numeric_dtype(table[name]) or (name in known and table[name].isna().any()):
            raise RequestError(f"{path}: column {name} has something that is no number; {expected}")
    return table


def joined(trained: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """A row a network: its scores, and the mean and deviation of its accuracy over seeds.

    Networks that were not trained to the end are left out.
    """
    done = trained[trained["status"] == "done"]
    reached = done.groupby("arch", sort=False)["top1"].agg(seeds="count", top1="mean", top1_std="std")
    return scores.merge(reached.reset_index(), on="arch")


def axis(name: str, table: pd.DataFrame) -> NDArray[np.float64]:
    """A score as it is drawn and fitted; nan where it has no logarithm, or is infinite."""
    values = table[name].to_numpy(float)
    if proxies.get(name).logarithmic:
        return np.log(np.where(values > 0, values, np.nan))
    return np.where(np.isfinite(values), values, np.nan)


def correlations(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A row a score: rho, tau and R^2 with accuracy, their intervals, and its mean seconds a network.

    rho and tau are signed so that 1 is a score that always prefers the better network. R^2 is that of the
    score as it is drawn, of `r2_networks`: those where it has a logarithm and is finite. Networks for which a
    score is not defined (nan) are left out of its row, and `networks` says how many are in it.
    """
    accuracy = table["top1"].to_numpy(float)
    rows = []
    for name in names:
        signed = table[name].to_numpy(float) * (1 if proxies.get(name).more_is_better else -1)
        drawn = axis(name, table)
        known, fit = ~np.isnan(signed), np.isfinite(drawn)
        row: dict[str, object] = {
            "score": name,
            "networks": int(known.sum()),
            "r2_networks": int(fit.sum()),
        }
        for label, statistic, x, y in (
            ("rho", spearman, signed[known], accuracy[known]),
            ("tau", kendall, signed[known], accuracy[known]),
            ("r2", r_squared, drawn[fit], accuracy[fit]),
        ):
            found = with_interval(statistic, x, y)
            row |= {label: found.value, f"{label}_low": found.low, f"{label}_high": found.high}
        rows.append(row | {"seconds": table[f"{name}_seconds"].mean()})
    return pd.DataFrame(rows).sort_values("rho", ascending=False, ignore_index=True)


def reservation(table: pd.DataFrame, test_images: int | None) -> str:
    """Why nothing follows from the order of some networks, in words; nothing where something may.

    They are too few, none of them is better than chance, or their accuracies differ no more than those of
    one network would: by the images that happen to be in the test set, and by the seeds.

    Args:
        table: arch, top1, top1_std and seeds, as `joined` gives.
        test_images: How many images accuracies are of, where that is known.
    """
    from scipy.stats import chi2

    if len(table) < LEAST:
        return f"{len(table)} networks are too few to judge scores by; at least {LEAST} are needed"
    accuracy, seeds = table["top1"].to_numpy(float), table["seeds"].to_numpy(float)
    variance = np.nan_to_num(between_seeds(table)) ** 2
    if test_images:
        chance = 100 / np.array([parse(arch).constants()["num_classes"] for arch in table["arch"]], float)
        if (accuracy <= chance + 3 * np.sqrt(chance * (100 - chance) / test_images / seeds)).all():
            return f"no network is better than chance, {chance.max():.3g}% of {test_images:,} test images"
        middle = float(np.average(accuracy, weights=seeds))
        variance = max(variance, middle * (100 - middle) / test_images)
    if variance:
        middle = float(np.average(accuracy, weights=seeds))
        apart = float((seeds * (accuracy - middle) ** 2).sum() / variance)
        if apart <= chi2.ppf(LEVEL, len(table) - 1):
            return "accuracies differ no more between networks than by chance (test images and seeds)"
    return ""


def without_intervals(found: pd.DataFrame) -> pd.DataFrame:
    """A table of statistics without the intervals: of what means nothing an interval says too much."""
    ends = [name for name in found if str(name).endswith(("_low", "_high"))]
    return found.assign(**dict.fromkeys(map(str, ends), np.nan))


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """What networks cost, in closed form and as measured, beside their accuracy; by FLOPs."""
    closed = pd.DataFrame([score(arch) for arch in table["arch"]]).drop(columns="macs")
    measured = table[["top1", *filter(is_median, table.columns)]]
    return pd.concat([table["arch"], closed, measured], axis=1).sort_values("flops", ignore_index=True)


def between(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Spearman's rho of every two scores."""
    return table[list(names)].corr(method="spearman").rename_axis("score").reset_index()


def figure(table: pd.DataFrame, found: pd.DataFrame, title: str, doubt: str = "") -> bytes:
    """A PNG: accuracy against every score, the best first; a doubt stands in place of rho and R²."""
    from matplotlib.figure import Figure

    across = min(4, len(found))
    down = math.ceil(len(found) / across)
    drawn = Figure(figsize=(2.9 * across, 2.5 * down + 0.4), layout="constrained")
    panels = drawn.subplots(down, across, squeeze=False, sharey=True).flatten()
    for panel, (_, row) in zip(panels, found.iterrows(), strict=False):
        name = str(row["score"])
        drawn_at = axis(name, table)
        panel.scatter(drawn_at, table["top1"], s=14, color="tab:blue", alpha=0.8)
        if not np.isfinite(drawn_at).any():
            panel.text(0.5, 0.5, "infinite or undefined", ha="center", transform=panel.transAxes, fontsize=8)
        label = column(name).label()
        says = "" if doubt else f": rho {row['rho']:.2f}, R² {row['r2']:.2f}"
        panel.set_title(f"{label}{says}", fontsize=9)
        panel.set_xlabel(f"log {label}" if proxies.get(name).logarithmic else label, fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    for panel in panels[::across]:
        panel.set_ylabel(column("top1").label(), fontsize=8)
    drawn.suptitle(f"{title}\n{doubt}" if doubt else title, fontsize=10)
    return as_png(drawn)
