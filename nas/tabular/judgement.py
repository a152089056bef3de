"""Judges scores, and rules made of them, on the networks of a tabular benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nas import proxies
from nas.statistics import Values
from nas.study.selection import RANDOM
from nas.tabular.benchmark import LATENCIES, Benchmark
from nas.tabular.choice import Rule, judged
from nas.tabular.correlation import NOTHING, Resamples, correlated
from nas.tabular.frame import SKIPS, closed_forms
from nas.tabular.population import Population
from nas.tabular.request import TabularRequest

WITH_SKIPS = " with skips"
"""End of the name of a rule that may only choose networks with a skip connection in every stage."""


@dataclass(frozen=True)
class Judgement:
    """What the networks of a benchmark say about scores.

    Attributes:
        benchmark: The benchmark.
        table: One row per network: arch, scores, costs, top1 and what else was published.
        rho: Rank correlations, as `nas.tabular.correlation.correlated` returns them.
        rules: What rules choose under each cap, as `nas.tabular.choice.judged` returns it.
        summary: The means over caps.
        notes: Lines about the table.
        measured: arch, and value and seconds of each score, if some were measured.
    """

    benchmark: Benchmark
    table: pd.DataFrame
    rho: pd.DataFrame
    rules: pd.DataFrame
    summary: pd.DataFrame
    notes: tuple[str, ...]
    measured: pd.DataFrame | None = None

    @property
    def tried(self) -> int:
        """Number of rules, apart from the random choice."""
        return int((self.summary["rule"] != RANDOM).sum())

    @property
    def has_percentiles(self) -> bool:
        """Whether the choices of every rule have other networks of equal cost."""
        return bool(self.summary["percentile"].notna().all())

    @property
    def selected(self) -> tuple[str, float, float] | None:
        """The best rule in the first random half: its name, and its mean percentile in both halves.

        Ties go to the least regret there, then to the first name: the order of the summary knows both halves.
        None if no rule has percentiles there: no choice has another network of equal cost.
        """
        halves = ["percentile_half_1", "percentile_half_2"]
        rules = self.summary[self.summary["rule"] != RANDOM].dropna(subset=halves)
        if rules.empty:
            return None
        by = {"percentile_half_1": False, "regret_half_1": True, "rule": True}
        best = rules.sort_values(list(by), ascending=list(by.values())).iloc[0]
        return str(best["rule"]), float(best["percentile_half_1"]), float(best["percentile_half_2"])


def judge(request: TabularRequest, population: Population, measured: pd.DataFrame | None = None) -> Judgement:
    """Judge all closed-form scores, and measured ones, on the networks of a benchmark.

    Args:
        request: The request.
        population: Its networks.
        measured: arch, the measured scores, and the seconds of all scores, one row for each network.
    """
    table, notes, names = population.table, population.notes, closed_forms()
    seconds: dict[str, float] = {}
    if measured is not None:
        names += request.measure
        seconds = {name: float(measured[f"{name}_seconds"].median()) for name in names}
        table = table.merge(measured[["arch", *request.measure]], on="arch", how="left", validate="1:1")
        notes += _undefined(table, request.measure)
    resamples = Resamples.of(len(table), request.resamples, request.seed)
    scores = {name: _signed(table, name) for name in names}
    speeds = [str(name) for name in table if str(name).startswith(LATENCIES) and table[name].nunique() > 1]
    costs = {name: table[name].to_numpy(float) for name in ("flops", "params", *speeds)}
    rho = correlated(scores, table["top1"].to_numpy(float), costs, resamples, population.band)
    if seconds:
        rho["seconds"] = rho["score"].map(seconds)
    rules, summary = judged(_rules(scores, table), table, population.caps, resamples)
    return Judgement(population.benchmark, table, rho, rules, summary, notes, measured)


def _undefined(table: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """A line about each score that is not a finite number for some networks."""
    counts = {name: int((~np.isfinite(table[name].to_numpy(float))).sum()) for name in names}
    return tuple(
        f"{name} is infinite or undefined for {count:,} of {len(table):,} networks, which count as ties."
        for name, count in counts.items()
        if count
    )


def _signed(table: pd.DataFrame, name: str) -> Values:
    """A score, signed so that more is better; undefined values are the worst."""
    values = table[name].to_numpy(float) * (1 if proxies.get(name).more_is_better else -1)
    return np.where(np.isnan(values), -np.inf, values)


def _rules(scores: dict[str, Values], table: pd.DataFrame) -> list[Rule]:
    """A rule for each score, and the same with skips in every stage where that excludes some networks."""
    everything, skips = np.ones(len(table), bool), table[SKIPS].to_numpy(bool)
    rules = [Rule(name, score, everything) for name, score in scores.items()]
    if skips.any() and not skips.all():
        rules += [Rule(f"{name}{WITH_SKIPS}", score, skips) for name, score in scores.items()]
    return rules


def at_equal(rho: pd.DataFrame, held: str = NOTHING) -> pd.DataFrame:
    """The rows of a table of correlations that hold a cost equal."""
    return rho[rho["held_equal"] == held]
