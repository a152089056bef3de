"""Architectures scored per second on one core, compared with building and counting by fvcore."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

import search_spaces
from benchmarks.record import save
from nas.tables import Population, StageTables
from nas.verify import recount
from search_spaces import Space

SIZES = (10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000)
RUNS = 5
COUNTED = 20


def sampled(space: Space, count: int) -> Population:
    """A uniform random population in Fortran order, with the narrowest integers."""
    options = np.array([len(options) for options in space.choices.values()])
    fractions = np.random.default_rng(0).random((len(options), count), np.float32)
    return np.asarray(fractions * options[:, None], np.min_scalar_type(options.max() - 1)).T


def seconds(tables: StageTables, population: Population) -> list[float]:
    """Seconds to score a population, for each of `RUNS` runs."""
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        tables.score(population)
        taken.append(time.perf_counter() - start)
    return taken


def built_and_counted(space: Space) -> float:
    """Seconds to build an architecture and count it with fvcore; the median of `COUNTED`."""
    taken = []
    for row in sampled(space, COUNTED + 1):
        start = time.perf_counter()
        recount(space.of_options(row))
        taken.append(time.perf_counter() - start)
    return float(np.median(taken[1:]))  # the first one imports torch


def main() -> None:
    """Measure scoring for each space and size, then counting."""
    rows = []
    for name in search_spaces.names():
        space = search_spaces.get(name)
        tables = StageTables.of(space)
        tables.score(sampled(space, 10))
        for size in SIZES:
            taken = seconds(tables, sampled(space, size))
            rows.append({"space": name, "architectures": size, "seconds": np.median(taken),
                         "per_second": size / np.median(taken), "slowest": size / max(taken),
                         "fastest": size / min(taken)})  # fmt: skip
    table = pd.DataFrame(rows)
    save("scoring", table, "python -m benchmarks scoring")
    ratios = []
    for name in ("mobilenet", "mobilenet-wide"):
        counted = built_and_counted(search_spaces.get(name))
        best = table[table["space"] == name].iloc[-1]
        ratios.append({"space": name, "counted_s": counted, "scored_s": 1 / best["per_second"],
                       "ratio": counted * best["per_second"]})  # fmt: skip
    save("scoring_ratio", pd.DataFrame(ratios), "python -m benchmarks scoring")
