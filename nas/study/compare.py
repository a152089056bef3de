"""Several studies put together: whether accuracy follows one line in log NN-Mass across base widths."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nas.columns import column
from nas.files import as_png
from nas.study.folder import StudyFolder
from nas.study.report import axis, logarithmic, read_table
from nas.study.stats import LEVEL, Values, base_of, spearman, telling, with_interval
from search_spaces import RequestError

_APART = frozenset({"archs", "named", "seeds", "named_seeds", "recipe", "cache"})
"""What studies that trained alike may differ in; of the recipe its name, not its values."""


def together(folders: Sequence[StudyFolder]) -> pd.DataFrame:
    """The networks of finished studies that trained alike, with the base width of each.

    Raises:
        RequestError: A study is not finished, or was trained on other data or in another way.
    """
    first = folders[0]
    for folder in folders:
        if not folder.table.exists():
            raise RequestError(f"{folder.path} is not finished; go on with: nas study --resume {folder.path}")
        same_data = {"data"} if folder.request.order.title == first.request.order.title else set[str]()
        differing = folder.request.order.differing(first.request.order, but=_APART | same_data)
        if differing:
            raise RequestError(
                f"{folder.path} has {', '.join(differing)}; put together studies that trained alike"
            )
    tables = [read_table(folder.table, ("nn_mass",), known=("params", "top1")) for folder in folders]
    table = pd.concat(tables, ignore_index=True)
    table = table.drop_duplicates("arch", ignore_index=True)
    table.insert(1, "base", telling(table["arch"].map(base_of).tolist()))
    return table


@dataclass(frozen=True)
class Lines:
    """Lines of accuracy in a score, one for each base width, and how far apart they lie.

    Attributes:
        points: Accuracy of each base width above the first one at equal score, in points, if the lines are
            taken as parallel; nan where the networks do not settle it.
        half: Half of the 95% interval of each; 0 for the first.
        p_one: Chance that lines of their own fit so much better than one for all, if one holds (F test).
        p_parallel: The same of lines of their own against parallel ones.
    """

    points: dict[str, float]
    half: dict[str, float]
    p_one: float
    p_parallel: float

    @classmethod
    def fitted(cls, score: Values, accuracy: Values, bases: Sequence[str]) -> Lines:
        """By least squares, on networks whose score is finite.

        Raises:
            RequestError: There is one base width, or there are too few networks.
        """
        names = list(dict.fromkeys(bases))
        if len(names) < 2 or len(score) < 2 * len(names) + 1:
            raise RequestError(
                f"{len(score)} networks of {len(names)} base width(s): expected at least two, and more"
                " than two networks of each; add a study of another base width"
            )
        from statsmodels.regression.linear_model import OLS

        belongs = np.array([[base == name for name in names] for base in bases], float)
        ones, others = np.ones(len(score)), belongs[:, 1:]
        with warnings.catch_warnings(action="ignore"):  # of what is not determined
            one, parallel, apart = (
                OLS(accuracy, np.column_stack(terms)).fit()
                for terms in ([score, ones], [score, ones, others], [score[:, None] * belongs, belongs])
            )
            determined = parallel.model.rank == len(parallel.params)
            above = parallel.params[2:] if determined else np.full(len(names) - 1, np.nan)
            half = parallel.conf_int(1 - LEVEL)[2:, 1] - above
            p_one, p_parallel = (float(apart.compare_f_test(fewer)[1]) for fewer in (one, parallel))
        return cls(
            points=dict(zip(names, [0.0, *above.tolist()], strict=True)),
            half=dict(zip(names, [0.0, *half.tolist()], strict=True)),
            p_one=p_one,
            p_parallel=p_parallel,
        )


def lines(table: pd.DataFrame, score: str) -> pd.DataFrame:
    """A row a base width: how accuracy follows a score in it, and how far it lies above the first one's.

    Args:
        table: As `together` gives.
        score: Its name.

    Returns:
        base, networks, least and most of the score, rho with its interval, slope (points for each e-fold
        where the score is drawn as its logarithm), points above the first base width at equal score with half
        of their interval, whether their ranges of the score overlap, and p of one line and of parallel ones.

    Raises:
        RequestError: There is one base width, or there are too few networks.
    """
    drawn = axis(score, table)
    kept = np.isfinite(drawn)
    known, accuracy, bases = drawn[kept], table["top1"].to_numpy(float)[kept], table["base"][kept].tolist()
    fitted = Lines.fitted(known, accuracy, bases)
    of_all = table[score].to_numpy(float)[kept]
    first = of_all[np.array(bases) == bases[0]]
    rows = []
    for base in fitted.points:
        own = np.array(bases) == base
        rho = with_interval(spearman, known[own], accuracy[own])
        values = of_all[own]
        rows.append(
            {
                "base": base,
                "networks": int(own.sum()),
                "least": values.min(),
                "most": values.max(),
                "rho": rho.value,
                "rho_low": rho.low,
                "rho_high": rho.high,
                "slope": _slope(known[own], accuracy[own]),
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
    """A PNG: accuracy against some scores, a colour a base width."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(4.2 * len(scores), 3.6), layout="constrained")
    panels = drawn.subplots(1, len(scores), squeeze=False, sharey=True)[0]
    for panel, score in zip(panels, scores, strict=True):
        for base, part in table.groupby("base", sort=False):
            panel.scatter(part[score], part["top1"], s=18, alpha=0.8, label=base)
        logarithmic(panel, score)
    panels[0].set_ylabel(column("top1").label())
    panels[0].legend(fontsize=8)
    drawn.suptitle(title, fontsize=10)
    return as_png(drawn)
