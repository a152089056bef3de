"""Accuracy of networks that were not trained, predicted from a study by the line of one score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from nas import proxies
from nas.proxies import Subject
from nas.study.bases import base_of
from nas.study.report import axis
from nas.study.statistics import Line
from search_spaces import Architecture, RequestError, parse


def predicted(architectures: Sequence[Architecture], table: pd.DataFrame, score: str) -> pd.DataFrame:
    """Predict the accuracy of networks from those of a study.

    Args:
        architectures: Of the study's space; they are taken at the study's image size and classes.
        table: The study's networks.csv.
        score: A closed-form score.

    Returns:
        arch, the score, top1 as predicted, its 95% prediction interval as top1_low and top1_high, and whether
        the score, or the base width, lies outside those the line was fitted on.

    Raises:
        RequestError: The score needs a network, an architecture is of another family, or the study has fewer
            than three networks of different scores.
    """
    if not proxies.get(score).closed_form:
        closed = [name for name in proxies.names() if proxies.get(name).closed_form]
        raise RequestError(f"--score {score} needs a network; predict by one of {', '.join(closed)}")
    if score not in table:
        raise RequestError(f"the study has no score {score}; it has {', '.join(_scores(table))}")
    like = parse(str(table["arch"].iloc[0]))
    fitted = [_like(architecture, like) for architecture in architectures]
    values = [proxies.measure(score, Subject.bare(architecture)).value for architecture in fitted]
    wanted = pd.DataFrame({"arch": list(map(str, fitted)), score: values})
    known = axis(score, table)
    fit = np.isfinite(known)
    if fit.sum() < 3:
        raise RequestError(f"--score {score}: {fit.sum()} networks of the study have one; 3 are needed")
    line = Line.fitted(known[fit], table["top1"].to_numpy(float)[fit])
    at = axis(score, wanted)
    middle, half = line.predict(at)
    known_bases = set(table["arch"].map(base_of))
    elsewhere = ~wanted["arch"].map(base_of).isin(known_bases).to_numpy(bool)
    return wanted.assign(
        top1=middle, top1_low=middle - half, top1_high=middle + half, outside=line.outside(at) | elsewhere
    )


def _scores(table: pd.DataFrame) -> list[str]:
    return [name for name in proxies.names() if name in table]


def _like(architecture: Architecture, like: Architecture) -> Architecture:
    if type(architecture) is not type(like):
        raise RequestError(f"{architecture} is no {like.family}, of which the study's networks are")
    return replace(architecture, **like.constants())
