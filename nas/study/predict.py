"""Prediction of accuracy from a study, by a linear fit in one score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

import search_spaces
from nas import proxies
from nas.proxies import Subject
from nas.statistics import Values
from nas.study.report import axis
from nas.study.stats import LEVEL, base_of
from search_spaces import Architecture, RequestError, parse
from search_spaces.architecture import Value


def predicted(architectures: Sequence[Architecture], table: pd.DataFrame, score: str) -> pd.DataFrame:
    """Predict the accuracy of networks from the networks of a study.

    Args:
        architectures: Networks of one space of the study; the study's image size and number of classes
            replace theirs. Predictions of networks of no space are nan, and the fit leaves them out.
        table: The study's networks.csv.
        score: Name of a closed-form score.

    Returns:
        arch, the score, top1 (predicted, in percent), its 95% prediction interval top1_low and top1_high, and
        outside: whether the score or the base width lies outside the range of the fit.

    Raises:
        RequestError: The score is not a closed form, the architectures are not of one space of the study, or
            the study has fewer than three networks with different scores.
    """
    if not proxies.get(score).closed_form:
        closed = [name for name in proxies.names() if proxies.get(name).closed_form]
        raise RequestError(f"--score {score} is not a closed form; predict by one of {', '.join(closed)}")
    if score not in table:
        raise RequestError(f"the study has no score {score}; it has {', '.join(_scores(table))}")
    table, constants = _family_of(architectures, table)
    rows = []
    for one in architectures:
        of_space = one.family in search_spaces.names()
        architecture = replace(one, **constants) if of_space else one
        value = proxies.measure(score, Subject.bare(architecture)).value if of_space else math.nan
        rows.append({"arch": str(architecture), score: value})
    candidates = pd.DataFrame(rows)
    measured = axis(score, table)
    fit = np.isfinite(measured)
    if fit.sum() < 3:
        raise RequestError(
            f"--score {score}: {fit.sum()} networks of the study have a finite value; 3 are needed"
        )
    line = line_at(axis(score, candidates), measured[fit], table["top1"].to_numpy(float)[fit])
    fitted_bases = set(table["arch"].map(base_of))
    line["outside"] |= ~candidates["arch"].map(base_of).isin(fitted_bases).to_numpy(bool)
    return candidates.join(line)


def line_at(new: Values, score: Values, accuracy: Values) -> pd.DataFrame:
    """Predict accuracy by the least-squares line in a score.

    Args:
        new: Scores of the networks to predict.
        score: Scores of at least three trained networks.
        accuracy: Accuracy of the trained networks, in percent.

    Returns:
        top1, its prediction interval at LEVEL as top1_low and top1_high, and outside: whether the score lies
        outside the range of the fit.

    Raises:
        RequestError: There are fewer than three trained networks, or their scores are equal.
    """
    from statsmodels.regression.linear_model import OLS

    if len(score) < 3 or np.ptp(score) == 0:
        raise RequestError(
            f"cannot fit a line to {len(score)} networks with {len(np.unique(score))} different scores;"
            " expected at least three networks and two different scores, all finite"
        )
    line = OLS(accuracy, np.column_stack([np.ones(len(score)), score])).fit()
    found = line.get_prediction(np.column_stack([np.ones(len(new)), new]))
    frame = found.summary_frame(alpha=1 - LEVEL)
    return pd.DataFrame(
        {
            "top1": frame["mean"],
            "top1_low": frame["obs_ci_lower"],
            "top1_high": frame["obs_ci_upper"],
            "outside": (new < score.min()) | (new > score.max()),
        }
    )


def _scores(table: pd.DataFrame) -> list[str]:
    return [name for name in proxies.names() if name in table]


def _family_of(
    architectures: Sequence[Architecture], table: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Value]]:
    """The study's networks of the architectures' family, and their common constants."""
    families = dict.fromkeys(one.family for one in architectures if one.family in search_spaces.names())
    if len(families) != 1:
        of = " and ".join(families) or "no space"
        raise RequestError(f"the table has networks of {of}; predict networks of one space at a time")
    (family,) = families
    there = table["arch"].str.partition(":")[0]
    if not (there == family).any():
        raise RequestError(
            f"{architectures[0]} is not of the study's families: {', '.join(dict.fromkeys(there))}"
        )
    table = table[there == family]
    return table, dict(parse(str(table["arch"].iloc[0])).constants())
