"""What a rule chooses under a cap: its percentile among networks of equal cost, and its regret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.statistics import Values
from nas.study.selection import RANDOM
from nas.tabular.correlation import Resamples

TEN = 10
"""Networks of a choice whose mean is reported beside the first one."""
NEAR = 0.05
"""Largest relative difference of cost of networks that count as equal in cost."""
_READ = 200
"""First networks of a ranking that are looked at: in any resample more than `TEN` of them are there."""
_SAMPLE = 200
"""Networks that stand for a random choice."""


@dataclass(frozen=True)
class Rule:
    """Choose the network with the largest score among those that a filter leaves.

    Attributes:
        name: Name in tables.
        score: Score of each network; more is better.
        allowed: Whether the rule may choose a network.
    """

    name: str
    score: Values
    allowed: NDArray[np.bool_]


class Judge:
    """The networks of a table, by which choices are judged.

    Args:
        cost: Cost of each network.
        accuracy: Accuracy of each network.
        resamples: Weights of the networks.
    """

    def __init__(self, cost: Values, accuracy: Values, resamples: Resamples) -> None:
        self.cost, self.accuracy, self.weights = cost, accuracy, resamples.weights
        self._there = self.weights > 0
        self._percentiles: dict[int, Values] = {}

    def percentile(self, network: int) -> Values:
        """Percentile of a network's accuracy among the others of its cost, for each column of weights.

        Half of the networks of equal accuracy count as worse; nan where there are no others.
        """
        if network not in self._percentiles:
            equal = np.abs(self.cost - self.cost[network]) <= NEAR * self.cost[network]
            others = self.weights[equal]
            accuracy = self.accuracy[equal]
            below = (accuracy < self.accuracy[network]) + 0.5 * (accuracy == self.accuracy[network])
            own = self.weights[network]
            count = others.sum(axis=0) - own
            with np.errstate(divide="ignore", invalid="ignore"):
                found = 100 * (below @ others - own / 2) / count
            self._percentiles[network] = np.where(count > 0, found, np.nan)
        return self._percentiles[network]

    def best(self, cap: float) -> Values:
        """Accuracy of the best network within a cap, for each column of weights; nan where there is none."""
        inside = np.flatnonzero(self.cost <= cap)
        order = inside[np.argsort(-self.accuracy[inside], kind="stable")][:_READ]
        there = self._there[order]
        first = self.accuracy[order][np.argmax(there, axis=0)]
        return np.where(there.any(axis=0), first, np.nan)

    def of_first(self, order: NDArray[np.intp], best: Values, count: int) -> tuple[Values, Values]:
        """Mean percentile and mean regret of the first networks of a ranking that a resample has.

        Args:
            order: Networks, best score first.
            best: Accuracy of the best network within the cap.
            count: How many networks to choose.
        """
        there = self._there[order[:_READ]]
        chosen = there & (np.cumsum(there, axis=0) <= count)
        numbers = chosen.sum(axis=0)
        percentiles, regrets = np.zeros((2, there.shape[1]))
        for place in np.flatnonzero(chosen.any(axis=1)):
            of_network, network = chosen[place], int(order[place])
            percentiles += np.where(of_network, self.percentile(network), 0)
            regrets += np.where(of_network, best - self.accuracy[network], 0)
        with np.errstate(invalid="ignore"):
            return percentiles / numbers, regrets / numbers

    def near(self, cap: float) -> NDArray[np.bool_]:
        """Which networks cost nearly the cap, and not more."""
        near: NDArray[np.bool_] = (self.cost <= cap) & (self.cost >= (1 - NEAR) * cap)
        return near

    def of_random(self, cap: float, best: Values) -> tuple[Values, Values]:
        """Expected percentile and regret of a random network that costs nearly the cap.

        The percentile is that of networks that have others of their cost.
        """
        inside = np.flatnonzero(self.near(cap))
        if len(inside) > _SAMPLE:
            inside = np.sort(np.random.default_rng(0).choice(inside, _SAMPLE, replace=False))
        weights = self.weights[inside]
        percentiles = np.stack([self.percentile(int(network)) for network in inside] or [best * np.nan])
        known = weights * np.isfinite(percentiles)
        with np.errstate(divide="ignore", invalid="ignore"):
            percentile = (np.nan_to_num(percentiles) * known).sum(axis=0) / known.sum(axis=0)
            regret = best - self.accuracy[inside] @ weights / weights.sum(axis=0)
        return percentile, regret


def judged(
    rules: Sequence[Rule],
    table: pd.DataFrame,
    caps: Sequence[float],
    resamples: Resamples,
    cost: str = "flops",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge what rules choose under caps.

    Args:
        rules: The rules; a random choice is added.
        table: arch, top1, nn_mass, params and the cost of each network.
        caps: Largest costs.
        resamples: Weights of the networks.
        cost: Name of the cost.

    Returns:
        One row per rule and cap, and one row per rule of the means over the caps under which every rule has a
        choice, the largest percentile first. Rules without a choice under any cap are left out.
        Columns: rule; of the first table cap, networks (within the cap and the filter), arch and cost of the
        choice; percentile, regret (points below the best network within the cap) of the first network, and
        percentile_ten, regret_ten, means of the first ten; each with its 95% bootstrap interval and its value
        in two random halves of the table.
    """
    judge = Judge(table[cost].to_numpy(float), table["top1"].to_numpy(float), resamples)
    best = {cap: judge.best(cap) for cap in caps}
    of_rules = [_of_rule(rule, judge, best, table, cost) for rule in rules]
    of_rules = [each for each in of_rules if each.values]
    shared = [cap for cap in caps if all(cap in each.values for each in of_rules)]
    choices = [*of_rules, _of_random(judge, best)]
    rows = pd.DataFrame([row for each in choices for row in each.rows(resamples)])
    means = pd.DataFrame([each.mean(shared, resamples) for each in choices])
    return rows, means.sort_values("percentile", ascending=False, ignore_index=True, kind="stable")


