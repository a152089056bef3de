"""Rules for choosing a network: fitted on one half of some, judged by what they choose from the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas import proxies
from nas.study.report import axis
from nas.study.stats import LEAST, Indices, Values, base_of

SPLITS = 500
SHUFFLES, SPLITS_OF_A_SHUFFLE = 20, 50
ANY = "any"
"""The rule that looks at nothing."""


class Rule(Protocol):
    """What puts networks in an order."""

    @property
    def name(self) -> str:
        """As it is shown."""

    def values(self, accuracy: Values, known: Indices, asked: Indices) -> Values:
        """What it says of the networks `asked`, having seen the accuracy of those `known`; more is better."""


@dataclass(frozen=True)
class ByItself:
    """More of a score is better, whatever accuracy was seen."""

    name: str
    score: Values

    def values(self, accuracy: Values, known: Indices, asked: Indices) -> Values:
        return self.score[asked]


@dataclass(frozen=True)
class Fitted:
    """The accuracy of a least-squares fit; terms has the shape (networks, terms)."""

    name: str
    terms: Values

    def values(self, accuracy: Values, known: Indices, asked: Indices) -> Values:
        with_one = np.column_stack([np.ones(len(self.terms)), self.terms])
        found = np.linalg.lstsq(with_one[known], accuracy[known], rcond=None)[0]
        return np.asarray(with_one[asked] @ found, np.float64)


@dataclass(frozen=True)
class Within:
    """More of a score is better, among networks of the group whose known ones are the most accurate."""

    name: str
    score: Values
    groups: NDArray[np.str_]

    def values(self, accuracy: Values, known: Indices, asked: Indices) -> Values:
        there = np.intersect1d(self.groups[known], self.groups[asked])
        if not len(there):
            return self.score[asked]
        means = [accuracy[known][self.groups[known] == group].mean() for group in there]
        best = there[int(np.argmax(means))]
        return np.where(self.groups[asked] == best, self.score[asked], -np.inf)


def rules(table: pd.DataFrame, names: Sequence[str]) -> list[Rule]:
    """What can be chosen by, of scores that all networks have.

    Every score by itself; every closed form, and every two, fitted; NN-Mass within a base width, and on one
    side of the median of another closed form, whichever the known networks favour.
    """
    scores = {name: table[name].to_numpy(float) for name in names if table[name].notna().all()}
    closed = [name for name in scores if proxies.get(name).closed_form and np.ptp(scores[name]) > 0]
    drawn = {name: axis(name, table) for name in closed}
    drawn = {name: values for name, values in drawn.items() if np.isfinite(values).all()}
    found: list[Rule] = [
        ByItself(name, values if proxies.get(name).more_is_better else -values)
        for name, values in scores.items()
    ]
    found += [Fitted(f"{name}, fitted", terms[:, None]) for name, terms in drawn.items()]
    found += [
        Fitted(f"{first} and {second}, fitted", np.column_stack([drawn[first], drawn[second]]))
        for first, second in combinations(drawn, 2)
    ]
    if "nn_mass" in scores:
        bases = table["arch"].map(base_of).to_numpy(str)
        if len(set(bases)) > 1:
            found.append(Within("nn_mass within a width", scores["nn_mass"], bases))
        for name in [other for other in closed if other != "nn_mass"]:
            side = np.where(scores[name] > np.median(scores[name]), "more", "less")
            found.append(Within(f"nn_mass on a side of {name}", scores["nn_mass"], side))
    return found


def best_by_chance(table: pd.DataFrame, names: Sequence[str]) -> float:
    """Regret of the rule that would come out best if no rule said anything.

    Of many rules the best looks good by chance alone: the accuracies are shuffled among the networks, and
    of the regrets of the best rule, over several shuffles, the median is taken.

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
        best.append(found.loc[found["rule"] != ANY, "regret"].min())
    return float(np.median(best))


def judged(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A row a rule: how far its first choice in one half lies below the best there, over random halves.

    Args:
        table: The networks, as `report.joined` gives.
        names: Scores.

    Returns:
        rule; regret, the points that the choice lies below the best, and its 90th percentile; beaten, the
        share of the half that is better than the choice. The row "any" is a random choice. Empty where there
        are fewer than `LEAST` networks (a half must have more of them than a rule has coefficients), or no
        rule that all of them can be chosen by.
    """
    found = rules(table, names) if len(table) >= LEAST else []
    return _of_halves(found, table["top1"].to_numpy(float), SPLITS) if found else pd.DataFrame()


def _of_halves(all_rules: Sequence[Rule], accuracy: Values, splits: int) -> pd.DataFrame:
    """The rows of `judged`, over so many random halves."""
    generator = np.random.default_rng(0)
    halves = [np.array_split(generator.permutation(len(accuracy)), 2) for _ in range(splits)]
    rows = []
    for rule in all_rules:
        regrets, beaten = [], []
        for known, asked in halves:
            choice = asked[int(np.argmax(rule.values(accuracy, known, asked)))]
            regrets.append(accuracy[asked].max() - accuracy[choice])
            beaten.append((accuracy[asked] > accuracy[choice]).mean())
        rows.append(_row(rule.name, regrets, beaten))
    by_lot = [accuracy[asked].max() - accuracy[asked] for _, asked in halves]
    ranks = [(accuracy[asked] > accuracy[asked][:, None]).mean(1) for _, asked in halves]
    rows.append(_row(ANY, np.concatenate(by_lot), np.concatenate(ranks)))
    return pd.DataFrame(rows).sort_values("regret", ignore_index=True)


def _row(name: str, regrets: Sequence[float] | Values, beaten: Sequence[float] | Values) -> dict[str, object]:
    return {
        "rule": name,
        "regret": float(np.mean(regrets)),
        "regret_90": float(np.quantile(regrets, 0.9)),
        "beaten": float(np.mean(beaten)),
    }
