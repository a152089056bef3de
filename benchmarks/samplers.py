"""The best NN-Mass that each sampler finds under 400M FLOPs, after 200, 1,000 and 5,000 trials."""

from __future__ import annotations

import sys
import time

import pandas as pd

from benchmarks.record import save
from nas.problem import Problem
from nas.search.request import Request
from nas.search.run import Run
from nas.stage_tables import enumerate_all

SAMPLERS = ("random", "NSGAIISampler", "nsga2", "tpe")
TRIALS = {"mobilenet": (200, 1000, 2000, 5000), "mobilenet-wide": (200, 1000, 2000)}
BUDGET = {"flops": "400M"}


def measure(space: str, sampler: str, seed: int) -> list[dict[str, object]]:
    """One run, looked at after each of `TRIALS`: a run of fewer trials is the start of a longer one."""
    request = Request(space, BUDGET, sampler=sampler, trials=TRIALS[space][-1], seed=seed)
    run = Run(request, Problem.of(request))
    start = time.perf_counter()
    ends: list[float] = []
    run.explore(on_trial=lambda: ends.append(time.perf_counter() - start))
    rows = []
    for trials in TRIALS[space]:
        found = run.found[run.found["trial"] < trials]
        best = found["nn_mass"].max()
        rows.append({"space": space, "sampler": sampler, "seed": seed, "trials": trials, "nn_mass": best,
                     "architectures": len(found), "seconds": ends[trials - 1]})  # fmt: skip
    return rows


def maximum() -> float:
    """The largest NN-Mass under the budget in the default space, by looking at every architecture."""
    problem = Problem.of(Request("mobilenet", BUDGET))
    figures = problem.tables.score(enumerate_all(problem.space))
    return float(figures["nn_mass"][problem.goal.meets(figures)].max())


def summarise(runs: pd.DataFrame, proven: float) -> pd.DataFrame:
    """Median, least and largest over the seeds; in the default space also as a share of the maximum."""
    groups = runs.groupby(["space", "sampler", "trials"], sort=False)
    table = groups["nn_mass"].agg(["median", "min", "max"]).reset_index()
    table["of_maximum"] = (table["median"] / proven).where(table["space"] == "mobilenet")
    table["runs"] = groups.size().to_numpy()
    table["seconds"] = groups["seconds"].median().to_numpy()
    return table


def main(seeds: int = 10) -> None:
    """Measure every sampler with every seed, in the default space and in the wide one."""
    rows: list[dict[str, object]] = []
    for space in TRIALS:
        for sampler in SAMPLERS:
            for seed in range(seeds):
                rows += measure(space, sampler, seed)
                print(
                    space,
                    sampler,
                    seed,
                    rows[-1]["nn_mass"],
                    rows[-1]["seconds"],
                    file=sys.stderr,
                    flush=True,
                )
    runs = pd.DataFrame(rows)
    save("samplers_runs", runs, "python -m benchmarks samplers")
    save("samplers", summarise(runs, maximum()), "python -m benchmarks samplers")
