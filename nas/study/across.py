"""Several studies put together: whether accuracy follows one line in log NN-Mass across base widths."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from nas.study.axes import logarithmic
from nas.study.bases import base_of, telling
from nas.study.folder import StudyFolder
from nas.study.report import axis
from nas.study.statistics import LEVEL, Line, Values, spearman, with_interval
from nas.train.order import Order
from search_spaces import RequestError


def together(folders: Sequence[StudyFolder]) -> pd.DataFrame:
    """The networks of finished studies that trained alike, with the base width of each.

    Raises:
        RequestError: A study is not finished, or was trained on other data or in another way.
    """
    first = folders[0]
    for folder in folders:
        if not folder.table.exists():
            raise RequestError(f"{folder.path} is not finished; go on with --resume {folder.path}")
        differing = _like(folder.request.order, first.request.order).differing(first.request.order)
        if differing:
            raise RequestError(
                f"{folder.path} has {', '.join(differing)}; put together studies that trained alike"
            )
    table = pd.concat([pd.read_csv(folder.table) for folder in folders], ignore_index=True)
    table = table.drop_duplicates("arch", ignore_index=True)
    table.insert(1, "base", telling(table["arch"].map(base_of).tolist()))
    return table


def _like(order: Order, other: Order) -> Order:
    """The order for the networks of another, which lie where its data do."""
    return replace(order, archs=other.archs, data=other.data, recipe=other.recipe, keep=other.keep)


@dataclass(frozen=True)
class Offsets:
    """Lines of one slope in a score, one for each base width, and how far apart they lie.

    Attributes:
        points: Accuracy of each base width above the first one at equal score, in points.
        half: Half of the 95% interval of each; 0 for the first.
        p: Chance of so large offsets if one line held for all (F test).
    """

    points: dict[str, float]
    half: dict[str, float]
    p: float

    @classmethod
    def fitted(cls, score: Values, accuracy: Values, bases: Sequence[str]) -> Offsets:
        """By least squares, on networks whose score is finite.

        Raises:
            RequestError: There is one base width, or there are too few networks.
        """
        from scipy.stats import f, t

        names = list(dict.fromkeys(bases))
        free = len(score) - len(names) - 1
        if len(names) < 2 or free < 1:
            raise RequestError(f"{len(score)} networks of {len(names)} base widths: too few to compare lines")
        belongs = np.array([[base == name for name in names[1:]] for base in bases], float)
        common = np.column_stack([np.ones(len(score)), score])
        terms = np.column_stack([common, belongs])
        found, rest = _least_squares(terms, accuracy)
        _, rest_of_one = _least_squares(common, accuracy)
        variance = rest / free
        deviations = np.sqrt(variance * np.diag(np.linalg.pinv(terms.T @ terms)))
        factor = float(t.ppf((1 + LEVEL) / 2, free))
        offsets = len(names) - 1
        return cls(
            points={names[0]: 0.0, **dict(zip(names[1:], found[2:].tolist(), strict=True))},
            half={names[0]: 0.0, **dict(zip(names[1:], (factor * deviations[2:]).tolist(), strict=True))},
            p=float(f.sf((rest_of_one - rest) / offsets / variance, offsets, free)) if variance else 0.0,
        )


def _least_squares(terms: Values, values: Values) -> tuple[Values, float]:
    """Coefficients, and the sum of squares they leave."""
    found = np.asarray(np.linalg.lstsq(terms, values, rcond=None)[0], np.float64)
    return found, float(np.square(values - terms @ found).sum())


def lines(table: pd.DataFrame, score: str) -> pd.DataFrame:
    """A row a base width: how accuracy follows a score in it, and how far it lies above the first one's.

    Args:
        table: As `together` gives.
        score: Its name.

    Returns:
        base, networks, least and most of the score, rho with its interval, slope (points for each e-fold
        where the score is drawn as its logarithm), points above the first base width at equal score with half
        of their interval, and p of one line for all.

    Raises:
        RequestError: There is one base width, or there are too few networks.
    """
    drawn = axis(score, table)
    kept = np.isfinite(drawn)
    known, accuracy, bases = drawn[kept], table["top1"].to_numpy(float)[kept], table["base"][kept].tolist()
    offsets = Offsets.fitted(known, accuracy, bases)
    rows = []
    for base in offsets.points:
        own = np.array(bases) == base
        rho = with_interval(spearman, known[own], accuracy[own])
        values = table[score].to_numpy(float)[kept][own]
        rows.append(
            {
                "base": base,
                "networks": int(own.sum()),
                "least": values.min(),
                "most": values.max(),
                "rho": rho.value,
                "rho_low": rho.low,
                "rho_high": rho.high,
                "slope": Line.fitted(known[own], accuracy[own]).slope if own.sum() > 2 else np.nan,
                "above": offsets.points[base],
                "above_half": offsets.half[base],
                "p": offsets.p,
            }
        )
    return pd.DataFrame(rows)


def figure(table: pd.DataFrame, scores: Sequence[str], title: str) -> bytes:
    """A PNG: accuracy against some scores, a colour a base width."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(4.2 * len(scores), 3.6), layout="constrained")
    panels = drawn.subplots(1, len(scores), squeeze=False, sharey=True)[0]
    for panel, score in zip(panels, scores, strict=True):
        for base, part in table.groupby("base", sort=False):
            panel.scatter(part[score], part["top1"], s=18, alpha=0.8, label=base)
        logarithmic(panel, score)
    panels[0].set_ylabel("top-1, %")
    panels[0].legend(fontsize=8)
    drawn.suptitle(title, fontsize=10)
    image = io.BytesIO()
    drawn.savefig(image, dpi=130)
    return image.getvalue()
