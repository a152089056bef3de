"""Accuracy of networks that were not trained, predicted from a study by the line of one score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

import search_spaces
from nas import proxies
from nas.proxies import Subject
from nas.study.report import axis
from nas.study.stats import LEVEL, Values, base_of
from search_spaces import Architecture, RequestError, parse
from search_spaces.architecture import Value


def predicted(architectures: Sequence[Architecture], table: pd.DataFrame, score: str) -> pd.DataFrame:
    """Predict the accuracy of networks from those of a study.

    Args:
        architectures: Of a space of the study, taken at its image size and classes. Networks of no space
            may be among them: nothing is predicted for them, as none of the study's is in the line.
        table: The study's networks.csv.
        score: A closed-form score.

    Returns:
        arch, the score, top1 as predicted, its 95% prediction interval as top1_low and top1_high, and whether
        the score, or the base width, lies outside those the line was fitted on.

    Raises:
        RequestError: The score needs a network, an architecture is of another family than the others or the
            study's, or the study has fewer than three networks of different scores.
    """
    if not proxies.get(score).closed_form:
        closed = [name for name in proxies.names() if proxies.get(name).closed_form]
        raise RequestError(f"--score {score} needs a network; predict by one of {', '.join(closed)}")
    if score not in table:
        raise RequestError(f"the study has no score {score}; it has {', '.join(_scores(table))}")
    table, constants = _family_of(architectures, table)
    rows = []
    for one in architectures:
        of_space = one.family in search_spaces.names()
        architecture = replace(one, **constants) if of_space else one
        value = proxies.measure(score, Subject.bare(architecture)).value if of_space else math.nan
        rows.append({"arch": str(architecture), score: value})
    wanted = pd.DataFrame(rows)
    known = axis(score, table)
    fit = np.isfinite(known)
    if fit.sum() < 3:
        raise RequestError(f"--score {score}: {fit.sum()} networks of the study have one; 3 are needed")
    line = line_at(axis(score, wanted), known[fit], table["top1"].to_numpy(float)[fit])
    known_bases = set(table["arch"].map(base_of))
    elsewhere = ~wanted["arch"].map(base_of).isin(known_bases).to_numpy(bool)
    line["outside"] |= elsewhere
    return wanted.join(line)


def line_at(wanted: Values, score: Values, accuracy: Values) -> pd.DataFrame:
    """Accuracy of new networks by the least-squares line in a score, with the interval of one network each.

    Args:
        wanted: Scores of the new networks.
        score: Of at least three networks that are trained.
        accuracy: Theirs.

    Returns:
        top1, its prediction interval at LEVEL as top1_low and top1_high, and whether the score lies outside.

    Raises:
        RequestError: There are fewer networks, or their scores are equal.
    """
    from statsmodels.regression.linear_model import OLS

    if len(score) < 3 or np.ptp(score) == 0:
        raise RequestError(
            f"no line goes through {len(score)} networks of {len(np.unique(score))} different scores;"
            " expected three networks and two scores, all finite"
        )
    line = OLS(accuracy, np.column_stack([np.ones(len(score)), score])).fit()
    found = line.get_prediction(np.column_stack([np.ones(len(wanted)), wanted]))
    frame = found.summary_frame(alpha=1 - LEVEL)
    return pd.DataFrame(
        {
            "top1": frame["mean"],
            "top1_low": frame["obs_ci_lower"],
            "top1_high": frame["obs_ci_upper"],
            "outside": (wanted < score.min()) | (wanted > score.max()),
        }
    )


def _scores(table: pd.DataFrame) -> list[str]:
    return [name for name in proxies.names() if name in table]


def _family_of(
    architectures: Sequence[Architecture], table: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Value]]:
    """The study's networks of the family of some architectures, and the constants that they share."""
    families = dict.fromkeys(one.family for one in architectures if one.family in search_spaces.names())
    if len(families) != 1:
        of = " and ".join(families) or "no space"
        raise RequestError(f"the table has networks of {of}; predict networks of one space at a time")
    (family,) = families
    there = table["arch"].str.partition(":")[0]
    if not (there == family).any():
        raise RequestError(
            f"{architectures[0]} is no {' or '.join(dict.fromkeys(there))}, of which the study's networks are"
        )
    table = table[there == family]
    return table, dict(parse(str(table["arch"].iloc[0])).constants())
