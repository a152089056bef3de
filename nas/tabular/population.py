"""The networks of a benchmark that scores are judged on: read, filtered by their skips, and sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.statistics import Values
from nas.study.stats import MIN_NETWORKS
from nas.tabular import benchmark
from nas.tabular.benchmark import PUBLISHED, Benchmark
from nas.tabular.correlation import BAND
from nas.tabular.frame import SKIPS, scored
from nas.tabular.request import ANY, EVERY, SAMPLED, TabularRequest
from search_spaces import RequestError
from search_spaces.chain import ChainArchitecture

_CAPS = 6
"""Caps by default."""


@dataclass(frozen=True)
class Population:
    """The networks that scores are judged on.

    Attributes:
        benchmark: The benchmark.
        networks: The networks.
        table: One row per network: arch, closed-form scores, costs, top1 and what else was published.
        caps: Caps of FLOPs under which rules choose.
        band: Smallest number of networks in a band of equal cost.
        notes: Lines about the table.
    """

    benchmark: Benchmark
    networks: Sequence[ChainArchitecture]
    table: pd.DataFrame
    caps: tuple[float, ...]
    band: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, request: TabularRequest) -> Self:
        """Read the networks of a request.

        Raises:
            RequestError: The data cannot be read, there are too few networks, or none meets a cap.
        """
        chosen = benchmark.get(request.benchmark)
        networks, table, notes = _read(chosen, Path(request.data))
        kept = np.arange(len(table))
        if request.skips != ANY:
            kept = np.flatnonzero(table[SKIPS] == (request.skips == EVERY))
            notes += (f"{len(kept):,} of {len(table):,} networks have skips: {request.skips}.",)
        band, flops = BAND, table["flops"].to_numpy(float)
        if request.sampled is not None and request.sampled < len(kept):
            drawn = kept[drawn_evenly(flops[kept], request.sampled, request.seed)]
            bands = request.sampled // SAMPLED
            notes += (
                f"{len(drawn):,} of {len(kept):,} networks are judged, drawn at random from {bands} bands of"
                " equal FLOPs.",
            )
            band, kept = SAMPLED, drawn
        if len(kept) < MIN_NETWORKS:
            raise RequestError(
                f"{request.data}: {len(kept)} networks are too few to judge scores by; at least"
                f" {MIN_NETWORKS} are needed"
            )
        _check_accuracies(request.data, table["top1"].iloc[kept])
        caps = request.given_caps() or chosen.caps or _spaced(flops[kept])
        met, without = _met(caps, flops[kept])
        table = table.iloc[kept].reset_index(drop=True)
        return cls(chosen, [networks[index] for index in kept.tolist()], table, met, band, notes + without)


def _check_accuracies(data: str, accuracy: pd.Series[float]) -> None:
    """Check that accuracies are percent, and differ.

    Raises:
        RequestError: They are not, or do not.
    """
    least, most = accuracy.min(), accuracy.max()
    if least < 0 or not 1 < most <= 100:
        way = "; multiply fractions by 100" if least >= 0 and most <= 1 else ""
        raise RequestError(f"{data}: top1 is from {least:g} to {most:g}, expected percent{way}")
    if least == most:
        raise RequestError(f"{data}: top1 is {most:g} for every network; scores are judged by differences")


def drawn_evenly(cost: Values, count: int, seed: int) -> NDArray[np.intp]:
    """Draw networks from bands of nearly equal cost that are spread evenly over the networks.

    The networks, in the order of cost, are cut into parts of equal size, one per `SAMPLED` networks to draw.
    From the middle `BAND` networks of each part, equally many are drawn at random. Bands of the sample then
    differ as little in cost as those of a whole table, which would not hold for a uniform sample.

    Args:
        cost: Cost of each network.
        count: Networks to draw, at least `SAMPLED` and fewer than there are.
        seed: Seed of the draw.

    Returns:
        Indices of the networks, in ascending order.
    """
    generator = np.random.default_rng(seed)
    parts = np.array_split(np.argsort(cost, kind="stable"), count // SAMPLED)
    found = []
    for part, share in zip(parts, np.array_split(np.arange(count), len(parts)), strict=True):
        width = min(max(BAND, len(share)), len(part))
        first = (len(part) - width) // 2
        found.append(generator.choice(part[first : first + width], len(share), replace=False))
    drawn: NDArray[np.intp] = np.sort(np.concatenate(found))
    return drawn


def _read(chosen: Benchmark, path: Path) -> tuple[Sequence[ChainArchitecture], pd.DataFrame, tuple[str, ...]]:
    """The networks of a benchmark, their scores, costs and accuracy, and lines about them."""
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
    return published.networks, table, notes


def _met(caps: Sequence[float], cost: Values) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The caps that some network meets, and a line about the others.

    Raises:
        RequestError: No network meets any.
    """
    least = cost.min()
    met = tuple(cap for cap in caps if cap >= least)
    if not met:
        raise RequestError(
            f"the largest cap is {max(caps):,.0f}, but no network has less than {least:,.0f} FLOPs; give"
            " larger --caps"
        )
    missed = len(caps) - len(met)
    return met, (f"No network meets the smallest {missed} of {len(caps)} caps.",) if missed else ()


def _spaced(cost: Values) -> Sequence[float]:
    """Evenly spaced caps between the 10% and the 90% quantile, of two or three digits."""
    low, high = np.quantile(cost, [0.1, 0.9])
    return tuple(dict.fromkeys(float(f"{cap:.2e}") for cap in np.linspace(low, high, _CAPS)))
