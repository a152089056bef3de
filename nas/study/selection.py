"""Regret of top-1 selection by scores, on random held-out halves of the networks of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas import proxies
from nas.study.stats import LEAST, Indices, Values, base_of

SPLITS = 500
SHUFFLES, SPLITS_OF_A_SHUFFLE = 20, 50
RANDOM = "random"
"""The rule that picks any network of the half with equal probability."""


@dataclass(frozen=True)
class Rule:
    """Picks the network of the largest score.

    Attributes:
        name: As it is shown.
        score: Of all networks; more is better.
        groups: If given, only networks of one group are picked: that of the most accurate known networks.
    """

    name: str
    score: Values
    groups: NDArray[np.str_] | None = None

    def choice(self, accuracy: Values, known: Indices, asked: Indices) -> int:
        """Which network of `asked` is picked, given the accuracies of those `known`."""
        score = self.score[asked]
        if self.groups is not None:
            there = np.intersect1d(self.groups[known], self.groups[asked])
            means = [accuracy[known][self.groups[known] == group].mean() for group in there]
            if means:
                score = np.where(self.groups[asked] == there[int(np.argmax(means))], score, -np.inf)
        return int(asked[int(np.argmax(score))])


def rules(table: pd.DataFrame, names: Sequence[str]) -> list[Rule]:
    """Every score that all networks have, and NN-Mass within a base width where there are several."""
    scores = {name: table[name].to_numpy(float) for name in names if table[name].notna().all()}
    found = [
        Rule(name, values if proxies.get(name).more_is_better else -values) for name, values in scores.items()
    ]
    bases = table["arch"].map(base_of).to_numpy(str)
    if "nn_mass" in scores and len(set(bases)) > 1:
        found.append(Rule("nn_mass within a width", scores["nn_mass"], bases))
    return found


def best_by_chance(table: pd.DataFrame, names: Sequence[str]) -> float:
    """Regret of the best rule if no score were related to accuracy.

    Of many rules the best looks good by chance: accuracies are permuted among the networks several times, and
    the median of the best rule's regret is taken.

    Args:
        table: The networks, as `report.joined` gives.
        names: Scores.

    Returns:
        Points of accuracy; nan where there are fewer than `LEAST` networks.
    """
    if len(table) < LEAST:
        return float("nan")
    accuracy, all_rules = table["top1"].to_numpy(float), rules(table, names)
    generator = np.random.default_rng(1)
    best = []
    for _ in range(SHUFFLES):
        found = _of_halves(all_rules, generator.permutation(accuracy), SPLITS_OF_A_SHUFFLE)
        best.append(found.loc[found["rule"] != RANDOM, "regret"].min())
    return float(np.median(best))


def judged(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Regret of every rule over random halves, least first.

    Args:
        table: The networks, as `report.joined` gives.
        names: Scores.

    Returns:
        rule; regret, the points that the choice lies below the best of its half, and its 90th percentile;
        beaten, the fraction of the half that is better than the choice. Empty where there are fewer than
        `LEAST` networks, or no score that all of them have.
    """
    found = rules(table, names) if len(table) >= LEAST else []
    return _of_halves(found, table["top1"].to_numpy(float), SPLITS) if found else pd.DataFrame()


def _of_halves(all_rules: Sequence[Rule], accuracy: Values, splits: int) -> pd.DataFrame:
    """The rows of `judged`, over so many random halves."""
    generator = np.random.default_rng(0)
    halves = [np.array_split(generator.permutation(len(accuracy)), 2) for _ in range(splits)]
    rows = []
    for rule in all_rules:
        picked = [(asked, [rule.choice(accuracy, known, asked)]) for known, asked in halves]
        rows.append(_row(rule.name, accuracy, picked))
    rows.append(_row(RANDOM, accuracy, [(asked, asked) for _, asked in halves]))
    return pd.DataFrame(rows).sort_values("regret", ignore_index=True)


def _row(
    name: str, accuracy: Values, picked: Sequence[tuple[Indices, Indices | list[int]]]
) -> dict[str, object]:
    """A row of `judged`, of halves and the equally likely choices from each."""
    regrets = np.concatenate([accuracy[asked].max() - accuracy[choices] for asked, choices in picked])
    beaten = [(accuracy[asked] > accuracy[choices][:, None]).mean(1) for asked, choices in picked]
    return {
        "rule": name,
        "regret": float(np.mean(regrets)),
        "regret_90": float(np.quantile(regrets, 0.9)),
        "beaten": float(np.mean(np.concatenate(beaten))),
    }
