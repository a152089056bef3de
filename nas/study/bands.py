"""Scores compared between networks that are alike in something: of one base width, of nearly one size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas import proxies
from nas.study.bases import base_of
from nas.study.statistics import Indices, Values, bootstrapped
from search_spaces import parse

NEAR = 1.1
"""How many times the parameters of the smaller one the larger network of nearly its size has at most."""


def alike(table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Which two networks are compared in each band: matrices of shape (networks, networks).

    Args:
        table: arch.
    """
    bases = table["arch"].map(base_of).to_numpy()
    logs = np.log([float(parse(arch).figures().params) for arch in table["arch"]])
    return {
        "all": np.ones((len(table), len(table)), bool),
        "equal width": np.equal.outer(bases, bases),
        "equal size": np.abs(np.subtract.outer(logs, logs)) <= np.log(NEAR),
    }


def order_within(score: Values, accuracy: Values, which: NDArray[np.bool_]) -> float:
    """Kendall's tau-a over some pairs: the share in the right order less the share in the wrong one.

    A pair that the score ties counts as neither; pairs of equal accuracy are left out; nan if none is left.

    >>> score, accuracy = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    >>> round(order_within(score, accuracy, np.ones((3, 3), bool)), 3)
    0.333
    """
    pairs = np.triu(which, 1) & (accuracy[:, None] != accuracy)
    if not pairs.any():
        return float("nan")
    return float((_order(score) * _order(accuracy))[pairs].mean())


def _order(values: Values) -> NDArray[np.int64]:
    """1 where the first of two values is larger, -1 where it is smaller; two infinities are equal."""
    larger = values[:, None] > values
    return larger.astype(np.int64) - larger.T


def within_bands(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A row a score and band: tau over the pairs in it, signed so that 1 always prefers the better network.

    Args:
        table: As `report.joined` gives.
        names: Scores.

    Returns:
        score, band, pairs, tau and its bootstrap interval over networks. Networks without the score are left
        out.
    """
    rows = []
    bands = alike(table)
    for name in names:
        known = table[name].notna().to_numpy()
        signed = table[name].to_numpy(float)[known] * (1 if proxies.get(name).more_is_better else -1)
        accuracy = table["top1"].to_numpy(float)[known]
        for band, of_all in bands.items():
            which = of_all[np.ix_(known, known)]
            found = bootstrapped(partial(_order_of, signed, accuracy, which), len(signed))
            rows.append(
                {
                    "score": name,
                    "band": band,
                    "pairs": int(np.triu(which, 1).sum()),
                    "tau": found.value,
                    "tau_low": found.low,
                    "tau_high": found.high,
                }
            )
    return pd.DataFrame(rows)


def _order_of(score: Values, accuracy: Values, which: NDArray[np.bool_], drawn: Indices) -> float:
    """`order_within` of networks drawn; one is not compared with its own copy, whose accuracy is equal."""
    return order_within(score[drawn], accuracy[drawn], which[np.ix_(drawn, drawn)])
