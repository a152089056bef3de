"""Reads the files of a page: CSVs of networks, and scores of `nas fit`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from nas.files import read_csv
from nas.page.data import CANDIDATE, Axes, Listing, Run
from nas.page.tables import EXPECTED, best, family_of
from nas.page.text import counted, first, quoted
from nas.show import predictions
from search_spaces import RequestError


def table_of(path: Path) -> Run:
    """A CSV of networks, such as `nas exact --format csv` prints."""
    networks, notes = best(read_csv(path, EXPECTED), path)
    if networks is None:
        raise RequestError(f"{path} has no rows; {EXPECTED}")
    score = next(
        (
            name
            for name in ("nn_mass", *networks.columns)
            if name in networks and is_numeric_dtype(networks[name])
        ),
        "",
    )
    return Run(
        "table",
        str(path),
        f"The networks of {path.name}.",
        f"{counted(len(networks), 'network')}; the first is {first(networks, score)}",
        certainty=tuple(predictions(networks)),
        notes=notes,
        space=family_of(networks),
        networks=networks.assign(role=CANDIDATE),
        axes=Axes("flops", "nn_mass"),
    )


def score_of(path: Path) -> Run:
    """A file of `nas fit`: the quality of the score."""
    from nas.fitted.score import FittedScore

    score = FittedScore.load(path)
    found = score.quality
    answer, certainty = "Its quality was not measured.", []
    if found:
        answer = (
            f"On held-out networks ({found.folds} folds) R² is {found.r2:.3f}, the rank correlation"
            f" {found.rho:.3f}, the error {found.rmse:.3g}{score.unit_of_errors}."
        )
        certainty += [
            f"90% intervals contain the value of {100 * found.coverage:.1f}% of held-out networks.",
            "Networks that are chosen as the best under a budget are worse than predicted by"
            f" {score.optimism_text()} in the median.",
        ]
    intervals = pd.DataFrame(
        [
            {"predicted": f"{one.value:.5g} {score.unit}".rstrip(), "half": f"{one.half:.3g}"}
            for one in score.intervals
        ]
    )
    return Run(
        "fit",
        str(path),
        f"Predict {score.target} of networks of {score.family} by {score.name}, fitted to"
        f" {score.networks:,} networks ({score.source}).",
        answer,
        certainty=(*certainty, f"Terms: {score.terms}; {score.link}."),
        versions=dict(score.versions),
        space=score.family,
        listings=(Listing("Half-width of the 90% interval by value", intervals),) * bool(len(intervals)),
        repeat=f"nas search --space {quoted(score.family)} --score {quoted(path)}",
    )