@dataclass(frozen=True)
class _Choices:
    """The choices of a rule under the caps under which it has one.

    Attributes:
        rule: Name of the rule.
        facts: By cap, number of networks, arch and cost of the choice.
        values: By cap, percentile and regret of the first network and of the first ten.
    """

    rule: str
    facts: Mapping[float, Mapping[str, object]]
    values: Mapping[float, Mapping[str, Values]]

    def rows(self, resamples: Resamples) -> Iterator[dict[str, object]]:
        """One row per cap."""
        for cap, found in self.values.items():
            yield {"rule": self.rule, "cap": cap, **self.facts[cap], **_columns(found, resamples)}

    def mean(self, caps: Sequence[float], resamples: Resamples) -> dict[str, object]:
        """The row of the means over some caps, under each of which there is a choice."""
        found = _mean([self.values[cap] for cap in caps])
        return {"rule": self.rule, **_columns(found, resamples)}


def _of_rule(
    rule: Rule, judge: Judge, best: Mapping[float, Values], table: pd.DataFrame, cost: str
) -> _Choices:
    order = _order(rule, table, cost)
    facts, values = {}, {}
    for cap, of_best in best.items():
        inside = order[judge.cost[order] <= cap]
        if len(inside):
            chosen = table.iloc[int(inside[0])]
            facts[cap] = {"networks": len(inside), "arch": chosen["arch"], cost: chosen[cost]}
            values[cap] = _named(judge.of_first(inside, of_best, 1), judge.of_first(inside, of_best, TEN))
    return _Choices(rule.name, facts, values)


def _of_random(judge: Judge, best: Mapping[float, Values]) -> _Choices:
    facts, values = {}, {}
    for cap, of_best in best.items():
        facts[cap] = {"networks": int(judge.near(cap).sum())}
        one = judge.of_random(cap, of_best)
        values[cap] = _named(one, one)
    return _Choices(RANDOM, facts, values)


def _named(first: tuple[Values, Values], ten: tuple[Values, Values]) -> dict[str, Values]:
    """The columns of percentile and regret of a first network, and of the first ten."""
    return dict(zip(("percentile", "regret", "percentile_ten", "regret_ten"), (*first, *ten), strict=True))


def _order(rule: Rule, table: pd.DataFrame, cost: str) -> NDArray[np.intp]:
    """The networks that a rule may choose, best first; ties by NN-Mass and cost, as in a search."""
    allowed = np.flatnonzero(rule.allowed)
    ties = (table["params"], table[cost], -table["nn_mass"])
    keys = [values.to_numpy(float)[allowed] for values in ties]
    order: NDArray[np.intp] = allowed[np.lexsort((*keys, -rule.score[allowed]))]
    return order


def _mean(values: Sequence[Mapping[str, Values]]) -> dict[str, Values]:
    """The mean over caps of each value, where it is known."""
    names = values[0] if values else {}
    found = {}
    for name in names:
        known = np.stack([each[name] for each in values])
        there = np.isfinite(known)
        with np.errstate(invalid="ignore"):
            found[name] = np.where(there, known, 0).sum(axis=0) / there.sum(axis=0)
    return found


def _columns(values: Mapping[str, Values], resamples: Resamples) -> dict[str, float]:
    return {key: each for name, found in values.items() for key, each in resamples.row(name, found).items()}
