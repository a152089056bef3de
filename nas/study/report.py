"""The report of a study: tables and a figure of how well each score predicts accuracy."""

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
from nas.figures import plain
from nas.files import as_png, read_csv
from nas.statistics import STATISTICS
from nas.study.standing import between_seeds
from nas.study.stats import LEVEL, MIN_NETWORKS, with_interval
from search_spaces import RequestError, parse

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def logarithmic(panel: Axes, score: str) -> None:
    """Make the x-axis a logarithmic axis of a score, with ticks at 1, 2 and 5."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel(column(score).label())
    plain(panel)


def columns_of(scores: Sequence[str]) -> list[str]:
    """The column names of some scores: value and seconds of each."""
    return [column for name in scores for column in (name, f"{name}_seconds")]


def read_table(path: Path, numbers: Sequence[str], known: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table of networks that a study wrote.

    Args:
        path: A CSV file.
        numbers: Numeric columns required besides `arch`; values may be missing.
        known: Further required numeric columns, without missing values.

    Raises:
        RequestError: The table cannot be read, lacks a column, or a column is not numeric.
    """
    numbers = (*numbers, *known)
    expected = f"expected a table with {', '.join(('arch', *numbers))}"
    table = read_csv(path, expected)
    missing = [name for name in ("arch", *numbers) if name not in table]
    if missing:
        raise RequestError(f"{path} has no column {', '.join(missing)}; {expected}")
    if table.empty:
        raise RequestError(f"{path} has no rows; {expected}")
    for name in numbers:
        if not is_numeric_dtype(table[name]) or (name in known and table[name].isna().any()):
            raise RequestError(f"{path}: column {name} has a value that is not a number; {expected}")
    return table


