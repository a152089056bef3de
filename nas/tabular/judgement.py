"""Judges every closed-form score, and rules made of them, on the networks of a tabular benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nas import proxies
from nas.statistics import Values
from nas.study.selection import RANDOM
from nas.study.stats import MIN_NETWORKS
from nas.tabular import benchmark
from nas.tabular.benchmark import LATENCIES, PUBLISHED, Benchmark
from nas.tabular.choice import Rule, judged
from nas.tabular.correlation import NOTHING, Resamples, correlated
from nas.tabular.frame import SKIPS, closed_forms, scored
from nas.tabular.request import ANY, EVERY, TabularRequest
from search_spaces import RequestError

WITH_SKIPS = " with skips"
"""End of the name of a rule that may only choose networks with a skip connection in every stage."""
_CAPS = 6
"""Caps by default."""


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
    """

    benchmark: Benchmark
    table: pd.DataFrame
    rho: pd.DataFrame
    rules: pd.DataFrame
    summary: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def tried(self) -> int:
        """Number of rules, apart from the random choice."""
        return int((self.summary["rule"] != RANDOM).sum())

    @property
    def selected(self) -> tuple[str, float, float] | None:
        """The best rule in the first random half: its name, and its mean percentile in both halves.

        None if no rule has a percentile there: no choice has another network of equal cost.
        """
        rules = self.summary[self.summary["rule"] != RANDOM].dropna(subset="percentile_half_1")
        if rules.empty:
            return None
        best = rules.sort_values("percentile_half_1").iloc[-1]
        return str(best["rule"]), float(best["percentile_half_1"]), float(best["percentile_half_2"])


def judge(request: TabularRequest) -> Judgement:
    """Read a benchmark and judge all closed-form scores on it.

    Raises:
        RequestError: The data cannot be read, or there are too few networks.
    """
    chosen = benchmark.get(request.benchmark)
    table, notes = _table(chosen, Path(request.data))
    if request.skips != ANY:
        kept = table[table[SKIPS] == (request.skips == EVERY)].reset_index(drop=True)
        notes += (f"{len(kept):,} of {len(table):,} networks have skips: {request.skips}.",)
        table = kept
    if len(table) < MIN_NETWORKS:
        raise RequestError(
            f"{request.data}: {len(table)} networks are too few to judge scores by; at least {MIN_NETWORKS}"
            " are needed"
        )
    resamples = Resamples.of(len(table), request.resamples, request.seed)
    scores = {name: _signed(table, name) for name in closed_forms()}
    speeds = [str(name) for name in table if str(name).startswith(LATENCIES) and table[name].nunique() > 1]
    costs = {name: table[name].to_numpy(float) for name in ("flops", "params", *speeds)}
    rho = correlated(scores, table["top1"].to_numpy(float), costs, resamples)
    caps, without = _met(
        request.given_caps() or chosen.caps or _spaced(table["flops"].to_numpy(float)), table
    )
    notes += without
    rules, summary = judged(_rules(scores, table), table, caps, resamples)
    return Judgement(chosen, table, rho, rules, summary, notes)


def _table(chosen: Benchmark, path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Scores, costs and accuracy of the networks of a benchmark, and lines about it."""
    published = chosen.read(path).averaged()
    if not published.networks:
        raise RequestError(f"{path} has no networks that a search space can express; give another table")
    found = published.table.reset_index(drop=True)
    table = pd.concat([scored(published.networks), found], axis=1)
    notes = published.notes
    if f"{PUBLISHED}params" in table:
        differences = (table["params"] - table[f"{PUBLISHED}params"]).abs()
        equal = int((differences < chosen.params_unit).sum())
        largest = float((differences / table["params"]).max())
        notes += (
            f"Parameters equal the published ones for {equal:,} of {len(table):,} networks"
            + (f"; the largest difference is {100 * largest:.2g}%." if equal < len(table) else "."),
        )
    return table, notes


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


def _met(caps: Sequence[float], table: pd.DataFrame) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The caps that some network meets, and a line about the others.

    Raises:
        RequestError: No network meets any.
    """
    least = table["flops"].min()
    met = tuple(cap for cap in caps if cap >= least)
    if not met:
        raise RequestError(
            f"the largest cap is {max(caps):,.0f}, but no network has less than {least:,.0f} FLOPs"
        )
    missed = len(caps) - len(met)
    return met, (f"No network meets the smallest {missed} of {len(caps)} caps.",) if missed else ()


def _spaced(cost: Values) -> Sequence[float]:
    """Evenly spaced caps between the 10% and the 90% quantile, of two or three digits."""
    low, high = np.quantile(cost, [0.1, 0.9])
    return tuple(dict.fromkeys(float(f"{cap:.2e}") for cap in np.linspace(low, high, _CAPS)))


def at_equal(rho: pd.DataFrame, held: str = NOTHING) -> pd.DataFrame:
    """The rows of a table of correlations that hold a cost equal."""
    return rho[rho["held_equal"] == held]
