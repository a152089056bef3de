"""Rules for choosing a network: fitted on one half of some, judged by what they choose from the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from nas import proxies
from nas.study.report import axis
from nas.study.statistics import Indices, Values

SPLITS = 500
LEAST = 8
"""Networks that are needed: a half must have more of them than a rule has coefficients."""


@dataclass(frozen=True)
class Rule:
    """What puts networks in an order.

    Attributes:
        name: As it is shown.
        terms: One column a term, shape (networks, terms).
        fitted: Whether accuracy is fitted with the terms; else more of the only one is better.
    """

    name: str
    terms: Values
    fitted: bool

    def values(self, accuracy: Values, known: Indices, asked: Indices) -> Values:
        """What it says of the networks `asked`, having seen the accuracy of those `known` (indices)."""
        if not self.fitted:
            return np.asarray(self.terms[asked, 0], np.float64)
        with_one = np.column_stack([np.ones(len(self.terms)), self.terms])
        found = np.linalg.lstsq(with_one[known], accuracy[known], rcond=None)[0]
        return np.asarray(with_one[asked] @ found, np.float64)


def rules(table: pd.DataFrame, names: Sequence[str]) -> list[Rule]:
    """Every score by itself, and accuracy fitted with each two closed forms, where all networks have them."""
    by_itself, fitted = [], {}
    for name in names:
        values = table[name].to_numpy(float)
        if not np.isnan(values).any():
            sign = 1 if proxies.get(name).more_is_better else -1
            by_itself.append(Rule(name, sign * values[:, None], fitted=False))
        drawn = axis(name, table)
        if proxies.get(name).closed_form and np.isfinite(drawn).all() and np.ptp(drawn) > 0:
            fitted[name] = drawn
    pairs = [
        Rule(f"{first} and {second}, fitted", np.column_stack([fitted[first], fitted[second]]), fitted=True)
        for first, second in combinations(fitted, 2)
    ]
    return by_itself + pairs


def judged(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A row a rule: how far its first choice in one half lies below the best there, over random halves.

    Args:
        table: The networks, as `report.joined` gives.
        names: Scores.

    Returns:
        rule; regret, the points that the choice lies below the best, and its 90th percentile; beaten, the
        share of the half that is better than the choice. The row "any" is a choice by lot. Empty where there
        are fewer than `LEAST` networks.
    """
    if len(table) < LEAST:
        return pd.DataFrame()
    accuracy = table["top1"].to_numpy(float)
    generator = np.random.default_rng(0)
    halves = [np.array_split(generator.permutation(len(table)), 2) for _ in range(SPLITS)]
    rows = []
    for rule in rules(table, names):
        regrets, beaten = [], []
        for known, asked in halves:
            choice = asked[int(np.argmax(rule.values(accuracy, known, asked)))]
            regrets.append(accuracy[asked].max() - accuracy[choice])
            beaten.append((accuracy[asked] > accuracy[choice]).mean())
        rows.append(_row(rule.name, regrets, beaten))
    by_lot = [accuracy[asked].max() - accuracy[asked] for _, asked in halves]
    ranks = [(accuracy[asked] > accuracy[asked][:, None]).mean(1) for _, asked in halves]
    rows.append(_row("any", np.concatenate(by_lot), np.concatenate(ranks)))
    return pd.DataFrame(rows).sort_values("regret", ignore_index=True)


def _row(name: str, regrets: Sequence[float] | Values, beaten: Sequence[float] | Values) -> dict[str, object]:
    return {
        "rule": name,
        "regret": float(np.mean(regrets)),
        "regret_90": float(np.quantile(regrets, 0.9)),
        "beaten": float(np.mean(beaten)),
    }