def joined(trained: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Join scores with the mean and standard deviation of accuracy over seeds, one row for each network.

    Networks without a finished training are left out.

    Args:
        trained: arch, status and top1 (percent), one row for each network and seed.
        scores: arch and scores, one row for each network.

    Returns:
        The columns of `scores`, seeds (number of finished trainings), top1 and top1_std.
    """
    done = trained[trained["status"] == "done"]
    reached = done.groupby("arch", sort=False)["top1"].agg(seeds="count", top1="mean", top1_std="std")
    return scores.merge(reached.reset_index(), on="arch")


def axis(name: str, table: pd.DataFrame) -> NDArray[np.float64]:
    """A score as used in figures and fits, in logarithms if its proxy says so; nan where not finite."""
    values = table[name].to_numpy(float)
    if proxies.get(name).logarithmic:
        return np.log(np.where(values > 0, values, np.nan))
    return np.where(np.isfinite(values), values, np.nan)


def correlations(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Correlate each score with accuracy, one row for each score, largest rho first.

    Statistics of ranks are signed so that 1 means the score always prefers the better network. The others use
    the score as in figures (`axis`), over the `r2_networks` where that is finite. Networks for which a score
    is undefined (nan) are left out of its row; `networks` counts the others.

    Args:
        table: Networks, as `joined` returns them.
        names: Names of scores.

    Returns:
        score, networks, r2_networks, `STATISTICS` with their intervals, and mean seconds per network.
    """
    accuracy = table["top1"].to_numpy(float)
    rows = []
    for name in names:
        signed = table[name].to_numpy(float) * (1 if proxies.get(name).more_is_better else -1)
        transformed = axis(name, table)
        defined, fit = ~np.isnan(signed), np.isfinite(transformed)
        row: dict[str, object] = {
            "score": name,
            "networks": int(defined.sum()),
            "r2_networks": int(fit.sum()),
        }
        for one in STATISTICS:
            x, used = (signed, defined) if one.of_ranks else (transformed, fit)
            found = with_interval(one.of, x[used], accuracy[used])
            row |= {one.name: found.value, f"{one.name}_low": found.low, f"{one.name}_high": found.high}
        rows.append(row | {"seconds": table[f"{name}_seconds"].mean()})
    return pd.DataFrame(rows).sort_values(STATISTICS[0].name, ascending=False, ignore_index=True)


def caveat(table: pd.DataFrame, test_images: int | None) -> str:
    """The reason why the ranking of some networks is no evidence, in words; empty if there is none.

    There are too few networks, none is better than chance, or their accuracies differ no more than test
    images and seeds explain.

    Args:
        table: arch, top1, top1_std and seeds, as `joined` returns them.
        test_images: Number of test images, if known.
    """
    from scipy.stats import chi2

    if len(table) < MIN_NETWORKS:
        return f"{len(table)} networks are too few to judge scores by; at least {MIN_NETWORKS} are needed"
    accuracy, seeds = table["top1"].to_numpy(float), table["seeds"].to_numpy(float)
    variance = np.nan_to_num(between_seeds(table)) ** 2
    if test_images:
        chance = 100 / np.array([parse(arch).constants()["num_classes"] for arch in table["arch"]], float)
        if (accuracy <= chance + 3 * np.sqrt(chance * (100 - chance) / test_images / seeds)).all():
            return f"no network is better than chance, {chance.max():.3g}% of {test_images:,} test images"
        mean = float(np.average(accuracy, weights=seeds))
        variance = max(variance, mean * (100 - mean) / test_images)
    if variance:
        mean = float(np.average(accuracy, weights=seeds))
        statistic = float((seeds * (accuracy - mean) ** 2).sum() / variance)
        if statistic <= chi2.ppf(LEVEL, len(table) - 1):
            return "accuracies differ no more between networks than by chance (test images and seeds)"
    return ""


def without_intervals(found: pd.DataFrame) -> pd.DataFrame:
    """A table of statistics with its intervals set to nan, for networks that are no evidence."""
    ends = [name for name in found if str(name).endswith(("_low", "_high"))]
    return found.assign(**dict.fromkeys(map(str, ends), np.nan))


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy, analytic costs and measured latencies of networks, sorted by FLOPs."""
    closed = pd.DataFrame([score(arch) for arch in table["arch"]]).drop(columns="macs")
    measured = table[["top1", *filter(is_median, table.columns)]]
    return pd.concat([table["arch"], closed, measured], axis=1).sort_values("flops", ignore_index=True)


def between(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Spearman's rho between every two scores, as a square table."""
    return table[list(names)].corr(method="spearman").rename_axis("score").reset_index()


def figure(table: pd.DataFrame, found: pd.DataFrame, title: str, caveat: str = "") -> bytes:
    """A PNG of accuracy against every score, one panel each, in the order of `found`.

    Args:
        table: Networks, as `joined` returns them.
        found: Correlations, as `correlations` returns them.
        title: Title of the figure.
        caveat: Text that replaces rho and R², as `caveat` returns it.
    """
    from matplotlib.figure import Figure

    across = min(4, len(found))
    down = math.ceil(len(found) / across)
    figure = Figure(figsize=(2.9 * across, 2.5 * down + 0.4), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True).flatten()
    for panel, (_, row) in zip(panels, found.iterrows(), strict=False):
        name = str(row["score"])
        x = axis(name, table)
        panel.scatter(x, table["top1"], s=14, color="tab:blue", alpha=0.8)
        if not np.isfinite(x).any():
            panel.text(0.5, 0.5, "infinite or undefined", ha="center", transform=panel.transAxes, fontsize=8)
        label = column(name).label()
        statistics = "" if caveat else f": rho {row['rho']:.2f}, R² {row['r2']:.2f}"
        panel.set_title(f"{label}{statistics}", fontsize=9)
        panel.set_xlabel(f"log {label}" if proxies.get(name).logarithmic else label, fontsize=8)
        panel.tick_params(labelsize=8)
        plain(panel)
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    for panel in panels[::across]:
        panel.set_ylabel(column("top1").label(), fontsize=8)
    figure.suptitle(f"{title}\n{caveat}" if caveat else title, fontsize=10)
    return as_png(figure)
