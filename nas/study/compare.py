"""Comparison of studies: whether accuracy follows one line in log NN-Mass across base widths."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nas.columns import column
from nas.files import as_png
from nas.statistics import Values, spearman
from nas.study.folder import StudyFolder
from nas.study.report import axis, logarithmic, read_table
from nas.study.stats import LEVEL, base_of, distinguishing, with_interval
from search_spaces import RequestError

_APART = frozenset({"archs", "named", "seeds", "named_seeds", "recipe", "cache"})
"""What studies that trained alike may differ in; of the recipe its name, not its values."""


def combined(folders: Sequence[StudyFolder]) -> pd.DataFrame:
    """The networks of finished studies with equal training, one row each.

    Returns:
        The columns of the studies' networks.csv, with the base width as column `base`.

    Raises:
        RequestError: A study is not finished, or used other data or another training.
    """
    first = folders[0]
    for folder in folders:
        if not folder.table.exists():
            raise RequestError(f"{folder.path} is not finished; go on with: nas study --resume {folder.path}")
        same_data = {"data"} if folder.request.order.title == first.request.order.title else set[str]()
        differing = folder.request.order.differences(first.request.order, exclude=_APART | same_data)
        if differing:
            raise RequestError(
                f"{folder.path} has {', '.join(differing)}; compare studies with equal training"
            )
    tables = [read_table(folder.table, ("nn_mass",), known=("params", "top1")) for folder in folders]
    table = pd.concat(tables, ignore_index=True)
    table = table.drop_duplicates("arch", ignore_index=True)
    table.insert(1, "base", distinguishing(table["arch"].map(base_of).tolist()))
    return table


@dataclass(frozen=True)
class Lines:
    """Linear fits of accuracy against a score for each base width, and the offsets between them.

    Attributes:
        points: Accuracy of each base width above the first at equal score, in points, under parallel lines;
            nan where the networks do not determine it.
        half: Half-width of the 95% interval of each offset, in points; 0 for the first base width.
        p_one: p-value of the F test of one common line against separate lines.
        p_parallel: p-value of the F test of parallel lines against separate lines.
    """

    points: dict[str, float]
    half: dict[str, float]
    p_one: float
    p_parallel: float

    @classmethod
    def fitted(cls, score: Values, accuracy: Values, bases: Sequence[str]) -> Lines:
        """Fit by least squares.

        Args:
            score: Score of each network, finite.
            accuracy: Top-1 accuracy of each network, in percent.
            bases: Base width of each network.

        Raises:
            RequestError: There is only one base width, or there are too few networks.
        """
        names = list(dict.fromkeys(bases))
        if len(names) < 2:
            raise RequestError(
                f"the {len(score)} networks to compare have one base width, {', '.join(names) or 'none'};"
                " expected at least two: add the folder of a study of another base width"
            )
        if len(score) < 2 * len(names) + 1:
            raise RequestError(
                f"there are {len(score)} networks of {len(names)} base widths to compare, expected at least"
                f" {2 * len(names) + 1}: add the folder of a larger study"
            )
        from statsmodels.regression.linear_model import OLS

        indicators = np.array([[base == name for name in names] for base in bases], float)
        ones, others = np.ones(len(score)), indicators[:, 1:]
        with warnings.catch_warnings(action="ignore"):  # statsmodels warns of undetermined coefficients
            common, parallel, separate = (
                OLS(accuracy, np.column_stack(terms)).fit()
                for terms in ([score, ones], [score, ones, others], [score[:, None] * indicators, indicators])
            )
            determined = parallel.model.rank == len(parallel.params)
            offsets = parallel.params[2:] if determined else np.full(len(names) - 1, np.nan)
            half = parallel.conf_int(1 - LEVEL)[2:, 1] - offsets
            p_one, p_parallel = (float(separate.compare_f_test(nested)[1]) for nested in (common, parallel))
        return cls(
            points=dict(zip(names, [0.0, *offsets.tolist()], strict=True)),
            half=dict(zip(names, [0.0, *half.tolist()], strict=True)),
            p_one=p_one,
            p_parallel=p_parallel,
        )


def lines(table: pd.DataFrame, score: str) -> pd.DataFrame:
    """Fit accuracy against a score within each base width, one row each.

    Args:
        table: Networks, as `combined` returns them.
        score: Name of the score.

    Returns:
        base, networks, least and most (range of the score), rho with its interval, slope (points per unit of
        the score, or of its logarithm if figures use that), above and above_half (points above the first base
        width at equal score and the half-width of their interval), overlap (whether the score range overlaps
        that of the first base width), p_one and p_parallel as in `Lines`.

    Raises:
        RequestError: There is only one base width, or there are too few networks.
    """
    transformed = axis(score, table)
    kept = np.isfinite(transformed)
    x, accuracy, bases = transformed[kept], table["top1"].to_numpy(float)[kept], table["base"][kept].tolist()
    fitted = Lines.fitted(x, accuracy, bases)
    scores = table[score].to_numpy(float)[kept]
    first = scores[np.array(bases) == bases[0]]
    rows = []
    for base in fitted.points:
        own = np.array(bases) == base
        rho = with_interval(spearman, x[own], accuracy[own])
        values = scores[own]
        rows.append(
            {
                "base": base,
                "networks": int(own.sum()),
                "least": values.min(),
                "most": values.max(),
                "rho": rho.value,
                "rho_low": rho.low,
                "rho_high": rho.high,
                "slope": _slope(x[own], accuracy[own]),
                "above": fitted.points[base],
                "above_half": fitted.half[base],
                "overlap": bool(values.min() <= first.max() and first.min() <= values.max()),
                "p_one": fitted.p_one,
                "p_parallel": fitted.p_parallel,
            }
        )
    return pd.DataFrame(rows)


def _slope(score: Values, accuracy: Values) -> float:
    return float(np.polyfit(score, accuracy, 1)[0]) if len(score) > 2 and np.ptp(score) > 0 else float("nan")


def lines_figure(table: pd.DataFrame, scores: Sequence[str], title: str) -> bytes:
    """A PNG of accuracy against some scores: one panel for each score, one colour for each base width."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(scores), 3.6), layout="constrained")
    panels = figure.subplots(1, len(scores), squeeze=False, sharey=True)[0]
    for panel, score in zip(panels, scores, strict=True):
        for base, part in table.groupby("base", sort=False):
            panel.scatter(part[score], part["top1"], s=18, alpha=0.8, label=base)
        logarithmic(panel, score)
    panels[0].set_ylabel(column("top1").label())
    panels[0].legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    return as_png(figure)
