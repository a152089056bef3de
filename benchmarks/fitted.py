"""Fitted scores: time of a fit, of proofs under several budgets, and of scoring compared with NN-Mass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import search_spaces
from benchmarks.record import save
from benchmarks.scoring import sampled
from nas import exact, proxies
from nas.fit.fitting import Aim, fit
from nas.fit.table import Trained
from nas.tables import StageTables
from nas.tabular.benchmark import Published
from search_spaces import MBConv

RUNS = 5
NETWORKS = 4000
_NOISE = 0.26
"""Standard deviation of accuracies over seeds in Accel-NASBench, in points."""
_SIZE = 1_000_000
_LIMITS: dict[str, dict[str, Any]] = {
    "FLOPs": {},
    "FLOPs, parameters": {"params": "5M"},
    "FLOPs, parameters, one latency": {"params": "5M", "at_most": {"latency-zcu102": "5ms"}},
    "FLOPs, parameters, latency, throughput": {
        "params": "5M",
        "at_most": {"latency-zcu102": "6ms"},
        "at_least": {"throughput-a100": "8K"},
    },
}


def timed(function: Callable[[], object]) -> dict[str, float]:
    """Median seconds of `RUNS` calls, of the wall and of the processor, after one more call."""
    function()
    taken = []
    for _ in range(RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    seconds, cpu_seconds = np.median(taken, axis=0).tolist()
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "slowest": max(wall for wall, _ in taken)}


def trained() -> Trained:
    """Random networks of mbconv, with the accuracy that the shipped score predicts and noise."""
    space, score = search_spaces.get("mbconv"), proxies.get("imagenet").stage_sum
    networks = [space.of_options(row) for row in sampled(space, NETWORKS).tolist()]
    chains = [network for network in networks if isinstance(network, MBConv)]
    assert score is not None
    noise = np.random.default_rng(0).normal(scale=_NOISE, size=NETWORKS)
    top1 = np.array([score.of(network) for network in chains]) + noise
    return Trained.of(Published(chains, pd.DataFrame({"top1": top1})), "top1", None, "random networks")


def main() -> None:
    """Measure fits, proofs and scoring for mbconv."""
    rows = []
    table = trained()
    aim = Aim("measured", "top1", "%", more_is_better=True)
    rows.append({"question": f"fit to {NETWORKS:,} networks", **timed(lambda: fit(table, aim))})
    for name, limits in _LIMITS.items():

        def best(limits: dict[str, Any] = limits) -> pd.DataFrame:
            return exact.best("mbconv", 10, flops="400M", score="imagenet", **limits)

        rows.append({"question": f"ten best under {name}", **timed(best), "gap": best().attrs["gap"]})
    space = search_spaces.get("mbconv")
    population = sampled(space, _SIZE)
    scores = {"NN-Mass": (), "imagenet": ("imagenet",), "imagenet, latency": ("imagenet", "latency-zcu102")}
    for name, wanted in scores.items():
        sums = [one for score in wanted if (one := proxies.get(score).stage_sum)]
        tables = StageTables.of(space, sums)
        found = timed(lambda tables=tables: tables.score(population))  # type: ignore[misc]  # bound at once
        rows.append({"question": f"score by {name}", **found, "per_second": _SIZE / found["cpu_seconds"]})
    save("fitted", pd.DataFrame(rows), "python -m benchmarks fitted")
