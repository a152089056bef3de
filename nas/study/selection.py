"""Regret of top-1 selection by scores, on random held-out halves of the networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas import proxies
from nas.statistics import Values
from nas.study.stats import MIN_NETWORKS, Indices, base_of

SPLITS = 500
SHUFFLES, SPLITS_OF_A_SHUFFLE = 20, 50
RANDOM = "random"
"""Name of the rule that picks each network of the half with equal probability."""


@dataclass(frozen=True)
class Rule:
    """A selection rule: pick the network with the largest score.

    Attributes:
        name: Name in tables.
        score: Score of each network; more is better.
        groups: Group of each network, if the rule picks only from the group with the best mean accuracy in
            the known half.
    """

    name: str
    score: Values
    groups: NDArray[np.str_] | None = None

    def choice(self, accuracy: Values, known: Indices, held_out: Indices) -> int:
        """The network of `held_out` that the rule picks, given the accuracies of those in `known`."""
        score = self.score[held_out]
        if self.groups is not None:
            there = np.intersect1d(self.groups[known], self.groups[held_out])
            means = [accuracy[known][self.groups[known] == group].mean() for group in there]
            if means:
                score = np.where(self.groups[held_out] == there[int(np.argmax(means))], score, -np.inf)
        return int(held_out[int(np.argmax(score))])


def rules(table: pd.DataFrame, names: Sequence[str]) -> list[Rule]:
    """A rule for every score that all networks have, and NN-Mass within a base width if there are several."""
    scores = {name: table[name].to_numpy(float) for name in names if table[name].notna().all()}
    found = [
        Rule(name, values if proxies.get(name).more_is_better else -values) for name, values in scores.items()
    ]
    bases = table["arch"].map(base_of).to_numpy(str)
    if "nn_mass" in scores and len(set(bases)) > 1:
        found.append(Rule("nn_mass within a width", scores["nn_mass"], bases))
    return found


def best_by_chance(table: pd.DataFrame, names: Sequence[str]) -> float:
    """Regret of the best rule under the null hypothesis that no score is related to accuracy.

    The best of many rules looks good by chance. Accuracies are permuted among the networks several times; the
    result is the median regret of the best rule.

    Args:
        table: Networks, as `report.joined` returns them.
        names: Names of scores.

    Returns:
        Points of accuracy; nan for fewer than `MIN_NETWORKS` networks.
    """
    if len(table) < MIN_NETWORKS:
        return float("nan")
    accuracy, all_rules = table["top1"].to_numpy(float), rules(table, names)
    generator = np.random.default_rng(1)
    best = []
    for _ in range(SHUFFLES):
        found = _of_halves(all_rules, generator.permutation(accuracy), SPLITS_OF_A_SHUFFLE)
        best.append(found.loc[found["rule"] != RANDOM, "regret"].min())
    return float(np.median(best))


def regrets(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Regret of every rule over random held-out halves, smallest first.

    Args:
        table: Networks, as `report.joined` returns them.
        names: Names of scores.

    Returns:
        rule; regret (points by which the choice is below the best of its half) and regret_90, its 90th
        percentile; beaten, the fraction of the half that is better than the choice. Empty for fewer than
        `MIN_NETWORKS` networks, or without a score that all of them have.
    """
    found = rules(table, names) if len(table) >= MIN_NETWORKS else []
    return _of_halves(found, table["top1"].to_numpy(float), SPLITS) if found else pd.DataFrame()


def _of_halves(all_rules: Sequence[Rule], accuracy: Values, splits: int) -> pd.DataFrame:
    """The rows of `regrets`, over `splits` random halves."""
    generator = np.random.default_rng(0)
    halves = [np.array_split(generator.permutation(len(accuracy)), 2) for _ in range(splits)]
    rows = []
    for rule in all_rules:
        picked = [(held_out, [rule.choice(accuracy, known, held_out)]) for known, held_out in halves]
        rows.append(_row(rule.name, accuracy, picked))
    rows.append(_row(RANDOM, accuracy, [(held_out, held_out) for _, held_out in halves]))
    return pd.DataFrame(rows).sort_values("regret", ignore_index=True)


def _row(
    name: str, accuracy: Values, picked: Sequence[tuple[Indices, Indices | list[int]]]
) -> dict[str, object]:
    """A row of `regrets`, from the held-out halves and the equally likely choices in each."""
    points = np.concatenate([accuracy[held_out].max() - accuracy[choices] for held_out, choices in picked])
    beaten = [(accuracy[held_out] > accuracy[choices][:, None]).mean(1) for held_out, choices in picked]
    return {
        "rule": name,
        "regret": float(np.mean(points)),
        "regret_90": float(np.quantile(points, 0.9)),
        "beaten": float(np.mean(np.concatenate(beaten))),
    }
