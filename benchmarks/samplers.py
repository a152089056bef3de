"""The best NN-Mass that each sampler finds without warm start under 400M FLOPs, after 200 to 5,000 trials."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from unittest import mock

import pandas as pd
from optuna.samplers import NSGAIISampler

from benchmarks.record import save
from nas.exact.problem import Problem, proven_best
from nas.optimize.request import Request
from nas.optimize.run import Run
from nas.optimize.study import MAKERS

SAMPLERS = ("random", "NSGAIISampler", "nsga2", "tpe")
"""`NSGAIISampler` is Optuna's, with its defaults."""
TRIALS = {"mobilenet": (200, 1000, 2000, 5000), "mobilenet-wide": (200, 1000, 2000)}
FLOPS = "400M"


def asked(space: str) -> Request:
    """The search of every run, which keeps to one base width."""
    return Request(space, {"flops": FLOPS})


def measure(space: str, sampler: str, seed: int) -> list[dict[str, object]]:
    """One run, evaluated after each number of `TRIALS`: a shorter run is the beginning of a longer one."""
    own = sampler == "NSGAIISampler"
    request = replace(
        asked(space),
        sampler="nsga2" if own else sampler,
        trials=TRIALS[space][-1],
        seed=seed,
        warm_start=False,
    )
    run = Run(request, Problem.of(request))
    start = time.perf_counter()
    ends: list[float] = []
    with mock.patch.dict(MAKERS, {"nsga2": NSGAIISampler} if own else {}):
        run.explore(on_trial=lambda: ends.append(time.perf_counter() - start))
    rows = []
    for trials in TRIALS[space]:
        number = run.explored["found"].str.removeprefix("trial ").astype(int)
        found = run.explored[number < trials]
        best = found["nn_mass"].max()
        rows.append({"space": space, "sampler": sampler, "seed": seed, "trials": trials, "nn_mass": best,
                     "architectures": len(found), "seconds": ends[trials - 1]})  # fmt: skip
    return rows


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Median, minimum and maximum over the seeds, and the median as a fraction of the proven maximum."""
    groups = runs.groupby(["space", "sampler", "trials"], sort=False)
    table = groups["nn_mass"].agg(["median", "min", "max"]).reset_index()
    maxima = {space: proven_best(Problem.of(asked(space))).values[0] for space in TRIALS}
    table["of_maximum"] = table["median"] / table["space"].map(maxima)
    table["runs"] = groups.size().to_numpy()
    table["seconds"] = groups["seconds"].median().to_numpy()
    return table


def main(seeds: int = 10) -> None:
    """Measure every sampler with every seed in both spaces."""
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
    save("samplers", summarise(runs), "python -m benchmarks samplers")
